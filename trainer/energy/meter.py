"""Meters: what gives the energy of a window of time."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lemonade_es.trainer.energy.arithmetic import summed, total, unavailable
from lemonade_es.trainer.energy.counter import Counter, Domain
from lemonade_es.trainer.measurement import Energy, EnergyPart

IDLE_SECONDS = 1.5
"""How long the idle machine is watched before the first candidate."""


@dataclass(frozen=True, slots=True)
class Window:
    """An open window; only the meter that opened it can close it.

    Attributes:
        pid: the process that works in it; 0 where it cannot be seen.
        started: on the meter's clock.
        readings: the meter's own, in its own units.
        parts: the windows of the meters that a combined one is made of.
    """

    pid: int
    started: float
    readings: Mapping[str, float | int | None] = field(default_factory=dict)
    parts: tuple[Window, ...] = ()


class EnergyMeter(Protocol):
    """What gives the energy of a window. Every window that is begun must be ended."""

    @property
    def least_seconds(self) -> float:
        """A window shorter than this tells nothing."""

    @property
    def counts(self) -> bool:
        """Whether it reads counters of the machine: then it can tell what the machine draws while idle."""

    def begin(self, pid: int) -> Window:
        """Opens a window for the work of a process."""

    def touch(self) -> None:
        """Reads the counters in passing, so that none wraps unseen."""

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes a window.

        Args:
            window: what :meth:`begin` gave.
            cpu_seconds: processor time of the process over its whole life, if it has ended.
        """

    def learn_idle(self, window: Window) -> None:
        """Closes a window in which nothing worked: from now on energies say what idling would have taken."""

    def describe(self) -> str:
        """What it is, and why it and no better one."""


