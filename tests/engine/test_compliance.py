from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from lemonade_es.engine.compliance import Verdict, complaint, ignored, judge, smallest_step
from lemonade_es.llm.patch import Skipped
from lemonade_es.llm.request import Instruction


def instruction(name, weight=1.0, changes="conv_layers", direction="increase"):
    return Instruction(name, "words", weight, (), changes, direction)


def verdict(changes, direction, before, after, skipped=()):
    (found,) = judge([instruction("X", 1.0, changes, direction)], {changes: before}, {changes: after}, skipped)
    return found.verdict


@pytest.mark.parametrize(
    ("changes", "direction", "before", "after", "expected"),
    [
        ("conv_layers", "increase", 3, 4, "followed"),
        ("conv_layers", "increase", 3, 3, "not"),
        ("conv_layers", "increase", 3, 2, "opposite"),
        ("conv_layers", "reduce", 3, 2, "followed"),
        ("conv_layers", "reduce", 3, 4, "opposite"),
        ("skips", "reduce", 0, 0, "cannot tell"),
        ("skips", "reduce", 0, 1, "opposite"),
        ("kernels", "increase", 1000, 1019, "partly"),
        ("kernels", "increase", 1000, 1020, "followed"),
        ("kernels", "reduce", 1000, 981, "partly"),
        ("kernels", "increase", 8, 9, "followed"),
        ("neurons", "increase", 400, 404, "partly"),
        ("dropouts", "increase", 0, 4.9, "partly"),
        ("dropouts", "increase", 0, 100 * 0.05, "followed"),
        ("dropouts", "reduce", 100 * 0.15, 100 * (0.15 - 0.05), "followed"),
        ("dropouts", "reduce", 20, 18, "partly"),
        ("dropouts", "reduce", 3, 0, "followed"),
    ],
)
def test_each_move_of_the_census_has_its_verdict(changes, direction, before, after, expected):
    assert verdict(changes, direction, before, after) == expected


def test_what_moved_though_the_executor_says_it_skipped_it_is_partly_followed():
    assert verdict("conv_layers", "increase", 3, 4, [Skipped("X", "no room")]) == "partly"
    assert verdict("conv_layers", "increase", 3, 4, [Skipped("Y", "no room")]) == "followed"
    assert verdict("conv_layers", "increase", 3, 3, [Skipped("X", "no room")]) == "not"


@pytest.mark.parametrize(
    ("changes", "direction", "before"),
    [(None, None, {"conv_layers": 3}), ("conv_layers", None, {"conv_layers": 3}), ("conv_layers", "increase", None)],
)
def test_without_an_entry_or_a_census_nobody_can_tell(changes, direction, before):
    asked = [instruction("X", 1.0, changes, direction)]
    assert judge(asked, before, {"conv_layers": 4}) == (Verdict("X", "cannot tell"),)


def test_only_heavy_instructions_that_are_not_skipped_for_a_reason_count_as_ignored():
    asked = [instruction("HEAVY", 2.0), instruction("HALF", 1.0), instruction("LIGHT", 0.9)]
    verdicts = judge(asked, {"conv_layers": 3}, {"conv_layers": 3})
    names = lambda skipped: [item.instruction for item in ignored(asked, verdicts, skipped)]  # noqa: E731
    assert names([]) == ["HEAVY", "HALF"]
    assert names([Skipped("HEAVY", "it would break the budget")]) == ["HALF"]
    assert names([Skipped("HEAVY", "  ")]) == ["HEAVY", "HALF"]


def test_an_instruction_that_moved_a_little_is_not_ignored():
    asked = [instruction("X", 1.0, "kernels")]
    assert ignored(asked, judge(asked, {"kernels": 1000}, {"kernels": 1001}), []) == ()


def test_the_complaint_names_each_instruction_with_its_counts():
    asked = [instruction("ACL"), instruction("RK", 1.0, "kernels", "reduce")]
    verdicts = judge(asked, {"conv_layers": 3, "kernels": 8}, {"conv_layers": 3, "kernels": 16})
    text = complaint(asked, verdicts)
    assert "ACL asks to increase conv_layers, which is 3 as before" in text
    assert "RK asks to reduce kernels, which is 16 and was 8" in text


def test_the_smallest_step_grows_with_the_network_only_where_single_units_do_not_matter():
    assert [smallest_step("kernels", n) for n in (10, 50, 1000)] == [1.0, 1.0, 20.0]
    assert [smallest_step("conv_layers", n) for n in (10, 1000)] == [1.0, 1.0]


def test_a_verdict_of_an_old_journal_is_read():
    old = {"instruction": "X", "verdict": "unknown", "before": None, "after": None}
    assert TypeAdapter(Verdict).validate_python(old) == Verdict("X", "cannot tell")
