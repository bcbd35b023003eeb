"""What rules were worth, as a table: shares in points, all else as a factor."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from lemonade_es.engine.worth.efficacy import Efficacy, Estimate
from lemonade_es.report.efficacy import efficacy_page


def shown(metric: str, gain: Estimate) -> str:
    out = io.StringIO()
    row = Efficacy("shrink", "book.yaml:1:1", metric, 6, 6, 0, gain, gain, None)
    Console(file=out, width=110).print(efficacy_page([row], 1, 6))
    return out.getvalue()


@pytest.mark.parametrize("metric", ["P", "F", "T_E"])
def test_a_gain_of_what_has_a_unit_is_told_as_the_factor_by_which_it_became_better(metric: str) -> None:
    halved_twice = Estimate(math.log(4), math.log(2), math.log(8), 6)
    assert "x4 [x2, x8]" in shown(metric, halved_twice)
    assert "x0.5" in shown(metric, Estimate(math.log(0.5), None, None, 1))
    assert "xe+2000" in shown(metric, Estimate(2000.0, None, None, 1))


def test_a_gain_of_a_count_that_may_be_0_is_told_as_it_is() -> None:
    assert "+1.5 [-1, +2]" in shown("dead_layers", Estimate(1.5, -1.0, 2.0, 6))


def test_a_gain_of_a_share_is_told_in_points() -> None:
    assert "+1.5 [-0.5, +3.5]" in shown("V_Acc", Estimate(0.015, -0.005, 0.035, 6))


def test_networks_that_were_stopped_have_a_column_where_there_are_any() -> None:
    def page(pruned: int) -> str:
        out = io.StringIO()
        row = Efficacy("shrink", "b.yaml:1:1", "P", 23, 23, 0, None, None, None, pruned=pruned)
        Console(file=out, width=110).print(efficacy_page([row], 1, 23))
        return " ".join(out.getvalue().split())

    assert "failed pruned gain" in page(20)
    assert "23 23 20 - - open" in page(20)
    assert "no better than it could have" in page(20)
    assert "pruned" not in page(0)


def test_steps_of_another_rule_of_the_same_name_are_said_to_be_left_out() -> None:
    out = io.StringIO()
    row = Efficacy("shrink", "b.yaml:1:1", "P", 0, 0, 0, None, None, None, 6, ("condition", "direction"))
    Console(file=out, width=110).print(efficacy_page([row], 1, 6))
    told = " ".join(out.getvalue().split())
    why = "as another rule of the same name gave the instructions"
    assert f"left out, {why}: shrink in 6 steps (another condition and another direction)" in told
    assert "gave no instruction" not in told
