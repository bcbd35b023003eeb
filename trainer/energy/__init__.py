"""Energy of a window of time: what a counter measured, or what a model estimates, never the two mixed up."""

from lemonade_es.trainer.energy.arithmetic import GRID_GCO2E_PER_KWH, PUE, grams_co2e, in_turn, kwh_pue, share, total
from lemonade_es.trainer.energy.counter import CounterUnavailableError
from lemonade_es.trainer.energy.estimate import EstimatedMeter
from lemonade_es.trainer.energy.meter import (
    CombinedMeter,
    CounterMeter,
    EnergyMeter,
    UnavailableMeter,
    Window,
    watch_idle,
)
from lemonade_es.trainer.energy.replay import ReplayMeter, Trace, TraceDomain, read_trace, record
from lemonade_es.trainer.energy.selection import best_meter

__all__ = [
    "GRID_GCO2E_PER_KWH",
    "PUE",
    "CombinedMeter",
    "CounterMeter",
    "CounterUnavailableError",
    "EnergyMeter",
    "EstimatedMeter",
    "ReplayMeter",
    "Trace",
    "TraceDomain",
    "UnavailableMeter",
    "Window",
    "best_meter",
    "grams_co2e",
    "in_turn",
    "kwh_pue",
    "read_trace",
    "record",
    "share",
    "total",
    "watch_idle",
]
