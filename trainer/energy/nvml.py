"""The counters of one NVIDIA GPU through NVML: its total energy, or its power where that is all it tells."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from lemonade_es.trainer.energy.counter import Counter, CounterUnavailableError, Domain, Trapezoid, Wrapped

LEAST_SECONDS = 1.0

_ENERGY_UPDATE, _POWER_UPDATE = 0.1, 0.1
_SAMPLE_SECONDS = 0.05


class GpuEnergy:
    """A total-energy counter (Volta and later): 64 bits of millijoules, which do not wrap.

    Args:
        gpu: the GPU's name.
        millijoules: reads it; raises ``OSError`` if it cannot.
    """

    def __init__(self, gpu: str, millijoules: Callable[[], int]) -> None:
        self.domain = Domain(f"GPU {gpu}", f"NVML energy of {gpu}", "device", 1e-3, _ENERGY_UPDATE)
        self._read = millijoules
        self._count = Wrapped(None, millijoules())

    def read(self, now: float) -> int | None:
        """Microjoules since it was opened."""
        try:
            return 1000 * self._count.counted(self._read())
        except OSError:
            return None


class GpuPower:
    """The power of an older GPU, sampled and integrated.

    Args:
        gpu: the GPU's name.
        milliwatts: reads it; raises ``OSError`` if it cannot.
    """

    def __init__(self, gpu: str, milliwatts: Callable[[], int]) -> None:
        self.domain = Domain(
            name=f"GPU {gpu}",
            method=f"NVML power of {gpu}, sampled every {_SAMPLE_SECONDS:g} s",
            scope="device",
            resolution=1e-3,
            update_seconds=_POWER_UPDATE,
            accuracy=0.1,
            period=_SAMPLE_SECONDS,
        )
        self._read = milliwatts
        self._integral: Trapezoid | None = None
        milliwatts()

    def read(self, now: float) -> int | None:
        """Microjoules since the first reading."""
        try:
            milliwatts = self._read()
        except OSError:
            return None
        if self._integral is None:
            self._integral = Trapezoid(now, milliwatts)
        return self._integral.integrated(now, milliwatts)


def gpu_counter(environment: Mapping[str, str]) -> Counter:
    """The best counter of the GPU that computes.

    Args:
        environment: its ``CUDA_VISIBLE_DEVICES`` says which one that is, in the order of ``CUDA_DEVICE_ORDER``.

    Raises:
        CounterUnavailableError: ``nvidia-ml-py``, the driver, the GPU or any counter is missing, or different GPUs are
            there and CUDA's order, the fastest first, may not be NVML's.
    """
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        raise CounterUnavailableError("nvidia-ml-py is not installed: pip install 'lemonade-es[energy]'") from None

    def asked(name: str) -> Callable[[], int]:
        def read() -> int:
            try:
                return int(getattr(nvml, name)(handle))
            except nvml.NVMLError as error:
                raise OSError(f"NVML: {error}") from None

        return read

    try:
        nvml.nvmlInit()
        handle = _handle(nvml, environment)
        gpu = str(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as error:
        raise CounterUnavailableError(f"NVML: {error}") from None
    try:
        return GpuEnergy(gpu, asked("nvmlDeviceGetTotalEnergyConsumption"))
    except OSError:
        pass  # older than Volta
    try:
        return GpuPower(gpu, asked("nvmlDeviceGetPowerUsage"))
    except OSError as error:
        raise CounterUnavailableError(f"{gpu} tells neither energy nor power: {error}") from None


def visible_gpu(environment: Mapping[str, str]) -> int | str:
    """The GPU that CUDA takes first: its index, or the beginning of its UUID.

    Raises:
        CounterUnavailableError: it is a part of a GPU (MIG), which has no counter of its own, or there is none.
    """
    first = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if first.isdecimal():
        return int(first)
    if first.startswith("GPU-"):
        return first
    if first.startswith("MIG-"):
        raise CounterUnavailableError("a part of a GPU (MIG) has no energy counter of its own")
    raise CounterUnavailableError(f"CUDA_VISIBLE_DEVICES={first!r} names no GPU")


def _handle(nvml: Any, environment: Mapping[str, str]) -> Any:
    named = visible_gpu(environment)
    handles = []
    for index in range(nvml.nvmlDeviceGetCount()):
        with contextlib.suppress(nvml.NVMLError):  # one that is lost is none of ours
            handles.append(nvml.nvmlDeviceGetHandleByIndex(index))
    if isinstance(named, int):
        kinds = {str(nvml.nvmlDeviceGetName(handle)) for handle in handles}
        if len(kinds) > 1 and environment.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
            raise CounterUnavailableError(
                f"which of {', '.join(sorted(kinds))} computes is not known: set CUDA_DEVICE_ORDER=PCI_BUS_ID"
            )
        return nvml.nvmlDeviceGetHandleByIndex(named)
    for handle in handles:
        if str(nvml.nvmlDeviceGetUUID(handle)).startswith(named):
            return handle
    raise CounterUnavailableError(f"there is no GPU {named}")
