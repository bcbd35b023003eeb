"""The processor's and the memory's own counters (Intel and AMD RAPL), through Linux powercap and pyJoules.

pyJoules 0.5.1 finds no package where zone 0 is something else, counts cores on top of the packages that contain
them, and gives a negative energy when a counter wraps. So the zones are found here, its device class reads only
those that it means by the same name, and wraps are continued here. All others are read from their files.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lemonade_es.trainer.energy.counter import CounterUnavailableError, Domain, Wrapped

POWERCAP = Path("/sys/class/powercap")

_UPDATE_SECONDS = 0.001
_RESOLUTION = 61e-6  # 2**-14 J, the energy unit of most processors

Reader = Callable[[], int]
"""Gives a counter's microjoules; raises ``OSError`` or ``ValueError`` if it cannot."""


class ZoneCounter:
    """One zone.

    Args:
        name: what to call it.
        span: its largest value in microjoules.
        reader: reads it.
        through: who reads it, if not we.
    """

    def __init__(self, name: str, span: int, reader: Reader, through: str | None = None) -> None:
        method = f"RAPL {name}, {through}" if through else f"RAPL {name}"
        self.domain = Domain(name, method, "machine", _RESOLUTION, _UPDATE_SECONDS)
        self._reader = reader
        self._count = Wrapped(span, reader())

    def read(self, now: float) -> int | None:
        """Microjoules since it was opened."""
        try:
            return self._count.counted(self._reader())
        except (OSError, ValueError, IndexError):
            return None


def zone_counters(root: Path = POWERCAP) -> tuple[ZoneCounter, ...]:
    """All packages of a machine and their memory.

    Cores, graphics (uncore) and the platform's psys are left out: the packages contain the first two, and
    psys contains the packages. A package is told by its ``name`` file, whatever its directory is called.

    Args:
        root: the powercap tree.

    Raises:
        CounterUnavailableError: there is no package in it, or a counter cannot be read.
    """
    found: dict[str, ZoneCounter] = {}
    packages = 0
    # class directories hold links to every zone, the tree itself holds them nested: take either
    for path in sorted({path.resolve() for path in (*root.glob("*/energy_uj"), *root.glob("*/*/energy_uj"))}):
        name = _name(path.parent)
        if name is None:
            continue
        packages += name.startswith("package-")
        if name in found:
            name = f"{name} ({path.parent.name})"
        found[name] = _counter(path, name)
    if not packages:
        raise CounterUnavailableError(f"no RAPL counter below {root}")
    return tuple(found.values())


def _name(zone: Path) -> str | None:
    """What to call a zone, or ``None`` if it must not be counted."""
    # the memory-mapped interface counts the same packages a second time
    if "intel-rapl-mmio" in str(zone):
        return None
    name = _text(zone / "name")
    if name.startswith("package-"):
        return name
    if name != "dram":
        return None
    home = _text(zone.parent / "name")
    return f"dram of {home}" if home else f"dram {zone.name}"


def _counter(path: Path, name: str) -> ZoneCounter:
    def read() -> int:
        return int(path.read_text(encoding="ascii"))

    trusted = _through_pyjoules(path, name)
    try:
        span = int(path.with_name("max_energy_range_uj").read_text(encoding="ascii"))
        return ZoneCounter(name, span, read) if trusted is None else ZoneCounter(name, span, trusted, "pyJoules")
    except PermissionError:
        raise CounterUnavailableError(f"{path} is there but may not be read; as root: chmod a+r {path}") from None
    except (OSError, ValueError) as error:
        raise CounterUnavailableError(f"{path} cannot be read: {error}") from None


def _through_pyjoules(path: Path, name: str) -> Reader | None:
    """The device class of pyJoules for a zone, if it is installed and means this very zone by the name."""
    try:
        rapl: Any = importlib.import_module("pyJoules.device.rapl_device")
    except ImportError:
        return None
    number = name.removeprefix("dram of ").removeprefix("package-")
    home = path.parent if name.startswith("package-") else path.parent.parent
    if not number.isdecimal() or home != Path(rapl.RAPL_API_DIR).resolve() / f"intel-rapl:{number}":
        return None
    domain = (rapl.RaplPackageDomain if home == path.parent else rapl.RaplDramDomain)(int(number))
    device = rapl.RaplDevice()
    if domain not in device.available_domains():
        return None
    device.configure([domain])

    def read() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its file to be closed by itself
            (microjoules,) = device.get_energy()
        return int(microjoules)

    return read


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
