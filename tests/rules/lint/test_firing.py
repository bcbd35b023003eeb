"""Rules that never fire, and rules that fire without effect."""

from __future__ import annotations

import pytest

from tests.rules.lint.conftest import GOOD, HEAD, book, codes, found, one


def test_what_no_speed_is_normalised_to_is_no_situation():
    slow, fast = "when: NF < 0.5, weight: 1, instruct: [RCL]", "when: F >= TF, weight: 1, instruct: [ACL]"
    assert found(book(slow, fast, head=HEAD)) == []  # both are 14,000 frames a second: no gap, no tie, no overlap
    item = one(book(slow, fast, "when: F > 14000 and NF < 0.4, weight: 1, instruct: [RCL]"), "NEVER_FIRES")
    assert str(item).endswith("r2 can never fire with TF = 14000; look at its comparisons")


@pytest.mark.parametrize(
    "when",
    [
        "F > 12345 and F < 12346 and NF < 0.9 and V_Acc > 0.123 and V_Acc < 0.1232",
        "NF > 0.9999999 and F > 5",
        "F > 3500 and F < 3500.5 and NF > 0.2 and NF < 0.20003 and T_Acc > 0.99",
        "V_NE > 0.2 and V_NE < 0.20001 and V_E > 0 and T_NE > 0.3 and T_NE < 0.30001 and T_E > 0",
    ],
)
def test_a_rule_that_fires_seldom_with_a_normalised_metric_is_not_told_to_never_fire(when):
    assert found(book(*GOOD, f"when: {when}, weight: 1, instruct: [ACL]"), "NEVER_FIRES") == []


@pytest.mark.parametrize("when", ["F <= 1000 and NF >= 0.5", "NF < 0.3 and F > 100 and F >= 6000.5"])
def test_a_rule_that_no_normalised_metric_fulfils_is_told(when):
    item = one(book(*GOOD, f"when: {when} and T_NE < 0.7 and T_E > 0, weight: 1, instruct: [ACL]"), "NEVER_FIRES")
    assert str(item).endswith("r2 can never fire with TF = 14000; look at its comparisons")


def test_a_normalised_metric_that_cannot_be_at_the_default_threshold_may_be_at_others():
    never = "when: F > 14000 and NF < 0.4, weight: 1, instruct: [RCL]"
    head = HEAD.replace("rules:", "thresholds: {TF: {default: 14000, range: [1000, 50000]}}\nrules:")
    item = one(book(*GOOD, never, head=head), "NEVER_FIRES")
    assert (item.level, "can never fire with TF = 14000, though it may" in str(item)) == ("note", True)
    other = HEAD.replace("rules:", "thresholds: {TL: {default: 1, range: [0.5, 5]}}\nrules:")
    assert one(book(*GOOD, never, head=other), "NEVER_FIRES").level == "warning"


def test_a_rule_that_fires_only_elsewhere_in_the_declared_ranges_is_no_warning():
    head = HEAD.replace("rules:", "thresholds: {OT: {range: [0, 0.5]}}\nrules:")
    rule = "when: V_Acc < OT and V_Acc > 0.3, weight: 1, instruct: [ACL]"
    item = one(book(*GOOD, rule, head=head), "NEVER_FIRES")
    assert item.level == "note"
    assert "at other settings in the declared ranges" in item.message


@pytest.mark.parametrize("operator", ["<", ">"])
def test_a_rule_that_divides_0_by_0_at_the_defaults_never_fires(operator):
    rule = f"when: PT_E / PV_E {operator} 0.5, weight: 1, instruct: [ACL]"
    item = one(book(*GOOD, rule), "NEVER_FIRES")
    assert item.level == "warning"
    assert str(item).endswith("r2 can never fire with PT_E = 0 and PV_E = 0; look at its comparisons")
    head = HEAD.replace("rules:", "priorities: {PV_E: {range: [0, 1]}, PT_E: {range: [0, 1]}}\nrules:")
    item = one(book(*GOOD, rule, head=head), "NEVER_FIRES")
    assert (item.level, "though it may at other settings" in item.message) == ("note", True)


