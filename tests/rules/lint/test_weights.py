"""Weights that cannot be computed, cannot count, or are too large to add; and instructions that have none."""

from __future__ import annotations

import pytest

from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.selftest import facts_of
from lemonade_es.errors import InferenceError
from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import parse_rulebook
from tests.rules.lint.conftest import GOOD, book, codes, found, one

HEAD = """\
rulebook: b
version: 1
combine: max
instructions:
  ACL: {text: Add, conflicts_with: RCL}
  RCL: {text: Reduce, conflicts_with: ACL}
rules:
  - {id: low, when: V_Acc < TV_Acc, weight: 1, instruct: [ACL]}
  - {id: slow, when: F < TF, weight: 0.5, instruct: [RCL]}
"""


def idle(rule, head=HEAD):
    rulebook = parse_rulebook(f"{head}  - {{id: large, when: P > 1000, {rule}}}\n", "b.yaml")
    return [item for item in lint(rulebook) if item.code == "TAKES_NOTHING"]


@pytest.mark.parametrize("weight", ["-3", "-PV_Acc * 0.5", "min(0, V_Acc - 1)"])
def test_a_negative_weight_where_the_largest_counts_is_a_warning(weight):
    (item,) = idle(f'weight: "{weight}", instruct: [ACL, RCL]')
    assert (item.level, item.rules, item.place.line) == ("warning", ("large",), 10)
    assert item.message.startswith("large takes nothing from ACL and RCL: under `combine: max`")


@pytest.mark.parametrize("weight", ["0", "V_Acc - 0.5", "PF"])
def test_a_weight_that_may_count_or_is_nothing_is_not_doubted(weight):
    assert idle(f"weight: {weight}, instruct: [ACL]") == []


def test_a_negative_weight_takes_something_where_weights_are_added():
    assert idle("weight: -3, instruct: [ACL]", HEAD.replace("combine: max", "combine: sum")) == []


def test_where_no_other_rule_gives_the_instruction_only_that_is_said():
    head = HEAD.replace("instruct: [RCL]", "instruct: [ACL]")
    rulebook = parse_rulebook(f"{head}  - {{id: large, when: P > 1000, weight: -3, instruct: [RCL]}}\n", "b.yaml")
    told = {item.code for item in lint(rulebook)}
    assert "NEVER_PASSED_ON" in told
    assert "TAKES_NOTHING" not in told


def test_a_rule_of_an_extended_rulebook_that_takes_weight_back_is_told_of_too():
    rulebook = parse_rulebook("rulebook: b\nversion: 1\nextends: lemonade\ncombine: max\n", "b.yaml")
    assert [item.rules for item in lint(rulebook) if item.code == "TAKES_NOTHING"] == [("one-change-at-a-time",)]


def test_weights_whose_sum_is_too_large_are_looked_at_in_silence(recwarn):
    head = HEAD.replace("combine: max", "combine: sum").replace("weight: 1,", "weight: 1e308,")
    rulebook = parse_rulebook(f"{head}  - {{id: lower, when: V_Acc < 0.5, weight: 1e308, instruct: [ACL]}}\n", "b.yaml")
    assert {"DOUBLE_COUNT", "TOO_HEAVY"} <= {item.code for item in lint(rulebook)}
    assert list(recwarn) == []


@pytest.mark.parametrize("sign", ["", "-"])
def test_weights_whose_sum_is_too_large_are_a_warning_with_a_situation(sign):
    heavy = f"weight: {sign}1e308, instruct: [ACL]"
    rules = (f"when: V_Acc < 0.9, {heavy}", f"when: V_Acc < 0.8, {heavy}", f"when: V_Acc > 0.95, {heavy}")
    rulebook = book(*rules, "when: V_Acc < 0.99, weight: 0, instruct: [ACL]", GOOD[1])
    item = one(rulebook, "TOO_HEAVY")
    assert (item.level, item.rules, item.place.line) == ("warning", ("r0", "r1"), 7)
    assert "r0 (b.yaml:7) and r1 (b.yaml:8) ask for ACL with weights whose sum is too large" in item.message
    with pytest.raises(InferenceError):
        evaluate(rulebook, facts_of(rulebook, item.witness))


def test_weights_that_are_too_large_only_in_a_declared_range_are_a_note():
    head = "rulebook: b\nversion: 1\npriorities: {PV_Acc: {range: [0, 1e308]}}\n"
    head += (
        "instructions:\n  ACL: {text: Add, conflicts_with: RCL}\n  RCL: {text: Reduce, conflicts_with: ACL}\nrules:\n"
    )
    rules = ("when: V_Acc < 0.9, weight: PV_Acc, instruct: [ACL]", "when: V_Acc < 0.8, weight: PV_Acc, instruct: [ACL]")
    item = one(book(*rules, GOOD[1], head=head), "TOO_HEAVY")
    assert (item.level, item.message.startswith("at PV_Acc = 1e+308: r0")) == ("note", True)


@pytest.mark.parametrize(("weight", "combine"), [("1e300", "sum"), ("1e308", "max")])
def test_large_weights_that_can_be_computed_are_not_doubted(weight, combine):
    head = HEAD.replace("combine: max", f"combine: {combine}").replace("weight: 1,", f"weight: {weight},")
    rule = f"  - {{id: lower, when: V_Acc < 0.5, weight: {weight}, instruct: [ACL]}}\n"
    assert not found(parse_rulebook(head + rule, "b.yaml"), "TOO_HEAVY")


@pytest.mark.parametrize("weights", [(0.3, 0.1, 0.2), (0.8, 0.7, 0.1), (0.5, 0.25, 0.25)])
def test_a_tie_that_only_the_rounding_of_a_sum_hides_is_told_of_unless_a_salience_decides(weights):
    one, first, second = weights
    head = HEAD.replace("combine: max", "combine: sum").replace("weight: 1,", f"weight: {one},")
    rules = head.replace("weight: 0.5,", f"weight: {first},") + (
        f"  - {{id: large, when: P > 1000, weight: {second}, instruct: [RCL]}}\n"
    )
    assert "WEIGHT_TIE" in {item.code for item in lint(parse_rulebook(rules, "b.yaml"))}
    decided = rules.replace("id: low,", "id: low, salience: 5,")
    assert "WEIGHT_TIE" not in {item.code for item in lint(parse_rulebook(decided, "b.yaml"))}


def test_the_salience_of_a_rule_without_weight_decides_no_tie():
    head = HEAD.replace("combine: max", "combine: sum").replace("weight: 1,", "weight: 0.5,")
    rule = "  - {id: idle, when: V_Acc < 1, weight: 0, instruct: [ACL], salience: 9}\n"
    assert "WEIGHT_TIE" in {item.code for item in lint(parse_rulebook(head + rule, "b.yaml"))}


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
