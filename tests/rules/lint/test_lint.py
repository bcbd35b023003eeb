"""What the linter says, and what it does not say."""

from __future__ import annotations

import re

import pytest

from lemonade_es.engine.conflicts import resolve
from lemonade_es.engine.evaluator import evaluate
from lemonade_es.engine.facts import Facts
from lemonade_es.rules.lint import lint
from lemonade_es.rules.lint.linter import POINTS
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook, shipped
from lemonade_es.vocabulary import COUNTS, METRICS, settings

HEAD = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL}
  RCL: {text: Reduce, conflicts_with: ACL}
rules:
"""
NO_GAP = "  - {id: rest, when: V_Acc >= 0, weight: 0.01, instruct: [ACL, RCL], because: x}\n"
TESTS = "tests:\n  - {name: t, given: {}, expect: {absent: [ACL]}}\n"


def book(*rules, head=HEAD, tests=TESTS):
    lines = "".join(f"  - {{id: r{number}, because: x, {rule}}}\n" for number, rule in enumerate(rules))
    return parse_rulebook(head + lines + tests, "b.yaml")


def found(rulebook, code=None):
    return [item for item in lint(rulebook) if code is None or item.code == code]


def one(rulebook, code):
    (item,) = found(rulebook, code)
    return item


def codes(rulebook, level="warning"):
    return {item.code for item in lint(rulebook) if item.level == level}


GOOD = ("when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL]", "when: F < TF, weight: PF, instruct: [RCL]")


def test_a_good_rulebook_draws_no_warning():
    assert codes(book(*GOOD)) == set()


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


def test_a_rule_that_fires_only_elsewhere_in_the_declared_ranges_is_no_warning():
    head = HEAD.replace("rules:", "thresholds: {OT: {range: [0, 0.5]}}\nrules:")
    rule = "when: V_Acc < OT and V_Acc > 0.3, weight: 1, instruct: [ACL]"
    item = one(book(*GOOD, rule, head=head), "NEVER_FIRES")
    assert item.level == "note"
    assert "at other settings in the declared ranges" in item.message


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


def test_a_rule_whose_threshold_is_not_set():
    item = one(book(*GOOD, "when: S > TS, weight: 1, instruct: [RCL]"), "UNKNOWN_UNTIL_SET")
    assert item.level == "note"
    assert "TS (tolerated model size)" in item.message


def test_a_rule_whose_priority_is_zero():
    item = one(book(*GOOD), "NO_WEIGHT")
    assert item.rules == ("r1",)
    assert "raise PF" in item.message


@pytest.mark.parametrize(
    ("weight", "cause"),
    [
        ("1/0", "`1 / 0` divides by 0"),
        ("P / (PF - PF)", "`P / (PF - PF)` divides by 0"),
        ("TS / 0", "`TS / 0` divides by 0"),
        ("min(PF, 1e300 * 1e300)", "`1e+300 * 1e+300` is too large"),
    ],
)
def test_a_weight_that_can_never_be_computed(weight, cause):
    item = one(book(*GOOD, f"when: P > 5, weight: '{weight}', instruct: [ACL]"), "NEVER_WEIGHED")
    assert (item.level, item.rules) == ("warning", ("r2",))
    assert item.message == f"the weight of r2 can never be computed: {cause}; look at its numbers"


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ("PV_Acc / PS", "at the default settings, where PS = 0, so nothing is asked for; set PS to use it"),
        (
            "1 / (PV_Acc - WA)",
            "at the default settings, where PV_Acc = 1 and WA = 1, so nothing is asked for; set PV_Acc or WA",
        ),
        ("1 / (P * PS)", "at the default settings, where PS = 0, so nothing is asked for; set PS to use it"),
        ("P * 1e300 * 1e300", "in the situations tried, so nothing is asked for; look at its numbers"),
    ],
)
def test_a_weight_that_is_unknown_at_the_default_settings(weight, said):
    rulebook = book(*GOOD, f"when: V_Acc < TV_Acc, weight: '{weight}', instruct: [ACL]")
    item = one(rulebook, "UNKNOWN_WEIGHT")
    assert (item.level, item.rules) == ("note", ("r2",))
    assert said in item.message
    assert not found(rulebook, "DOUBLE_COUNT")  # it adds nothing


@pytest.mark.parametrize("weight", ["PV_Acc / P", "1 / V_Acc", "1 / (1 + PS)", "TS / 2", "TS / PS"])
def test_a_weight_that_can_be_computed_somewhere_or_waits_for_a_setting_is_not_doubted(weight):
    rulebook = book(*GOOD, f"when: V_Acc < TV_Acc, weight: {weight}, instruct: [ACL]")
    assert not {"NEVER_WEIGHED", "UNKNOWN_WEIGHT"} & (codes(rulebook) | codes(rulebook, "note"))


@pytest.mark.parametrize("weight", ["-3", "-(PV_Acc * 4)", "-V_Acc"])
def test_an_instruction_that_rules_only_take_weight_from(weight):
    item = one(book(GOOD[0], f"when: V_Acc < 0.5, weight: {weight}, instruct: [ACL, RCL]"), "NEVER_PASSED_ON")
    assert (item.level, item.rules) == ("warning", ("r1",))
    assert item.message.startswith("RCL can never be passed on: r1 only takes weight from it, and no rule gives it any")


@pytest.mark.parametrize("weight", ["PV_Acc - 1e9", "0", "PF", "V_Acc * V_Acc - 2"])
def test_an_instruction_that_may_have_weight_somewhere_is_not_said_to_be_never_passed_on(weight):
    assert not found(book(GOOD[0], f"when: V_Acc < 0.5, weight: {weight}, instruct: [RCL]"), "NEVER_PASSED_ON")


def test_a_rule_may_take_weight_from_what_another_gives():
    taking = "when: V_Acc < 0.5, weight: -3, instruct: [ACL, RCL]"
    assert not found(book(*GOOD, taking), "NEVER_PASSED_ON")


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
    assert "AWI is not among the 1 heaviest" in item.message


def test_rules_on_nested_conditions_count_double():
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: V_Acc < 0.5, weight: 0.5, instruct: [ACL]")
    item = one(book(*rules, GOOD[1]), "DOUBLE_COUNT")
    assert (item.rules, item.proof, item.level) == (("r1", "r0"), "proved", "note")
    assert "(b.yaml:7)" in item.message
    assert "0.5 + 1 = 1.5" in item.message
    assert item.witness["V_Acc"] < 0.5


def test_rules_on_equal_conditions_are_a_warning():
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: not (0.8 <= V_Acc), weight: 2, instruct: [ACL]")
    assert one(book(*rules, GOOD[1]), "DOUBLE_COUNT").level == "warning"


def test_nested_conditions_do_not_count_double_where_the_largest_weight_is_taken():
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: V_Acc < 0.5, weight: 0.5, instruct: [ACL]")
    assert found(book(*rules, head=HEAD.replace("version: 1", "version: 1\ncombine: max")), "DOUBLE_COUNT") == []


def test_partners_that_are_asked_for_at_once_are_told_with_an_example_that_does_it():
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: F < 500, weight: 0.5, instruct: [RCL]")
    rulebook = book(*rules)
    item = one(rulebook, "PARTNER_OVERLAP")
    inference = evaluate(rulebook, Facts.of(item.witness, settings(None, {})))
    assert inference.weights == {"ACL": 1.0, "RCL": 0.5}
    assert set(item.witness) == {"V_Acc", "F"}


def test_a_tie_is_a_warning_with_an_example_that_is_one():
    rules = ("when: V_Acc < 0.8, weight: 0.5, instruct: [ACL]", "when: F < 500, weight: 0.5, instruct: [RCL]")
    rulebook = book(*rules)
    item = one(rulebook, "WEIGHT_TIE")
    assert item.level == "warning"
    inference = evaluate(rulebook, Facts.of(item.witness, settings(None, {})))
    assert resolve(inference, rulebook).decisions[0].margin == 0


def test_a_tie_that_comes_only_at_other_settings_says_at_which():
    head = HEAD.replace("rules:", "priorities: {PF: {default: 0.5, range: [0.25, 1]}}\nrules:")
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: F < 500, weight: PF, instruct: [RCL]")
    assert one(book(*rules, head=head), "WEIGHT_TIE").message.startswith("at PF = 1: ")


def test_a_gap_in_which_a_wish_is_not_met_is_a_warning_with_a_region_and_an_example():
    rulebook = book("when: V_Acc < 0.5, weight: 1, instruct: [ACL]", GOOD[1])
    (item,) = (gap for gap in found(rulebook, "GAP") if gap.level == "warning")
    assert 0.5 <= item.witness["V_Acc"] < 0.99
    assert "where 0.5 <= V_Acc <= 0.9" in item.message
    assert resolve(evaluate(rulebook, Facts.of(item.witness, settings(None, {}))), rulebook).instructions == {}


def test_a_gap_in_which_all_wishes_are_met_is_a_note():
    assert {gap.level for gap in found(book(*GOOD), "GAP")} == {"note"}


def test_no_gap_is_found_where_there_is_none():
    rules = (*GOOD, "when: V_Acc >= TV_Acc, weight: 0.1, instruct: [RCL]")
    assert found(book(*rules), "GAP") == []


def test_missing_reasons_and_tests_are_noted():
    rulebook = parse_rulebook(HEAD + "  - {id: a, when: V_Acc < 1, weight: 1, instruct: [ACL, RCL]}\n", "b.yaml")
    assert {"NO_REASON", "NO_TESTS"} <= codes(rulebook, "note")


def test_findings_come_in_the_order_of_the_file_and_are_the_same_each_time():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    findings = lint(rulebook)
    assert [item.place.line for item in findings] == sorted(item.place.line for item in findings)
    assert lint(rulebook) == findings


@pytest.mark.parametrize("name", shipped())
def test_each_witness_of_the_shipped_rulebooks_does_what_is_said(name):
    rulebook = load_rulebook(find_rulebook(name))
    wishes = settings(None, {}, rulebook.defaults)
    for item in lint(rulebook):
        if item.witness is None or item.message.startswith("at "):
            continue
        assert set(item.witness) <= set(METRICS)
        inference = evaluate(rulebook, Facts.of(item.witness, wishes))
        if item.code == "DOUBLE_COUNT":
            assert set(item.rules) <= {firing.rule for firing in inference.fired}
        if item.code in {"PARTNER_OVERLAP", "WEIGHT_TIE"}:
            assert resolve(inference, rulebook).decisions
        if item.code == "GAP":
            assert resolve(inference, rulebook).instructions == {}


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


def test_a_nested_condition_that_only_looks_so_on_the_points_is_not_told():
    rules = (
        "when: V_Acc < 0.5 or 0.7001 < T_Acc < 0.7002 and 0.9001 < V_Acc < 0.9002, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.5, weight: 0.5, instruct: [ACL]",
        "when: V_Acc < 0.5 or F > 90000000000000 and V_Acc < 0.6, weight: 1, instruct: [ACL]",
    )
    told = {item.rules for item in found(book(*rules, GOOD[1]), "DOUBLE_COUNT")}
    assert ("r0", "r2") not in told
    assert any(rules[0] == "r1" for rules in told)


def test_a_tie_that_salience_decides_is_no_warning():
    rules = (
        "when: V_Acc < 0.8, weight: 0.5, instruct: [ACL], salience: 5",
        "when: F < 500, weight: 0.5, instruct: [RCL]",
    )
    assert found(book(*rules), "WEIGHT_TIE") == []


def test_separate_gaps_are_told_each_with_its_own_region():
    rules = (
        "when: V_Acc < 0.2, weight: 1, instruct: [ACL]",
        "when: V_Acc > 0.4 and V_Acc < 0.6, weight: 1, instruct: [RCL]",
        "when: V_Acc > 0.8, weight: 1, instruct: [RCL]",
    )
    regions = [item.message for item in found(book(*rules), "GAP") if item.level == "warning"]
    assert len(regions) == 2
    assert any("where 0.2 <= V_Acc <= 0.4," in region for region in regions)
    assert any("where 0.6 <= V_Acc <= 0.8," in region for region in regions)


def test_many_rules_with_the_same_remark_are_one_note():
    rules = [f"when: F < {number}, weight: PF, instruct: [RCL]" for number in range(1, 9)]
    item = one(book(GOOD[0], *rules), "NO_WEIGHT")
    assert len(item.rules) == 8
    assert "r1, r2, r3 and 5 more" in item.message


def test_overlaps_are_one_note_for_each_pair_of_instructions_and_count_the_pairs_of_rules():
    rules = [f"when: V_Acc < 0.{number}, weight: {number}, instruct: [ACL]" for number in range(1, 6)]
    item = one(book(*rules, "when: F < 500, weight: 0.5, instruct: [RCL]"), "PARTNER_OVERLAP")
    assert "as do 4 other pairs of rules" in item.message
    assert "the weights let ACL win in all" in item.message


def test_a_part_of_a_condition_over_several_lines_is_found_where_it_stands():
    rule = "  - id: r0\n    when: >\n      V_Acc < 0.5\n      or V_Acc > 60\n    weight: 1\n    instruct: [ACL]\n"
    item = one(parse_rulebook(HEAD + rule, "b.yaml"), "ALWAYS_FALSE")
    assert str(item.place) == "b.yaml:10:10"


def test_a_rule_that_asks_for_an_instruction_and_its_opposite_is_told_so():
    item = one(book("when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL, RCL]"), "WEIGHT_TIE")
    assert "by r0 (b.yaml:7), which asks for both; only the order of the file lets ACL win: leave one" in item.message


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("P > 100.000", ["100.000 is 100; if it is meant as thousands, write 100000"]),
        ("not (14.500 > F) and V_Acc < 0.125", ["14.500 is 14.5; if it is meant as thousands, write 14500"]),
        ("P > 100.0 or F < 0.125 or V_Acc < 0.500 or S > 1.250", []),
    ],
)
def test_a_point_that_may_part_thousands_in_a_count_is_warned_of(when, told):
    rule = f"  - {{id: r, when: {when}, weight: 1, instruct: [ACL]}}\n"
    found = [item for item in lint(parse_rulebook(HEAD + rule, "b.yaml")) if item.code == "THOUSANDS_POINT"]
    assert [(item.level, item.message) for item in found] == [("warning", said) for said in told]


DEEPER = "weight: 1, instruct: [ACL]"
MET = "when: V_Acc >= TV_Acc, weight: 1, instruct: [RCL]"


@pytest.mark.parametrize(
    ("low", "high"), [("plateau <= 2", "plateau >= 3"), ("dead_layers == 0", "dead_layers >= 1"), ("P < 21", "P > 20")]
)
def test_between_two_whole_numbers_there_is_no_gap(low, high):
    rules = (f"when: V_Acc < TV_Acc and {part}, {DEEPER}" for part in (low, high))
    assert found(book(*rules, MET), "GAP") == []


@pytest.mark.parametrize(
    ("low", "high", "region"),
    [
        ("plateau <= 2", "plateau >= 4", "plateau = 3"),
        ("plateau < 3", "plateau > 3", "plateau = 3"),
        ("plateau <= 2", "plateau >= 7", "3 <= plateau <= 6"),
        ("dead_layers < 0", "dead_layers >= 1", "dead_layers = 0"),
        ("P <= 200000", "P > 1299999", "200001 <= P <= 1299999"),
    ],
)
def test_a_gap_of_counts_is_told_in_whole_numbers(low, high, region):
    rules = (f"when: V_Acc < TV_Acc and {part}, {DEEPER}" for part in (low, high))
    item = one(book(*rules, MET), "GAP")
    assert f"where {region} and V_Acc <= 0.99, for example" in item.message
    assert item.witness is not None
    assert all(value.is_integer() for name, value in item.witness.items() if name in COUNTS)


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


def test_a_partner_that_is_left_alone_by_a_negative_weight_is_counted_as_sent():
    rules = (
        "when: V_Acc < 0.5, weight: -1, instruct: [ACL]",
        "when: V_Acc < 0.7, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.7, weight: 0.5, instruct: [RCL]",
    )
    rulebook = book(*rules)
    for accuracy, sent in ((0.3, {"RCL": 0.5}), (0.6, {"ACL": 1})):
        inference = evaluate(rulebook, Facts.of({"V_Acc": accuracy}, settings(None, {})))
        assert resolve(inference, rulebook).instructions == sent
    scene = Scene(rulebook, settings(None, {}), POINTS)
    low = scene.points.values[:, scene.points.names.index("V_Acc")]
    fewer, all_of_them = int(((low >= 0.5) & (low < 0.7)).sum()), int((low < 0.7).sum())
    told = one(rulebook, "PARTNER_OVERLAP").message
    first, often = ("ACL", fewer) if 2 * fewer >= all_of_them else ("RCL", all_of_them - fewer)
    assert told.endswith(f"the weights let {first} win in {often:,} of the {all_of_them:,} situations tried")


def test_where_neither_partner_is_left_a_weight_none_wins():
    rules = (
        "when: V_Acc < 0.5, weight: -1, instruct: [ACL, RCL]",
        "when: V_Acc < 0.7, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.7 and P > 0, weight: T_Acc - T_Acc + 1, instruct: [RCL]",
    )
    told = one(book(*rules), "PARTNER_OVERLAP").message
    assert re.search(r"the weights are equal in [\d,]+ of the [\d,]+ situations tried$", told)