def test_a_rule_whose_threshold_is_not_set():
    item = one(book(*GOOD, "when: S > TS, weight: 1, instruct: [RCL]"), "UNKNOWN_UNTIL_SET")
    assert item.level == "note"
    assert "TS (tolerated model size)" in item.message


def test_a_rule_that_fires_without_a_threshold_cannot_be_decided_in_part():
    item = one(book(*GOOD, "when: V_Acc < 0.5 or S > TS, weight: 1, instruct: [RCL]"), "UNKNOWN_UNTIL_SET")
    assert item.message.startswith("a part of r2 cannot be decided until TS (tolerated model size) is set")
    waiting = "when: V_Acc < 0.5 or S > TS or P > TP, weight: TS / 100, instruct: [RCL]"
    item = one(book(*GOOD, waiting), "UNKNOWN_UNTIL_SET")
    assert item.message.startswith(
        "r2 cannot be decided until TS (tolerated model size) and TP (tolerated parameters) are"
    )


def test_a_rule_whose_priority_is_zero():
    item = one(book(*GOOD), "NO_WEIGHT")
    assert item.rules == ("r1",)
    assert "raise PF" in item.message


@pytest.mark.parametrize(
    ("weight", "raised"),
    [
        ("PF * (TF - F) / TF", "PF"),
        ("PF * (S / V_E) * F", "PF"),
        ("(TF - F) * PF + PS * F", "PF or PS"),
        ("PV_Acc * PF * F", "PF"),
        ("PV_Acc * WE", "WE"),
        ("PV_Acc * WE * F + PF", "WE or PF"),
    ],
)
def test_a_weight_that_grows_with_a_metric_is_0_with_its_priority(weight, raised):
    item = one(book(GOOD[0], f"when: F < TF, weight: {weight}, instruct: [RCL]"), "NO_WEIGHT")
    assert (item.rules, item.level) == (("r1",), "note")
    assert f"; raise {raised} to use it" in item.message


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ("min(PV_Acc, 0)", "is 0 whatever is set, so nothing is asked for; look at its numbers"),
        ("0 * F", "is 0 whatever is set, so nothing is asked for; look at its numbers"),
        ("0", "is 0 whatever is set, so nothing is asked for; raise it"),
        ("PV_Acc - WA", "is 0 at the default settings, so nothing is asked for; set PV_Acc or WA otherwise to use it"),
    ],
)
def test_a_weight_of_0_that_no_setting_of_0_makes(weight, said):
    item = one(book(GOOD[0], f"when: F < TF, weight: '{weight}', instruct: [RCL]"), "NO_WEIGHT")
    assert item.message == f"the weight of r1 {said}"


@pytest.mark.parametrize("weight", ["(TF - F) / TF", "F - F * 0.5 + PF", "PF / (T_Acc - T_Acc)", "PF * TL * L"])
def test_a_weight_that_may_be_another_or_is_unknown_is_not_called_0(weight):
    assert found(book(GOOD[0], f"when: F < TF, weight: {weight}, instruct: [RCL]"), "NO_WEIGHT") == []


def test_a_rule_whose_priority_is_0_is_not_told_that_others_outweigh_it():
    rules = (
        "when: V_Acc < 0.9, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.5, weight: PF * (1 - V_Acc), instruct: [ACL, RCL]",
    )
    rulebook = book(*rules, head=HEAD.replace("rules:", "max_instructions: 1\nrules:"))
    assert one(rulebook, "NO_WEIGHT").rules == ("r1",)
    assert found(rulebook, "DEAD_RULE") == []


def test_a_rule_that_always_loses_to_the_partner():
    rules = (
        "when: V_Acc < 0.5, weight: 0.5, instruct: [ACL]",
        "when: V_Acc < 0.7, weight: 2, instruct: [RCL]",
    )
    item = one(book(*rules), "DEAD_RULE")
    assert (item.rules, item.proof, item.level) == (("r0", "r1"), "proved", "warning")
    assert "ACL loses to RCL of r1 (b.yaml:8)" in item.message
    assert item.witness["V_Acc"] < 0.5


