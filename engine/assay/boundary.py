"""Tests at the boundary of each comparison: just under it, on it and just over it, where it alone decides.

Both engines are held to what the operator says there; and the tests of the file are looked through for those that
hold such a point already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lemonade_es.engine.assay.coverage import names_instruction, names_rule
from lemonade_es.engine.assay.crossing import SIDES, Crossing, Side, comparisons, truth_beside
from lemonade_es.engine.assay.situations import given_at, joined, points_of, sampled
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.inference import Inference, compile_rulebook
from lemonade_es.engine.expert.selftest import facts_of
from lemonade_es.rules.analysis.points import Points
from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Rule, Rulebook, RuleTest
from lemonade_es.vocabulary import METRICS

CONTEXTS = 512
"""So many random situations are tried besides those of the tests; fewer for a large rulebook."""
LARGE = 64
"""A rulebook of more rules is fired in parts: a rule with those behind its conclusions, on which alone it depends."""

_CONTEXTS_IF_LARGE = 96
_TRIED = 6
"""Of the contexts that will do, so many are shortened; the shortest is taken."""
_TRIED_IF_LARGE = 2
_WORDS: Mapping[Side, str] = {"under": "just under", "at": "on", "over": "just over"}


@dataclass(frozen=True, slots=True)
class BoundaryPoint:
    """A situation at a boundary.

    Attributes:
        side: whether the left side of the comparison is a little less than the right, equal, or a little more.
        given: metrics and settings, as a test gives them.
        fires: whether the rule must fire, by the operator.
        held_by: the name of the first test of the file that holds such a point; ``None`` if there is none.
        failures: what either engine did otherwise, a sentence each.
    """

    side: Side
    given: Mapping[str, float]
    fires: bool
    held_by: str | None
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Boundary:
    """The boundary of one comparison.

    Attributes:
        rule: the id of its rule.
        place: where the comparison stands.
        text: the comparison.
        points: up to three, in the order under, at, over; one is missing if no value lies there.
        reason: why there are none.
    """

    rule: str
    place: Place
    text: str
    points: tuple[BoundaryPoint, ...]
    reason: str | None = None

    def test(self, point: BoundaryPoint) -> RuleTest:
        """One of the points as a test of the rulebook."""
        name = f"{self.rule}: {_WORDS[point.side]} the boundary of {self.text}"
        fired, not_fired = ((self.rule,), ()) if point.fires else (None, (self.rule,))
        return RuleTest(name, point.given, fired, not_fired, {}, (), self.place)


@dataclass(frozen=True, slots=True)
class Boundaries:
    """The boundaries of all comparisons of a rulebook, in its order."""

    boundaries: tuple[Boundary, ...]

    @property
    def failures(self) -> tuple[tuple[Boundary, BoundaryPoint], ...]:
        """The points at which an engine did otherwise than the operator says."""
        return tuple((item, point) for item in self.boundaries for point in item.points if point.failures)

    @property
    def open(self) -> tuple[tuple[Boundary, BoundaryPoint], ...]:
        """The points that no test of the file holds."""
        return tuple((item, point) for item in self.boundaries for point in item.points if point.held_by is None)

    def tests(self) -> tuple[RuleTest, ...]:
        """Tests for the points that no test of the file holds."""
        return tuple(item.test(point) for item, point in self.open)

    def to_json(self) -> dict[str, Any]:
        """Figures, each boundary with its points, and the comparisons that never decide."""
        return {
            "comparisons": len(self.boundaries),
            "points": sum(len(item.points) for item in self.boundaries),
            "held": sum(len(item.points) for item in self.boundaries) - len(self.open),
            "failed": len(self.failures),
            "never_decides": [_head(item) | {"reason": item.reason} for item in self.boundaries if not item.points],
            "boundaries": [
                _head(item) | {"points": [_point(point) for point in item.points]}
                for item in self.boundaries
                if item.points
            ],
        }


def find_boundaries(rulebook: Rulebook, *, seed: int = 0) -> Boundaries:
    """Find the boundary points of each comparison, and try both engines at them.

    Args:
        rulebook: its tests give the first contexts, random situations the others.
        seed: of those.
    """
    tests = points_of(rulebook, [test.given for test in rulebook.tests])
    contexts = joined(
        [tests, sampled(rulebook, count=CONTEXTS if len(rulebook.rules) <= LARGE else _CONTEXTS_IF_LARGE, seed=seed)]
    )
    return Boundaries(tuple(_Search(rulebook, tests, contexts).boundaries()))


class _Search:
    def __init__(self, rulebook: Rulebook, tests: Points, contexts: Points) -> None:
        self.rulebook = rulebook
        self.tests = tests
        self.contexts = contexts
        self.whole = compile_rulebook(rulebook) if len(rulebook.rules) <= LARGE else None

    def boundaries(self) -> Iterator[Boundary]:
        for rule in self.rulebook.rules:
            for comparison in comparisons(rule.when.tree):
                crossing = Crossing(self.rulebook, rule, comparison)
                text = rule.when.atoms({})[comparison.index].text
                place = rule.when.layout.at(comparison.node.col_offset)
                points = tuple(self.points(rule, crossing))
                yield Boundary(rule.id, place, text, points, None if points else self.reason(crossing))

    def points(self, rule: Rule, crossing: Crossing) -> Iterator[BoundaryPoint]:
        held = dict(self.held(rule, crossing))
        for side, given in self.shortest(crossing).items():
            truth = truth_beside(crossing.comparison.op, side)
            fires = bool(crossing.fires(points_of(self.rulebook, [given]).values, atom=truth)[0])
            failures = tuple(self.failures(rule, crossing, given, fires=fires))
            yield BoundaryPoint(side, given, fires, held.get(side), failures)

    def shortest(self, crossing: Crossing) -> dict[Side, dict[str, float]]:
        """The points in the context that is told shortest, of those that give most points."""
        names = [name for name in crossing.names if name in METRICS] or list(crossing.names)
        best: list[dict[Side, dict[str, float]]] = []
        for name in names:
            rows, valid = crossing.around(self.contexts.values, name)
            count = valid.sum(axis=0)
            most = max(len(found) for found in best) if best else 1
            if not count.size or count.max() < most:
                continue
            if count.max() > most:
                best = []
            for index in np.flatnonzero(count == count.max())[: _TRIED if self.whole is not None else _TRIED_IF_LARGE]:
                kept = np.flatnonzero(valid[:, index])
                sides = [SIDES[side] for side in kept]
                best.append(self.shortened(crossing, name, sides, Points(self.contexts.names, rows[kept, index])))
        return min(best, key=lambda found: _length(list(found.values())), default={})

    def shortened(
        self, crossing: Crossing, moved: str, sides: Sequence[Side], points: Points
    ) -> dict[Side, dict[str, float]]:
        """The points without what is not needed in them."""
        givens = [given_at(self.rulebook, points, index) for index in range(len(sides))]
        for name in list(givens[0]):
            fewer = [{key: value for key, value in given.items() if key != name} for given in givens]
            if name != moved and crossing.hold(points_of(self.rulebook, fewer).values, sides, on=0.0).all():
                givens = fewer
        return dict(zip(sides, givens, strict=True))

    def held(self, rule: Rule, crossing: Crossing) -> Iterator[tuple[Side, str]]:
        """For each side the first test of the file that is there, and would notice if the rule fired otherwise."""
        for side in SIDES:
            there = crossing.hold(self.tests.values, [side] * len(self.tests.values))
            for index in np.flatnonzero(there):
                test = self.rulebook.tests[index]
                if names_rule(test, rule) or names_instruction(test, rule):
                    yield side, test.name
                    break

    def failures(self, rule: Rule, crossing: Crossing, given: Mapping[str, float], *, fires: bool) -> Iterator[str]:
        book, experta = self.rulebook, self.whole
        if experta is None:
            book = dataclasses.replace(book, rules=(*crossing.behind, rule))
            experta = compile_rulebook(book)
        facts = facts_of(book, given)
        inferred, evaluated = experta.infer(facts), evaluate(book, facts)
        for engine, found in (("Experta", inferred), ("the plain evaluator", evaluated)):
            if (rule.id in _fired(found)) is not fires:
                yield f"{rule.id} must {'' if fires else 'not '}fire; in {engine} it does{' not' if fires else ''}"
        if (_fired(inferred), inferred.weights) != (_fired(evaluated), evaluated.weights):
            yield f"Experta fires {_told(inferred)}; the plain evaluator fires {_told(evaluated)}"

    def reason(self, crossing: Crossing) -> str:
        rows = self.contexts.values
        found = sum(int(np.isfinite(crossing.edge(rows, name)).sum()) for name in crossing.names)
        if not found:
            return f"its sides are never equal, in none of {len(rows):,} situations"
        return f"it never decides: at its boundary, in {found:,} situations, firing does not depend on it"


def _fired(inference: Inference) -> tuple[str, ...]:
    return tuple(firing.rule for firing in inference.fired)


def _told(inference: Inference) -> str:
    weights = ", ".join(f"{name} {weight:g}" for name, weight in inference.weights.items())
    return f"{', '.join(_fired(inference)) or 'nothing'} ({weights or 'no instruction'})"


def _length(givens: Sequence[Mapping[str, float]]) -> tuple[int, int, int]:
    return -len(givens), sum(map(len, givens)), len(repr(givens))


def _head(boundary: Boundary) -> dict[str, Any]:
    return {"rule": boundary.rule, "place": str(boundary.place), "comparison": boundary.text}


def _point(point: BoundaryPoint) -> dict[str, Any]:
    return {
        "side": point.side,
        "given": dict(point.given),
        "fires": point.fires,
        "held_by": point.held_by,
        "failures": list(point.failures),
    }
