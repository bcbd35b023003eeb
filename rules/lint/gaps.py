"""Situations in which no rule asks for anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lemonade_es.rules.analysis.arrays import Array
from lemonade_es.rules.analysis.points import comparisons_of, references
from lemonade_es.rules.analysis.vector import Outcomes
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.scene import Mask, Scene
from lemonade_es.rules.lint.wording import example
from lemonade_es.rules.problem import Place
from lemonade_es.vocabulary import COUNTS, METRICS

_DEPTH = 5
_REGIONS = 3
_SMALLEST = 0.02
"""A region with a smaller part of the situations is not worth a finding, unless it is the only one."""

Limits = dict[str, tuple[float, float]]


def gaps(scene: Scene) -> Iterator[Finding]:
    """Regions in which nothing is asked for: a warning where a wish is not met, a note where all are."""
    flags = [index for index, name in enumerate(scene.points.names) if name in FLAGS]
    usual = np.asarray(~(scene.points.values[:, flags] > 0).any(axis=1))
    nothing = usual & _silent(scene.outcomes)
    missed = np.asarray(nothing & _unmet(scene))
    met = np.asarray(nothing & ~missed)
    if missed.any():
        for region in _regions(scene, missed, usual):
            yield _finding(scene, region, "though a wish is not met; write a rule for it", warning=True)
    if met.any():
        yield _finding(scene, _regions(scene, met, usual)[0], "and every wish that counts is met", warning=False)


def _silent(outcomes: Outcomes) -> Mask:
    return np.asarray(~(np.nan_to_num(outcomes.weights, nan=0.0) > 0).any(axis=1))


def _unmet(scene: Scene) -> Mask:
    """Where a metric misses its threshold, and its priority is above 0."""
    missed = np.zeros(len(scene.points.values), dtype=np.bool_)
    for name, term in METRICS.items():
        threshold, priority = scene.settings.get(f"T{name}"), scene.settings.get(f"P{name}")
        if name not in scene.points.names or threshold is None or not priority:
            continue
        values = scene.points.values[:, scene.points.names.index(name)]
        missed |= (values < threshold) if term.better == "higher" else (values > threshold)
    return missed


@dataclass(frozen=True, slots=True)
class _Region:
    """A box of metrics: ``low <= metric <= high`` each, about.

    Attributes:
        limits: of the metrics that it bounds.
        where: the gap's points in it.
        share: how much of the box's points they are.
    """

    limits: Limits
    where: Mask
    share: float


def _finding(scene: Scene, region: _Region, state: str, *, warning: bool) -> Finding:
    rules = [rule for rule in scene.rulebook.rules if rule.instruct]
    box = " and ".join(_told(name, *ends) for name, ends in region.limits.items())
    part = "" if region.share > 0.98 else " in part of the region"
    where = f"{part} where {box}" if box else " in some situations"
    witness = scene.witness(region.where, rules, _silent, rules)
    said = f"no rule asks for anything{where}, for example with {example(witness)}, {state}"
    place = Place(scene.rulebook.file, 1, 1)
    return Finding("warning" if warning else "note", "GAP", place, said, (), witness)


def _told(name: str, low: float, high: float) -> str:
    if name in COUNTS:
        return _counted(name, low, high)
    if np.isinf(low):
        return f"{name} <= {high:.6g}"
    return f"{name} >= {low:.6g}" if np.isinf(high) else f"{low:.6g} <= {name} <= {high:.6g}"


def _counted(name: str, low: float, high: float) -> str:
    """As above, of what has no value between two whole numbers."""
    if high in (low, METRICS[name].low):
        return f"{name} = {high:.10g}"
    if np.isinf(low):
        return f"{name} <= {high:.10g}"
    return f"{name} >= {low:.10g}" if np.isinf(high) else f"{low:.10g} <= {name} <= {high:.10g}"


def _regions(scene: Scene, gap: Mask, usual: Mask) -> list[_Region]:
    """Boxes that hold most of a gap and little else, the largest first: the leaves of a small decision tree."""
    columns = [index for index, name in enumerate(scene.points.names) if name in METRICS and name not in FLAGS]
    names = [scene.points.names[index] for index in columns]
    values = scene.points.values[:, columns]
    compared = references(names, comparisons_of([scene.rulebook]), scene.settings)
    wished = {name: scene.settings.get(f"T{name}") for name in names}
    known = [[*compared[name], *(item for item in (wished[name],) if item is not None)] for name in names]
    found = list(_Tree(values, names, known, gap).leaves(usual, {}, _DEPTH))
    found.sort(key=lambda region: -int(region.where.sum()))
    total = int(gap.sum())
    return [region for index, region in enumerate(found) if not index or region.where.sum() > _SMALLEST * total][
        :_REGIONS
    ]


@dataclass(frozen=True, slots=True)
class _Cut:
    """A cut of a region in two: points with a value of at most ``at``, and others.

    Attributes:
        column: of the metric that is cut.
        at: its largest value in the lower part.
        told: the upper end of the lower part, and the lower end of the upper one: close to ``at``, and the same but
            for counts, where a whole number belongs to one of the parts.
    """

    column: int
    at: float
    told: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Tree:
    """A decision tree that tells a gap from the rest.

    Attributes:
        values: ``[points, metrics]``.
        names: of the metrics.
        known: for each, the values with which rules compare it; cuts are told by them where they fit.
        gap: which points lie in the gap.
    """

    values: Array
    names: Sequence[str]
    known: Sequence[Sequence[float]]
    gap: Mask

    def leaves(self, inside: Mask, limits: Limits, depth: int) -> Iterator[_Region]:
        """The regions of the gap within a region."""
        held = self.gap & inside
        if not held.any():
            return
        share = float(held.sum() / inside.sum())
        cut = self._best_cut(held, inside) if depth and share < 0.999 else None
        if cut is None:
            yield _Region(limits, held, share)
            return
        name = self.names[cut.column]
        low, high = limits.get(name, (-np.inf, np.inf))
        below = self.values[:, cut.column] <= cut.at
        yield from self.leaves(inside & below, {**limits, name: (low, cut.told[0])}, depth - 1)
        yield from self.leaves(inside & ~below, {**limits, name: (cut.told[1], high)}, depth - 1)

    def _best_cut(self, held: Mask, inside: Mask) -> _Cut | None:
        """Where gap and rest are told apart best, by Gini impurity; ``None`` if no cut helps much."""
        rows, hits = self.values[inside], held[inside].astype(np.float64)
        total, positive = len(rows), float(hits.sum())
        best: _Cut | None = None
        least = 0.95 * positive * (total - positive) / total
        for column in range(rows.shape[1]):
            order = np.argsort(rows[:, column], kind="stable")
            ordered = rows[order, column]
            count = np.arange(1, total)
            hit = np.cumsum(hits[order])[:-1]
            impurity = hit * (count - hit) / count
            impurity += (positive - hit) * (total - count - positive + hit) / (total - count)
            impurity[ordered[1:] == ordered[:-1]] = np.inf
            if total > 1 and impurity.min() < least:
                index = int(impurity.argmin())
                low, high = float(ordered[index]), float(ordered[index + 1])
                best, least = _Cut(column, low, self._ends(column, low, high)), float(impurity.min())
        return best

    def _ends(self, column: int, low: float, high: float) -> tuple[float, float]:
        """How a cut between two values of a metric is told."""
        told = next((value for value in self.known[column] if low <= value <= high), None)
        if self.names[column] not in COUNTS:
            return (_between(low, high),) * 2 if told is None else (told, told)
        if high - low == 1:
            return low, high
        if told is None:
            return (_between(low, high),) * 2
        last = math.floor(told) if told < high else high - 1
        return last, last + 1


def _between(low: float, high: float) -> float:
    """The shortest number from one value up to, but not including, a higher one."""
    for digits in range(1, 17):
        for value in (low, (low + high) / 2):
            found = float(f"{value:.{digits}g}")
            if low <= found < high:
                return found
    return low
