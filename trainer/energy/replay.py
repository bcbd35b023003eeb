"""Recorded readings of counters, and a meter that reads them instead of a machine's.

A trace is a JSON file: what a machine's counters said, and when. A window over it gives the same energy each time,
wherever it is opened: for tests, and to look into a figure that somebody else has measured.
"""

from __future__ import annotations

import bisect
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from lemonade_es.errors import ConfigError
from lemonade_es.trainer.energy.counter import Counter, Domain, Scope, Trapezoid, Wrapped
from lemonade_es.trainer.energy.meter import CounterMeter

_UNITS = {"uJ": 1, "mJ": 1000}


@dataclass(frozen=True, slots=True)
class TraceDomain:
    """The readings of one counter.

    Attributes:
        name: of the domain.
        unit: ``uJ`` and ``mJ`` of counters, ``mW`` of samples of a power.
        readings: pairs of seconds since the trace began, and a whole number in that unit; in order.
        span: the largest value of a counter that wraps.
        scope: what the counter covers.
        accuracy: its relative error.
    """

    name: str
    unit: Literal["uJ", "mJ", "mW"]
    readings: Annotated[tuple[tuple[float, int], ...], Field(min_length=1)]
    span: int | None = None
    scope: Scope = "machine"
    accuracy: float = 0.05

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Trace:
    """What the counters of a machine said over some time.

    Attributes:
        machine: which machine, in words.
        domains: one or more, with different names.
    """

    machine: str
    domains: Annotated[tuple[TraceDomain, ...], Field(min_length=1)]

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def seconds(self) -> float:
        """When the last reading was taken, after the beginning."""
        return max(domain.readings[-1][0] for domain in self.domains)

    def save(self, path: Path) -> None:
        """Writes the trace as JSON."""
        path.write_text(json.dumps(asdict(self), allow_nan=False, indent=1) + "\n", encoding="utf-8")


_ADAPTER = TypeAdapter(Trace)


def read_trace(path: Path) -> Trace:
    """A trace from its file.

    Raises:
        ConfigError: the file cannot be read or is no trace; it says where.
    """
    try:
        trace = _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"the trace cannot be read: {error.strerror}", where=str(path)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ConfigError(f"this is no trace of energy counters: {place}: {first['msg']}", where=str(path)) from None
    names = [domain.name for domain in trace.domains]
    if len(set(names)) != len(names):
        raise ConfigError("two domains of the trace have the same name", where=str(path))
    for domain in trace.domains:
        times = [at for at, _ in domain.readings]
        if times != sorted(times):
            raise ConfigError(f"the readings of {domain.name} are not in order of time", where=str(path))
    return trace


class ReplayMeter(CounterMeter):
    """A meter over a trace: its time passes as the clock's does, and after its last reading nothing changes.

    Args:
        trace: what was recorded.
        clock: in seconds; the trace begins when the meter is made.
    """

    def __init__(self, trace: Trace, clock: Callable[[], float] = time.monotonic) -> None:
        start = clock()
        super().__init__(
            f"replay of {trace.machine}:",
            [_Replayed(domain) for domain in trace.domains],
            least_seconds=0.0,
            clock=lambda: clock() - start,
            watch=False,
        )


def record(
    machine: str,
    counters: Sequence[Counter],
    seconds: float,
    *,
    period: float = 0.05,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Trace:
    """Watches counters for some time.

    Args:
        machine: which machine it is, in words.
        counters: what to read.
        seconds: how long.
        period: seconds between two readings.
        clock: in seconds.
        sleep: lets so many seconds pass.

    Returns:
        A trace of whole microjoules without wraps; a counter that fails has no further readings.
    """
    start = clock()
    readings: list[list[tuple[float, int]]] = [[] for _ in counters]
    for step in range(math.floor(seconds / period) + 1):
        if step:
            sleep(period)
        now = clock()
        for counter, kept in zip(counters, readings, strict=True):
            if (counted := counter.read(now)) is not None:
                kept.append((now - start, counted))
    return Trace(
        machine,
        tuple(
            TraceDomain(counter.domain.name, "uJ", tuple(kept), None, counter.domain.scope, counter.domain.accuracy)
            for counter, kept in zip(counters, readings, strict=True)
        ),
    )


class _Replayed:
    """A counter over the readings of a domain; each reading is taken over in its turn, so that no wrap is lost."""

    def __init__(self, trace: TraceDomain) -> None:
        factor = _UNITS.get(trace.unit, 1)
        self.domain = Domain(
            name=trace.name,
            method=f"replay of {trace.name}",
            scope=trace.scope,
            resolution=factor * 1e-6,
            update_seconds=0.0,
            accuracy=trace.accuracy,
        )
        self._times = [at for at, _ in trace.readings]
        if trace.unit == "mW":
            self._counted = _integral(trace.readings)
        else:
            count = Wrapped(trace.span, trace.readings[0][1])
            self._counted = [factor * count.counted(reading) for _, reading in trace.readings]

    def read(self, now: float) -> int | None:
        """Microjoules since the first reading, on a straight line between two."""
        after = bisect.bisect_right(self._times, now)
        if after == 0:
            return self._counted[0]
        if after == len(self._times):
            return self._counted[-1]
        (start, end), (low, high) = self._times[after - 1 : after + 1], self._counted[after - 1 : after + 1]
        return low + round((high - low) * (now - start) / (end - start))


def _integral(samples: Sequence[tuple[float, int]]) -> list[int]:
    integral = Trapezoid(*samples[0])
    return [integral.integrated(at, milliwatts) for at, milliwatts in samples]
