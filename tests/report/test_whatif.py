"""What a rulebook would advise, as people read it."""

from __future__ import annotations

import pytest

from lemonade_es.engine.suppositions.sweep import Sweep, run_sweep
from lemonade_es.engine.suppositions.whatif import suppose, supposed_facts
from lemonade_es.report.whatif import supposed_text, sweep_text
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook

LEMONADE = load_rulebook(find_rulebook("lemonade"))
SMALL = """\
rulebook: small
version: 1
max_instructions: 1
instructions:
  A: {text: Grow, conflicts_with: B}
  B: {text: Shrink, conflicts_with: A}
  C: {text: Calm}
  D: {text: Stir}
rules:
  - {id: low, when: V_Acc < 0.9, weight: 2, instruct: [A], because: "only {V_Acc:.0%}"}
  - {id: slow, when: F < TF, weight: 1, instruct: [B, C], because: slow}
  - {id: idle, when: F < TF, weight: PF, instruct: [D], because: slow}
  - {id: quick, when: not F < TF or failed, weight: PF, instruct: [D], because: quick}
"""


def told(rulebook, metrics, wishes=None):
    return supposed_text(suppose(rulebook, supposed_facts(rulebook, metrics, wishes or {}))).splitlines()


def test_a_rule_that_does_not_fire_names_value_threshold_and_distance_or_what_is_unknown():
    lines = told(LEMONADE, {"T_Acc": 0.995, "F": 20_000})
    assert any("low-training-accuracy" in line and "(0.995 against 0.99, by 0.005)" in line for line in lines)
    assert any(" slow  (" in line and "F < TF (20000 against 14000, by 6000)" in line for line in lines)
    assert any(" simplify  (" in line and "is unknown: V_Acc >= TV_Acc (V_Acc unknown)" in line for line in lines)


def test_conflicts_and_what_is_not_passed_on_are_told_with_their_reasons():
    lines = told(parse_rulebook(SMALL, "small.yaml"), {"V_Acc": 0.5, "F": 1})
    text = "\n".join(lines)
    assert "A (2, low) beats B (1, slow) by 1" in text
    assert "because only 50%" in text
    assert "   2.000  A  Grow  = low 2" in lines
    assert "  without weight: D (idle)" in lines
    assert "  more than the 1 that the rulebook allows: C 1" in lines
    assert (
        "  quick  (small.yaml:13:5) is unknown: not (F < TF) (1 against 14000, by 13999); failed (failed unknown)"
        in lines
    )


def test_a_conflict_that_a_tie_decided_is_told_as_one():
    lines = told(parse_rulebook(SMALL.replace("weight: 2", "weight: 1"), "small.yaml"), {"V_Acc": 0.5, "F": 1})
    at = lines.index("  A (1, low) beats B (1, slow), a tie")
    assert lines[at + 1].endswith("the weights are equal, and the rulebook names A first")


LARGEST = """\
rulebook: largest
version: 1
combine: max
instructions:
  A: {text: Grow, conflicts_with: B}
  B: {text: Shrink, conflicts_with: A}
  C: {text: Calm}
rules:
  - {id: a1, when: V_Acc < 0.9, weight: 1, instruct: [A, C]}
  - {id: a2, when: V_Acc < 0.9, weight: 0.5, instruct: [A]}
  - {id: a3, when: V_Acc < 0.9, weight: -0.5, instruct: [A]}
  - {id: a4, when: V_Acc < 0.9, weight: 0, instruct: [C]}
  - {id: b, when: V_Acc < 0.9, weight: 0.25, instruct: [B]}
"""


def test_the_largest_of_weights_is_no_sum_of_them_even_where_the_numbers_would_add_up():
    lines = told(parse_rulebook(LARGEST, "largest.yaml"), {"V_Acc": 0.5})
    assert "   1.000  A  Grow  = the largest of a1 1, a2 0.5, a3 -0.5" in lines
    assert "  A (1, a1, a2) beats B (0.25, b) by 0.75" in lines
    assert "   1.000  C  Calm  = a1 1" in lines
    summed = told(parse_rulebook(LARGEST.replace("max", "sum"), "largest.yaml"), {"V_Acc": 0.5})
    assert "   1.000  A  Grow  = a1 1 + a2 0.5 + a3 -0.5" in summed
    assert "  A (1, a1, a2, a3 -0.5) beats B (0.25, b) by 0.75" in summed


