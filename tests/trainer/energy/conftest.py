"""A powercap tree of real files."""

from __future__ import annotations

from pathlib import Path

import pytest

SPAN = 262_143_328_850


class Tree:
    """A powercap tree: nested zones, and the class directory's links to them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.devices = root.parent / "devices"

    def add(self, folder: str, name: str, microjoules: int, span: int = SPAN) -> Path:
        zone = self.devices / folder
        zone.mkdir(parents=True)
        (zone / "name").write_text(f"{name}\n")
        (zone / "energy_uj").write_text(f"{microjoules}\n")
        (zone / "max_energy_range_uj").write_text(f"{span}\n")
        self.root.mkdir(exist_ok=True)
        (self.root / zone.name).symlink_to(zone)
        return zone / "energy_uj"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "powercap")


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()
