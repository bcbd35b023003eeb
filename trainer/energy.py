"""Energy of a window of time: what a counter measured, or what a model estimates, never the two mixed up.

An unknown energy is ``None`` with its reason. A total is measured only if every term of it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import psutil

from lemonade_es.trainer.counters import CounterUnavailableError, GpuCounters, PowercapCounters
from lemonade_es.trainer.measurement import Energy

PUE = 1.58
"""Power usage effectiveness of Eq. 4: what a data centre draws for each unit of energy that computing takes."""

_JOULES_PER_KWH = 3.6e6


def kwh_pue(joules: float) -> float:
    """Eq. 4 for counted energy: ``1.58 * joules / 3.6e6``, in kWh-PUE."""
    return PUE * joules / _JOULES_PER_KWH


@dataclass(frozen=True, slots=True)
class Window:
    """An open window; only the meter that opened it can close it.

    Attributes:
        pid: the process that works in it.
        started: on :func:`time.monotonic`'s clock.
        readings: the meter's own, in its own units.
        parts: the windows of the meters that a combined one is made of.
    """

    pid: int
    started: float
    readings: Mapping[str, float | int | None] = field(default_factory=dict)
    parts: tuple[Window, ...] = ()


class EnergyMeter(Protocol):
    """What gives the energy of a window."""

    @property
    def least_seconds(self) -> float:
        """A window shorter than this tells nothing."""

    def begin(self, pid: int) -> Window:
        """Opens a window for the work of a process."""

    def touch(self) -> None:
        """Reads the counters in passing, so that none wraps unseen; wanted every few minutes."""

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes a window.

        Args:
            window: what :meth:`begin` gave.
            cpu_seconds: processor time of the process over its whole life, if it has ended.
        """

    def describe(self) -> str:
        """What it is, and why it and no better one."""


@dataclass(frozen=True, slots=True)
class EstimatedMeter:
    """Nominal power times processor time, plus the memory's: for machines without a counter.

    Attributes:
        watts_per_core: of one busy core; 12 W lies between a laptop's and a server's.
        watts_per_gb: of resident memory; 3 W for a module of 8 GB.
        why: why nothing is measured.
    """

    watts_per_core: float = 12.0
    watts_per_gb: float = 0.375
    why: str = ""
    least_seconds: float = 0.0

    def begin(self, pid: int) -> Window:
        """Opens a window: notes processor time (s) and resident memory (GB)."""
        return Window(pid, time.monotonic(), {"cpu_seconds": _cpu_seconds(pid), "gigabytes": _gigabytes(pid)})

    def touch(self) -> None:
        """Nothing to read in passing."""

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes a window; the uncertainty is 75 %."""
        seconds = time.monotonic() - window.started
        before = window.readings["cpu_seconds"]
        after = _cpu_seconds(window.pid) if cpu_seconds is None else cpu_seconds
        if before is None or after is None:
            return _unavailable(seconds, "nominal power x processor time", "process", "the process has ended")
        used = max(0.0, after - before)
        memory = self.watts_per_gb * max(window.readings["gigabytes"] or 0.0, _gigabytes(window.pid) or 0.0)
        return Energy(
            joules=self.watts_per_core * used + memory * seconds,
            seconds=seconds,
            provenance="estimated",
            method=f"{self.watts_per_core:g} W x {used:.3g} CPU-s + {memory:.2g} W RAM",
            scope="process",
            rel_uncertainty=0.75,
        )

    def describe(self) -> str:
        """The model, and why there is no counter."""
        model = f"estimated: {self.watts_per_core:g} W for a busy core, {self.watts_per_gb:g} W for a GB of memory"
        return f"{model} ({self.why})" if self.why else model


class RaplMeter:
    """The processor's and the memory's own counters (Intel and AMD RAPL), through Linux powercap.

    Args:
        root: the powercap tree.

    Raises:
        CounterUnavailableError: there is no counter in it, or none that may be read.
    """

    least_seconds = 0.05

    def __init__(self, root: Path = Path("/sys/class/powercap")) -> None:
        self._counters = PowercapCounters(root)

    def begin(self, pid: int) -> Window:
        """Opens a window."""
        return Window(pid, time.monotonic(), self._readings())

    def touch(self) -> None:
        """Reads every counter, so that none wraps twice between two readings (about 40 minutes at 100 W)."""
        self._readings()

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes a window: the energy of the whole machine in it."""
        after = self._readings()
        seconds = time.monotonic() - window.started
        joules = 0.0
        for zone, last in after.items():
            first = window.readings[zone]
            if first is None or last is None:
                return _unavailable(seconds, self._method, "machine", f"the counter of {zone} cannot be read")
            joules += (last - first) / 1e6
        return Energy(joules, seconds, "measured", self._method, "machine", rel_uncertainty=0.05)

    def describe(self) -> str:
        """Which zones are read."""
        return f"measured: {self._method}"

    @property
    def _method(self) -> str:
        return f"RAPL {' + '.join(self._counters.zones)}"

    def _readings(self) -> Mapping[str, int | None]:
        return self._counters.read()


