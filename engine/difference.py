"""Where two rulebooks advise differently: over all situations, and on the decisions of recorded runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lemonade_es.engine.conflicts import resolve
from lemonade_es.engine.evaluator import evaluate
from lemonade_es.engine.events import Advised
from lemonade_es.engine.facts import Facts
from lemonade_es.engine.journal import Entry, started
from lemonade_es.rules.analysis.points import Points, sample_points
from lemonade_es.rules.analysis.vector import Outcomes, evaluate_points
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import METRICS
from lemonade_es.vocabulary import settings as resolve_settings

POINTS = 8192
_OUTSIDE = 0.1
"""A range is told if at least this share of all situations lies outside of it."""

_LOOKED_AT = 64

Mask = npt.NDArray[np.bool_]
Weights = Mapping[str, float]
Settings = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Shift:
    """How one advice differs from another.

    Attributes:
        gained: instructions that only the new one gives, with their weights.
        lost: those that only the old one gives.
        reweighted: those of both with another weight: old, new.
    """

    gained: Weights
    lost: Weights
    reweighted: Mapping[str, tuple[float, float]]

    @classmethod
    def between(cls, old: Weights, new: Weights) -> Shift | None:
        """The shift from one advice to another; ``None`` if they are the same."""
        gained = {name: weight for name, weight in new.items() if name not in old}
        lost = {name: weight for name, weight in old.items() if name not in new}
        both = {name: (old[name], new[name]) for name in new if name in old}
        reweighted = {name: pair for name, pair in both.items() if not np.isclose(*pair, rtol=1e-9, atol=1e-12)}
        return cls(gained, lost, reweighted) if gained or lost or reweighted else None


@dataclass(frozen=True, slots=True)
class Region:
    """Situations in which the advice shifts in the same way.

    Attributes:
        gained: instructions that come, ``lost``: those that go, ``reweighted``: those whose weights change.
        share: of all situations tried.
        ranges: the metrics that are narrower here than anywhere, with the lowest and the highest value.
        witness: one such situation: metrics, all others being unknown.
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
class Flipped:
    """A recorded decision that would come out otherwise.

    Attributes:
        run: the run.
        iteration: the one that carried the instructions out.
        old: what the old rulebook says, or what was recorded.
        new: what the new one says.
    """

    run: str
    iteration: int
    old: Weights
    new: Weights

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON data, with what came, went and changed."""
        shift = Shift.between(self.old, self.new)
        return asdict(self) | {"shift": None if shift is None else asdict(shift)}


def regions(old: Rulebook, new: Rulebook, *, count: int = POINTS) -> tuple[Region, ...]:
    """Where two rulebooks, each at its default settings, advise differently; the largest region first.

    Args:
        old: one rulebook.
        new: the other.
        count: how many situations to try, about.
    """
    before, after = (resolve_settings(None, {}, book.defaults) for book in (old, new))
    points = sample_points([old, new], before, count=count)
    outcomes = evaluate_points(old, points), evaluate_points(new, _under(points, after))
    names = tuple(dict.fromkeys((*old.instructions, *new.instructions)))
    kept = [_columns(item, names) for item in outcomes]
    come, go = (kept[0] <= 0) & (kept[1] > 0), (kept[0] > 0) & (kept[1] <= 0)
    other = (kept[0] > 0) & (kept[1] > 0) & ~np.isclose(kept[0], kept[1], rtol=1e-9, atol=1e-12)
    kinds = np.concatenate([come, go, other], axis=1)
    differing = np.flatnonzero(kinds.any(axis=1))
    found = []
    for kind in np.unique(kinds[differing], axis=0):
        where = np.zeros(len(points.values), dtype=np.bool_)
        where[differing] = (kinds[differing] == kind).all(axis=1)
        parts = [tuple(name for name, set_ in zip(names, part, strict=True) if set_) for part in np.split(kind, 3)]
        books = ((old, before), (new, after))
        witness = _shortened(_witness(points, where), books)
        (ours_left, ours_fired), (theirs_left, theirs_fired) = (
            advice(book, Facts.of(witness, wishes)) for book, wishes in books
        )
        either = {**ours_fired, **theirs_fired}
        rules = [rule for rule in either if ours_fired.get(rule, "") != theirs_fired.get(rule, "")]
        found.append(
            Region(
                gained=parts[0],
                lost=parts[1],
                reweighted=parts[2],
                share=float(where.mean()),
                ranges=_ranges(points, where),
                witness=witness,
                old=ours_left,
                new=theirs_left,
                rules=tuple(rules),
            )
        )
    return tuple(sorted(found, key=lambda region: (-region.share, region.gained, region.lost)))


def flipped(old: Rulebook, new: Rulebook, entries: Sequence[Entry]) -> tuple[Flipped, ...]:
    """The decisions of a run that the two rulebooks would have made differently, on the measured facts."""
    found = []
    for one, other in zip(decisions(old, entries), decisions(new, entries), strict=True):
        ours, theirs = advice(old, one.facts)[0], advice(new, other.facts)[0]
        if Shift.between(ours, theirs) is not None:
            found.append(Flipped(entries[0].run, one.iteration, ours, theirs))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts of a recorded decision, as another rulebook would have had them.

    Attributes:
        iteration: the one that carried the instructions out.
        facts: what was measured, under that rulebook's settings and those that the user gave.
        recorded: the instructions that were sent.
    """

    iteration: int
    facts: Facts
    recorded: Weights


