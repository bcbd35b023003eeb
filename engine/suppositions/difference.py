"""Where two rulebooks advise differently, over all situations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from lemonade_es.engine.expert.advice import Shift, Weights, decide
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.metric import normalised
from lemonade_es.rules.analysis.points import Points, corners, metrics_of, sample_points, under
from lemonade_es.rules.analysis.vector import Outcomes, evaluate_points
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.vocabulary import METRICS, NORMALISED, PRIORITIES
from lemonade_es.vocabulary import settings as resolve_settings

POINTS = 8192
_POINTS_ELSEWHERE = 512
_OUTSIDE = 0.1
"""A range is told if at least this share of all situations lies outside of it."""

_LOOKED_AT = 64
_NO_RULE = ("",)
_KNOWN = 0.75
"""In so many of the situations all metrics are known; in the others some are not."""

Mask = npt.NDArray[np.bool_]
Settings = Mapping[str, float | None]
Array = npt.NDArray[np.float64]
Books = Sequence[tuple[Rulebook, Settings]]


@dataclass(frozen=True, slots=True)
class Region:
    """Situations in which the advice shifts in the same way.

    Attributes:
        gained: instructions that come, ``lost``: those that go, ``reweighted``: those whose weights change.
        share: of all situations tried.
        ranges: the metrics of the witness that are narrower here than anywhere, with the lowest and the highest
            value.
        witness: one such situation, in which both advices were checked: metrics, all others being unknown.
        old: the advice of the old rulebook in it.
        new: that of the new one.
        rules: the rules that fire, or weigh otherwise, in only one of the two.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]
    reweighted: tuple[str, ...]
    share: float
    ranges: Mapping[str, tuple[float, float]]
    witness: Mapping[str, float]
    old: Weights
    new: Weights
    rules: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The region as JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Regions at other settings than the default ones.

    Attributes:
        settings: those that both rulebooks have there, where they are others than their defaults.
        regions: those in which rules make a difference that they make nowhere else.
    """

    settings: Mapping[str, float]
    regions: tuple[Region, ...]

    def to_json(self) -> dict[str, Any]:
        """Settings and regions as JSON data."""
        return {"settings": dict(self.settings), "regions": [region.to_json() for region in self.regions]}


def regions(
    old: Rulebook, new: Rulebook, *, count: int = POINTS, wishes: Mapping[str, float] = MappingProxyType({})
) -> tuple[Region, ...]:
    """Where two rulebooks, each at its default settings, advise differently; the largest region first.

    Args:
        old: one rulebook.
        new: the other.
        count: how many situations to try.
        wishes: settings of both that are others than their defaults.
    """
    before, after = (resolve_settings(None, wishes, book.defaults) for book in (old, new))
    books = ((old, before), (new, after))
    points = _situations((old, new), (before, after), count)
    kinds = _kinds(_kept(points, books))
    differing = np.flatnonzero(kinds.any(axis=1))
    groups = np.unique(kinds[differing], axis=0)
    masks = []
    for kind in groups:
        where = np.zeros(len(points.values), dtype=np.bool_)
        where[differing] = (kinds[differing] == kind).all(axis=1)
        masks.append(where)
    full = Points(points.names, points.values[[_most_readable(points, where) for where in masks]])
    short = _shortened(full, books)
    found = []
    for index, (kind, where) in enumerate(zip(groups, masks, strict=True)):
        parts = tuple(
            tuple(name for name, set_ in zip(_names(books), part, strict=True) if set_) for part in np.split(kind, 3)
        )
        for witness in (short.metrics(index), full.metrics(index)):
            region = _region(points, where, witness, parts, books)
            if region is not None:
                found.append(region)
                break
    return tuple(sorted(found, key=lambda region: (-region.share, region.gained, region.lost, region.reweighted)))


def elsewhere(old: Rulebook, new: Rulebook, known: Sequence[Region]) -> tuple[Elsewhere, ...]:
    """Where two rulebooks advise differently at settings that are not their defaults, in their declared ranges.

    A priority that is 0 by default and has no range is tried at 1: rules that are weighted by it show only then.

    Args:
        old: one rulebook.
        new: the other.
        known: the regions at their default settings; what the same rules do elsewhere is not told again.
    """
    told = {rule for region in known for rule in region.rules or _NO_RULE}
    found = []
    for corner in _corners(old, new):
        there = regions(old, new, count=_POINTS_ELSEWHERE, wishes=corner)
        more = tuple(region for region in there if not told.issuperset(region.rules or _NO_RULE))
        if more:
            told.update(rule for region in more for rule in region.rules or _NO_RULE)
            found.append(Elsewhere(corner, more))
    return tuple(found)


def _corners(old: Rulebook, new: Rulebook) -> Iterator[dict[str, float]]:
    """Priorities that rules use, each raised from a default of 0, and the ends of the ranges of both rulebooks."""
    before, after = (resolve_settings(None, {}, book.defaults) for book in (old, new))
    ranges = dict(old.ranges)
    for name, (low, high) in new.ranges.items():
        first, last = ranges.get(name, (low, high))
        ranges[name] = (min(low, first), max(high, last))
    used = {name for book in (old, new) for rule in book.rules for name in _terms(rule)}
    for name in PRIORITIES:
        if name in used and name not in ranges and before[name] == after[name] == 0:
            yield {name: 1.0}
    yield from corners(ranges, {name: value for name, value in after.items() if before[name] == value})


def _terms(rule: Rule) -> tuple[str, ...]:
    return (*rule.when.names, *(rule.weight.names if rule.weight is not None else ()))


def _situations(books: Sequence[Rulebook], settings: Sequence[Settings], count: int) -> Points:
    """Situations at the boundaries of both rulebooks, each under its own settings, and some with unknown metrics.

    Exactly ``count`` of them, unless there are no metrics at all.
    """
    ways = [settings[0]] if settings[0] == settings[1] else settings
    following = _following(settings)
    sources = [NORMALISED[name][0] for name in following if name in metrics_of(books)]
    known = [sample_points(books, way, count=int(count * _KNOWN / len(ways)), seed=0, more=sources) for way in ways]
    names = known[0].names
    rows = np.concatenate([under(points, settings[0], following).values for points in known])[-count:]
    generator = np.random.default_rng(1)
    partly = rows[generator.integers(0, len(rows), count - len(rows))].copy()
    metrics = [index for index, name in enumerate(names) if name in METRICS]
    hidden = generator.random((len(partly), len(metrics))) < generator.random((len(partly), 1))
    partly[:, metrics] = np.where(hidden, np.nan, partly[:, metrics])
    return Points(names, np.concatenate([rows, partly]))


def _following(settings: Sequence[Settings]) -> list[str]:
    """The normalised metrics that are others in the two rulebooks: by another threshold."""
    return [name for name, (_, threshold) in NORMALISED.items() if settings[0][threshold] != settings[1][threshold]]


def _region(
    points: Points, where: Mask, witness: Mapping[str, float], parts: tuple[tuple[str, ...], ...], books: Books
) -> Region | None:
    """A region with its witness, if the plain evaluator says the same of that; otherwise ``None``."""
    following = _following([wishes for _, wishes in books])
    witness = {name: value for name, value in witness.items() if name not in following}
    told = ({**witness, **{name: normalised(witness, wishes)[name] for name in following}} for _, wishes in books)
    old, new = (decide(book, Facts.of(facts, wishes)) for facts, (book, wishes) in zip(told, books, strict=True))
    shift = Shift.between(old.kept, new.kept)
    if shift is None or [set(part) for part in parts] != [set(shift.gained), set(shift.lost), set(shift.reweighted)]:
        return None
    gained, lost, reweighted = parts
    return Region(
        gained=gained,
        lost=lost,
        reweighted=reweighted,
        share=float(where.mean()),
        ranges=_ranges(points, where, witness),
        witness=witness,
        old=old.kept,
        new=new.kept,
        rules=tuple(rule for rule in {**old.fired, **new.fired} if old.fired.get(rule, "") != new.fired.get(rule, "")),
    )


def _names(books: Books) -> tuple[str, ...]:
    """All instructions, each once."""
    return tuple(dict.fromkeys(name for book, _ in books for name in book.instructions))


def _kept(points: Points, books: Books) -> Array:
    """The weights that are left by both: ``[2, points, names]``."""
    names = _names(books)
    following = _following([wishes for _, wishes in books])
    found = (evaluate_points(book, under(points, wishes, following)) for book, wishes in books)
    return np.stack([_columns(outcomes, names) for outcomes in found])


def _kinds(kept: Array) -> Mask:
    """For each point and name, whether it comes, goes, or weighs otherwise: ``[points, 3 * names]``."""
    old, new = kept
    other = (old > 0) & (new > 0) & ~np.isclose(old, new, rtol=1e-9, atol=1e-12)
    return np.concatenate([(old <= 0) & (new > 0), (old > 0) & (new <= 0), other], axis=1)


def _columns(outcomes: Outcomes, names: Sequence[str]) -> Array:
    """The kept weights, with a column for each name."""
    known = {name: index for index, name in enumerate(outcomes.instructions)}
    empty = np.zeros(len(outcomes.kept))
    return np.stack([outcomes.kept[:, known[name]] if name in known else empty for name in names], axis=1)


def _most_readable(points: Points, where: Mask) -> int:
    """The point of a region, out of its first, that is the shortest to write."""
    rows = map(int, np.flatnonzero(where)[:_LOOKED_AT])
    return min(rows, key=lambda row: len(repr(points.metrics(row))))


def _shortened(points: Points, books: Books) -> Points:
    """The same situations without the metrics that make no difference to either advice."""
    values, wanted = points.values.copy(), _kept(points, books)
    for column, name in enumerate(points.names):
        if name in METRICS:
            fewer = values.copy()
            fewer[:, column] = np.nan
            same = (_kept(Points(points.names, fewer), books) == wanted).all(axis=(0, 2))
            values[same, column] = np.nan
    return Points(points.names, values)


def _ranges(points: Points, where: Mask, witness: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    found = {}
    for index, name in enumerate(points.names):
        if name not in witness or name in FLAGS:
            continue
        inside, everywhere = points.values[where, index], points.values[:, index]
        low, high = float(np.nanmin(inside)), float(np.nanmax(inside))
        if ((everywhere < low) | (everywhere > high)).mean() >= _OUTSIDE:
            found[name] = (low, high)
    return found
