"""How the advice of a rulebook changes while one metric or setting runs through a range."""

from __future__ import annotations

import functools
import itertools
import math
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.metric import normalised
from lemonade_es.engine.reasons.breakpoints import Function, functions_of, roots, samples
from lemonade_es.errors import ConfigError
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.rules.tie import total
from lemonade_es.vocabulary import COUNTS, NORMALISED, TERMS, closest

WHOLE = COUNTS | FLAGS

MAX_STEPS = 10_000
_BISECTIONS = 1100
_DIGITS, _EXACT = 17, 12
_HAIR, _SHORT_HAIR, _SHORT = 1e-12, 1e-9, 6
"""How far, as a part of itself or of a step, equality may have moved a boundary: equality of results of arithmetic, and
of weights, which is allowed for where the boundary is then a number of so few digits."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A range to run through: ``V_Acc=0.5:1:0.01``.

    Attributes:
        name: the metric or setting.
        start: the first value.
        stop: the last value.
        step: how far values lie apart; a change between two of them is looked for exactly.
    """

    name: str
    start: float
    stop: float
    step: float

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """Read ``NAME=START:STOP:STEP``.

        Raises:
            ConfigError: with what is wrong.
        """
        name, _, numbers = text.partition("=")
        name = name.strip()
        where = f"sweep {text}"
        try:
            start, stop, step = (float(part) for part in numbers.split(":"))
        except ValueError:
            raise ConfigError(
                "this is not NAME=START:STOP:STEP", where=where, hint="for example V_Acc=0.5:1:0.01"
            ) from None
        term = TERMS.get(name)
        if term is None:
            near = closest(name, TERMS)
            raise ConfigError(
                f"no metric or setting is called {name!r}", where=where, hint=f"did you mean {near}?" if near else None
            )
        if not all(map(math.isfinite, (start, stop, step))) or step <= 0 or stop <= start:
            raise ConfigError("the range is empty", where=where, hint="START lies below STOP, and STEP is above 0")
        if name in WHOLE and not all(number.is_integer() for number in (start, stop, step)):
            kind = "0 or 1" if name in FLAGS else "a count"
            raise ConfigError(
                f"between whole numbers {name} has no value", where=where, hint=f"{name} is {kind}: take a STEP of 1"
            )
        if start < term.low or stop > term.high:
            raise ConfigError(f"{name} is from {term.low:g} to {term.high:g}", where=where)
        if (stop - start) / step > MAX_STEPS:
            raise ConfigError(f"more than {MAX_STEPS:,} steps", where=where, hint="take a larger STEP")
        return cls(name, start, stop, step)

    def values(self) -> list[float]:
        """All values, both ends included."""
        count = math.floor((self.stop - self.start) / self.step + 1e-9)
        inside = [float(f"{self.start + index * self.step:.12g}") for index in range(count + 1)]
        inside = [value for value in inside if value < self.stop - self.step * 1e-9]
        return [self.start, *inside[1:], self.stop]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the range in which the same rules fire and the same instructions are left.

    Attributes:
        start: where it begins.
        starts_here: whether it holds ``start`` itself, or begins just above it.
        stop: where it ends.
        instructions: the weights after conflict resolution, at its beginning.
        instructions_to: the weights at its end; they may run with the value.
        fired: the rules that fire.
        on: those that fire here but not just before.
        off: those that fired just before but not here.
    """

    start: float
    starts_here: bool
    stop: float
    instructions: Mapping[str, float]
    instructions_to: Mapping[str, float]
    fired: tuple[str, ...]
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stretch as JSON data."""
        data = asdict(self)
        return {"from": data.pop("start"), "from_included": data.pop("starts_here"), "to": data.pop("stop"), **data}


@dataclass(frozen=True, slots=True)
class _Advice:
    instructions: Mapping[str, float]
    fired: tuple[str, ...]
    behind: Mapping[str, tuple[str, ...]]

    def like(self, other: _Advice) -> bool:
        """Whether the same rules fire and the same instructions are left, whatever they weigh."""
        return self.fired == other.fired and self.instructions.keys() == other.instructions.keys()


