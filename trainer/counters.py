"""Energy counters in hardware: RAPL through the powercap tree, and the GPU's through NVML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class CounterUnavailableError(Exception):
    """A counter is not there or cannot be read; the message says which and why."""


@dataclass(slots=True)
class _Zone:
    """One counter in microjoules, continued over its wraps."""

    path: Path
    span: int
    last: int
    counted: int = 0

    def read(self) -> int | None:
        try:
            now = _number(self.path)
        except (OSError, ValueError):
            return None
        step = now - self.last
        if step < 0:
            step += self.span + 1  # the counter goes from 0 to the span, both included
        self.counted += step
        self.last = now
        return self.counted


class PowercapCounters:
    """All packages of a machine and their memory, each from 0 at the start, continued over wraps.

    Cores, graphics (uncore) and the platform's psys are left out: the packages contain the first two, and
    psys contains the packages. A package is told by its ``name`` file, whatever its directory is called.

    Args:
        root: the powercap tree, such as ``/sys/class/powercap``.

    Raises:
        CounterUnavailableError: there is no package in it, or a counter cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self._zones: dict[str, _Zone] = {}
        # class directories hold links to every zone, the tree itself holds them nested: take either
        seen: set[Path] = set()
        for path in sorted({*root.glob("*/energy_uj"), *root.glob("*/*/energy_uj")}):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            name = self._name(path)
            if name is not None:
                self._zones[name] = self._zone(path)
        if not any(name.startswith("package-") for name in self._zones):
            raise CounterUnavailableError(f"no RAPL counter below {root}")

    @property
    def zones(self) -> tuple[str, ...]:
        """What is counted."""
        return tuple(self._zones)

    def read(self) -> Mapping[str, int | None]:
        """Microjoules of each zone since the start; ``None`` for one that cannot be read any more."""
        return {name: zone.read() for name, zone in self._zones.items()}

    def _name(self, path: Path) -> str | None:
        """What to call the zone, or ``None`` if it must not be counted."""
        directory = path.parent
        # the memory-mapped interface counts the same packages a second time
        if "intel-rapl-mmio" in str(directory.resolve()):
            return None
        name = _text(directory / "name")
        if name.startswith("package-"):
            return name
        if name != "dram":
            return None
        home = directory.resolve().parent / "name"
        return f"{name} of {_text(home)}" if home.exists() else f"{name} {directory.name}"

    @staticmethod
    def _zone(path: Path) -> _Zone:
        try:
            return _Zone(path, _number(path.with_name("max_energy_range_uj")), _number(path))
        except PermissionError:
            raise CounterUnavailableError(f"{path} is there but may not be read; as root: chmod a+r {path}") from None
        except (OSError, ValueError) as error:
            raise CounterUnavailableError(f"{path} cannot be read: {error}") from None


class GpuCounters:
    """The total-energy counter of one NVIDIA GPU.

    Args:
        index: which GPU, as NVML counts them.

    Raises:
        CounterUnavailableError: package, driver, GPU or counter is missing.
    """

    def __init__(self, index: int) -> None:
        try:
            import pynvml  # noqa: PLC0415  (optional)
        except ImportError:
            raise CounterUnavailableError("nvidia-ml-py is not installed: pip install 'lemonade-es[energy]'") from None
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            self.name = str(pynvml.nvmlDeviceGetName(self._handle))
            pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        except pynvml.NVMLError as error:
            raise CounterUnavailableError(f"NVML: {error}") from None

    def millijoules(self) -> int | None:
        """Since the driver was loaded; ``None`` if it cannot be read any more."""
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except self._nvml.NVMLError:
            return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
