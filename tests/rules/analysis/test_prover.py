"""What is proved of conditions, and what must not be."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from lemonade_es.rules.analysis.arrays import condition
from lemonade_es.rules.analysis.prover import Prover
from lemonade_es.rules.load import parse_rulebook
from lemonade_es.vocabulary import settings

SETTINGS = settings(None, {})
HEAD = "rulebook: small\nversion: 1\ninstructions: {AWI: {text: a}}\nrules:\n"


def book(*conditions, **concluded):
    """Rules r0, r1, ...; each keyword is a conclusion with its condition."""
    rules = [f"  - {{id: {name}, when: '{when}', conclude: {name}}}\n" for name, when in concluded.items()]
    rules += [
        f"  - {{id: r{index}, when: '{when}', weight: 1, instruct: [AWI]}}\n" for index, when in enumerate(conditions)
    ]
    return parse_rulebook(HEAD + "".join(rules), "small.yaml")


def rules_of(rulebook):
    return [rule for rule in rulebook.rules if rule.conclude is None]


def never(when, ranges=None, wishes=SETTINGS, **concluded):
    rulebook = book(when, **concluded)
    return Prover(rulebook, wishes, ranges).never(rules_of(rulebook)[0].when.tree)


def implies(first, second, ranges=None, wishes=SETTINGS, **concluded):
    rulebook = book(first, second, **concluded)
    return Prover(rulebook, wishes, ranges).implies(*rules_of(rulebook))


@pytest.mark.parametrize(
    "when",
    [
        "V_Acc > 1",
        "V_Acc < 0",
        "V_Acc < 0.5 and V_Acc > 0.5",
        "V_Acc < 0.5 and V_Acc >= 0.5",
        "V_Acc == 0.5 and V_Acc != 0.5",
        "0.6 < V_Acc < 0.5",
        "not (V_Acc < 0.5 or V_Acc >= 0.5)",
        "T_Acc - V_Acc > 0.1 and V_Acc >= T_Acc",
        "T_Acc > V_Acc and V_Acc > loss_slope and loss_slope > T_Acc",
        "T_Acc + V_Acc > 2",
        "T_Acc - V_Acc > OT and V_Acc > 0.95",
        "V_Acc > TV_Acc - OT and V_Acc <= 0.89",
        "2 * T_Acc - V_Acc / 2 < 0.3 and T_Acc > 0.5",
        "V_E > 0.0000001 and V_E < 0.00000001",
        "abs(T_Acc - V_Acc) > 0.2 and T_Acc < 0.1 and V_Acc < 0.1",
        "max(T_Acc, V_Acc) < 0.5 and V_Acc > 0.6",
        "min(T_Acc, V_Acc, F) > 0.5 and V_Acc < 0.4",
        "failed and failed < 0.5",
        "not failed and failed > 0.7",
        "T_Acc * 0.1 > 0.1",
    ],
)
def test_what_can_never_hold_is_proved(when):
    assert never(when)


@pytest.mark.parametrize(
    "when",
    [
        "V_Acc >= 1",
        "V_Acc <= 0.5 and V_Acc >= 0.5",
        "T_Acc > V_Acc and V_Acc > loss_slope",
        "V_Acc > 0.5 and V_Acc < 0.5000000001",
        "V_E > 0.0000000001 and V_E < 0.0000000002",
        "V_E - T_E / 100 > 0.0000000001 and V_E < 0.0000000002",
        "V_Acc > TV_Acc - OT and V_Acc <= 0.8900000001",
        "F > 1 and P < 1",
        "abs(T_Acc - V_Acc) > 0.2 and T_Acc < 0.1",
        "loss_slope < -1000000",
        "P > TP",
        "V_E / T_E > 1 and V_E < T_E",
        "V_Acc * V_Acc > 2",
        "failed and nonfinite",
        "0 / T_Acc < 1",
    ],
)
def test_what_may_hold_or_is_not_linear_is_never_claimed_impossible(when):
    assert not never(when)


@pytest.mark.parametrize("number", ["0 / 0", "PT_E / PV_E", "0 * (T_Acc / (V_Acc - V_Acc))", "max(1 / 0, 2) * 0"])
def test_what_divides_by_0_holds_nowhere_and_its_contrary_as_little(number):
    rulebook = book(f"{number} < 1", f"{number} < 1 or V_Acc > 0.5", "V_Acc > 0.5", "V_Acc < 0.6")
    alone, either, high, low = rulebook.rules
    prover = Prover(rulebook, SETTINGS)
    assert prover.never(alone.when.tree)
    assert never(f"not ({number} < 1)")
    assert never("odd or not odd", odd=f"{number} < 1")
    assert not prover.always(alone.when.tree)
    assert not prover.possible(alone)
    assert not prover.always(either.when.tree)
    assert prover.implies(high, either)
    assert prover.implies(either, high)
    assert not prover.implies(low, either)


def test_conclusions_count_as_the_conditions_that_draw_them():
    assert never("overfitting and V_Acc > 0.95", overfitting="T_Acc - V_Acc > OT")
    assert not never("not overfitting and V_Acc > 0.95", overfitting="T_Acc - V_Acc > OT")
    assert implies("T_Acc > 0.9 and V_Acc < 0.5", "overfitting", overfitting="T_Acc - V_Acc > OT")
    assert implies("not overfitting and T_Acc > 0.5", "V_Acc > 0.3", overfitting="T_Acc - V_Acc > OT")
    assert implies("deep", "V_Acc < 0.5", wide="V_Acc < 0.4", deep="wide and T_Acc > 0.5")


def test_a_conclusion_that_two_rules_draw_holds_if_either_does():
    text = HEAD + (
        "  - {id: one, when: V_Acc < 0.2, conclude: odd}\n"
        "  - {id: two, when: V_Acc > 0.8, conclude: odd}\n"
        "  - {id: r0, when: odd and 0.3 < V_Acc < 0.7, weight: 1, instruct: [AWI]}\n"
        "  - {id: r1, when: not odd, weight: 1, instruct: [AWI]}\n"
        "  - {id: r2, when: 0.2 <= V_Acc <= 0.8, weight: 1, instruct: [AWI]}\n"
    )
    rulebook = parse_rulebook(text, "two.yaml")
    prover = Prover(rulebook, SETTINGS)
    _, _, never_true, not_odd, middle = rulebook.rules
    assert prover.never(never_true.when.tree)
    assert prover.implies(not_odd, middle)
    assert prover.implies(middle, not_odd)


def test_implication_is_one_way_and_exclusion_both_ways():
    assert implies("V_Acc < 0.5", "V_Acc < 0.6")
    assert not implies("V_Acc < 0.6", "V_Acc < 0.5")
    assert not implies("V_Acc <= 0.5", "V_Acc < 0.5")
    assert implies("V_Acc < 0.5 and F < 10 or V_Acc < 0.3", "V_Acc < 0.5 or F > 3")
    assert not implies("V_Acc * T_Acc > 0.2", "V_Acc < 0.5")
    rulebook = book("V_Acc < TV_Acc", "V_Acc >= TV_Acc", "V_Acc > 0.5")
    one, two, three = rulebook.rules
    prover = Prover(rulebook, SETTINGS)
    assert prover.exclude(one, two)
    assert not prover.exclude(one, three)


def test_settings_in_a_range_are_variables_in_it():
    assert never("V_Acc > TV_Acc and V_Acc < 0.5")
    assert never("V_Acc > TV_Acc and V_Acc < 0.5", ranges={"TV_Acc": (0.5, 0.99)})
    assert not never("V_Acc > TV_Acc and V_Acc < 0.5", ranges={"TV_Acc": (0.4, 0.99)})
    assert never("V_Acc < TV_Acc and V_Acc > TV_Acc", wishes={})


def test_too_many_alternatives_are_no_proof():
    many = " and ".join(f"(V_Acc < {index / 100} or F < {index})" for index in range(1, 12))
    assert not never(f"{many} and V_Acc > 0.5 and T_Acc < 0.1")
    assert never(f"{many} and V_Acc > 0.5 and V_Acc < 0.4")


GRID = [0, 0.125, 0.25, 0.5, 0.75, 1]


def random_condition(draw, depth=2):
    if depth and draw.random() < 0.6:
        one, two = random_condition(draw, depth - 1), random_condition(draw, depth - 1)
        return draw.choice([f"({one} and {two})", f"({one} and {two})", f"({one} or {two})", f"not ({one})"])
    left = draw.choice(["T_Acc", "V_Acc", "NF", "T_Acc - V_Acc", "V_Acc + NF", "abs(T_Acc - NF)", "max(V_Acc, NF)"])
    right = draw.choice([*map(str, GRID), "OT", "V_Acc / 2", "T_Acc * 0.5 - 0.25"])
    return f"{left} {draw.choice(['<', '<=', '>', '>=', '==', '!='])} {right}"


def test_nothing_is_proved_impossible_that_holds_on_a_grid_and_much_that_does_not_is():
    """A grid of eighths, on which all sums are exact."""
    steps = np.arange(9) / 8
    rows = np.asarray(list(itertools.product(steps, repeat=3)))
    values = {"T_Acc": rows[:, 0], "V_Acc": rows[:, 1], "NF": rows[:, 2], "OT": np.asarray(0.125)}
    wishes = {**SETTINGS, "OT": 0.125}
    draw = random.Random(5)
    proved = unproved = 0
    for _ in range(400):
        rulebook = book(random_condition(draw), random_condition(draw))
        one, two = rulebook.rules
        prover = Prover(rulebook, wishes)
        first, second = (condition(rule.when.tree, values) == 1.0 for rule in (one, two))
        for claimed, counterexamples in [
            (prover.never(one.when.tree), first),
            (prover.always(one.when.tree), ~first),
            (prover.implies(one, two), first & ~second),
            (prover.exclude(one, two), first & second),
        ]:
            assert not (claimed and counterexamples.any()), (one.when.source, two.when.source)
            proved += claimed
            unproved += not claimed and not counterexamples.any()
    assert proved > 250
    assert unproved < proved / 4  # the rest holds between the points of the grid


def test_what_is_not_linear_is_neither_proved_possible_nor_refuted_even_behind_a_conclusion_seen_before():
    rulebook = book("odd and V_Acc > 0.5", "odd", "V_Acc < 0.5", odd="V_Acc * V_Acc > 2")
    first, second, third = rules_of(rulebook)
    prover = Prover(rulebook, SETTINGS)
    assert not prover.possible(first)
    assert not prover.possible(second)
    assert prover.implies(third, second) is None
    assert prover.possible(third)
    assert prover.implies(third, first) is None
    assert prover.exclude(third, first) is True


def test_what_is_linear_is_proved_or_refuted():
    rulebook = book("0.501 < V_Acc < 0.5011 and 0.601 < T_Acc < 0.6011", "V_Acc < 0.5", "V_Acc < 0.6")
    narrow, low, higher = rulebook.rules
    prover = Prover(rulebook, SETTINGS)
    assert prover.possible(narrow)
    assert prover.implies(narrow, higher) is True
    assert prover.implies(narrow, low) is False
    assert prover.exclude(narrow, higher) is False


@pytest.mark.parametrize("backwards", [False, True])
def test_a_long_chain_of_conclusions_is_followed_as_far_as_it_needs_to_be_and_no_farther(backwards):
    chain = {f"k{number}": f"k{number - 1}" if number else "V_Acc < 0.4" for number in range(1000)}
    concluded = dict(reversed(chain.items())) if backwards else chain
    assert never("k10 and V_Acc > 0.5", **concluded)
    assert not never("k999 and V_Acc > 0.5", **concluded)


WHOLE = ("plateau", "dead_layers", "failed")


def test_what_is_proved_of_whole_numbers_holds_at_each_of_them():
    draw = random.Random(7)
    grid = list(itertools.product(range(5), range(5), (0, 1)))
    values = {name: np.asarray([float(row[at]) for row in grid]) for at, name in enumerate(WHOLE)}
    proved = 0
    for _ in range(400):
        parts = []
        for _ in range(draw.randint(1, 4)):
            one, other = draw.sample(WHOLE, 2)
            side = draw.choice([one, f"{draw.choice((2, 3))} * {one}", f"{one} - {other}", f"2 * {one} + {other}"])
            op, bound = draw.choice(("<", "<=", ">", ">=", "==")), draw.choice((0, 0.5, 1, 1.5, 2, 3, 4))
            parts.append(f"{side} {op} {bound}")
        text = " and ".join([*parts, "plateau <= 4", "dead_layers <= 4"])
        rulebook = book(text)
        (rule,) = rulebook.rules
        prover = Prover(rulebook, SETTINGS)
        holds = bool((condition(rule.when.tree, values) == 1).any())
        if prover.never(rule.when.tree):
            proved += 1
            assert not holds, text
        elif prover.possible(rule):
            proved += 1
            assert holds, text
    assert proved > 300