@pytest.mark.parametrize(
    "rules",
    [
        ("when: V_Acc < 0.7, weight: 0.5, instruct: [ACL]", "when: V_Acc < 0.5, weight: 2, instruct: [RCL]"),
        ("when: V_Acc < 0.5, weight: 3, instruct: [ACL]", "when: V_Acc < 0.7, weight: 2, instruct: [RCL]"),
    ],
)
def test_a_rule_that_wins_somewhere_is_not_dead(rules):
    assert "DEAD_RULE" not in codes(book(*rules))


def test_a_rule_that_loses_only_with_another_rules_help_is_found_too():
    rules = (
        "when: V_Acc < 0.5, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.7, weight: 0.75, instruct: [RCL]",
        "when: V_Acc < 0.9, weight: 0.75, instruct: [RCL]",
    )
    item = one(book(*rules), "DEAD_RULE")
    assert (item.rules, item.proof) == (("r0", "r1", "r2"), "proved")


def test_a_rule_that_loses_by_a_weight_that_is_measured_is_told_as_tried():
    rules = (
        "when: V_Acc < 0.5, weight: V_Acc, instruct: [ACL]",
        "when: V_Acc < 0.7, weight: 1 + V_Acc, instruct: [RCL]",
    )
    item = one(book(*rules), "DEAD_RULE")
    assert item.proof == "tried"
    assert "such situations tried" in item.message


def test_a_rule_can_be_dead_where_the_largest_weight_is_taken():
    rules = (
        "when: V_Acc < 0.5, weight: 0.5, instruct: [ACL]",
        "when: V_Acc < 0.7, weight: 2, instruct: [RCL]",
    )
    head = HEAD.replace("version: 1", "version: 1\ncombine: max")
    assert one(book(*rules, head=head), "DEAD_RULE").proof == "proved"


def test_a_rule_whose_instruction_is_always_cut_as_too_light_is_dead():
    head = HEAD.replace("instructions:", "max_instructions: 1\ninstructions:\n  AWI: {text: Initialise}")
    rules = (*GOOD, "when: V_Acc < 0.5, weight: 0.5, instruct: [AWI]")
    item = one(book(*rules, head=head), "DEAD_RULE")
    assert (item.rules, item.proof) == (("r2",), "tried")
    assert "AWI is not the heaviest" in item.message


def test_a_rule_whose_instruction_another_rule_takes_the_weight_of_is_dead():
    head = HEAD.replace("instructions:", "instructions:\n  AWI: {text: Initialise}")
    rules = (
        "when: V_Acc < 0.5, weight: 1, instruct: [ACL, AWI]",
        "when: V_Acc < 0.5, weight: 5, instruct: [RCL]",
        "when: V_Acc < 0.5, weight: -2, instruct: [AWI]",
    )
    item = one(book(*rules, head=head), "DEAD_RULE")
    assert item.rules == ("r0", "r1", "r2")
    assert "ACL loses to RCL of r1 (b.yaml:9) and AWI is left no weight by r2 (b.yaml:10)" in item.message


def test_what_is_not_linear_and_fires_nowhere_is_told_as_tried():
    item = one(book(*GOOD, "when: V_Acc * V_Acc > 1, weight: 1, instruct: [ACL]"), "NEVER_FIRES")
    assert item.proof == "tried"
    assert "situations tried" in item.message


def test_a_rule_that_waits_for_a_threshold_behind_a_conclusion_or_a_weight_is_not_said_to_never_fire():
    rules = (
        "when: S > TS, conclude: large",
        "when: large and V_Acc > 0.5, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.5, weight: TS / 100, instruct: [RCL]",
    )
    rulebook = book(*GOOD, *rules)
    item = one(rulebook, "UNKNOWN_UNTIL_SET")
    assert item.rules == ("r2", "r3", "r4")
    assert "NEVER_FIRES" not in codes(rulebook)


def test_many_rules_with_the_same_remark_are_one_note():
    rules = [f"when: F < {number}, weight: PF, instruct: [RCL]" for number in range(1, 9)]
    item = one(book(GOOD[0], *rules), "NO_WEIGHT")
    assert len(item.rules) == 8
    assert "r1, r2, r3 and 5 more" in item.message