def decisions(rulebook: Rulebook, entries: Sequence[Entry]) -> tuple[Situation, ...]:
    """The situations of a run's decisions, in their order.

    Raises:
        StoreError: the run has no beginning.
    """
    spec = started(tuple(entries)).spec
    wishes = resolve_settings(spec.preset, spec.set, rulebook.defaults)
    made = [entry.event for entry in entries if isinstance(entry.event, Advised)]
    return tuple(
        Situation(
            advised.iteration,
            Facts.of({name: value for name, value in advised.inference.facts.items() if name in METRICS}, wishes),
            dict(advised.resolution.instructions),
        )
        for advised in made
    )


def advice(rulebook: Rulebook, facts: Facts) -> tuple[Weights, dict[str, float | None]]:
    """The instructions that are left, and the rules that fire with their weights, by the plain evaluator."""
    inference = evaluate(rulebook, facts)
    fired = {firing.rule: firing.weight for firing in inference.fired}
    return dict(resolve(inference, rulebook).instructions), fired


def _under(points: Points, settings: Settings) -> Points:
    """The same points under other settings."""
    values = points.values.copy()
    for index, name in enumerate(points.names):
        if name in settings:
            value = settings[name]
            values[:, index] = np.nan if value is None else value
    return Points(points.names, values)


def _columns(outcomes: Outcomes, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """The kept weights, with a column for each name."""
    known = {name: index for index, name in enumerate(outcomes.instructions)}
    empty = np.zeros(len(outcomes.kept))
    return np.stack([outcomes.kept[:, known[name]] if name in known else empty for name in names], axis=1)


def _witness(points: Points, where: Mask) -> dict[str, float]:
    rows = [points.metrics(int(index)) for index in np.flatnonzero(where)[:_LOOKED_AT]]
    return min(rows, key=lambda row: len(repr(row)))


def _shortened(witness: dict[str, float], books: Sequence[tuple[Rulebook, Settings]]) -> dict[str, float]:
    """The witness without the metrics that make no difference to either advice."""

    def both(metrics: Mapping[str, float]) -> list[Weights]:
        return [advice(book, Facts.of(metrics, wishes))[0] for book, wishes in books]

    wanted = both(witness)
    for name in list(witness):
        fewer = {key: value for key, value in witness.items() if key != name}
        if both(fewer) == wanted:
            witness = fewer
    return witness


def _ranges(points: Points, where: Mask) -> dict[str, tuple[float, float]]:
    found = {}
    for index, name in enumerate(points.names):
        if name not in METRICS or name in FLAGS:
            continue
        inside, everywhere = points.values[where, index], points.values[:, index]
        low, high = float(inside.min()), float(inside.max())
        if ((everywhere < low) | (everywhere > high)).mean() >= _OUTSIDE:
            found[name] = (low, high)
    return found
