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
from lemonade_es.engine.whatif import restated
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
_KNOWN = 0.75
"""In so many of the situations all metrics are known; in the others some are not."""

Mask = npt.NDArray[np.bool_]
Weights = Mapping[str, float]
Settings = Mapping[str, float | None]
Pairs = tuple[tuple[str, str], ...]


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
class Flipped:
    """A recorded decision that would come out otherwise.

    Attributes:
        run: the run.
        iteration: the one that carried the instructions out.
        old: what the old rulebook says, or what was recorded.
        new: what the new one says.
        turned: the conflicts that both decide, but not alike: the instruction that wins now, and the one that won.
    """

    run: str
    iteration: int
    old: Weights
    new: Weights
    turned: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON data, with what came, went and changed."""
        shift = Shift.between(self.old, self.new)
        turned = [{"winner": winner, "loser": loser} for winner, loser in self.turned]
        return asdict(self) | {"turned": turned, "shift": None if shift is None else asdict(shift)}


def regions(old: Rulebook, new: Rulebook, *, count: int = POINTS) -> tuple[Region, ...]:
    """Where two rulebooks, each at its default settings, advise differently; the largest region first.

    Args:
        old: one rulebook.
        new: the other.
        count: how many situations to try, about.
    """
    before, after = (resolve_settings(None, {}, book.defaults) for book in (old, new))
    points = _situations((old, new), (before, after), count)
    outcomes = evaluate_points(old, points), evaluate_points(new, _under(points, after))
    books = ((old, before), (new, after))
    names = _names(books)
    kept = [_columns(item, names) for item in outcomes]
    come, go = (kept[0] <= 0) & (kept[1] > 0), (kept[0] > 0) & (kept[1] <= 0)
    other = (kept[0] > 0) & (kept[1] > 0) & ~np.isclose(kept[0], kept[1], rtol=1e-9, atol=1e-12)
    kinds = np.concatenate([come, go, other], axis=1)
    differing = np.flatnonzero(kinds.any(axis=1))
    found = []
    for kind in np.unique(kinds[differing], axis=0):
        where = np.zeros(len(points.values), dtype=np.bool_)
        where[differing] = (kinds[differing] == kind).all(axis=1)
        gained, lost, reweighted = (
            tuple(name for name, set_ in zip(names, part, strict=True) if set_) for part in np.split(kind, 3)
        )
        witness = _witness(points, where, books, (gained, lost, reweighted))
        if witness is None:
            continue
        (ours_left, ours_fired), (theirs_left, theirs_fired) = (
            advice(book, Facts.of(witness, wishes)) for book, wishes in books
        )
        either = {**ours_fired, **theirs_fired}
        rules = [rule for rule in either if ours_fired.get(rule, "") != theirs_fired.get(rule, "")]
        found.append(
            Region(
                gained=gained,
                lost=lost,
                reweighted=reweighted,
                share=float(where.mean()),
                ranges=_ranges(points, where, witness),
                witness=witness,
                old=ours_left,
                new=theirs_left,
                rules=tuple(rules),
            )
        )
    return tuple(sorted(found, key=lambda region: (-region.share, region.gained, region.lost, region.reweighted)))


def flipped(old: Rulebook, new: Rulebook, entries: Sequence[Entry]) -> tuple[Flipped, ...]:
    """The decisions of a run that the two rulebooks would have made differently, on the measured facts."""
    found = []
    for one, other in zip(decisions(old, entries), decisions(new, entries), strict=True):
        ours, theirs = decide(old, one.facts), decide(new, other.facts)
        if Shift.between(ours.kept, theirs.kept) is not None:
            other_winners = turned(ours.won, theirs.won)
            found.append(Flipped(entries[0].run, one.iteration, ours.kept, theirs.kept, other_winners))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts of a recorded decision, as another rulebook would have had them.

    Attributes:
        iteration: the one that carried the instructions out.
        facts: what was measured, under that rulebook's settings and those that the user gave.
        recorded: the instructions that were sent.
        won: the conflicts that were decided then: winner and loser.
    """

    iteration: int
    facts: Facts
    recorded: Weights
    won: Pairs = ()


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
            restated(advised.inference.facts, {}, wishes),
            dict(advised.resolution.instructions),
            tuple((item.winner, item.loser) for item in advised.resolution.decisions),
        )
        for advised in made
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rulebook says about one situation.

    Attributes:
        kept: the instructions that are left, with their weights.
        fired: the rules that fire, with theirs.
        won: the conflicts: winner and loser.
    """

    kept: Weights
    fired: Mapping[str, float | None]
    won: Pairs


def decide(rulebook: Rulebook, facts: Facts) -> Decision:
    """What a rulebook says, by the plain evaluator."""
    inference = evaluate(rulebook, facts)
    resolution = resolve(inference, rulebook)
    fired = {firing.rule: firing.weight for firing in inference.fired}
    won = tuple((item.winner, item.loser) for item in resolution.decisions)
    return Decision(dict(resolution.instructions), fired, won)


def turned(old: Pairs, new: Pairs) -> Pairs:
    """The conflicts that are decided in both, but the other way round in the new."""
    return tuple(pair for pair in new if pair[::-1] in old)


def advice(rulebook: Rulebook, facts: Facts) -> tuple[Weights, Mapping[str, float | None]]:
    """The instructions that are left, and the rules that fire with their weights, by the plain evaluator."""
    said = decide(rulebook, facts)
    return said.kept, said.fired


def _situations(books: Sequence[Rulebook], settings: Sequence[Settings], count: int) -> Points:
    """Situations at the boundaries of both rulebooks, each under its own settings, and some with unknown metrics.

    Exactly ``count`` of them, unless there are no metrics at all.
    """
    ways = [settings[0]] if settings[0] == settings[1] else settings
    known = [sample_points(books, way, count=int(count * _KNOWN / len(ways)), seed=0) for way in ways]
    names = known[0].names
    rows = np.concatenate([_under(points, settings[0]).values for points in known])[-count:]
    generator = np.random.default_rng(1)
    partly = rows[generator.integers(0, len(rows), count - len(rows))].copy()
    metrics = [index for index, name in enumerate(names) if name in METRICS]
    hidden = generator.random((len(partly), len(metrics))) < generator.random((len(partly), 1))
    partly[:, metrics] = np.where(hidden, np.nan, partly[:, metrics])
    return Points(names, np.concatenate([rows, partly]))


def _under(points: Points, settings: Settings) -> Points:
    """The same points under other settings."""
    values = points.values.copy()
    for index, name in enumerate(points.names):
        if name in settings:
            value = settings[name]
            values[:, index] = np.nan if value is None else value
    return Points(points.names, values)


def _names(books: Sequence[tuple[Rulebook, Settings]]) -> tuple[str, ...]:
    """All instructions, each once."""
    return tuple(dict.fromkeys(name for book, _ in books for name in book.instructions))


def _columns(outcomes: Outcomes, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """The kept weights, with a column for each name."""
    known = {name: index for index, name in enumerate(outcomes.instructions)}
    empty = np.zeros(len(outcomes.kept))
    return np.stack([outcomes.kept[:, known[name]] if name in known else empty for name in names], axis=1)


def _witness(
    points: Points,
    where: Mask,
    books: Sequence[tuple[Rulebook, Settings]],
    kind: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
) -> dict[str, float] | None:
    """A short situation of a region, in which the plain evaluator says the same; ``None`` if it never does."""
    rows = [points.metrics(int(index)) for index in np.flatnonzero(where)[:_LOOKED_AT]]
    for row in sorted(rows, key=lambda row: len(repr(row))):
        old, new = (decide(book, Facts.of(row, wishes)).kept for book, wishes in books)
        shift = Shift.between(old, new)
        if shift is not None and kind == tuple(
            tuple(name for name in _names(books) if name in part)
            for part in (shift.gained, shift.lost, shift.reweighted)
        ):
            return _shortened(row, books)
    return None


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
