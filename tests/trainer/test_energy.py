"""Meters on a powercap tree made of files, and on processes of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lemonade_es.trainer.counters import CounterUnavailableError, PowercapCounters
from lemonade_es.trainer.energy import (
    CombinedMeter,
    EnergyMeter,
    EstimatedMeter,
    RaplMeter,
    UnavailableMeter,
    best_meter,
    kwh_pue,
    share,
    total,
)
from lemonade_es.trainer.measurement import Energy

SPAN = 262_143_328_850


class Tree:
    """A powercap tree: nested zones, and the class directory's links to them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._devices = root.parent / "devices"
        self.zones: dict[str, Path] = {}

    def add(self, folder: str, name: str, microjoules: int, span: int = SPAN) -> Path:
        zone = self._devices / folder
        zone.mkdir(parents=True)
        (zone / "name").write_text(f"{name}\n")
        (zone / "energy_uj").write_text(f"{microjoules}\n")
        (zone / "max_energy_range_uj").write_text(f"{span}\n")
        self.root.mkdir(exist_ok=True)
        (self.root / zone.name).symlink_to(zone)
        self.zones[folder] = zone / "energy_uj"
        return zone / "energy_uj"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "powercap")


def test_packages_and_memory_are_counted_once_and_nothing_on_top(tree: Tree) -> None:
    package = tree.add("intel-rapl:1", "package-0", 10_000_000)
    second = tree.add("intel-rapl:3", "package-1", 0)
    memory = tree.add("intel-rapl:1/intel-rapl:1:1", "dram", 5_000_000)
    on_top = [
        tree.add("intel-rapl:1/intel-rapl:1:0", "core", 0),
        tree.add("intel-rapl:1/intel-rapl:1:2", "uncore", 0),
        tree.add("intel-rapl:0", "psys", 0),
        tree.add("intel-rapl-mmio/intel-rapl-mmio:0", "package-0", 0),
    ]
    meter = RaplMeter(tree.root)
    window = meter.begin(os.getpid())
    package.write_text("13000000")
    second.write_text("1500000")
    memory.write_text("5250000")
    for counter in on_top:
        counter.write_text("900000000")
    energy = meter.end(window)
    assert energy.joules == pytest.approx(3 + 1.5 + 0.25)
    assert energy.provenance == "measured"
    assert energy.scope == "machine"
    assert energy.method == "RAPL package-0 + dram of package-0 + package-1"


def test_a_counter_that_wraps_goes_on_counting(tree: Tree) -> None:
    counter = tree.add("intel-rapl:0", "package-0", SPAN - 999_999)
    meter = RaplMeter(tree.root)
    window = meter.begin(os.getpid())
    counter.write_text("1000000")
    assert meter.end(window).joules == pytest.approx(2.0)


def test_a_counter_that_wraps_twice_is_followed_if_it_is_touched(tree: Tree) -> None:
    counter = tree.add("intel-rapl:0", "package-0", 0, span=999)
    counters = PowercapCounters(tree.root)
    for reading in (600, 100, 700, 200):
        counter.write_text(str(reading))
        counters.read()
    assert counters.read() == {"package-0": 2200}


def test_windows_may_overlap(tree: Tree) -> None:
    counter = tree.add("intel-rapl:0", "package-0", 0)
    meter = RaplMeter(tree.root)
    outer = meter.begin(os.getpid())
    counter.write_text("1000000")
    inner = meter.begin(os.getpid())
    counter.write_text("3000000")
    assert meter.end(inner).joules == pytest.approx(2.0)
    assert meter.end(outer).joules == pytest.approx(3.0)


def test_a_counter_that_breaks_makes_the_window_unknown(tree: Tree) -> None:
    counter = tree.add("intel-rapl:0", "package-0", 0)
    meter = RaplMeter(tree.root)
    window = meter.begin(os.getpid())
    counter.unlink()
    energy = meter.end(window)
    assert energy.joules is None
    assert energy.provenance == "unavailable"
    assert "package-0" in (energy.reason or "")


