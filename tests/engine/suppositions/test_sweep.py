"""The boundaries that a sweep finds are those of the rules, whatever rounding does to them."""

from __future__ import annotations

import itertools
import random

import pytest

from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.suppositions.sweep import Sweep, run_sweep
from lemonade_es.engine.suppositions.whatif import restated, supposed_facts
from lemonade_es.rules.load import parse_rulebook

HEAD = "rulebook: b\nversion: 1\ninstructions: {A: {text: a}}\nrules:\n"
CONDITIONS = (
    "T_Acc - V_Acc > OT",
    "T_Acc - V_Acc < UT",
    "V_Acc > TV_Acc - OT",
    "V_Acc * T_Acc > 0.3",
    "V_Acc > 1 / 3",
    "V_Acc + T_Acc + class_gap <= 1.3",
    "T_Acc * 0.1 + V_Acc * 0.3 > OT * 2",
)


def book(*conditions):
    rules = (f"  - {{id: r{n}, when: {text}, weight: 1, instruct: [A]}}\n" for n, text in enumerate(conditions))
    return parse_rulebook(HEAD + "".join(rules), "b.yaml")


def swept(rulebook, text, metrics=None, wishes=None):
    return run_sweep(rulebook, supposed_facts(rulebook, metrics or {}, wishes or {}), Sweep.parse(text))


@pytest.mark.parametrize(
    ("condition", "metrics", "wishes", "boundary"),
    [
        ("T_Acc - V_Acc < UT", {"T_Acc": 0.23}, {"UT": 0.15}, 0.08),
        ("T_Acc - V_Acc < UT", {"T_Acc": 0.4}, {"UT": 0.18}, 0.22),
        ("V_Acc * T_Acc > 0.3", {"T_Acc": 0.33}, {}, 0.3 / 0.33),
        ("V_Acc + T_Acc + class_gap <= 1.3", {"T_Acc": 0.47, "class_gap": 0.38}, {}, 0.45),
        ("V_Acc + T_Acc + class_gap <= 1.3", {"T_Acc": 0.64, "class_gap": 0.15}, {}, 0.51),
        ("V_Acc + T_Acc + class_gap < 1.3", {"T_Acc": 0.44, "class_gap": 0.31}, {}, 0.55),
        ("V_Acc + T_Acc + class_gap < 1.3", {"T_Acc": 0.06, "class_gap": 0.34}, {}, 0.9),
    ],
)
def test_a_boundary_that_rounding_moves_is_found_and_told_as_people_write_it(condition, metrics, wishes, boundary):
    first, second = swept(book(condition), "V_Acc=0:1:0.1", metrics, wishes)
    assert first.stop == second.start == pytest.approx(boundary, abs=2e-12)
    assert len(repr(second.start)) <= len(repr(boundary))


def test_each_stretch_of_many_sweeps_agrees_with_the_rules_inside_it():
    draw = random.Random(0)
    rulebook = book(*CONDITIONS)
    inner = 0
    for _ in range(20):
        metrics = {name: round(draw.random(), 2) for name in ("T_Acc", "class_gap")}
        wishes = {name: round(draw.random() * 0.3, 2) for name in ("OT", "UT")}
        facts = supposed_facts(rulebook, metrics, wishes)
        stretches = run_sweep(rulebook, facts, Sweep.parse("V_Acc=0:1:0.1"))
        assert (stretches[0].start, stretches[-1].stop) == (0, 1)
        for one, other in itertools.pairwise(stretches):
            assert one.start <= one.stop == other.start
        for stretch in stretches:
            at = [stretch.start] if stretch.starts_here else []
            at += [(stretch.start + stretch.stop) / 2] if stretch.stop - stretch.start > 1e-12 else []
            inner += len(stretches) > 1
            for value in at:
                fired = evaluate(rulebook, restated(facts, {"V_Acc": value}, {})).fired
                assert tuple(firing.rule for firing in fired) == stretch.fired
    assert inner > 40


def test_a_condition_that_changes_millions_of_times_within_a_step_comes_to_an_end():
    sawtooth = "V_Acc * 3000001 - (V_Acc * 3000001 + 67108864 * 67108864 - 67108864 * 67108864) > 0"
    assert len(swept(book(sawtooth), "V_Acc=0:1:0.5")) > 2