class CounterMeter:
    """The sum of several counters of one kind, each kept as a domain of the energy.

    While a window is open, a thread reads the counters in passing.

    Args:
        label: what kind they are of (``RAPL``).
        counters: at least one; no two of them may count the same energy.
        least_seconds: a window shorter than this tells nothing.
        clock: in seconds; never goes back.
        watch: read in passing by a thread; not for clocks that are not the machine's.
    """

    counts = True

    def __init__(
        self,
        label: str,
        counters: Sequence[Counter],
        *,
        least_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        watch: bool = True,
    ) -> None:
        self.least_seconds = least_seconds
        self._label = label
        self._counters = tuple(counters)
        self._clock = clock
        self._lock = threading.Lock()
        self._idle_watts: dict[str, float] = {}
        self._keeper = _Keeper(self.touch, min(counter.domain.period for counter in counters)) if watch else None

    def begin(self, pid: int) -> Window:
        """Opens a window."""
        if self._keeper is not None:
            self._keeper.hold()
        now, readings = self._read()
        return Window(pid, now, readings)

    def touch(self) -> None:
        """Reads every counter in passing."""
        self._read()

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes a window: the energy of all that the counters cover, whoever took it."""
        now, after = self._read()
        if self._keeper is not None:
            self._keeper.release()
        seconds = now - window.started
        parts = [
            self._part(counter.domain, window.readings[counter.domain.name], after[counter.domain.name], seconds)
            for counter in self._counters
        ]
        return summed(parts, seconds, self._method)

    def learn_idle(self, window: Window) -> None:
        """Closes a window in which nothing worked, and remembers the power of each domain."""
        energy = self.end(window)
        if energy.seconds > 0:
            self._idle_watts = {
                part.domain: part.joules / energy.seconds for part in energy.domains if part.joules is not None
            }

    def describe(self) -> str:
        """Which domains are read."""
        return f"measured: {self._method}"

    @property
    def _method(self) -> str:
        return f"{self._label} {' + '.join(counter.domain.name for counter in self._counters)}"

    def _read(self) -> tuple[float, dict[str, int | None]]:
        with self._lock:
            now = self._clock()
            return now, {counter.domain.name: counter.read(now) for counter in self._counters}

    def _part(self, domain: Domain, first: float | None, last: int | None, seconds: float) -> EnergyPart:
        idle = self._idle_watts.get(domain.name)
        known = first is not None and last is not None
        joules = (last - first) / 1e6 if first is not None and last is not None else None
        return EnergyPart(
            domain=domain.name,
            joules=joules,
            provenance="measured" if known else "unavailable",
            method=domain.method,
            scope=domain.scope,
            rel_uncertainty=_uncertainty(domain, joules, seconds) if joules else None,
            resolution_joules=domain.resolution,
            idle_joules=None if idle is None else idle * seconds,
            reason=None if known else f"the counter of {domain.name} cannot be read",
        )


@dataclass(frozen=True, slots=True)
class CombinedMeter:
    """The sum of several meters, as trustworthy as the least of them."""

    meters: tuple[EnergyMeter, ...]

    @property
    def least_seconds(self) -> float:
        """The longest of the parts'."""
        return max(meter.least_seconds for meter in self.meters)

    @property
    def counts(self) -> bool:
        """Whether one of the parts does."""
        return any(meter.counts for meter in self.meters)

    def begin(self, pid: int) -> Window:
        """Opens a window of each."""
        return Window(pid, time.monotonic(), parts=tuple(meter.begin(pid) for meter in self.meters))

    def touch(self) -> None:
        """Reads each in passing."""
        for meter in self.meters:
            meter.touch()

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes the windows and adds them up."""
        return total(
            [meter.end(part, cpu_seconds=cpu_seconds) for meter, part in zip(self.meters, window.parts, strict=True)]
        )

    def learn_idle(self, window: Window) -> None:
        """Each learns by itself."""
        for meter, part in zip(self.meters, window.parts, strict=True):
            meter.learn_idle(part)

    def describe(self) -> str:
        """Each of the parts."""
        return "; ".join(meter.describe() for meter in self.meters)


@dataclass(frozen=True, slots=True)
class UnavailableMeter:
    """A part of the machine whose energy nobody can tell; it makes every total unknown."""

    what: str
    why: str
    least_seconds: float = 0.0
    counts: bool = False

    def begin(self, pid: int) -> Window:
        """Opens a window."""
        return Window(pid, time.monotonic())

    def touch(self) -> None:
        """Nothing to read."""

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes a window: unknown."""
        return unavailable(time.monotonic() - window.started, self.what, "device", self.why)

    def learn_idle(self, window: Window) -> None:
        """Nothing to learn."""

    def describe(self) -> str:
        """What is missing, and why."""
        return f"unavailable: {self.what} ({self.why})"


def watch_idle(meter: EnergyMeter, seconds: float = IDLE_SECONDS, sleep: Callable[[float], None] = time.sleep) -> None:
    """Has a meter learn what the idle machine draws; one without counters is left alone, and nobody waits.

    Args:
        meter: whose counters to watch.
        seconds: how long, at least the shortest window that tells something.
        sleep: does nothing for so many seconds.
    """
    if not meter.counts:
        return
    window = meter.begin(os.getpid())
    try:
        sleep(max(seconds, meter.least_seconds))
    finally:
        meter.learn_idle(window)


def _uncertainty(domain: Domain, joules: float, seconds: float) -> float:
    """Of the counter itself, of its steps, and of where between two updates the window begins and ends."""
    edge = domain.update_seconds / seconds if seconds > 0 else 1.0
    return math.hypot(domain.accuracy, domain.resolution / joules, edge)


class _Keeper:
    """A thread that reads in passing as long as somebody holds it."""

    def __init__(self, read: Callable[[], None], period: float) -> None:
        self._read = read
        self._period = period
        self._holders = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def hold(self) -> None:
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._stop = threading.Event()
                threading.Thread(target=self._run, args=(self._stop,), name="energy", daemon=True).start()

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._stop.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._period):
            self._read()
