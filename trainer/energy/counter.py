"""What a counter of energy is: one domain of a machine, in whole microjoules since it was opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Scope = Literal["device", "machine", "process"]


class CounterUnavailableError(Exception):
    """A counter is not there or cannot be read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Domain:
    """One part of a machine whose energy is counted by itself.

    Attributes:
        name: as the counter's owner calls it (``package-0``, ``dram of package-0``).
        method: what counts it, in words.
        scope: what it covers.
        resolution: the smallest step, in joules.
        update_seconds: how often the hardware moves the counter: the two ends of a window are uncertain by so much.
        accuracy: relative error of the counter itself, 0.05 for 5 %.
        period: seconds after which it must be read in passing, so that no wrap goes unseen and no sample is missed.
    """

    name: str
    method: str
    scope: Scope
    resolution: float
    update_seconds: float
    accuracy: float = 0.05
    period: float = 60.0


class Counter(Protocol):
    """A counter that goes on over its wraps."""

    @property
    def domain(self) -> Domain:
        """What it counts."""

    def read(self, now: float) -> int | None:
        """Microjoules since it was opened; ``None`` if it cannot be read any more.

        Args:
            now: on the meter's clock, in seconds; it never goes back.
        """


class Wrapped:
    """A number that starts again after its span, continued.

    Args:
        span: the largest value; the step after it gives 0. ``None`` for a number that does not wrap.
        first: where it stands.
    """

    def __init__(self, span: int | None, first: int) -> None:
        self._span = span
        self._last = first
        self._counted = 0

    def counted(self, reading: int) -> int:
        """How far it has come since the start, this reading included."""
        step = reading - self._last
        if step < 0 and self._span is not None:
            step += self._span + 1
        self._counted += step
        self._last = reading
        return self._counted


class Trapezoid:
    """The integral of a power that is sampled: straight lines between the samples.

    Args:
        now: when the first sample was taken, in seconds.
        milliwatts: the first sample.
    """

    def __init__(self, now: float, milliwatts: float) -> None:
        self._at = now
        self._last = milliwatts
        self._microjoules = 0.0

    def integrated(self, now: float, milliwatts: float) -> int:
        """Microjoules since the first sample, this one included."""
        self._microjoules += (self._last + milliwatts) / 2 * (now - self._at) * 1e3
        self._at, self._last = now, milliwatts
        return round(self._microjoules)