def test_of_an_or_that_holds_only_the_parts_that_do_are_told():
    rules = "  - {id: either, when: F < 100 or V_Acc < 0.5 or not (L > 3), weight: 1, instruct: [C]}\n"
    lines = told(parse_rulebook(SMALL + rules, "small.yaml"), {"V_Acc": 0.4, "F": 5000})
    assert lines[next(at for at, line in enumerate(lines) if ". either  (" in line) + 1].strip() == "V_Acc < 0.5"
    lines = told(parse_rulebook(SMALL + rules, "small.yaml"), {"V_Acc": 0.6, "F": 5000, "L": 9})
    assert any("either" in line and "not (L > 3) (9 against 3, by 6)" in line for line in lines)


def test_who_gave_nothing_is_not_behind_an_instruction_and_who_took_away_is_told_with_what():
    rules = (
        "  - {id: nothing, when: V_Acc < 0.9, weight: 0, instruct: [A]}\n"
        "  - {id: takes, when: V_Acc < 0.9, weight: -0.5, instruct: [A]}\n"
        "  - {id: unknown, when: V_Acc < 0.9, weight: 1 / (F - 1), instruct: [C]}\n"
    )
    text = "\n".join(told(parse_rulebook(SMALL + rules, "small.yaml"), {"V_Acc": 0.5, "F": 1}))
    assert "A (1.5, low, takes -0.5) beats B (1, slow) by 0.5" in text
    assert "-> does not give C: the weight cannot be computed (a metric is unknown, or it divides by 0)" in text


def test_from_the_largest_of_several_weights_nothing_is_taken():
    rules = "  - {id: takes, when: V_Acc < 0.9, weight: -0.5, instruct: [A]}\n"
    largest = parse_rulebook(f"combine: max\n{SMALL}{rules}", "small.yaml")
    assert "  A (2, low) beats B (1, slow) by 1" in told(largest, {"V_Acc": 0.5, "F": 1})


def test_a_weight_that_is_the_largest_of_several_is_not_told_as_their_sum():
    rules = (
        '  - {id: lower, when: V_Acc < 0.8, weight: 0.5, instruct: [A], because: "low"}\n'
        '  - {id: large, when: F < TF, weight: -3, instruct: [A], because: "large"}\n'
    )
    added = parse_rulebook(SMALL + rules, "small.yaml")
    largest = parse_rulebook(f"combine: max\n{SMALL}{rules}", "small.yaml")
    assert "   2.500  A  Grow  = low 2 + lower 0.5" in told(added, {"V_Acc": 0.5})
    assert "   2.000  A  Grow  = the largest of low 2, lower 0.5, large -3" in told(largest, {"V_Acc": 0.5, "F": 1})


def test_no_advice_says_so():
    assert told(LEMONADE, {})[-1] == "  none: no rule that fired has a weight above 0"


@pytest.mark.parametrize("weight", [-2, -3])
def test_no_advice_where_what_rules_gave_was_taken_away_says_that(weight):
    rules = f"  - {{id: takes, when: V_Acc < 0.9, weight: {weight}, instruct: [A]}}\n"
    lines = told(parse_rulebook(SMALL + rules, "small.yaml"), {"V_Acc": 0.5})
    assert lines[-2:] == ["  none: what rules gave, others took away", "  without weight: A (low, takes)"]


def test_a_sweep_is_told_stretch_by_stretch_with_the_rules_that_change():
    rulebook = parse_rulebook(SMALL, "small.yaml")
    facts = supposed_facts(rulebook, {"F": 1}, {})
    text = sweep_text("V_Acc", run_sweep(rulebook, facts, Sweep.parse("V_Acc=0:1:0.07")))
    assert text.splitlines() == ["V_Acc [0 .. 0.9)  A 2", "V_Acc [0.9 .. 1]  B 1", "    no longer: low"]


def test_a_stretch_that_begins_just_above_a_value_and_a_weight_that_runs_are_told():
    rulebook = parse_rulebook(SMALL, "small.yaml")
    facts = supposed_facts(rulebook, {"F": 1, "V_Acc": 1}, {})
    lines = sweep_text("PF", run_sweep(rulebook, facts, Sweep.parse("PF=0:2:0.3"))).splitlines()
    assert lines == ["PF [0 .. 1]  B 1", "PF (1 .. 2]  D 1..2"]


def test_a_condition_that_cannot_be_computed_is_not_said_to_have_something_unknown_in_it():
    rule = '  - {id: torn, when: P / (P - 100) > 1, weight: 1, instruct: [D], because: "torn"}\n'
    lines = told(parse_rulebook(SMALL + rule, "small.yaml"), {"P": 100.0})
    assert any("P / (P - 100) > 1 (it cannot be computed: a division by zero, say)" in line for line in lines)
