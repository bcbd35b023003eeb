"""Which small changes of a rulebook its tests notice."""

from __future__ import annotations

import dataclasses

import pytest

from lemonade_es.engine.assay import survival as survival_module
from lemonade_es.engine.assay.survival import find_survivors
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.selftest import facts_of, outcome, selftest
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.rules.mutation import mutants
from lemonade_es.rules.selftest import run_tests

HEAD = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL, changes: conv_layers, direction: increase}
  RCL: {text: Reduce, conflicts_with: ACL, changes: conv_layers, direction: reduce}
rules:
"""
LOW = "{id: low, when: T_Acc < 0.5, weight: 1, instruct: [ACL], because: x}"
TIGHT = (
    "{name: just below, given: {T_Acc: 0.495}, expect: {fired: [low], instructions: {ACL: 1}}}",
    "{name: on it, given: {T_Acc: 0.5, V_Acc: 0.2}, expect: {not_fired: [low]}}",
    "{name: above, given: {T_Acc: 0.52, V_Acc: 0.2}, expect: {not_fired: [low]}}",
)


def book(*rules, tests=()):
    text = HEAD + "".join(f"  - {rule}\n" for rule in rules)
    return parse_rulebook(text + ("tests:\n" if tests else "") + "".join(f"  - {test}\n" for test in tests), "b.yaml")


def passes(rulebook):
    def infer(given):
        return outcome(rulebook, evaluate(rulebook, facts_of(rulebook, given)))

    return all(result.passed for result in run_tests(rulebook, infer))


def test_tests_at_each_side_of_the_boundary_notice_every_change():
    found = find_survivors(book(LOW, tests=TIGHT))
    assert (found.score, found.survivors, found.equivalent) == (1.0, (), ())
    assert found.killed == found.tried == found.made > 10


def test_without_the_test_on_the_boundary_its_operator_may_change_unnoticed():
    rulebook = book(LOW, tests=(TIGHT[0], TIGHT[2]))
    found = find_survivors(rulebook)
    assert "low: `T_Acc < 0.5` becomes `T_Acc <= 0.5`" in {item.mutant.sentence for item in found.survivors}
    assert found.score == found.killed / found.tried < 1


@pytest.mark.parametrize("tests", [TIGHT[:1], TIGHT[1:], ()])
def test_as_many_are_killed_as_fail_when_every_test_is_run_on_every_mutant(tests):
    other = '{id: fast, when: "not (F < TF) or T_Acc > V_Acc and failed", weight: PV_Acc, instruct: [RCL], because: x}'
    rulebook = book(LOW, other, tests=tests)
    failing = [mutant for mutant in mutants(rulebook) if not passes(mutant.applied(rulebook))]
    found = find_survivors(rulebook)
    assert found.killed == len(failing)
    assert found.made == found.killed + len(found.survivors) + len(found.equivalent)


@pytest.mark.parametrize("name", ["lemonade", "text"])
def test_each_survivor_comes_with_a_test_that_the_rulebook_passes_and_the_mutant_fails(name):
    rulebook = load_rulebook(find_rulebook(name))
    few = dataclasses.replace(rulebook, tests=rulebook.tests[::6])
    found = find_survivors(few)
    assert found.survivors
    for item in found.survivors:
        right = dataclasses.replace(few, tests=(item.test,))
        assert not passes(item.mutant.applied(right)), item.mutant.sentence
    assert all(result.passed for result in selftest(dataclasses.replace(few, tests=found.tests())))


def test_with_the_suggested_tests_every_survivor_is_killed():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    few = dataclasses.replace(rulebook, tests=rulebook.tests[:2])
    first = find_survivors(few)
    assert first.score < 0.5
    second = find_survivors(dataclasses.replace(few, tests=(*few.tests, *first.tests())))
    assert [item.mutant.sentence for item in second.survivors] == []


def test_a_part_that_occurs_twice_keeps_the_test_of_each():
    twice = '{id: r, when: "(V_Acc < 0.5 and F < 100) or (V_Acc < 0.5 and P > 10)", conclude: odd, because: x}'
    first = find_survivors(book(twice))
    names = [test.name for test in first.tests()]
    assert len(set(names)) < len(names)
    second = find_survivors(dataclasses.replace(book(twice), tests=first.tests()))
    assert [item.mutant.sentence for item in second.survivors] == []


def test_a_suggested_test_says_no_more_than_it_needs():
    (item,) = (
        item
        for item in find_survivors(book(LOW, "{id: s, when: F < TF, conclude: slow, because: x}")).survivors
        if item.mutant.sentence == "low: `T_Acc < 0.5` becomes `T_Acc <= 0.5`"
    )
    assert dict(item.test.given) == {"T_Acc": 0.5}
    assert (item.test.fired, item.test.not_fired, item.test.instructions) == (None, ("low",), {})


def test_a_change_of_weights_is_told_by_what_is_left_after_conflicts():
    found = find_survivors(book(LOW, tests=("{name: t, given: {T_Acc: 0.3}, expect: {fired: [low]}}",)))
    tests = {item.mutant.sentence: item.test for item in found.survivors}
    assert tests["low: weight `1` becomes `1 * 2`"].instructions == {"ACL": 1.0}
    assert tests["low: ACL is not given"].instructions == {"ACL": 1.0}


def test_what_makes_no_difference_is_not_counted():
    rule = '{id: low, when: "T_Acc < 0.5 or T_Acc < 0.4", weight: 1, instruct: [ACL], because: x}'
    found = find_survivors(book(rule, tests=TIGHT))
    assert "low: `T_Acc < 0.4` is left out" in {mutant.sentence for mutant in found.equivalent}
    assert found.score == 1.0
    assert found.killed == found.tried - len(found.equivalent) < found.tried


def test_a_test_that_fails_anyway_notices_nothing():
    wrong = "{name: wrong, given: {T_Acc: 0.1}, expect: {instructions: {ACL: 9}}}"
    assert find_survivors(book(LOW, tests=(wrong,))).killed == 0


def test_without_tests_nothing_is_noticed():
    found = find_survivors(book(LOW))
    assert (found.killed, found.score) == (0, 0.0)
    assert len(found.survivors) == found.tried


def test_a_rulebook_in_which_nothing_makes_a_difference_has_no_score():
    found = find_survivors(book('{id: never, when: "T_Acc < -5", conclude: odd, because: x}'))
    changed = [mutant for mutant in found.equivalent if mutant.change in ("boundary", "rule")]
    assert len(changed) == 3
    empty = dataclasses.replace(found, tried=len(found.equivalent), killed=0, survivors=())
    assert empty.score is None


def test_of_too_many_mutants_a_choice_is_tried(monkeypatch):
    rulebook = load_rulebook(find_rulebook("lemonade"))
    monkeypatch.setattr(survival_module, "WORK", 0)
    monkeypatch.setattr(survival_module, "FEWEST_MUTANTS", 20)
    found = find_survivors(rulebook, seed=1)
    assert found.tried == 20 < found.made
    assert find_survivors(rulebook, seed=1) == found


def test_situations_at_boundaries_find_differences_that_random_ones_miss():
    rulebook = book('{id: r, when: "T_Acc * V_Acc == 0.1875", weight: 1, instruct: [ACL], because: x}')

    def missed(found):
        return {mutant.change for mutant in found.equivalent}

    near = {"r": [{"T_Acc": 0.75, "V_Acc": 0.25}]}
    assert len(missed(find_survivors(rulebook, near))) <= len(missed(find_survivors(rulebook)))
    assert "rule" not in missed(find_survivors(rulebook, near))


def test_the_json_has_the_figures_and_each_survivor_with_its_test():
    data = find_survivors(book(LOW, tests=(TIGHT[0], TIGHT[2]))).to_json()
    assert data["mutants"] == data["killed"] + data["equivalent"] + len(data["survivors"])
    item = data["survivors"][0]
    assert set(item) == {"id", "rule", "place", "change", "sentence", "test"}
    assert set(item["test"]) == {"name", "given", "expect"}
    assert item["place"] == "b.yaml:7:21"
