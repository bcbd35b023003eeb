"""Which meter a machine has for work on a device."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lemonade_es.trainer.energy.counter import CounterUnavailableError
from lemonade_es.trainer.energy.estimate import EstimatedMeter
from lemonade_es.trainer.energy.meter import CombinedMeter, CounterMeter, EnergyMeter, UnavailableMeter
from lemonade_es.trainer.energy.nvml import LEAST_SECONDS, gpu_counter
from lemonade_es.trainer.energy.powercap import POWERCAP, zone_counters

_RAPL_LEAST_SECONDS = 0.05


def best_meter(device: str, *, powercap: Path = POWERCAP, environment: Mapping[str, str] | None = None) -> EnergyMeter:
    """The best meter that this machine has for work on a device.

    Args:
        device: ``cpu`` or ``cuda``.
        powercap: the powercap tree.
        environment: says which GPU computes; ``None`` is this process's.
    """
    processor: EnergyMeter
    try:
        processor = CounterMeter("RAPL", zone_counters(powercap), least_seconds=_RAPL_LEAST_SECONDS)
    except CounterUnavailableError as error:
        processor = EstimatedMeter(why=str(error))
    if device != "cuda":
        return processor
    try:
        counter = gpu_counter(os.environ if environment is None else environment)
    except CounterUnavailableError as error:
        return CombinedMeter((processor, UnavailableMeter("GPU", str(error))))
    return CombinedMeter((processor, CounterMeter("NVML", [counter], least_seconds=LEAST_SECONDS)))