class NvmlMeter:
    """The GPU's own total-energy counter (Volta and later).

    Args:
        index: which GPU.

    Raises:
        CounterUnavailableError: ``nvidia-ml-py``, the driver or the counter is missing.
    """

    least_seconds = 1.0

    def __init__(self, index: int = 0) -> None:
        self._counters = GpuCounters(index)

    def begin(self, pid: int) -> Window:
        """Opens a window."""
        return Window(pid, time.monotonic(), {"millijoules": self._counters.millijoules()})

    def touch(self) -> None:
        """A 64-bit counter does not wrap."""

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes a window: the energy of the whole GPU in it."""
        first, last = window.readings["millijoules"], self._counters.millijoules()
        seconds = time.monotonic() - window.started
        if first is None or last is None:
            return _unavailable(seconds, "NVML", "device", "the GPU's counter cannot be read")
        method = f"NVML {self._counters.name}"
        return Energy((last - first) / 1e3, seconds, "measured", method, "device", rel_uncertainty=0.05)

    def describe(self) -> str:
        """Which GPU is read."""
        return f"measured: NVML {self._counters.name}"


@dataclass(frozen=True, slots=True)
class UnavailableMeter:
    """A part of the machine whose energy nobody can tell; it makes every total unknown."""

    what: str
    why: str
    least_seconds: float = 0.0

    def begin(self, pid: int) -> Window:
        """Opens a window."""
        return Window(pid, time.monotonic())

    def touch(self) -> None:
        """Nothing to read."""

    def end(self, window: Window, *, cpu_seconds: float | None = None) -> Energy:
        """Closes a window: unknown."""
        return _unavailable(time.monotonic() - window.started, self.what, "device", self.why)

    def describe(self) -> str:
        """What is missing, and why."""
        return f"unavailable: {self.what} ({self.why})"


@dataclass(frozen=True, slots=True)
class CombinedMeter:
    """The sum of several meters, as trustworthy as the least of them."""

    meters: tuple[EnergyMeter, ...]

    @property
    def least_seconds(self) -> float:
        """The longest of the parts'."""
        return max(meter.least_seconds for meter in self.meters)

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

    def describe(self) -> str:
        """Each of the parts."""
        return "; ".join(meter.describe() for meter in self.meters)


def total(terms: Sequence[Energy]) -> Energy:
    """The sum over the same window: unknown if a term is, measured only if every term is."""
    seconds = max(term.seconds for term in terms)
    method = " + ".join(term.method for term in terms)
    scope = "machine" if any(term.scope == "machine" for term in terms) else terms[0].scope
    missing = [f"{term.method}: {term.reason}" for term in terms if term.joules is None]
    if missing:
        return _unavailable(seconds, method, scope, "; ".join(missing))
    provenances = {term.provenance for term in terms}
    joules = sum(term.joules or 0.0 for term in terms)
    spread = sum((term.joules or 0.0) * (term.rel_uncertainty or 0.0) for term in terms)
    return Energy(
        joules=joules,
        seconds=seconds,
        provenance=provenances.pop() if len(provenances) == 1 else "mixed",
        method=method,
        scope=scope,
        rel_uncertainty=spread / joules if joules else None,
    )


def share(energy: Energy, parts: int) -> Energy:
    """One of several equal parts of a window (one pass of many)."""
    joules = None if energy.joules is None else energy.joules / parts
    return replace(energy, joules=joules, seconds=energy.seconds / parts)


def best_meter(device: str, *, powercap: Path = Path("/sys/class/powercap")) -> EnergyMeter:
    """The best meter that this machine has for work on a device.

    Args:
        device: ``cpu`` or ``cuda``.
        powercap: the powercap tree.
    """
    processor: EnergyMeter
    try:
        processor = RaplMeter(powercap)
    except CounterUnavailableError as error:
        processor = EstimatedMeter(why=str(error))
    if device != "cuda":
        return processor
    try:
        return CombinedMeter((processor, NvmlMeter()))
    except CounterUnavailableError as error:
        return CombinedMeter((processor, UnavailableMeter("GPU", str(error))))


def _cpu_seconds(pid: int) -> float | None:
    """Processor time of all threads of a process, or ``None`` if it is gone."""
    try:
        # Linux's clock of another process: nanoseconds, where /proc counts in hundredths of a second
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def _gigabytes(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).memory_info().rss) / 1e9
    except psutil.Error:
        return None


def _unavailable(seconds: float, method: str, scope: str, reason: str) -> Energy:
    known = scope if scope in ("device", "machine") else "process"
    return Energy(None, seconds, "unavailable", method, known, reason=reason)  # type: ignore[arg-type]
