"""How the advice of a rulebook changes while one metric or setting runs through a range."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lemonade_es.engine.conflicts import resolve
from lemonade_es.engine.evaluator import evaluate
from lemonade_es.engine.facts import Facts
from lemonade_es.errors import ConfigError
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import METRICS, TERMS, closest

MAX_STEPS = 10_000
_BISECTIONS = 60
_DIGITS = 17


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
        if start < term.low or stop > term.high:
            raise ConfigError(f"{name} is from {term.low:g} to {term.high:g}", where=where)
        if (stop - start) / step > MAX_STEPS:
            raise ConfigError(f"more than {MAX_STEPS:,} steps", where=where, hint="take a larger STEP")
        return cls(name, start, stop, step)

    def values(self) -> list[float]:
        """All values, both ends included."""
        count = math.floor((self.stop - self.start) / self.step + 1e-9)
        inside = [float(f"{self.start + index * self.step:.12g}") for index in range(count + 1)]
        return inside if math.isclose(inside[-1], self.stop) else [*inside, self.stop]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the range in which the advice is the same.

    Attributes:
        start: where it begins.
        starts_here: whether the advice holds at ``start`` itself, or only above it.
        stop: where it ends.
        instructions: the weights after conflict resolution.
        fired: the rules that fire.
        on: those that fire here but not just before.
        off: those that fired just before but not here.
    """

    start: float
    starts_here: bool
    stop: float
    instructions: Mapping[str, float]
    fired: tuple[str, ...]
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stretch as JSON data."""
        data = asdict(self)
        return {"from": data.pop("start"), "from_included": data.pop("starts_here"), "to": data.pop("stop"), **data}


@dataclass(frozen=True, slots=True)
class _Advice:
    instructions: tuple[tuple[str, float], ...]
    fired: tuple[str, ...]


def run_sweep(rulebook: Rulebook, facts: Facts, sweep: Sweep) -> tuple[Stretch, ...]:
    """The stretches of the range, in their order; the other facts stay as they are.

    What happens within one step and is undone within the same step goes unseen.
    """

    def at(value: float) -> _Advice:
        metrics = {name: facts[name] for name in METRICS}
        wishes = {name: facts[name] for name in facts if name not in METRICS}
        (metrics if sweep.name in METRICS else wishes)[sweep.name] = value
        inference = evaluate(rulebook, Facts.of(metrics, wishes))
        kept = resolve(inference, rulebook).instructions
        return _Advice(tuple(kept.items()), tuple(firing.rule for firing in inference.fired))

    values = sweep.values()
    found: list[Stretch] = []
    start, here, advice = values[0], True, at(values[0])
    before: _Advice | None = None
    for low, high in itertools.pairwise(values):
        after = at(high)
        while after != advice:
            edge, included = _edge(at, low, high, advice)
            found.append(_stretch(start, here, edge, advice, before))
            before, start, here = advice, edge, included
            advice, low = at(edge if included else math.nextafter(edge, math.inf)), edge  # noqa: PLW2901
    found.append(_stretch(start, here, values[-1], advice, before))
    return tuple(found)


def _edge(at: Callable[[float], _Advice], low: float, high: float, advice: _Advice) -> tuple[float, bool]:
    """Where an advice ends between two values, as the shortest number there is; and whether it has ended there."""
    for _ in range(_BISECTIONS):
        middle = low + (high - low) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if at(middle) == advice else (low, middle)
    for digits in range(1, _DIGITS + 1):
        edge = float(f"{high:.{digits}g}")
        if math.nextafter(low, -math.inf) <= edge <= high and abs(edge - high) <= 4 * math.ulp(high):
            return edge, at(edge) != advice
    return high, True


def _stretch(start: float, here: bool, stop: float, advice: _Advice, before: _Advice | None) -> Stretch:
    earlier = before.fired if before is not None else advice.fired
    return Stretch(
        start,
        here,
        stop,
        dict(advice.instructions),
        advice.fired,
        tuple(rule for rule in advice.fired if rule not in earlier),
        tuple(rule for rule in earlier if rule not in advice.fired),
    )