def run_sweep(
    rulebook: Rulebook, facts: Facts, sweep: Sweep, given: Collection[str] | None = None
) -> tuple[Stretch, ...]:
    """The stretches of the range, in their order; the other facts stay as they are.

    Normalised metrics that come from the value that runs, or from its threshold, run along. Where a condition turns
    over is looked for within the steps, too; what weights alone do within one step and undo within it goes unseen.

    Args:
        rulebook: whose advice.
        facts: to start from.
        sweep: the value that runs.
        given: metrics that somebody supposed: a normalised one among them does not run along. By default one with
            another value than what it comes from gives; in a run's facts, that is the mean of several trainings.
    """
    anew = normalised(facts, facts)
    kept = {name for name in anew if facts[name] != anew[name]} if given is None else set(given)
    running = [name for name, sources in NORMALISED.items() if sweep.name in sources and name not in kept]

    @functools.lru_cache(maxsize=1024)
    def moved(value: float) -> Facts:
        known = {**facts.known, sweep.name: value}
        derived = normalised(known, known)
        return Facts(known | {name: derived[name] for name in running}, facts.absent)

    def at(value: float) -> _Advice:
        inference = evaluate(rulebook, moved(value))
        kept = resolve(inference, rulebook).instructions
        behind = {name: tuple(part.rule for part in inference.contributions[name]) for name in kept}
        return _Advice(kept, tuple(firing.rule for firing in inference.fired), behind)

    def weights(value: float, advice: _Advice) -> dict[str, float]:
        """What an advice weighs at an end of its stretch, where it may not stand any more."""
        facts, found = moved(value), dict(advice.instructions)
        if sweep.name in WHOLE:  # it ends before
            return found
        for name, rules in advice.behind.items():
            numbers = [number for rule in rules if (number := weight_of[rule].number(facts)) is not None]
            if len(numbers) == len(rules):
                found[name] = total(numbers) if rulebook.combine == "sum" else max(numbers)
        return found

    weight_of = {rule.id: rule.weight for rule in rulebook.rules if rule.weight is not None}
    values = sorted({*sweep.values(), *_between(rulebook, sweep, moved)})
    found: list[Stretch] = []
    start, here, advice = values[0], True, at(values[0])
    before: _Advice | None = None
    first = weights(start, advice)
    for low, high in itertools.pairwise(values):
        after, position = at(high), low
        while not after.like(advice):
            edge = _edge(at, position, high, advice, whole=sweep.name in WHOLE)
            found.append(_stretch(start, here, edge.value, first, weights(edge.value, at(edge.last)), advice, before))
            before, start, here, advice, position = advice, edge.value, edge.ended, at(edge.first), edge.first
            first = weights(start, advice)
    found.append(_stretch(start, here, values[-1], first, weights(values[-1], at(values[-1])), advice, before))
    return tuple(found)


def _between(rulebook: Rulebook, sweep: Sweep, moved: Callable[[float], Facts]) -> Iterator[float]:
    """Values between those at which conditions turn over, and these where they are counts or have few digits."""
    depending = {sweep.name, *(derived for derived, sources in NORMALISED.items() if sweep.name in sources)}
    functions = [
        function
        for rule in rulebook.rules
        for function in functions_of(rule.when)
        if not depending.isdisjoint(function.names)
    ]
    near = [number for function in functions for number in function.constants]
    near += [number for function in functions for name in function.names if (number := moved(sweep.start)[name])]
    points = samples(None, sweep.start, sweep.stop, near)
    critical = {sweep.start, sweep.stop}
    for function in functions:  # kinks come before what they are in

        def value_of(value: float, function: Function = function) -> float | None:
            return function.at(moved(value))

        found = roots(value_of, points)
        critical.update(found)
        points = sorted({*points, *found})
    ordered = sorted(critical)
    if sweep.name in WHOLE:
        yield from (float(number) for value in ordered for number in (math.floor(value), math.ceil(value)))
        return
    yield from (value for value in ordered if float(f"{value:.{_SHORT}g}") == value)
    for low, high in itertools.pairwise(ordered):
        if high - low > _SHORT_HAIR * max(min(sweep.step, sweep.stop - sweep.start), abs(high)):  # else it is rounding
            yield low + (high - low) / 2


@dataclass(frozen=True, slots=True)
class _Edge:
    """Where an advice ends: at a value or just above it; where it stands last, and where it does not any more."""

    value: float
    ended: bool
    last: float
    first: float


def _edge(at: Callable[[float], _Advice], low: float, high: float, advice: _Advice, *, whole: bool) -> _Edge:
    """Where an advice ends between two values; of a count, at the first whole number where it does not stand.

    Rounding may have moved the boundary by a hair; told is the shortest number within that hair.
    """
    start, stop, step = low, high, high - low
    for _ in range(_BISECTIONS):
        middle = low + (high - low) / 2
        middle = float(math.floor(middle)) if whole else middle
        if middle in (low, high):
            break
        low, high = (middle, high) if at(middle).like(advice) else (low, middle)
    if whole:
        return _Edge(high, True, low, high)
    after = at(high)
    exact = range(1, _EXACT + 1) if abs(high) >= sys.float_info.min else ()  # below, every number is a short one
    hairs = [(digits, 0.0) for digits in exact]  # a small number that is short itself is not taken for 0
    hairs += [
        (digits, (_SHORT_HAIR if digits <= _SHORT else _HAIR) * max(step, abs(high))) for digits in range(_DIGITS)
    ]
    for digits, hair in hairs:
        near = float(f"{high:.{digits}g}") if digits else 0.0
        if start <= near <= stop and abs(near - high) <= max(4 * math.ulp(high), hair):
            then = at(near)
            if then.like(after) or (near > high and not then.like(advice)):  # what was between is rounding
                return _Edge(near, True, low, max(near, high))
            if then.like(advice) and near < high:
                chance = (_SHORT_HAIR if digits <= _SHORT else _HAIR) * abs(high)
                beyond = min(near + max(hair, chance), stop)
                return _Edge(near, False, near, high if beyond < high or at(beyond).like(advice) else beyond)
    return _Edge(high, True, low, high)


def _stretch(
    start: float,
    here: bool,
    stop: float,
    first: Mapping[str, float],
    last: Mapping[str, float],
    advice: _Advice,
    before: _Advice | None,
) -> Stretch:
    earlier = before.fired if before is not None else advice.fired
    return Stretch(
        start,
        here,
        stop,
        first,
        {name: last.get(name, weight) for name, weight in first.items()},
        advice.fired,
        tuple(rule for rule in advice.fired if rule not in earlier),
        tuple(rule for rule in earlier if rule not in advice.fired),
    )
