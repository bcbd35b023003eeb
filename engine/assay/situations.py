"""Situations to try a rulebook in: those that its tests give, and random ones under many settings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lemonade_es.engine.expert.selftest import facts_of
from lemonade_es.rules.analysis.points import Points, metrics_of, sample_points
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import COUNTS, METRICS, SETTABLE, TERMS, settings

COLUMNS = tuple(TERMS)
"""The names of the values of every situation here."""

_TESTED_SETTINGS = 6
_RANDOM_SETTINGS = 12
_LOWEST_SHARE = 1 / 8
"""So many settings are moved as low as they go: without tolerance, rules that imply each other no longer do."""
_BLANK_SHARE = 1 / 8
"""So many sampled situations lack some metrics, as those of failed networks do."""

Given = Mapping[str, float]
Array = npt.NDArray[np.float64]


def points_of(rulebook: Rulebook, givens: Sequence[Given]) -> Points:
    """Situations as rows, with a column for each term; NaN is unknown."""
    values = np.full((len(givens), len(COLUMNS)), np.nan, order="F")
    for row, given in enumerate(givens):
        facts = facts_of(rulebook, given)
        values[row] = [math.nan if (value := facts[name]) is None else value for name in COLUMNS]
    return Points(COLUMNS, values)


def given_at(rulebook: Rulebook, points: Points, index: int) -> dict[str, float]:
    """One of these situations as a test gives it: its metrics, and the settings that are not the defaults."""
    usual = settings(None, {}, rulebook.defaults)
    return {name: value for name, value in points.row(index).items() if name in METRICS or usual[name] != value}


def joined(parts: Sequence[Points]) -> Points:
    """All situations of several lots that have a column for each term."""
    return Points(COLUMNS, np.asfortranarray(np.concatenate([part.values for part in parts])))


def sampled(rulebook: Rulebook, *, count: int = 2048, seed: int = 0) -> Points:
    """Random situations and those at the boundaries of comparisons, under many settings.

    The settings are the defaults, those of the tests, and random ones, in which no name is like its sibling. An
    eighth of the situations lack some of the metrics.

    Args:
        rulebook: its conditions say where the boundaries are.
        count: about how many.
        seed: of all that is random.
    """
    generator = np.random.default_rng(seed)
    variants = list(_variants(rulebook, generator))
    each = max(16, count // len(variants))
    lots = []
    for number, variant in enumerate(variants):
        found = sample_points([rulebook], variant, count=each, seed=seed + number)
        values = np.full((len(found.values), len(COLUMNS)), np.nan)
        values[:, [COLUMNS.index(name) for name in found.names]] = found.values
        lots.append(Points(COLUMNS, values))
    points = joined(lots)
    measured = np.asarray([COLUMNS.index(name) for name in metrics_of([rulebook])], dtype=np.intp)
    rows = np.flatnonzero(generator.random(len(points.values)) < _BLANK_SHARE)
    blank = generator.random((len(rows), len(measured))) < 0.5
    corner = np.ix_(rows, measured)
    points.values[corner] = np.where(blank, np.nan, points.values[corner])
    counts = [COLUMNS.index(name) for name in sorted(COUNTS)]
    points.values[:, counts] = np.round(points.values[:, counts])
    return points


def _variants(rulebook: Rulebook, generator: np.random.Generator) -> Iterator[dict[str, float | None]]:
    usual = settings(None, {}, rulebook.defaults)
    yield usual
    tested = [
        wishes
        for test in rulebook.tests
        if (wishes := {name: value for name, value in test.given.items() if name in SETTABLE})
    ]
    base: dict[str, float | None] = dict(usual)
    for name, value in itertools.chain(*(wishes.items() for wishes in reversed(tested))):
        if usual[name] is None:
            base[name] = value
    used = [name for name in base if name in _names(rulebook)]
    for name in used:
        if base[name] is None:
            base[name] = rulebook.ranges[name][1] if name in rulebook.ranges else 1e6 if name in COUNTS else 1.0
    for _ in range(_RANDOM_SETTINGS if used else 0):
        yield {**usual, **{name: _moved(name, base[name], rulebook, generator) for name in used}}
    distinct = [dict(pairs) for pairs in dict.fromkeys(tuple(wishes.items()) for wishes in tested)]
    for wishes in distinct[:: max(1, -(-len(distinct) // _TESTED_SETTINGS))]:
        yield {**usual, **wishes}


def _names(rulebook: Rulebook) -> set[str]:
    """The terms that conditions and weights use."""
    expressions = itertools.chain(*((rule.when, rule.weight) for rule in rulebook.rules))
    return {name for expression in expressions if expression is not None for name in expression.names}


def _moved(name: str, value: float | None, rulebook: Rulebook, generator: np.random.Generator) -> float:
    """A setting near its value, or as low as it goes, within its range."""
    low, high = rulebook.ranges.get(name, (TERMS[name].low, TERMS[name].high))
    if generator.random() < _LOWEST_SHARE:
        return low
    found = value * 10 ** generator.uniform(-0.3, 0.3) if value else generator.uniform(0.1, 1.0)
    if found > high:
        found = high * generator.uniform(0.5, 1.0)
    short = float(f"{max(found, low):.3g}")
    return float(round(short)) if name in COUNTS else short
