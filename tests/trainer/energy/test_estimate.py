"""Estimates for processes of our own, and sums of what is measured and what is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from lemonade_es.trainer.energy import (
    CombinedMeter,
    EstimatedMeter,
    UnavailableMeter,
    estimate,
    grams_co2e,
    kwh_pue,
    share,
    total,
    watch_idle,
)
from lemonade_es.trainer.measurement import Energy


def test_an_estimate_counts_the_processor_time_of_the_process_alone():
    code = (
        "import time; print(flush=True); input(); end = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass\ninput()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    meter = EstimatedMeter(watts_per_core=10, watts_per_gb=0)
    with process:
        process.stdout.readline()
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
    assert energy.rel_uncertainty == pytest.approx(0.75)
    assert energy.method.startswith("10 W x 0.3")
    assert [part.domain for part in energy.domains] == ["processor", "memory"]


def test_a_process_that_has_ended_is_estimated_from_its_account_or_not_at_all():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    meter = EstimatedMeter(watts_per_core=10, watts_per_gb=0)
    with process:
        window = meter.begin(process.pid)
        process.kill()
    lost = meter.end(window)
    assert lost.joules is None
    assert "the process has ended" in lost.reason
    known = meter.end(window, cpu_seconds=window.readings["cpu_seconds"] + 2)
    assert known.joules == pytest.approx(20)


def test_a_process_that_cannot_be_seen_is_not_taken_for_this_one():
    meter = EstimatedMeter()
    energy = meter.end(meter.begin(0))
    assert energy.joules is None
    assert "cannot be seen" in energy.reason


def test_memory_draws_power_even_while_the_process_waits():
    meter = EstimatedMeter(watts_per_core=0, watts_per_gb=100)
    window = meter.begin(os.getpid())
    time.sleep(0.05)
    energy = meter.end(window)
    resident_gb = psutil.Process().memory_info().rss / 1e9
    assert energy.joules == pytest.approx(100 * resident_gb * energy.seconds, rel=0.2)


def test_nobody_waits_for_the_idle_machine_where_nothing_counts():
    def sleep(seconds: float) -> None:
        raise AssertionError("it slept")

    watch_idle(EstimatedMeter(), sleep=sleep)
    watch_idle(CombinedMeter((EstimatedMeter(), UnavailableMeter("GPU", "no driver"))), sleep=sleep)


def joules(value, provenance, uncertainty=None):
    return Energy(value, 2.0, provenance, "a method", "device", uncertainty, None if value else "broken")


def test_a_total_is_measured_only_if_every_term_is():
    measured, estimated = joules(30, "measured", 0.05), joules(10, "estimated", 0.75)
    assert total([measured, measured]).provenance == "measured"
    assert total([estimated, estimated]).provenance == "estimated"
    mixed = total([measured, estimated])
    assert (mixed.joules, mixed.provenance) == (40, "mixed")
    assert mixed.rel_uncertainty == pytest.approx((30 * 0.05 + 10 * 0.75) / 40)
    assert [part.provenance for part in mixed.domains] == ["measured", "estimated"]


def test_a_total_that_was_mixed_once_stays_mixed():
    mixed = total([joules(30, "measured"), joules(10, "estimated")])
    assert total([mixed, joules(1, "measured")]).provenance == "mixed"


def test_a_total_with_an_unknown_term_is_unknown():
    lost = total([joules(30, "measured"), joules(None, "unavailable")])
    assert lost.joules is None
    assert lost.provenance == "unavailable"
    assert "broken" in lost.reason


def test_a_gpu_that_cannot_be_read_leaves_no_energy_at_all():
    meter = CombinedMeter((EstimatedMeter(), UnavailableMeter("GPU", "no driver")))
    energy = meter.end(meter.begin(os.getpid()))
    assert energy.joules is None
    assert "no driver" in energy.reason
    assert "no driver" in meter.describe()


def test_the_papers_unit_counts_the_data_centre():
    assert kwh_pue(3.6e6) == pytest.approx(1.58)
    assert share(joules(30, "measured"), 10).joules == pytest.approx(3)
    assert share(joules(30, "measured"), 10).seconds == pytest.approx(0.2)


def test_what_a_share_of_an_estimate_follows_from_can_be_computed_from_what_it_says(monkeypatch):
    clock = iter((0.0, 0.25))
    monkeypatch.setattr(estimate.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(estimate, "_gigabytes", lambda _: 0.5)
    monkeypatch.setattr(estimate, "_cpu_seconds", lambda _: 0.0)
    meter = EstimatedMeter()
    energy = share(meter.end(meter.begin(1), cpu_seconds=0.1), 4_000)
    assert energy.method == "1/4,000 of (12 W x 0.1 CPU-s + 0.19 W RAM x 0.25 s)"
    assert energy.joules == pytest.approx((12 * 0.1 + 0.1875 * 0.25) / 4_000)
    assert [part.method for part in energy.domains] == ["1/4,000 of 12 W x 0.1 CPU-s", "1/4,000 of 0.19 W RAM x 0.25 s"]
    assert share(energy, 1) == energy


def test_grams_follow_from_the_grid_that_is_assumed():
    assert grams_co2e(2.0) == pytest.approx(872)
    assert grams_co2e(2.0, 50) == 100
    assert grams_co2e(2.0, 0) == 0