def test_all_boundaries_within_one_step_are_found():
    limits = [number / 100 for number in range(3, 98, 2)]
    stretches = swept(book(*(f"V_Acc >= {limit}" for limit in limits)), "V_Acc=0:1:1")
    assert [stretch.start for stretch in stretches] == [0, *limits]


@pytest.mark.parametrize(
    ("limit", "sweep"),
    [(1e-10, "V_E=0:1:0.1"), (1.5e-10, "V_E=0:1:0.1"), (1.23456e-11, "V_E=0:1:1"), (3e-7, "V_E=0:1000:1000")],
)
def test_a_boundary_at_a_small_number_is_not_told_as_0(limit, sweep):
    for comparison, belongs in ((">", False), (">=", True)):
        first, second = swept(book(f"V_E {comparison} TV_E"), sweep, wishes={"TV_E": limit})
        assert (first.stop, second.start, second.starts_here) == (limit, limit, belongs)
        assert (first.fired, second.fired) == ((), ("r0",))


def test_a_boundary_at_0_that_rounding_moves_is_told_as_0():
    first, second = swept(book("V_Acc + T_Acc > 0.3"), "V_Acc=0:1:0.1", {"T_Acc": 0.3})
    assert (first.stop, second.start) == (0, 0)


@pytest.mark.parametrize(
    ("condition", "text", "window"),
    [
        ("50000 <= P <= 60000", "P=0:1000000:100000", (50000, 60001)),
        ("P == 54321", "P=0:1000000:100000", (54321, 54322)),
        ("0.41 <= V_Acc < 0.42", "V_Acc=0:1:0.1", (0.41, 0.42)),
        ("V_Acc == 0.45", "V_Acc=0:1:0.1", (0.45, 0.45)),
        ("abs(V_Acc - 0.45) < 0.001", "V_Acc=0:1:0.1", (0.449, 0.451)),
        ("T_Acc - V_Acc < 0.32 and T_Acc - V_Acc > 0.31", "V_Acc=0:1:0.1", (0.58, 0.59)),
        ("0.49 < NF < 0.5", "F=0:100000:50000", (14000 * 0.49 / 0.51, 14000)),
        ("V_Acc > TV_Acc and V_Acc < 0.93", "TV_Acc=0.95:1:0.05", None),
        ("TV_Acc > 0.93 and TV_Acc < V_Acc", "TV_Acc=0.5:1:0.5", (0.93, 0.94)),
    ],
)
def test_a_condition_that_holds_only_within_a_step_is_found(condition, text, window):
    stretches = swept(book(condition), text, {"T_Acc": 0.9, "F": 1} if text[0] != "T" else {"V_Acc": 0.94})
    holding = [(stretch.start, stretch.stop) for stretch in stretches if stretch.fired]
    assert holding == ([] if window is None else [pytest.approx(window, abs=1e-12, rel=1e-12)])


def test_conditions_that_part_in_their_last_digits_have_one_boundary():
    conditions = ("V_Acc < 0.9", "V_Acc + 0.1 < 1", "V_Acc > 0.3", "V_Acc + 0.1 > 0.4")
    stretches = swept(book(*conditions), "V_Acc=0:1:0.1")
    assert [(stretch.start, stretch.stop, stretch.fired) for stretch in stretches] == [
        (0, 0.3, ("r0", "r1")),
        (0.3, 0.9, ("r0", "r1", "r2", "r3")),
        (0.9, 1, ("r2", "r3")),
    ]


def test_a_weight_that_runs_to_0_ends_with_its_condition_and_is_told_as_0():
    rules = (
        "  - {id: falling, when: V_Acc < 0.9, weight: 0.9 - V_Acc, instruct: [A]}\n"
        "  - {id: rising, when: V_Acc > 0.95, weight: V_Acc - 0.95, instruct: [A]}\n"
    )
    falling, none, rising = swept(parse_rulebook(HEAD + rules, "b.yaml"), "V_Acc=0:1:0.1")
    assert (falling.start, falling.stop, none.stop, rising.stop) == (0, 0.9, 0.95, 1)
    assert (falling.instructions, falling.instructions_to) == ({"A": 0.9}, {"A": 0})
    assert (rising.instructions, rising.instructions_to) == ({"A": 0}, {"A": pytest.approx(0.05)})
    assert none.instructions == {}