def test_no_counter_leads_to_an_estimate_that_says_why(tmp_path: Path) -> None:
    meter = best_meter("cpu", powercap=tmp_path)
    assert isinstance(meter, EstimatedMeter)
    assert f"no RAPL counter below {tmp_path}" in meter.describe()


def test_a_counter_that_may_not_be_read_is_reported(tree: Tree) -> None:
    counter = tree.add("intel-rapl:0", "package-0", 0)
    counter.unlink()
    counter.mkdir()  # root may read a file of any mode, and nobody a directory
    with pytest.raises(CounterUnavailableError, match="cannot be read"):
        PowercapCounters(tree.root)
    assert str(counter.name) in best_meter("cpu", powercap=tree.root).describe()


def test_a_counter_is_preferred_to_an_estimate(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", 0)
    assert best_meter("cpu", powercap=tree.root).describe() == "measured: RAPL package-0"


def test_an_estimate_counts_the_processor_time_of_the_process_alone() -> None:
    code = "import time; input(); end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    meter = EstimatedMeter(watts_per_core=10, watts_per_gb=0)
    with process:
        window = meter.begin(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + 20
        while (energy := meter.end(window)).joules < 3.0 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert 3.0 <= energy.joules < 4.5
    assert energy.provenance == "estimated"
    assert energy.scope == "process"
    assert energy.rel_uncertainty == 0.75
    assert energy.method.startswith("10 W x 0.3")


def test_a_process_that_has_ended_is_estimated_from_its_account_or_not_at_all() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    meter = EstimatedMeter(watts_per_core=10, watts_per_gb=0)
    with process:
        window = meter.begin(process.pid)
        process.kill()
    lost = meter.end(window)
    assert lost.joules is None
    assert lost.reason == "the process has ended"
    known = meter.end(window, cpu_seconds=window.readings["cpu_seconds"] + 2)
    assert known.joules == pytest.approx(20)


def test_memory_draws_power_even_while_the_process_waits() -> None:
    meter = EstimatedMeter(watts_per_core=0, watts_per_gb=100)
    window = meter.begin(os.getpid())
    time.sleep(0.05)
    energy = meter.end(window)
    resident_gb = psutil.Process().memory_info().rss / 1e9
    assert energy.joules == pytest.approx(100 * resident_gb * energy.seconds, rel=0.2)


def joules(value: float | None, provenance: str, uncertainty: float | None = None) -> Energy:
    return Energy(value, 2.0, provenance, "a method", "device", uncertainty, None if value else "broken")


def test_a_total_is_measured_only_if_every_term_is() -> None:
    measured, estimated = joules(30, "measured", 0.05), joules(10, "estimated", 0.75)
    assert total([measured, measured]).provenance == "measured"
    mixed = total([measured, estimated])
    assert (mixed.joules, mixed.provenance) == (40, "mixed")
    assert mixed.rel_uncertainty == pytest.approx((30 * 0.05 + 10 * 0.75) / 40)


def test_a_total_with_an_unknown_term_is_unknown() -> None:
    lost = total([joules(30, "measured"), joules(None, "unavailable")])
    assert lost.joules is None
    assert lost.provenance == "unavailable"
    assert "broken" in (lost.reason or "")


def test_a_gpu_that_cannot_be_read_leaves_no_energy_at_all() -> None:
    meter: EnergyMeter = CombinedMeter((EstimatedMeter(), UnavailableMeter("GPU", "no driver")))
    energy = meter.end(meter.begin(os.getpid()))
    assert energy.joules is None
    assert "no driver" in (energy.reason or "")
    assert "no driver" in meter.describe()


def test_the_papers_unit_counts_the_data_centre() -> None:
    assert kwh_pue(3.6e6) == pytest.approx(1.58)
    assert share(joules(30, "measured"), 10).joules == pytest.approx(3)
    assert share(joules(30, "measured"), 10).seconds == pytest.approx(0.2)
