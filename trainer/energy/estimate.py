"""An estimate of energy from processor time and memory, for machines without a counter."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import psutil

from lemonade_es.trainer.energy.arithmetic import summed
from lemonade_es.trainer.energy.meter import Window
from lemonade_es.trainer.measurement import Energy, EnergyPart

_UNCERTAINTY = 0.75


@dataclass(frozen=True, slots=True)
class EstimatedMeter:
    """Nominal power times processor time, plus the memory's.

    Attributes:
        watts_per_core: of one busy core; 12 W lies between a laptop's and a server's.
        watts_per_gb: of resident memory; 3 W for a module of 8 GB.
        why: why nothing is measured.
    """

    watts_per_core: float = 12.0
    watts_per_gb: float = 0.375
    why: str = ""
    least_seconds: float = 0.0
    counts: bool = False

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
            reason = "the process has ended" if window.pid else "the process cannot be seen from here"
            lost = _part("processor", None, "nominal power x processor time", "unavailable", reason)
            return summed((lost,), seconds, lost.method)
        used = max(0.0, after - before)
        watts = self.watts_per_gb * max(window.readings["gigabytes"] or 0.0, _gigabytes(window.pid) or 0.0)
        parts = (
            _part("processor", self.watts_per_core * used, f"{self.watts_per_core:g} W x {used:.3g} CPU-s"),
            _part("memory", watts * seconds, f"{watts:.2g} W RAM x {seconds:.3g} s"),
        )
        return summed(parts, seconds, " + ".join(part.method for part in parts))

    def learn_idle(self, window: Window) -> None:
        """A process is estimated, not the machine: there is no idling in it."""

    def describe(self) -> str:
        """The model, and why there is no counter."""
        model = f"estimated: {self.watts_per_core:g} W for a busy core, {self.watts_per_gb:g} W for a GB of memory"
        return f"{model} ({self.why})" if self.why else model


def _part(
    domain: str,
    joules: float | None,
    method: str,
    provenance: Literal["estimated", "unavailable"] = "estimated",
    reason: str | None = None,
) -> EnergyPart:
    uncertainty = None if joules is None else _UNCERTAINTY
    return EnergyPart(domain, joules, provenance, method, "process", uncertainty, reason=reason)


def _cpu_seconds(pid: int) -> float | None:
    """Processor time of all threads of a process, or ``None`` if it is gone or cannot be seen."""
    if pid == 0:  # Linux would take it for this process
        return None
    try:
        # Linux's clock of another process: nanoseconds, where /proc counts in hundredths of a second
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def _gigabytes(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).memory_info().rss) / 1e9 if pid else None
    except psutil.Error:
        return None
