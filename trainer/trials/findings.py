"""What a trial has found out so far: what is known when it fails is told all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lemonade_es.trainer.energy import kwh_pue
from lemonade_es.trainer.isolation.child import Exit
from lemonade_es.trainer.measurement import ZERO_COST, Energy, Epoch, Failure, Latency, Measurement, Trained
from lemonade_es.trainer.trials import readings
from lemonade_es.trainer.watching.dynamics import Reading

OF_TRAINING = ("T_Acc", "V_Acc", "class_gap", *readings.OF_UNITS)
"""Metrics that only a trained network has."""

KEPT_BYTES = 256 * 10**6
"""Of the weights that a training leaves behind on its way."""

_MEASURED = (*OF_TRAINING, *readings.OF_COURSE, "T_E", "V_E", "P", "S", "M", "L", "F", "B", "W", "R")


@dataclass(slots=True)
class Findings:
    """Metrics, energies, weights, and what went wrong.

    Attributes:
        metrics: that are known.
        absent: why others are not.
        energy: by phase.
        epochs: that training has ended.
        latency: with its spread; ``None`` if it was not timed.
        weights: as a safetensors file; ``None`` before there are any.
        note: what the check says of a sound network.
        kept: those that the network had after some of the epochs, until they are looked at.
        failure: what ended the trial, if it is not its end.
        nonfinite: whether loss, weights or outputs were seen that are not finite.
        stopped: after how many epochs the training was stopped; ``None`` if it was not.
        unrecorded: why its steps could not be recorded on a GPU.
        training_seconds: wall-clock.
        measuring_seconds: likewise, all in all.
    """

    metrics: dict[str, float | None] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    energy: dict[str, Energy] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    latency: Latency | None = None
    weights: bytes | None = None
    note: str | None = None
    kept: dict[int, bytes] = field(default_factory=dict)
    failure: Failure | None = None
    nonfinite: bool = False
    stopped: int | None = None
    unrecorded: str | None = None
    training_seconds: float = 0.0
    measuring_seconds: float = 0.0

    def take(self, found: Mapping[str, Reading]) -> None:
        """Metrics that are known, or why they are not."""
        self.metrics |= {name: reading.value for name, reading in found.items()}
        self.absent |= {name: reading.reason for name, reading in found.items() if reading.value is None}

    def keep(self, epoch: int, weights: bytes) -> None:
        """The network after an epoch, unless there is no room for more of them."""
        if weights and sum(map(len, self.kept.values())) + len(weights) <= KEPT_BYTES:
            self.kept[epoch] = weights

    def take_energy(self, phase: str, metric: str, energy: Energy) -> None:
        """The energy of a phase, and the metric that tells it."""
        self.energy[phase] = energy
        if energy.joules is None:
            self.metrics[metric] = None  # of a phase that goes on, an earlier part may have been known
            self.absent[metric] = energy.reason or energy.method
        else:
            self.metrics[metric] = kwh_pue(energy.joules)

    def take_end(self, ended: Exit | None) -> None:
        """How a child ended; of several, the one that took the most memory counts."""
        if ended is not None and ended.peak_bytes is not None:
            self.metrics["R"] = max(self.metrics.get("R") or 0.0, ended.peak_bytes / 1e6)

    def leave_out(self, names: Iterable[str], why: str) -> None:
        """Metrics that there are none of."""
        for name in names:
            self.metrics[name] = None
            self.absent[name] = why

    def trained(self, *, of: int, precision: str, zero_cost: bool) -> Trained:
        """All of it, for whoever asked for the trial.

        Args:
            of: how many epochs were wanted.
            precision: that it was trained in.
            zero_cost: whether scores of the untrained network were wanted.
        """
        failure = self.failure
        self.nonfinite |= failure is not None and failure.code == "DIVERGED"
        names = (*_MEASURED, *ZERO_COST) if zero_cost else _MEASURED
        metrics = {name: self.metrics.get(name) for name in names}
        why = f"{failure.code}: {failure.message}" if failure else "the process left no account of itself"
        if self.stopped is not None:  # memory and energy of a part say nothing of the whole
            metrics |= dict.fromkeys(("R", "T_E"))
            why = f"the training was stopped after {self.stopped} of {of} epochs"
        return Trained(
            Measurement(
                metrics={**metrics, "failed": float(failure is not None), "nonfinite": float(self.nonfinite)},
                absent={name: self.absent.get(name, why) for name, value in metrics.items() if value is None},
                failure=failure,
                energy=self.energy,
                latency=self.latency,
                epochs=tuple(self.epochs),
                training_seconds=self.training_seconds,
                measuring_seconds=self.measuring_seconds,
                stopped=self.stopped,
                precision=precision,
                unrecorded=self.unrecorded,
            ),
            self.weights,
            self.note,
        )
