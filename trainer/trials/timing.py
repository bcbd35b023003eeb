"""What a network costs to run: latency, power and throughput, by the parent's clock and meter."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from lemonade_es.trainer.energy import EnergyMeter, share
from lemonade_es.trainer.isolation.child import CandidateFailed
from lemonade_es.trainer.measurement import Energy, Latency
from lemonade_es.trainer.measuring.latency import BATCH, WARM_UPS, latency, throughput
from lemonade_es.trainer.trials.questions import Questions
from lemonade_es.trainer.watching.dynamics import Reading

_POWER_SECONDS = 0.25


@dataclass(slots=True)
class Timing:
    """The timing of one trained network; what was known before a failure stays.

    Attributes:
        ask: leads its child.
        meter: for its energy.
        pid: the child's process; 0 where it cannot be seen.
        readings: ``L`` (ms), ``F`` (1/s), ``W`` (mW) and ``B`` (1/s).
        energy: of one inference, as ``inference``.
        latency: with its spread.
    """

    ask: Questions
    meter: EnergyMeter
    pid: int
    readings: dict[str, Reading] = field(default_factory=dict)
    energy: dict[str, Energy] = field(default_factory=dict)
    latency: Latency | None = None

    def take(self, cap_seconds: float) -> None:
        """Times it.

        Args:
            cap_seconds: to measure for at most, whether the latency has settled or not.

        Raises:
            CandidateFailed: it broke off.
        """
        self.ask.call("warm", count=WARM_UPS)
        self.latency = found = latency(self._timed, cap_seconds=cap_seconds)
        self.readings |= {"L": Reading(found.p50), "F": Reading(1e3 / found.p50)}
        self._power(found.p50)
        self._batches()

    def _power(self, milliseconds: float) -> None:
        seconds = max(_POWER_SECONDS, self.meter.least_seconds)
        passes = math.ceil(seconds * 1e3 / milliseconds)
        window = self.meter.begin(self.pid)
        try:
            self._timed("candidate", passes)
        finally:
            energy = self.meter.end(window)
        self.energy["inference"] = share(energy, passes)
        if energy.joules is None:
            self.readings["W"] = Reading(None, energy.reason or energy.method)
        else:
            self.readings["W"] = Reading(energy.joules / energy.seconds * 1e3)

    def _batches(self) -> None:
        """Throughput; a network that has no room for a batch has none, and is sound all the same."""
        try:
            self.ask.call("warm", count=1, rows=BATCH)
            self.readings["B"] = Reading(throughput(self._timed))
        except CandidateFailed as failed:
            self.readings["B"] = Reading(None, f"{failed.failure.code}: {failed.failure.message}")

    def _timed(self, which: str, passes: int) -> float:
        started = time.perf_counter()
        self.ask.call("pass", which=which, count=passes)
        return time.perf_counter() - started