def test_a_single_value_at_which_arithmetic_gives_equal_sides_is_found():
    stretches = swept(book("T_Acc != TT_Acc * 0.5"), "TT_Acc=0:1:0.2", {"T_Acc": 0.495})
    assert [(stretch.start, stretch.stop, stretch.fired) for stretch in stretches] == [
        (0, 0.99, ("r0",)),
        (0.99, 0.99, ()),
        (0.99, 1, ("r0",)),
    ]


@pytest.mark.parametrize(
    ("condition", "text", "window"),
    [
        ("1 / (V_Acc - 0.5) > 1000", "V_Acc=0:1:1", (0.5, 0.501)),
        ("1 / (V_Acc - 0.5) < -1000", "V_Acc=0:1:1", (0.499, 0.5)),
        ("'min(0.25 / T_E, V_Acc) >= T_NE'", "T_E=0:1:1", (0, 0.001)),
    ],
)
def test_a_condition_that_holds_only_beside_a_division_by_0_is_found(condition, text, window):
    stretches = swept(book(condition), text, {"V_Acc": 0.5})
    holding = [(stretch.start, stretch.stop) for stretch in stretches if stretch.fired]
    assert holding == [pytest.approx(window, abs=1e-12)]


@pytest.mark.parametrize("sweep", ["F=0:28000:3000", "TF=0:28000:3000"])
def test_a_normalised_metric_runs_with_what_it_comes_from(sweep):
    rulebook = book("NF < 0.5")
    stretches = swept(rulebook, sweep, {"F": 14000}, {"TF": 14000})
    assert stretches[-1].start == 14000
    assert [stretch.fired for stretch in stretches][-2:] == ([("r0",), ()] if sweep[0] == "F" else [(), ("r0",)])


def test_a_normalised_metric_that_is_given_itself_stays():
    assert len(swept(book("NF < 0.5"), "F=0:28000:3000", {"NF": 0.1, "F": 100})) == 1


def test_a_weight_that_runs_with_the_value_is_told_at_both_ends_of_one_stretch():
    text = HEAD + "  - {id: r, when: F < TF, weight: PF * 2, instruct: [A]}\n"
    off, on = swept(parse_rulebook(text, "b.yaml"), "PF=0:1:0.1", {"F": 1})
    assert (off.instructions, off.start, off.stop) == ({}, 0, 0)
    assert on.instructions_to == {"A": 2}
    assert not on.starts_here


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loss_slope=-0.3:0:0.1", [-0.3, -0.2, -0.1, 0]),
        ("V_Acc=0:1:0.3", [0, 0.3, 0.6, 0.9, 1]),
        ("V_Acc=0.5:0.6:0.2", [0.5, 0.6]),
        ("V_Acc=0.5:1:1e9", [0.5, 1]),
    ],
)
def test_both_ends_of_the_range_are_looked_at_each_once(text, expected):
    assert Sweep.parse(text).values() == expected


def test_ten_thousand_steps_are_allowed():
    assert len(Sweep.parse("V_Acc=0:1:0.0001").values()) == 10_001


@pytest.mark.parametrize(
    ("condition", "text", "boundary"),
    [
        ("P > 1000.5", "P=0:2000:100", 1001),
        ("P * 4 / 1e6 > 0.0643", "P=0:50000:1000", 16076),
        ("plateau >= 3", "plateau=0:20:7", 3),
        ("failed", "failed=0:1:1", 1),
    ],
)
def test_between_whole_numbers_there_is_no_boundary(condition, text, boundary):
    first, second = swept(book(condition), text)
    assert (first.stop, second.start, second.starts_here) == (boundary, boundary, True)
    assert (first.fired, second.fired) == ((), ("r0",))


def test_a_normalised_metric_runs_along_with_what_it_comes_from_unless_somebody_supposed_it():
    rulebook = book("NF > 0.5")
    mean = supposed_facts(rulebook, {"F": 1000, "NF": 0.4}, {"TF": 1000})  # a run's with --repeats has such an NF
    sweep, setting = Sweep.parse("F=0:2000:100"), Sweep.parse("TF=1:3000:100")
    assert [stretch.start for stretch in run_sweep(rulebook, mean, sweep, ["F"])] == [0.0, 1000.0]
    assert [stretch.start for stretch in run_sweep(rulebook, mean, setting, [])] == [1.0, 1000.0]
    assert len(run_sweep(rulebook, mean, sweep, ["NF"])) == len(run_sweep(rulebook, mean, sweep)) == 1
