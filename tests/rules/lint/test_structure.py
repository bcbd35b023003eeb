"""What is doubtful about a rulebook as it is written: conditions that cannot hold, and what nothing uses."""

from __future__ import annotations

import pytest

from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import parse_rulebook
from tests.rules.lint.conftest import GOOD, HEAD, book, codes, found, one


def test_an_instruction_that_no_rule_asks_for():
    item = one(book(GOOD[0]), "UNUSED_INSTRUCTION")
    assert str(item) == "b.yaml:5:8 UNUSED_INSTRUCTION no rule asks for RCL; write one, or remove it"


def test_an_instruction_that_is_inherited_and_cannot_be_removed_may_go_unused():
    head = "rulebook: b\nversion: 1\nextends: lemonade\n"
    text = head + "drop: [slow, training-energy, validation-energy]\ndrop_tests: all\n"
    assert found(parse_rulebook(text, "b.yaml"), "UNUSED_INSTRUCTION") == []


def test_a_conclusion_that_no_rule_reads():
    item = one(book(*GOOD, "when: F < 3, conclude: slow"), "UNUSED_CONCLUSION")
    assert item.rules == ("r2",)
    assert item.place.line == 9


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("V_Acc < 0.5 and V_Acc > 0.6", "CONTRADICTION"),
        ("V_Acc < T_Acc and T_Acc < V_Acc", "CONTRADICTION"),
        ("V_Acc < T_Acc and T_Acc < P / 2 and P < 2 * V_Acc", "CONTRADICTION"),
        ("V_Acc < TV_Acc and V_Acc >= TV_Acc", "CONTRADICTION"),
        ("V_Acc == 0.5 and V_Acc != 0.5", "CONTRADICTION"),
        ("V_Acc < UT and V_Acc > OT", "NEVER_FIRES"),
        ("V_Acc > TV_Acc + 0.5", "NEVER_FIRES"),
    ],
)
def test_a_condition_that_can_never_hold(condition, code):
    item = one(book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]"), code)
    assert (item.level, item.proof, item.rules) == ("warning", "proved", ("r2",))


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("V_Acc == 0.9", "`V_Acc == 0.9` holds"),
        ("F < 9 or not 0.9 != V_Acc", "`0.9 != V_Acc` fails"),
        ("L == 3", "`L == 3` holds"),
        ("T_Acc == TT_Acc and V_Acc < 0.5", "`T_Acc == TT_Acc` holds"),
        ("0.1 < V_Acc == 0.9", "`V_Acc == 0.9` holds"),
    ],
)
def test_a_measured_number_that_is_compared_to_its_last_digit_is_doubted(condition, part):
    item = one(book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]"), "EXACT_NUMBER")
    assert (item.level, item.rules) == ("warning", ("r2",))
    assert item.message.startswith(part)


@pytest.mark.parametrize(
    "condition",
    ["V_Acc == 1", "dead_units != 0", "P == 1000", "dead_layers == 2", "plateau == 3", "failed == 1", "PF == 0.5"],
)
def test_a_count_a_flag_a_setting_and_the_end_of_a_share_may_be_met(condition):
    assert found(book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]"), "EXACT_NUMBER") == []


def test_a_rule_that_reads_conclusions_which_exclude_each_other_never_fires():
    rules = (
        "when: V_Acc < 0.5, conclude: low",
        "when: V_Acc > 0.4, conclude: high",
        "when: low and not high and V_Acc > 0.45, weight: 1, instruct: [ACL]",
    )
    assert one(book(*GOOD, *rules), "CONTRADICTION").rules == ("r4",)


@pytest.mark.parametrize(
    "condition",
    ["V_Acc < 0.5 and V_Acc > 0.4", "T_Acc - V_Acc > OT and T_Acc - V_Acc < 0.3", "not (V_Acc < 0.2 or V_Acc >= 0.9)"],
)
def test_a_condition_that_holds_somewhere_is_not_doubted(condition):
    rulebook = book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]")
    assert not {"CONTRADICTION", "NEVER_FIRES"} & codes(rulebook)


@pytest.mark.parametrize(
    ("condition", "code", "column"),
    [
        ("V_Acc < 0.5 or V_Acc > 1.5", "ALWAYS_FALSE", 47),
        ("V_Acc < 0.5 and T_Acc <= 1", "ALWAYS_TRUE", 48),
        ("V_Acc < 0.5 and P >= 0", "ALWAYS_TRUE", 48),
    ],
)
def test_a_comparison_that_decides_nothing(condition, code, column):
    item = one(book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]"), code)
    assert (item.level, item.place.line, item.place.column) == ("warning", 9, column)


def test_a_rule_that_is_meant_to_fire_always_is_only_noted():
    item = one(book(*GOOD, "when: P >= 0, weight: 1, instruct: [ACL]"), "ALWAYS_TRUE")
    assert item.level == "note"


