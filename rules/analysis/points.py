"""Situations to look at rulebooks in: random ones, and those at the boundaries of their comparisons."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lemonade_es.rules.analysis.arrays import Array, number
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import COUNTS, METRICS, NORMALISED

FLAG_SHARE = 0.1
"""So many random situations have a flag set."""

_CORNERS = 8
_NEAR = 1e-6
_NEWTON_STEPS = 6
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Points:
    """Situations: a row of metric and setting values each.

    Attributes:
        names: the metrics that rulebooks use, then the settings.
        values: ``[points, names]``; NaN is unknown.
    """

    names: tuple[str, ...]
    values: Array

    def row(self, index: int) -> dict[str, float]:
        """The known values of one point."""
        found = zip(self.names, map(float, self.values[index]), strict=True)
        return {name: value for name, value in found if not math.isnan(value)}

    def metrics(self, index: int) -> dict[str, float]:
        """The known metrics of one point."""
        return {name: value for name, value in self.row(index).items() if name in METRICS}


def metrics_of(rulebooks: Sequence[Rulebook]) -> tuple[str, ...]:
    """The metrics that the conditions and weights of rulebooks use, in the vocabulary's order."""
    used = {
        name
        for rulebook in rulebooks
        for rule in rulebook.rules
        for expression in (rule.when, rule.weight)
        if expression is not None
        for name in expression.names
    }
    return tuple(name for name in METRICS if name in used)


