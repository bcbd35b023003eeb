"""What if one number were another: the smallest change of a single metric or setting that reaches a goal.

Along one name the rules are piecewise: nothing changes between the *critical values*, where a comparison, a kink
of ``min``, ``max`` or ``abs``, or the balance of two weights turns over. These are found by bisection, the pieces
between them are tried with the plain evaluator, and the nearest value that reaches the goal is rounded to a number
that people can read and that still does. Every flip was verified; that there is none is the want of a finding.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from lemonade_es.engine.expert.conflicts import Resolution, resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import Inference
from lemonade_es.engine.metric import normalised
from lemonade_es.engine.reasons.breakpoints import Function, functions_of, roots, samples
from lemonade_es.errors import InferenceError
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import drawers, upstream
from lemonade_es.vocabulary import COUNTS, NORMALISED, TERMS, Kind

OVERSHOOT = 0.05
"""Rounding may lengthen a change by this share of it, or of the value it leads to if that is smaller ..."""

LEAST = 1e-3
"""... or by this share of the term's range (of the value where it has no end), where both are tiny."""

_CLOSE = 1e-6
_SPARSE = 8
_SHORT = 4
_DIGITS = 18
_EXACT = Context(prec=80)
_STEPS = 70


@dataclass(frozen=True, slots=True)
class Flip:
    """A change of one number that reaches the goal; all else stays.

    Attributes:
        name: the metric, threshold, priority or weight.
        kind: which of these it is.
        old: its value in the decision; ``None`` if it has none.
        new: a value near to it that reaches the goal.
        size: the change relative to the range of the term (or to its values, where that has no end); flips are
            sorted by it, those from an unknown value last.
        text: the change as a sentence.
    """

    name: str
    kind: Kind
    old: float | None
    new: float
    size: float
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """The change as JSON data."""
        return {"setting": self.name, "kind": self.kind, "from": self.old, "to": self.new, "text": self.text}


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached.

    Attributes:
        met: whether a decision meets it.
        rules: the rules on which it depends, beside those that draw what these read.
        rivals: pairs of instructions whose weights compete for it; with ``None``, a weight must be above 0.
    """

    met: Callable[[Inference, Resolution], bool]
    rules: tuple[Rule, ...]
    rivals: tuple[tuple[str, str | None], ...] = ()


def find_flips(rulebook: Rulebook, facts: Facts, goal: Goal) -> tuple[Flip, ...]:
    """For each metric or setting that the goal depends on, the smallest change found that reaches it, if any.

    Returns:
        The flips, the smallest first.
    """
    needed = upstream(goal.rules, drawers(rulebook.rules))
    involved = tuple(rule for rule in rulebook.rules if rule.id in needed)
    part = replace(rulebook, rules=involved)
    found = []
    for name in names_of(involved):
        value = _Line(rulebook, part, facts, goal, name).nearest()
        if value is not None:
            found.append(Flip(name, TERMS[name].kind, facts[name], value, _size(name, facts[name], value)))
    order = list(TERMS)
    return tuple(sorted(found, key=lambda flip: (flip.size, order.index(flip.name))))


def names_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The terms that conditions and weights of some rules use, with those that these are derived from."""
    names: dict[str, None] = {}
    for rule in rules:
        for name in (*rule.when.names, *(rule.weight.names if rule.weight is not None else ())):
            names.update(dict.fromkeys((name, *NORMALISED.get(name, ()))))
    return tuple(names)


def changed(facts: Facts, name: str, value: float) -> Facts:
    """The facts with one other number, and what is derived from it; also what lacked just this number."""
    known = {**facts.known, name: value}
    before, after = normalised(facts.known, facts.known), normalised(known, known)
    for derived, sources in NORMALISED.items():
        if name in sources and (known.get(derived) is not None or before[derived] is None):
            known[derived] = after[derived]
    return Facts(known, facts.absent)


def evaluated(rulebook: Rulebook, facts: Facts) -> Inference | None:
    """What the rules make of facts, or ``None`` where a weight becomes too large to compute."""
    try:
        return evaluate(rulebook, facts)
    except InferenceError:
        return None


