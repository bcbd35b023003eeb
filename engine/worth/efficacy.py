"""What each rule is worth: the metric that it is meant to better, against what was measured after its advice.

A rule is meant to better the metric whose priority weighs it (``PV_Acc`` weighs for ``V_Acc``). Without a priority it
is the first metric of the vocabulary that its condition compares, or, if it compares none, reads by a conclusion.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.record import rulebook_at
from lemonade_es.engine.worth.identity import Difference, differences
from lemonade_es.engine.worth.step import CM, Step, completed, steps
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import drawers, upstream
from lemonade_es.vocabulary import METRICS, PRIORITIES

LEAST_STEPS = 3
"""Of fewer steps no interval is told."""

_CERTAINTY = 0.95
_ANGLES = np.linspace(0.0, math.pi / 2, 20_001)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its uncertainty.

    Attributes:
        mean: of the gains.
        low: the lower end of a 95 % interval, Student's, for a difference Welch's: a bootstrap of few steps would be
            too narrow. ``None`` of fewer than :data:`LEAST_STEPS` steps.
        high: the upper end.
        steps: how many gains there are.
    """

    mean: float
    low: float | None
    high: float | None
    steps: int


@dataclass(frozen=True, slots=True)
class Efficacy:
    """What became of one rule's advice.

    Attributes:
        rule: its id.
        place: ``file:line:col``.
        metric: what it is meant to better; ``None`` if that is not known.
        fired: the steps in which it gave instructions of a positive weight.
        carried_out: those of them in which at least one of these was carried out.
        failed: those in which the edited network could then not be trained.
        gain: of its metric, in the steps in which it was carried out; ``None`` without any.
        against_others: that gain less the one of all other steps; ``None`` without any on either side.
        CM: of the combined metric, in the steps in which it was carried out.
        left_out: steps in which another rule of that id gave instructions; nothing is learned of this one from them.
        differs: in what that one differs.
        pruned: the steps of ``carried_out`` in which the edited network was then stopped as hopeless; its accuracy and
            its CM count as :func:`lemonade_es.engine.worth.step.completed` says.
        verdict: ``helps`` or ``harms`` if the interval of ``against_others`` leaves no other sign, else ``open``.
    """

    rule: str
    place: str
    metric: str | None
    fired: int
    carried_out: int
    failed: int
    gain: Estimate | None
    against_others: Estimate | None
    CM: Estimate | None
    left_out: int = 0
    differs: tuple[Difference, ...] = ()
    pruned: int = 0

    @property
    def verdict(self) -> str:
        """``helps``, ``harms`` or ``open``; correlation, for rules choose the situations in which they fire."""
        found = self.against_others
        if found is None or found.low is None or found.high is None or found.low <= 0 <= found.high:
            return "open"
        return "helps" if found.low > 0 else "harms"

    def to_json(self) -> dict[str, Any]:
        """The row as JSON data."""
        return {**asdict(self), "verdict": self.verdict}


def efficacy(rulebook: Rulebook, runs: Iterable[Sequence[Entry]]) -> tuple[Efficacy, ...]:
    """A row for each rule that can give instructions, in the rulebook's order.

    Args:
        rulebook: whose rules are looked at; a rule of the same id in a run is taken for one of them if it has the
            same condition, the same instructions and the same direction.
        runs: their events.
    """
    taken: list[Step] = []
    advisers: dict[tuple[str, str], Rulebook] = {}
    for entries in runs:
        for step in steps(entries):
            taken.append(step)
            if step.rulebook != rulebook.digest and (step.run, step.rulebook) not in advisers:
                advisers[step.run, step.rulebook] = rulebook_at(tuple(entries), step.iteration)
    whole = completed(taken)
    return tuple(_row(rule, rulebook, whole, advisers) for rule in rulebook.rules if rule.instruct)


def purpose(rule: Rule, rulebook: Rulebook) -> str | None:
    """The metric that a rule is meant to better."""
    weighing = [] if rule.weight is None else [name for name in rule.weight.names if name in PRIORITIES]
    for priority in weighing:
        if priority.removeprefix("P") in METRICS:
            return priority.removeprefix("P")
    for read in (set(rule.when.names), _read(rule, rulebook)):
        for name, term in METRICS.items():
            if name in read and term.better is not None:
                return name
    return None


def _read(rule: Rule, rulebook: Rulebook) -> set[str]:
    """The names in a rule's condition, and in those that draw its conclusions."""
    return {name for item in upstream((rule,), drawers(rulebook.rules)).values() for name in item.when.names}


def _row(
    rule: Rule, rulebook: Rulebook, recorded: Sequence[Step], advisers: Mapping[tuple[str, str], Rulebook]
) -> Efficacy:
    metric = purpose(rule, rulebook)
    taken, strange, differs = [], 0, dict[Difference, None]()
    for step in recorded:
        adviser = advisers.get((step.run, step.rulebook))
        if adviser is None or step.part(rule.id) is None:
            taken.append(step)
        elif found := differences(rule, rulebook, adviser, step.facts):
            differs.update(dict.fromkeys(found))
            strange += 1
        else:
            taken.append(step)
    carried = [step for step in taken if step.share(rule.id) > 0]
    others = [step for step in taken if step.share(rule.id) == 0]
    gains, rest = ([] if metric is None else _gains(group, metric) for group in (carried, others))
    return Efficacy(
        rule=rule.id,
        place=str(rule.place),
        metric=metric,
        fired=sum(any(part.rule == rule.id for part in step.advising) for step in taken),
        carried_out=len(carried),
        failed=sum(step.failed for step in carried),
        gain=_estimate(gains),
        against_others=_difference(gains, rest),
        CM=_estimate(_gains(carried, CM)),
        left_out=strange,
        differs=tuple(differs),
        pruned=sum(step.ceiling is not None for step in carried),
    )


def _gains(taken: Iterable[Step], metric: str) -> list[float]:
    return [gain for step in taken if (gain := step.gain(metric)) is not None]


def _estimate(values: Sequence[float]) -> Estimate | None:
    return _told(statistics.fmean(values), (values,)) if values else None


def _difference(values: Sequence[float], others: Sequence[float]) -> Estimate | None:
    if not values or not others:
        return None
    return _told(statistics.fmean(values) - statistics.fmean(others), (values, others))


def _told(mean: float, groups: Sequence[Sequence[float]]) -> Estimate:
    """A mean, or the difference of two, which may have different variances and sizes."""
    fewest = min(len(group) for group in groups)
    if fewest < LEAST_STEPS:
        return Estimate(mean, None, None, fewest)
    errors = [statistics.variance(group) / len(group) for group in groups]
    total = math.fsum(errors)
    if total == 0.0:
        return Estimate(mean, mean, mean, fewest)
    shares = (error / total for error in errors)
    freedom = 1 / math.fsum(share**2 / (len(group) - 1) for share, group in zip(shares, groups, strict=True))
    far = _reach(freedom) * math.sqrt(total)
    return Estimate(mean, mean - far, mean + far, fewest)


def _reach(freedom: float) -> float:
    """Within so many standard errors of 0 Student's distribution has 95 %: 4.30 for 2 degrees of freedom.

    As the root of ``freedom`` times the tangent of an angle, it has a density that is a power of the angle's cosine.
    """
    density = np.cos(_ANGLES) ** (freedom - 1)
    within = np.cumsum(density[1:] + density[:-1])
    angle = float(np.interp(_CERTAINTY, within / within[-1], _ANGLES[1:]))
    return math.sqrt(freedom) * math.tan(angle)