def comparisons_of(rulebooks: Sequence[Rulebook]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Both sides of each comparison in the conditions of rulebooks, each once, in their order."""
    seen = set()
    for rulebook in rulebooks:
        for rule in rulebook.rules:
            for node in ast.walk(rule.when.tree):
                if not isinstance(node, ast.Compare):
                    continue
                sides = [node.left, *node.comparators]
                for left, right in itertools.pairwise(sides):
                    text = rule.when.source[left.col_offset : right.end_col_offset]
                    if text not in seen:
                        seen.add(text)
                        yield left, right


def references(
    metrics: Sequence[str],
    comparisons: Iterable[tuple[ast.expr, ast.expr]],
    settings: Mapping[str, float | None],
) -> dict[str, list[float]]:
    """For each metric the values that it is directly compared with, in rising order."""
    values = {name: np.asarray(math.nan if item is None else item) for name, item in settings.items()}
    found: dict[str, set[float]] = {name: set() for name in metrics}
    for pair in comparisons:
        for one, other in (pair, pair[::-1]):
            if isinstance(one, ast.Name) and one.id in found:
                value = float(number(other, values))
                if math.isfinite(value):
                    found[one.id].add(value)
    return {name: sorted(items) for name, items in found.items()}


def corners(ranges: Mapping[str, tuple[float, float]], usual: Mapping[str, float | None]) -> Iterator[dict[str, float]]:
    """Settings at the ends of their ranges: all high, all low, then one at a time; not too many."""
    if len(ranges) > 1:
        yield {name: high for name, (_, high) in ranges.items()}
        yield {name: low for name, (low, _) in ranges.items()}
    single = ({name: end} for name, ends in ranges.items() for end in ends if end != usual.get(name))
    yield from itertools.islice(single, _CORNERS)


def under(points: Points, settings: Mapping[str, float | None], following: Collection[str] = ()) -> Points:
    """The same points under other settings.

    Args:
        points: metrics and settings.
        settings: the other ones.
        following: normalised metrics that are made anew from what they come from.
    """
    values = points.values.copy()
    for index, name in enumerate(points.names):
        if name in settings:
            value = settings[name]
            values[:, index] = math.nan if value is None else value
    for name in following:
        if name in points.names:
            raw, threshold = (values[:, points.names.index(source)] for source in NORMALISED[name])
            with np.errstate(all="ignore"):
                values[:, points.names.index(name)] = raw / (raw + threshold)
    return Points(points.names, values)


def sample_points(
    rulebooks: Sequence[Rulebook],
    settings: Mapping[str, float | None],
    *,
    count: int = 4096,
    seed: int = 0,
    more: Collection[str] = (),
) -> Points:
    """Situations in which rulebooks may differ in what they say.

    About half are random over the metrics' ranges, near the values that metrics are compared with; the others lie
    at, just under and just over the boundary of each comparison. All metrics are known in all of them, and those that
    count are whole numbers.

    Args:
        rulebooks: those to be looked at.
        settings: thresholds, priorities and weights in force; the same in every situation.
        count: about how many.
        seed: of the random ones.
        more: metrics that are looked at though no rulebook uses them.
    """
    used = {*metrics_of(rulebooks), *more}
    metrics = tuple(name for name in METRICS if name in used)
    generator = np.random.default_rng(seed)
    comparisons = list(comparisons_of(rulebooks))
    sampler = _Sampler(metrics, settings, comparisons, generator)
    free = sampler.random(max(1, count // 2))
    borders = sampler.borders(free, max(1, count // 2))
    rows = np.concatenate([free, sampler.bounds(free), *borders])
    constants = [math.nan if value is None else value for value in settings.values()]
    fixed = np.broadcast_to(np.asarray(constants, dtype=np.float64), (len(rows), len(constants)))
    return Points((*metrics, *settings), np.concatenate([rows, fixed], axis=1))


class _Sampler:
    def __init__(
        self,
        metrics: Sequence[str],
        settings: Mapping[str, float | None],
        comparisons: Sequence[tuple[ast.expr, ast.expr]],
        generator: np.random.Generator,
    ) -> None:
        self.metrics = tuple(metrics)
        self.constants = {name: np.asarray(math.nan if item is None else item) for name, item in settings.items()}
        self.comparisons = comparisons
        self.generator = generator
        self.references = references(metrics, comparisons, settings)

    def _gap(self, left: ast.expr, right: ast.expr, values: Mapping[str, Array]) -> Array:
        return number(left, values) - number(right, values)

    def random(self, count: int) -> Array:
        columns = [self._column(name, count) for name in self.metrics]
        rows = np.stack(columns, axis=1) if columns else np.zeros((count, 0))
        for name, (raw, _) in NORMALISED.items():
            self._follow(rows[::2], raw)
            self._follow(rows[1::2], name)
        return rows

    def _follow(self, rows: Array, metric: str) -> None:
        """Sets what is normalised from a metric, or what a normalised one comes from, as the two cannot differ."""
        for name, (raw, threshold) in NORMALISED.items():
            limit = float(self.constants.get(threshold, np.nan))
            if metric not in (name, raw) or not {name, raw} <= {*self.metrics} or not limit > 0:
                continue
            share, value = (self.metrics.index(it) for it in (name, raw))
            if metric == name:
                rows[:, share] = np.minimum(rows[:, share], 1 - _NEAR)  # 1 would be without end
                rows[:, value] = limit * rows[:, share] / (1 - rows[:, share])
            else:
                rows[:, share] = rows[:, value] / (rows[:, value] + limit)

    def _column(self, name: str, count: int) -> Array:
        term, draw = METRICS[name], self.generator
        if name in FLAGS:
            return (draw.random(count) < FLAG_SHARE).astype(np.float64)
        low, high = term.low, term.high
        if math.isfinite(low) and math.isfinite(high):
            found = draw.uniform(low, high, count)
            near = [item for item in self.references[name] if low <= item <= high]
        else:
            scales = [abs(item) for item in self.references[name] if item] or [1.0, 1e3, 1e6]
            found = draw.choice(np.asarray(scales), count) * 10.0 ** draw.uniform(-2, 2, count)
            near = self.references[name]
            found = found if math.isfinite(low) else found * draw.choice(np.asarray([-1.0, 1.0]), count)
            found = np.minimum(found, high)
        if name in COUNTS:
            found = np.ceil(found)  # up: 0 would come too often
        if near:  # a third of them close to what the metric is compared with
            chosen = draw.choice(np.asarray(near), count)
            close = chosen + draw.normal(0, 0.05, count) * np.where(chosen == 0, 1.0, np.abs(chosen))
            close = np.rint(close) if name in COUNTS else close
            found = np.where(draw.random(count) < 1 / 3, np.clip(close, low, high), found)
        return _rounded(found)

    def bounds(self, contexts: Array) -> Array:
        """For each metric: a situation at each of its bounds."""
        found = []
        for column, name in enumerate(self.metrics):
            for value in (METRICS[name].low, METRICS[name].high):
                if math.isfinite(value):
                    moved = contexts[self.generator.integers(0, len(contexts))].copy()
                    moved[column] = value
                    self._follow(moved[np.newaxis], name)
                    found.append(moved)
        return np.asarray(found).reshape(len(found), len(self.metrics))

    def borders(self, contexts: Array, count: int) -> list[Array]:
        """For each comparison and each metric in it: situations on both sides of its boundary, and on it."""
        targets = []
        for pair in self.comparisons:
            read = _names(pair[0]) | _names(pair[1])
            targets += [(pair, metric) for metric in self.metrics if metric in read and metric not in FLAGS]
        if not targets:
            return []
        most = max(1, count // 3)
        if len(targets) > most:  # too many for so few points
            targets = [targets[index] for index in np.linspace(0, len(targets) - 1, most).astype(int)]
        each = max(1, most // len(targets))
        found = []
        for (left, right), metric in targets:
            rows = contexts[self.generator.integers(0, len(contexts), each)]
            column = self.metrics.index(metric)
            edge = self._edge(left, right, rows, column)
            rows, edge = rows[np.isfinite(edge)], edge[np.isfinite(edge)]
            low, high = METRICS[metric].low, METRICS[metric].high
            step = _NEAR * np.maximum(np.abs(edge), 1e-3)
            if metric in COUNTS:
                edge, step = np.floor(edge), np.ones_like(edge)
            for value in (edge, edge - step, edge + step):
                moved = rows.copy()
                moved[:, column] = value
                moved = moved[(value >= low) & (value <= high)]
                self._follow(moved, metric)
                found.append(moved)
        return found

    def _edge(self, left: ast.expr, right: ast.expr, rows: Array, column: int) -> Array:
        """The value of one metric at which both sides are equal, or NaN.

        A secant finds it where the comparison is linear in the metric, Newton's method where it is not.
        """
        values: dict[str, Array] = {name: rows[:, index] for index, name in enumerate(self.metrics)}
        values.update(self.constants)

        def gap(moved: Array) -> Array:
            at = {**values, self.metrics[column]: moved}
            return np.broadcast_to(self._gap(left, right, at), (len(rows),))

        def settled(edge: Array) -> Array:
            edge = np.asarray([float(f"{value:.12g}") for value in edge])  # 0.1 + 0.2 is meant to be 0.3
            return np.where(np.abs(gap(edge)) <= _NEAR * np.maximum(np.abs(edge), 1e-3), edge, np.nan)

        with np.errstate(all="ignore"):
            first, second = gap(np.zeros(len(rows))), gap(np.ones(len(rows)))
            edge = settled(first / (first - second))
            if np.isnan(edge).any():
                tried = rows[:, column]
                for _ in range(_NEWTON_STEPS):
                    step = 1e-4 * np.maximum(np.abs(tried), 1e-3)
                    here = gap(tried)
                    tried = tried - here * step / (gap(tried + step) - here)
                edge = np.where(np.isnan(edge), settled(tried), edge)
        return edge


def _names(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _rounded(values: Array) -> Array:
    """To so many significant digits that a witness is easily read."""
    with np.errstate(all="ignore"):
        exponent = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(np.where(values == 0, 1.0, values)))))
    power = 10.0 ** (_DIGITS - 1 - exponent)
    return np.asarray([float(f"{item:.{_DIGITS}g}") for item in np.round(values * power) / power])