@pytest.mark.parametrize("condition", ["0 / 0 < 1", "0 * (V_Acc / 0) < 1", "0 / 0 < 1 or V_Acc > 0.5"])
def test_what_divides_by_0_does_not_hold_always(condition):
    assert found(book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]"), "ALWAYS_TRUE") == []


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("V_Acc < 80", "ALWAYS_TRUE"),
        ("80 >= V_Acc", "ALWAYS_TRUE"),
        ("P > 100 and V_Acc < 80", "ALWAYS_TRUE"),
        ("V_Acc > 80", "ALWAYS_FALSE"),
        ("V_Acc > 80 or P > 100", "ALWAYS_FALSE"),
        ("V_Acc > 80 and P > 100", "CONTRADICTION"),
        ("0.1 < V_Acc > 80", "CONTRADICTION"),
    ],
)
def test_an_accuracy_in_percent_is_told_of(condition, code):
    item = one(book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]"), code)
    assert item.level == "warning"
    assert item.message.endswith("; V_Acc lies between 0 and 1: 80 % is 0.8")


@pytest.mark.parametrize(
    ("condition", "code"), [("T_Acc - V_Acc > 5", "ALWAYS_FALSE"), ("5 > T_Acc - V_Acc", "ALWAYS_TRUE")]
)
def test_a_gap_in_points_is_told_of(condition, code):
    item = one(book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]"), code)
    assert item.level == "warning"
    assert item.message.endswith("; shares lie between 0 and 1: a gap of 5 points is 0.05")


def test_missing_reasons_and_tests_are_noted():
    rulebook = parse_rulebook(HEAD + "  - {id: a, when: V_Acc < 1, weight: 1, instruct: [ACL, RCL]}\n", "b.yaml")
    assert {"NO_REASON", "NO_TESTS"} <= codes(rulebook, "note")


def test_a_contradiction_inside_an_or_is_found_with_the_two_that_exclude_each_other():
    item = one(book(*GOOD, "when: F < 3 or (V_Acc < 0.5 and V_Acc > 0.6), weight: 1, instruct: [ACL]"), "CONTRADICTION")
    assert "`V_Acc < 0.5` and `V_Acc > 0.6` exclude each other" in item.message
    assert item.place.column == len("  - {id: r2, because: x, when: F < 3 or (") + 1


@pytest.mark.parametrize(
    "condition",
    [
        "0.501 < V_Acc < 0.5011 and 0.601 < T_Acc < 0.6011 and 100 < F < 101",
        "V_E > 0.0000000001 and V_E < 0.0000000002",
        "V_Acc > TV_Acc - OT and V_Acc <= 0.8900000001",
    ],
)
def test_a_condition_that_holds_where_no_point_falls_is_not_said_to_never_hold(condition):
    rulebook = book(*GOOD, f"when: {condition}, weight: 1, instruct: [ACL]")
    assert not {"CONTRADICTION", "NEVER_FIRES"} & codes(rulebook)


def test_a_part_of_a_condition_over_several_lines_is_found_where_it_stands():
    rule = "  - id: r0\n    when: >\n      V_Acc < 0.5\n      or V_Acc > 60\n    weight: 1\n    instruct: [ACL]\n"
    item = one(parse_rulebook(HEAD + rule, "b.yaml"), "ALWAYS_FALSE")
    assert str(item.place) == "b.yaml:10:10"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("plateau > 2 and plateau < 3", "CONTRADICTION"),
        ("plateau == 2.5", "ALWAYS_FALSE"),
        ("P / 2 == 3.2", "ALWAYS_FALSE"),
        ("2 * P - 2 * M == 1", "ALWAYS_FALSE"),
        ("failed > 0 and failed < 1", "CONTRADICTION"),
        ("nonfinite == 0.5", "ALWAYS_FALSE"),
        ("P > TP and P < TP + 1", "CONTRADICTION"),
    ],
)
def test_what_no_whole_number_fulfils_never_fires_and_ties_with_nothing(condition, code):
    rulebook = book(*GOOD, f"when: '{condition}', weight: 1, instruct: [RCL]")
    item = one(rulebook, code)
    assert (item.level, item.proof, item.rules) == ("warning", "proved", ("r2",))
    others = {other.code for other in lint(rulebook) if other.code != code}
    assert not others & {"WEIGHT_TIE", "NEVER_FIRES", "DEAD_RULE"}
    assert all("r2" not in other.rules for other in found(rulebook, "PARTNER_OVERLAP"))


def test_a_condition_that_no_count_fulfils_is_told_that_it_counts():
    item = one(book(*GOOD, "when: 2 < plateau < 3, weight: 1, instruct: [RCL]"), "CONTRADICTION")
    assert item.message.endswith("or use `or` (plateau is a whole number)")


def test_the_cure_of_a_contradiction_is_about_those_that_contradict_each_other():
    when = "when: plateau > 3 and V_Acc < 50 and T_Acc > 0.3 and T_Acc < 0.2, weight: 1, instruct: [RCL]"
    item = one(book(*GOOD, when), "CONTRADICTION")
    assert item.message.startswith("`T_Acc > 0.3` and `T_Acc < 0.2` exclude each other")
    assert item.message.endswith("look at the numbers and signs, or use `or`")
