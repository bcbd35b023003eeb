"""Sums over the candidates of a run: the energy that they took, and how measuring on the user's device went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lemonade_es.trainer.energy import grams_co2e, kwh_pue
from lemonade_es.trainer.measurement import Measurement

WARN_AFTER = 3
"""Failures in a row after which somebody should look at the device."""

_TERMS = {"training": "T_E", "validation": "V_E"}


@dataclass(slots=True)
class EnergyTally:
    """Grows by one candidate at a time.

    Attributes:
        kwh_pue: training and evaluation so far, failed candidates' too.
        sources: where the terms are from: ``measured``, ``estimated``, ``mixed``.
        unmetered: whether there was a sound network whose energy could not be told: then the sum is a lower bound.
    """

    kwh_pue: float = 0.0
    sources: set[str] = field(default_factory=set)
    unmetered: bool = False

    def heard(self, measurement: Measurement) -> None:
        """Takes a measurement in."""
        spent = {phase: measurement.metrics.get(name) for phase, name in _TERMS.items()}
        if measurement.stopped is not None:
            spent = {"training": _taken(measurement)}
        self.kwh_pue += sum(part for part in spent.values() if part is not None)
        self.sources |= {measurement.energy[phase].provenance for phase in spent if measurement.energy.get(phase)}
        self.sources.discard("unavailable")
        self.unmetered = self.unmetered or (None in spent.values() and measurement.failure is None)

    @property
    def source(self) -> str | None:
        """``measured`` only if every term is; ``mixed`` says that unlike terms were added; ``None`` before any."""
        return (next(iter(self.sources)) if len(self.sources) == 1 else "mixed") if self.sources else None

    def to_json(self, grid: float) -> dict[str, Any]:
        """The sum as JSON data, with the grams of CO2e that follow from an assumption.

        Args:
            grid: grams for a kWh.
        """
        return {
            "kwh_pue": self.kwh_pue,
            "source": self.source,
            "complete": not self.unmetered,
            "co2e_grams": grams_co2e(self.kwh_pue, grid),
            "assumed_grid_gco2e_per_kwh": grid,
        }

    def told(self, grid: float) -> str:
        """The sum in words.

        Args:
            grid: grams of CO2e for a kWh.
        """
        least = "at least " if self.unmetered else ""
        source = f" ({self.source})" if self.source else ""
        grams = grams_co2e(self.kwh_pue, grid)
        return f"{least}{self.kwh_pue:.3g} kWh-PUE{source}, {least}{grams:.3g} g CO2e if a kWh is {grid:g} g"


def _taken(measurement: Measurement) -> float | None:
    """What a training took that was stopped: not the metric T_E, which is of a whole one."""
    energy = measurement.energy.get("training")
    return None if energy is None or energy.joules is None else kwh_pue(energy.joules)


@dataclass(slots=True)
class DeviceTally:
    """Grows by one candidate at a time.

    Attributes:
        asked: candidates that the command was to measure.
        failed: those that it did not.
        in_a_row: the last of them, without one between that it did.
    """

    asked: int = 0
    failed: int = 0
    in_a_row: int = 0

    def heard(self, measurement: Measurement) -> str | None:
        """Takes a measurement in.

        Returns:
            A warning, if this is the third failure in a row.
        """
        outcome = measurement.device
        if outcome is None:
            return None
        self.asked += 1
        if outcome.failure is None:
            self.in_a_row = 0
            return None
        self.failed += 1
        self.in_a_row += 1
        if self.in_a_row != WARN_AFTER:
            return None
        return (
            f"the measuring command failed {WARN_AFTER} times in a row, the last time because "
            f"{outcome.failure.message}; speed, power and memory stay unknown until it works again"
        )