class _Line:
    """A decision along one name.

    Args:
        rulebook: all of it.
        part: the rules on which the goal depends; enough to try with.
        facts: as decided.
        goal: to be reached.
        name: what is changed.
    """

    def __init__(self, rulebook: Rulebook, part: Rulebook, facts: Facts, goal: Goal, name: str) -> None:
        self._rulebook = rulebook
        self._part = part
        self._facts = facts
        self._goal = goal
        self._name = name
        self._whole = name in COUNTS
        self._start = facts[name]
        term = TERMS[name]
        self._low, self._high = term.low, term.high
        meant = rulebook.ranges.get(name)
        if meant is not None and (self._start is None or meant[0] <= self._start <= meant[1]):
            self._low, self._high = max(self._low, meant[0]), min(self._high, meant[1])
        self._changed: dict[float, Facts] = {}
        self._inferred: dict[float, Inference | None] = {}

    def nearest(self) -> float | None:
        """A readable value near to where we are that reaches the goal; ``None`` if none was found."""
        if self._name in FLAGS:
            return next((value for value in (0.0, 1.0) if value != self._start and self._reaches(value)), None)
        points = self._critical()
        if self._start is None:
            edges = self._from_nowhere(points) if points else []
        else:
            at = bisect.bisect_left(points, self._start)
            left = self._outwards([self._start, *reversed(points[:at])])
            right = self._outwards([self._start, *(point for point in points[at:] if point != self._start)])
            edges = sorted((edge for edge in (left, right) if edge is not None), key=self._distance)
        for edge in edges:
            value = self._readable(*edge)
            if value is not None:
                return value
        return None

    def _reaches(self, value: float, *, fully: bool = False) -> bool:
        inference = evaluated(self._rulebook, self._at(value)) if fully else self._infer(value)
        return inference is not None and self._goal.met(inference, resolve(inference, self._rulebook))

    def _infer(self, value: float) -> Inference | None:
        if value not in self._inferred:
            self._inferred[value] = evaluated(self._part, self._at(value))
        return self._inferred[value]

    def _at(self, value: float) -> Facts:
        if value not in self._changed:
            self._changed[value] = changed(self._facts, self._name, value)
        return self._changed[value]

    def _critical(self) -> list[float]:
        """The values between which nothing turns over, in their order."""
        depending = {self._name, *(derived for derived, sources in NORMALISED.items() if self._name in sources)}
        functions = [
            function
            for rule in self._part.rules
            for expression in (rule.when, rule.weight)
            if expression is not None
            for function in functions_of(expression)
            if not depending.isdisjoint(function.names)
        ]
        points = samples(self._start, self._low, self._high, self._near(functions))
        critical = {points[0], points[-1], *(() if self._start is None else (self._start,))}
        for function in functions:  # kinks come before what they are in
            found = roots(functools.partial(self._value_of, function), points)
            critical.update(found)
            points = sorted({*points, *found})
        for low, high in itertools.pairwise(sorted(critical)):
            inner = self._inner(low, high, points)
            for one, other in self._goal.rivals:
                critical.update(roots(functools.partial(self._balance, one, other), inner, flat=True))
        if self._whole:
            whole = {float(number) for point in critical for number in (math.floor(point), math.ceil(point))}
            critical = {number for number in whole if self._low <= number <= self._high or number == self._start}
        return sorted(critical)

    def _inner(self, low: float, high: float, points: Sequence[float]) -> list[float]:
        """Points between two critical values, close to both and between them; several in a piece without an end."""
        known = points[bisect.bisect_right(points, low) : bisect.bisect_left(points, high)]
        first, last = (known[0], known[-1]) if known else (high, low)
        ends = (low + (first - low) * _CLOSE, high - (high - last) * _CLOSE)
        endless = math.isinf(self._high - self._low) and (low == points[0] or high == points[-1])
        return sorted({*ends, *(known[::_SPARSE] if endless else ()), low + (high - low) / 2})

    def _middle(self, one: float, other: float) -> float:
        """What lies between two values; one of these where nothing does, as between two neighbouring counts."""
        middle = one + (other - one) / 2
        return max(float(math.floor(middle)), min(one, other)) if self._whole else middle

    def _value_of(self, function: Function, value: float) -> float | None:
        return function.at(self._at(value))

    def _near(self, functions: Iterable[Function]) -> Iterator[float]:
        """Numbers that the name may be compared with."""
        for function in functions:
            yield from function.constants
            for name in function.names:
                value = self._facts[name]
                if value is not None:
                    yield value

    def _balance(self, one: str, other: str | None, value: float) -> float | None:
        inference = self._infer(value)
        if inference is None:
            return None
        return inference.weights.get(one, 0.0) - (inference.weights.get(other, 0.0) if other is not None else 0.0)

    def _outwards(self, points: list[float]) -> tuple[float, float] | None:
        """The edge of the first piece that reaches the goal, and how far that piece goes."""
        for near, far in itertools.pairwise(points):
            middle = self._middle(near, far)
            if self._reaches(middle):
                return self._edge(near, middle), far
            if self._reaches(far):
                return far, far
        return None

    def _from_nowhere(self, points: list[float]) -> list[tuple[float, float]]:
        """Of each stretch that reaches the goal, an end that is not the end of the whole range."""
        stretches: list[tuple[float, float]] = []
        for low, high in itertools.pairwise(points):
            middle = self._middle(low, high)
            if not self._reaches(middle):
                if self._reaches(low) and not (stretches and stretches[-1][1] == low):
                    stretches.append((low, low))
            elif stretches and stretches[-1][1] == low and self._reaches(low):
                stretches[-1] = (stretches[-1][0], high)
            else:
                stretches.append((low, high))
        last = points[-1]
        if self._reaches(last) and not (stretches and stretches[-1][1] == last):
            stretches.append((last, last))
        edges = []
        for low, high in stretches:
            middle = self._middle(low, high)
            outer, far = (high, low) if high < points[-1] else (low, high) if low > points[0] else (middle, high)
            edges.append((self._edge(outer, middle), far))
        return edges

    def _edge(self, outside: float, inside: float) -> float:
        """The value nearest to ``outside`` that reaches the goal, as ``inside`` does."""
        if self._reaches(outside) and outside != self._start:
            return outside
        for _ in range(_STEPS):
            middle = self._middle(outside, inside)
            if middle in (outside, inside):
                break
            if self._reaches(middle):
                inside = middle
            else:
                outside = middle
        return inside

    def _distance(self, edge: tuple[float, float]) -> float:
        return abs(edge[0] - self._start) if self._start is not None else 0.0

    def _readable(self, edge: float, far: float) -> float | None:
        """The edge, if it is a short number that reaches the goal, or the shortest a little beyond that does."""
        if len(Decimal(repr(edge)).as_tuple().digits) <= _SHORT and self._reaches(edge, fully=True):
            return edge
        origin = self._start if self._start is not None else 0.0
        change = abs(edge - origin)
        up = far > edge or (far == edge and edge > origin)
        close = max(OVERSHOOT * min(change, abs(edge)), LEAST * _scale(self._name, edge, edge))
        wide = max(OVERSHOOT * change, LEAST * _scale(self._name, origin, edge))  # next to 0 nothing short is close
        for allowed in (close, wide):
            for value in _rounded(edge, up=up, whole=self._whole):
                near = abs(value - edge) <= allowed or (self._whole and value.is_integer())
                if near and self._low <= value <= self._high and self._reaches(value, fully=True):
                    return value
        return edge if self._reaches(edge, fully=True) else None


def _rounded(number: float, *, up: bool, whole: bool) -> Iterator[float]:
    """A number, rounded to fewer decimals and then to more and more."""
    exact = Decimal(number)
    first = 0 if whole else exact.adjusted() + 1 if number else 0
    for exponent in range(max(first, 0), first - _DIGITS, -1):
        yield float(exact.quantize(Decimal(1).scaleb(exponent), ROUND_CEILING if up else ROUND_FLOOR, _EXACT))


def _size(name: str, old: float | None, new: float) -> float:
    return math.inf if old is None else abs(new - old) / (_scale(name, old, new) or 1.0)


def _scale(name: str, one: float, other: float) -> float:
    """What a change of a term is measured by: its range, or its values where that has no end."""
    term = TERMS[name]
    if math.isfinite(term.high - term.low):
        return term.high - term.low
    return max(abs(one), abs(other), 1.0 if term.kind in ("priority", "weight") else 0.0)
