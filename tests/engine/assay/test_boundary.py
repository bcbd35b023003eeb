"""Generated tests at the boundaries of comparisons."""

from __future__ import annotations

import ast

import pytest

from lemonade_es.engine.assay import boundary as boundary_module
from lemonade_es.engine.assay.boundary import find_boundaries
from lemonade_es.engine.assay.crossing import comparisons
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.inference import compile_rulebook
from lemonade_es.engine.expert.selftest import facts_of
from lemonade_es.rules.expression import parse_expression
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.rules.problem import Place
from lemonade_es.vocabulary import TERMS

HEAD = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL, changes: conv_layers, direction: increase}
  RCL: {text: Reduce, conflicts_with: ACL, changes: conv_layers, direction: reduce}
rules:
"""


def book(when, *more, tests=()):
    rules = [f'{{id: r, when: "{when}", weight: 1, instruct: [ACL], because: x}}', *more]
    text = HEAD + "".join(f"  - {rule}\n" for rule in rules)
    return parse_rulebook(text + ("tests:\n" if tests else "") + "".join(f"  - {test}\n" for test in tests), "b.yaml")


def sides(rulebook, index=0):
    return {point.side: point for point in find_boundaries(rulebook).boundaries[index].points}


@pytest.mark.parametrize(
    ("operator", "under", "at", "over"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_what_must_happen_at_a_boundary_follows_from_the_operator(operator, under, at, over):
    points = sides(book(f"T_Acc {operator} 0.5"))
    assert {side: point.fires for side, point in points.items()} == {"under": under, "at": at, "over": over}
    assert points["under"].given["T_Acc"] < points["at"].given["T_Acc"] == 0.5 < points["over"].given["T_Acc"]
    assert all(point.failures == () for point in points.values())


def test_the_left_side_may_be_a_sum_a_product_or_a_maximum():
    for when in ("T_Acc - V_Acc > OT", "T_Acc * V_Acc > 0.3", "max(T_Acc, V_Acc) > 0.6", "abs(T_Acc - V_Acc) < 0.1"):
        assert set(sides(book(when))) >= {"under", "over"}, when
        assert all(not point.failures for point in sides(book(when)).values()), when


def test_a_condition_below_a_not_fires_the_other_way_round():
    points = sides(book("not (F < TF)"))
    assert {side: point.fires for side, point in points.items()} == {"under": False, "at": True, "over": True}


def test_the_rest_of_the_condition_is_such_that_the_comparison_decides():
    points = sides(book("T_Acc > 0.5 and failed and V_Acc < 0.3"))
    for point in points.values():
        assert point.given["failed"] == 1
        assert point.given["V_Acc"] < 0.3
    assert points["over"].fires


def test_conclusions_of_other_rules_are_part_of_the_rest():
    rulebook = book("T_Acc > 0.5 and wide", "{id: s, when: V_Acc < 0.2, conclude: wide, because: x}")
    assert all(point.given["V_Acc"] < 0.2 for point in sides(rulebook).values())


def test_what_is_not_needed_is_not_given():
    points = sides(book("T_Acc > 0.5", "{id: s, when: V_Acc < 0.2 and F < TF, conclude: wide, because: x}"))
    assert {tuple(point.given) for point in points.values()} == {("T_Acc",)}


def test_both_comparisons_of_a_chain_have_a_boundary():
    found = find_boundaries(book("0.2 < T_Acc < 0.6")).boundaries
    assert [item.text for item in found] == ["0.2 < T_Acc", "T_Acc < 0.6"]
    assert [point.given["T_Acc"] for item in found for point in item.points if point.side == "at"] == [0.2, 0.6]


def test_settings_without_a_value_get_one():
    points = sides(book("P > TP"))
    assert set(points) == {"under", "at", "over"}
    assert all("TP" in point.given for point in points.values())


def test_counts_stay_whole_numbers():
    points = sides(book("plateau >= 5"))
    assert [point.given["plateau"] for point in points.values()] == [4, 5, 6]


def test_no_value_leaves_its_range():
    points = sides(book("V_Acc >= 1"))
    assert set(points) == {"under", "at"}
    for rulebook in (book("T_Acc > 0"), load_rulebook(find_rulebook("lemonade"))):
        for item in find_boundaries(rulebook).boundaries:
            for point in item.points:
                assert all(TERMS[name].low <= value <= TERMS[name].high for name, value in point.given.items())


def test_a_comparison_that_never_decides_is_reported():
    first, second = find_boundaries(book("T_Acc > 0.5 or T_Acc > 0.4")).boundaries
    assert second.points
    assert first.points == ()
    assert "never decides" in first.reason


def test_a_comparison_whose_sides_are_never_equal_is_reported():
    (found,) = find_boundaries(book("T_Acc + 2 > V_Acc")).boundaries
    assert found.points == ()
    assert "never equal" in found.reason


def test_a_comparison_of_settings_alone_is_crossed_by_them():
    points = sides(book("PV_Acc > 0.5"))
    assert [point.given["PV_Acc"] for point in points.values() if point.side == "at"] == [0.5]


def test_a_point_that_a_test_of_the_file_holds_is_found():
    tests = (
        "{name: on it, given: {T_Acc: 0.5}, expect: {not_fired: [r]}}",
        "{name: just over it, given: {T_Acc: 0.505}, expect: {instructions: {ACL: 1}}}",
        "{name: far below, given: {T_Acc: 0.3}, expect: {not_fired: [r]}}",
    )
    held = {side: point.held_by for side, point in sides(book("T_Acc > 0.5", tests=tests)).items()}
    assert held == {"under": None, "at": "on it", "over": "just over it"}


def test_a_test_in_which_nothing_happens_holds_a_point():
    tests = (
        "{name: nothing fires, given: {T_Acc: 0.5}, expect: {fired: []}}",
        "{name: nothing is left, given: {T_Acc: 0.495}, expect: {instructions: {}}}",
    )
    held = {side: point.held_by for side, point in sides(book("T_Acc > 0.5", tests=tests)).items()}
    assert held == {"under": "nothing is left", "at": "nothing fires", "over": None}


def test_a_test_that_says_nothing_of_the_rule_holds_no_point_of_it():
    other = "{id: s, when: F < TF, conclude: wide, because: x}"
    tests = ("{name: on it, given: {T_Acc: 0.5}, expect: {not_fired: [s]}}",)
    assert sides(book("T_Acc > 0.5", other, tests=tests))["at"].held_by is None


def test_a_test_in_which_the_comparison_decides_nothing_holds_no_point_of_it():
    tests = ("{name: on it, given: {T_Acc: 0.5, failed: 0}, expect: {not_fired: [r]}}",)
    assert sides(book("T_Acc > 0.5 and failed", tests=tests))["at"].held_by is None


def test_points_become_tests_that_the_rulebook_passes():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    for test in find_boundaries(rulebook).tests():
        fired = {firing.rule for firing in evaluate(rulebook, facts_of(rulebook, test.given)).fired}
        assert set(test.fired or ()) <= fired
        assert not set(test.not_fired) & fired
        assert test.fired or test.not_fired


def test_an_engine_that_does_otherwise_is_a_failure_at_each_point_where_it_does(monkeypatch):
    rulebook = book("T_Acc > 0.5", "{id: s, when: F < TF, conclude: slow, because: x}")
    wrong = parse_rulebook(rulebook.sources[0].text.replace("T_Acc > 0.5", "T_Acc >= 0.5"), "b.yaml")
    monkeypatch.setattr(boundary_module, "compile_rulebook", lambda _: compile_rulebook(wrong))
    found = find_boundaries(rulebook)
    assert [point.side for item, point in found.failures if item.rule == "r"] == ["at"]
    (_, point) = found.failures[0]
    assert point.failures[0] == "r must not fire; in Experta it does"
    assert "the plain evaluator fires" in point.failures[1]


def test_a_large_rulebook_is_fired_in_parts_with_the_same_points(monkeypatch):
    rulebook = book("T_Acc > 0.5 and wide", "{id: s, when: V_Acc < 0.2, conclude: wide, because: x}")
    whole = {side: point.fires for side, point in sides(rulebook).items()}
    monkeypatch.setattr(boundary_module, "LARGE", 0)
    parts = sides(rulebook)
    assert {side: point.fires for side, point in parts.items()} == whole
    assert all(point.failures == () for point in parts.values())


def test_the_same_rulebook_has_the_same_boundaries():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    assert find_boundaries(rulebook) == find_boundaries(rulebook)


def test_every_comparison_of_the_shipped_rulebook_has_its_points_and_figures():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    data = find_boundaries(rulebook).to_json()
    assert data["failed"] == 0
    assert data["never_decides"] == []
    written = [node for rule in rulebook.rules for node in ast.walk(rule.when.tree) if isinstance(node, ast.Compare)]
    assert data["comparisons"] == len(data["boundaries"]) == sum(len(node.ops) for node in written) >= 20
    assert data["points"] == sum(len(item["points"]) for item in data["boundaries"]) > 2.5 * data["comparisons"]


def test_the_surroundings_of_a_comparison_leave_its_place_open():
    def parsed(text):
        return parse_expression(text, Place("b.yaml", 1, 1), "condition", {"wide"}, [])

    expression = parsed("failed or not (wide and T_Acc > 0.5 and 0 < F < 1)")
    found = list(comparisons(expression.tree))
    texts = [atom.text for atom in expression.atoms({})]
    assert [texts[item.index] for item in found] == ["T_Acc > 0.5", "0 < F", "F < 1"]
