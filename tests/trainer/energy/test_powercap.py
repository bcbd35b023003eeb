"""Meters on a powercap tree made of files."""

from __future__ import annotations

import os

import pytest

from lemonade_es.trainer.energy import CounterMeter, CounterUnavailableError, EstimatedMeter, best_meter
from lemonade_es.trainer.energy.powercap import zone_counters

SPAN = 262_143_328_850


def rapl(tree, **options):
    return CounterMeter("RAPL", zone_counters(tree.root), least_seconds=0.05, **options)


def test_packages_and_memory_are_counted_once_and_nothing_on_top(tree):
    package = tree.add("intel-rapl:1", "package-0", 10_000_000)
    second = tree.add("intel-rapl:3", "package-1", 0)
    memory = tree.add("intel-rapl:1/intel-rapl:1:1", "dram", 5_000_000)
    on_top = [
        tree.add("intel-rapl:1/intel-rapl:1:0", "core", 0),
        tree.add("intel-rapl:1/intel-rapl:1:2", "uncore", 0),
        tree.add("intel-rapl:0", "psys", 0),
        tree.add("intel-rapl-mmio/intel-rapl-mmio:0", "package-0", 0),
    ]
    meter = rapl(tree)
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
    assert {part.domain: part.joules for part in energy.domains} == {
        "package-0": 3.0,
        "dram of package-0": 0.25,
        "package-1": 1.5,
    }
    assert energy.method == "RAPL package-0 + dram of package-0 + package-1"


def test_two_packages_of_one_name_are_both_counted(tree):
    first = tree.add("intel-rapl:0", "package-0", 0)
    second = tree.add("intel-rapl:1", "package-0", 0)
    meter = rapl(tree)
    window = meter.begin(os.getpid())
    first.write_text("1000000")
    second.write_text("2000000")
    assert meter.end(window).joules == pytest.approx(3.0)


def test_a_counter_that_wraps_goes_on_counting(tree):
    counter = tree.add("intel-rapl:0", "package-0", SPAN - 999_999)
    meter = rapl(tree)
    window = meter.begin(os.getpid())
    counter.write_text("1000000")
    assert meter.end(window).joules == pytest.approx(2.0)


def test_a_counter_that_wraps_twice_is_followed_if_it_is_touched(tree):
    counter = tree.add("intel-rapl:0", "package-0", 0, span=999)
    meter = rapl(tree)
    window = meter.begin(os.getpid())
    for reading in (600, 100, 700, 200):
        counter.write_text(str(reading))
        meter.touch()
    assert meter.end(window).joules == pytest.approx(2200e-6)


def test_windows_may_overlap(tree):
    counter = tree.add("intel-rapl:0", "package-0", 0)
    meter = rapl(tree)
    outer = meter.begin(os.getpid())
    counter.write_text("1000000")
    inner = meter.begin(os.getpid())
    counter.write_text("3000000")
    assert meter.end(inner).joules == pytest.approx(2.0)
    assert meter.end(outer).joules == pytest.approx(3.0)


def test_a_counter_that_breaks_makes_the_window_unknown_and_leaves_the_others_told(tree):
    broken = tree.add("intel-rapl:0", "package-0", 0)
    whole = tree.add("intel-rapl:1", "package-1", 0)
    meter = rapl(tree)
    window = meter.begin(os.getpid())
    broken.unlink()
    whole.write_text("1000000")
    energy = meter.end(window)
    assert energy.joules is None
    assert energy.provenance == "unavailable"
    assert "package-0" in energy.reason
    assert [part.joules for part in energy.domains] == [None, 1.0]


def test_no_counter_leads_to_an_estimate_that_says_why(tmp_path):
    meter = best_meter("cpu", powercap=tmp_path)
    assert isinstance(meter, EstimatedMeter)
    assert f"no RAPL counter below {tmp_path}" in meter.describe()


def test_a_counter_that_may_not_be_read_is_reported(tree):
    counter = tree.add("intel-rapl:0", "package-0", 0)
    counter.unlink()
    counter.mkdir()  # root may read a file of any mode, and nobody a directory
    with pytest.raises(CounterUnavailableError, match="cannot be read"):
        zone_counters(tree.root)
    assert str(counter.name) in best_meter("cpu", powercap=tree.root).describe()


def test_a_counter_is_preferred_to_an_estimate(tree):
    tree.add("intel-rapl:0", "package-0", 0)
    assert best_meter("cpu", powercap=tree.root).describe() == "measured: RAPL package-0"


def test_a_gpu_that_cannot_be_named_leaves_the_whole_unknown(tree):
    tree.add("intel-rapl:0", "package-0", 0)
    meter = best_meter("cuda", powercap=tree.root, environment={"CUDA_VISIBLE_DEVICES": "MIG-7"})
    energy = meter.end(meter.begin(os.getpid()))
    assert energy.joules is None
    assert energy.provenance == "unavailable"
    assert energy.domains[0].provenance == "measured"


class TestPyJoules:
    """Its device class over the same tree, which is where it looks if it is told so."""

    @pytest.fixture
    def looked_at(self, tree, monkeypatch):
        rapl_device = pytest.importorskip("pyJoules.device.rapl_device")
        monkeypatch.setattr(rapl_device, "RAPL_API_DIR", str(tree.devices))
        return tree

    def test_it_reads_the_zones_that_it_means_by_the_same_name(self, looked_at):
        package = looked_at.add("intel-rapl:0", "package-0", SPAN - 999_999)
        memory = looked_at.add("intel-rapl:0/intel-rapl:0:0", "dram", 0)
        meter = rapl(looked_at)
        window = meter.begin(os.getpid())
        package.write_text("1000000\n")
        memory.write_text("500000\n")
        energy = meter.end(window)
        assert [part.method for part in energy.domains] == [
            "RAPL package-0, pyJoules",
            "RAPL dram of package-0, pyJoules",
        ]
        assert energy.joules == pytest.approx(2.5)

    def test_it_is_not_asked_where_it_would_find_nothing(self, looked_at):
        looked_at.add("intel-rapl:0", "psys", 0)
        package = looked_at.add("intel-rapl:1", "package-0", 0)
        meter = rapl(looked_at)
        window = meter.begin(os.getpid())
        package.write_text("1000000\n")
        energy = meter.end(window)
        assert energy.method == "RAPL package-0"
        assert energy.domains[0].method == "RAPL package-0"
        assert energy.joules == pytest.approx(1.0)

    def test_it_is_not_asked_about_another_tree(self, looked_at, tmp_path):
        other = type(looked_at)(tmp_path / "other" / "powercap")
        other.root.parent.mkdir()
        looked_at.add("intel-rapl:0", "package-0", 7)
        other.add("intel-rapl:0", "package-0", 0)
        assert [counter.domain.method for counter in zone_counters(other.root)] == ["RAPL package-0"]
