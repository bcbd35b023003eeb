"""Mutants: each is one small change of one rule, and says what it is."""

from __future__ import annotations

import pytest

from lemonade_es.rules.expression import parse_expression
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.rules.mutation import mutants

HEAD = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL, changes: conv_layers, direction: increase}
  RCL: {text: Reduce, conflicts_with: ACL, changes: conv_layers, direction: reduce}
rules:
"""


def book(*rules):
    return parse_rulebook(HEAD + "".join(f"  - {rule}\n" for rule in rules), "b.yaml")


def sentences(rulebook, change):
    return [mutant.sentence for mutant in mutants(rulebook) if mutant.change == change]


def of(when, change, *others):
    rulebook = book(f'{{id: r, when: "{when}", weight: 1, instruct: [ACL], because: x}}', *others)
    return [said.removeprefix("r: ") for said in sentences(rulebook, change) if said.startswith("r: ")]


SEEN = "{id: s, when: T_Acc > 0.5, conclude: seen, because: x}"


@pytest.mark.parametrize(
    ("written", "others"),
    [("<", "<= >= >"), ("<=", "< > >="), (">", ">= <= <"), (">=", "> < <="), ("==", "!= <= >="), ("!=", "== < >")],
)
def test_each_operator_becomes_its_neighbour_and_its_opposite(written, others):
    changed = [f"`F {written} TF` becomes `F {other} TF`" for other in others.split()]
    assert of(f"F {written} TF", "comparison") == changed


def test_each_operator_of_a_chain_is_changed_by_itself():
    assert "`0 < F < TF` becomes `0 <= F < TF`" in of("0 < F < TF", "comparison")
    assert "`0 < F < TF` becomes `0 < F <= TF`" in of("0 < F < TF", "comparison")


def test_and_becomes_or_and_each_operand_is_left_out_once():
    assert of("failed and nonfinite", "connective") == ["`failed and nonfinite` becomes `failed or nonfinite`"]
    assert of("failed or nonfinite", "connective") == ["`failed or nonfinite` becomes `failed and nonfinite`"]
    assert of("failed and nonfinite and F < TF", "operand") == [
        "`failed` is left out",
        "`nonfinite` is left out",
        "`F < TF` is left out",
    ]


def test_not_is_dropped_and_added():
    assert of("not seen", "negation", SEEN) == ["`not seen` becomes `seen`"]
    assert of("seen", "negation", SEEN) == ["`seen` becomes `not seen`"]
    assert of("failed", "negation") == ["`failed` becomes `not failed`"]


def test_names_are_taken_for_their_siblings():
    assert of("T_Acc - V_Acc > OT", "name") == [
        "`T_Acc - V_Acc > OT` becomes `V_Acc - V_Acc > OT`",
        "`T_Acc - V_Acc > OT` becomes `T_Acc - T_Acc > OT`",
        "`T_Acc - V_Acc > OT` becomes `T_Acc - V_Acc > UT`",
    ]


def test_numbers_move_by_a_tenth_and_zero_by_a_tenth_of_one():
    assert of("T_Acc < 0.5", "constant") == [
        "`T_Acc < 0.5` becomes `T_Acc < 0.45`",
        "`T_Acc < 0.5` becomes `T_Acc < 0.55`",
    ]
    assert of("T_Acc > 0", "constant") == ["`T_Acc > 0` becomes `T_Acc > -0.1`", "`T_Acc > 0` becomes `T_Acc > 0.1`"]


def test_boundaries_move_by_a_few_percent():
    assert of("F < TF", "boundary") == ["`F < TF` becomes `F * 0.97 < TF`", "`F < TF` becomes `F * 1.03 < TF`"]


def test_weights_are_halved_doubled_taken_away_and_taken_from_the_sibling():
    rulebook = book("{id: r, when: F < TF, weight: PV_Acc, instruct: [ACL], because: x}")
    assert sentences(rulebook, "weight") == [
        "r: weight `PV_Acc` becomes `PV_Acc * 0.5`",
        "r: weight `PV_Acc` becomes `PV_Acc * 2`",
        "r: weight `PV_Acc` becomes `0`",
    ]
    assert "r: weight `PV_Acc` becomes `PT_Acc`" in sentences(rulebook, "name")
    weights = [
        mutant.altered.weight.number({"PV_Acc": 0.8}) for mutant in mutants(rulebook) if mutant.change == "weight"
    ]
    assert weights == [0.4, 1.6, 0]


def test_each_instruction_of_a_rule_is_left_out_once():
    rulebook = book("{id: r, when: F < TF, weight: 1, instruct: [ACL, RCL], because: x}")
    without = [mutant.altered.instruct for mutant in mutants(rulebook) if mutant.change == "instruction"]
    assert without == [("RCL",), ("ACL",)]


def test_a_rule_that_is_gone_never_fires_but_its_conclusion_is_known_to_be_undrawn():
    rulebook = book(SEEN)
    (gone,) = (mutant for mutant in mutants(rulebook) if mutant.change == "rule")
    assert gone.sentence == "s: the rule is gone"
    assert gone.altered.when.truth({"T_Acc": 0.9}) is False
    assert gone.altered.conclude == "seen"


def test_nested_parts_keep_their_place_in_the_condition():
    rulebook = book('{id: r, when: "failed or (F < TF and not (T_Acc < 0.5))", weight: 1, instruct: [ACL], because: x}')
    changed = {mutant.altered.when.source for mutant in mutants(rulebook) if mutant.change == "comparison"}
    assert "failed or (F < TF and (not T_Acc <= 0.5))" in changed
    assert "failed or (F <= TF and (not T_Acc < 0.5))" in changed


@pytest.mark.parametrize("name", ["lemonade", "diagnosis"])
def test_each_mutant_is_another_rule_with_its_own_id_and_the_rest_of_the_rulebook(name):
    rulebook = load_rulebook(find_rulebook(name))
    found = list(mutants(rulebook))
    assert len({mutant.id for mutant in found}) == len(found) > 10 * len(rulebook.rules)
    rules = {rule.id: rule for rule in rulebook.rules}
    seen = set()
    for mutant in found:
        rule, altered = rules[mutant.rule], mutant.altered
        parts = (altered.when.source, altered.weight.source if altered.weight else None, altered.instruct)
        assert parts != (rule.when.source, rule.weight.source if rule.weight else None, rule.instruct)
        assert (mutant.rule, parts) not in seen, mutant.sentence
        seen.add((mutant.rule, parts))
        others = [other for other in mutant.applied(rulebook).rules if other.id != mutant.rule]
        assert others == [other for other in rulebook.rules if other.id != mutant.rule]


def test_altered_conditions_compile_from_their_own_text():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    conclusions = {rule.conclude for rule in rulebook.rules if rule.conclude}
    values = {"T_Acc": 0.8, "V_Acc": 0.7, "TT_Acc": 0.9, "TV_Acc": 0.95, "OT": 0.1, "UT": 0.05, "F": 1.0, "TF": 2.0}
    for mutant in mutants(rulebook):
        when = mutant.altered.when
        again = parse_expression(when.source, when.place, "condition", conclusions, [])
        assert again.truth(values) is when.truth(values)


def test_mutants_come_in_the_same_order_each_time():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    assert list(mutants(rulebook)) == list(mutants(rulebook))


def test_the_rulebook_is_left_as_it_was():
    rulebook = book(
        '{id: r, when: "not (F < TF) and T_Acc - V_Acc > 0.1", weight: PV_Acc, instruct: [ACL], because: x}'
    )
    before = (rulebook.rules[0].when.source, rulebook.rules[0].when.truth({"F": 2, "TF": 1, "T_Acc": 1, "V_Acc": 0}))
    list(mutants(rulebook))
    assert before == (rulebook.rules[0].when.source, True)
    assert rulebook.rules[0].when.truth({"F": 2, "TF": 1, "T_Acc": 1, "V_Acc": 0}) is True
