"""Searches with a bound: the most accurate network that is small enough, the most frugal one that is good and fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.quality.figures import mean, told
from benchmarks.quality.trace import Evaluation, SearchTrace

Values = tuple[float, ...]


@dataclass(frozen=True)
class Goal:
    """What is wished for, and how each contender is told.

    Attributes:
        name: of the goal; it stands for digits with this wish.
        about: in words.
        excess: how far an evaluation is from each bound: 0 or less keeps it.
        value: what is to be as high as can be among those that keep all bounds.
        unit: how the value is told.
        options: of ``lemonade-es run``.
        objectives: of NSGA-II, all to be maximised; the first is the value.
    """

    name: str
    about: str
    excess: Callable[[Evaluation], Values]
    value: Callable[[Evaluation], float]
    unit: str
    options: tuple[str, ...]
    objectives: Callable[[Evaluation], Values]

    def kept(self, evaluation: Evaluation) -> bool:
        """Whether an evaluation keeps all bounds."""
        return evaluation.V_Acc is not None and max(self.excess(evaluation)) <= 0

    def best(self, trace: SearchTrace) -> list[float | None]:
        """The highest value within the bounds after each evaluation."""
        found: list[float | None] = []
        top: float | None = None
        for item in trace.evaluations:
            if self.kept(item):
                top = self.value(item) if top is None else max(top, self.value(item))
            found.append(top)
        return found


MEGABYTES, FRAMES, ACCURACY = 0.1, 3000.0, 0.95


def _size(item: Evaluation) -> float:
    return math.log(item.S) if item.S else math.log(1e3)


def _frugality(item: Evaluation) -> float:
    return -math.log10(item.V_E) if item.V_E else 0.0


GOALS: Mapping[str, Goal] = {
    goal.name: goal
    for goal in (
        Goal(
            "small",
            f"the highest V_Acc with S < {MEGABYTES:g} MB",
            lambda item: (_size(item) - math.log(MEGABYTES),),
            lambda item: item.V_Acc or 0.0,
            "V_Acc",
            ("--rulebook", "edge", "--require", f"S={MEGABYTES:g}"),
            lambda item: (item.V_Acc or 0.0, -_size(item)),
        ),
        Goal(
            "frugal",
            f"the lowest V_E with F >= {FRAMES:g} and V_Acc >= {ACCURACY:g}",
            lambda item: (FRAMES / item.F - 1 if item.F else 1.0, ACCURACY - (item.V_Acc or 0.0)),
            _frugality,
            "-log10 of kWh-PUE",
            (
                *("--rulebook", "edge", "--require", f"F={FRAMES:g}", "--require", f"V_Acc={ACCURACY:g}"),
                *("--preset", "edge", "--set", f"TT_Acc={ACCURACY:g}", "--set", "TV_E=1e-8"),
                *("--set", "WA=0", "--set", "WF=0", "--set", "WE=1"),
            ),
            lambda item: (_frugality(item), item.V_Acc or 0.0),
        ),
    )
}


def summary(goal: Goal, traces: Sequence[SearchTrace], evaluations: int) -> dict[str, Any]:
    """For each contender how often the bounds were kept at all, and the value reached where they were."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(item.contender for item in traces):
        own = [item for item in traces if item.contender == name]
        ends = [value for item in own if (value := goal.best(item)[-1]) is not None]
        first = [
            next((n for n, value in enumerate(goal.best(item), 1) if value is not None), evaluations + 1)
            for item in own
        ]
        found[name] = {
            "seeds": sorted(item.seed for item in own),
            "kept": len(ends),
            "value": mean(ends) if ends else None,
            "first": median if (median := sorted(first)[len(first) // 2]) <= evaluations else None,
        }
    return found


def table(goal: Goal, found: Mapping[str, Any]) -> list[str]:
    """The figures of one goal for a person."""
    lines = [f"{goal.name}: {goal.about}", f"{'':16}{'kept in':>12}{'first after':>13}{goal.unit + ' [95 %]':>30}"]
    for name, figures in found.items():
        kept = f"{figures['kept']} of {len(figures['seeds'])}"
        first = figures["first"] or "never"
        lines.append(f"{name:16}{kept:>12}{first:>13}{told(figures['value']):>30}")
    return lines
