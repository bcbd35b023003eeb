"""Recorded traces, read by the same meter that reads a machine's counters; and that parts and wholes agree."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.errors import ConfigError
from lemonade_es.trainer.energy import (
    CombinedMeter,
    CounterMeter,
    EstimatedMeter,
    ReplayMeter,
    Trace,
    TraceDomain,
    read_trace,
    record,
    share,
    watch_idle,
)
from lemonade_es.trainer.energy.powercap import zone_counters

TRACE = Trace(
    "a laptop",
    (
        TraceDomain("package-0", "uJ", ((0.0, 900), (1.0, 2_000_900), (2.0, 901), (4.0, 20_000_901)), span=5_999_999),
        TraceDomain("GPU", "mW", ((0.0, 10_000), (2.0, 10_000), (3.0, 50_000), (4.0, 50_000)), scope="device"),
    ),
)


def test_a_window_gives_what_was_recorded(clock):
    meter = ReplayMeter(TRACE, clock)
    window = meter.begin(0)
    clock.pass_(4)
    energy = meter.end(window)
    package, gpu = energy.domains
    # 2 J, then 4 J over a wrap (the span and its zero included), then a further 20 J
    assert package.joules == pytest.approx(2 + 4.000001 + 20)
    # 10 W for 2 s, a ramp of 30 W on average for 1 s, 50 W for 1 s
    assert gpu.joules == pytest.approx(20 + 30 + 50)
    assert energy.joules == pytest.approx(package.joules + gpu.joules)
    assert energy.seconds == 4
    assert energy.provenance == "measured"
    assert energy.method == "replay of a laptop: package-0 + GPU"


def test_between_two_readings_energy_grows_evenly(clock):
    meter = ReplayMeter(TRACE, clock)
    window = meter.begin(0)
    clock.pass_(0.5)
    assert meter.end(window).domains[0].joules == pytest.approx(1.0)


def test_behind_the_end_of_a_trace_nothing_is_taken(clock):
    meter = ReplayMeter(TRACE, clock)
    clock.pass_(10)
    window = meter.begin(0)
    clock.pass_(10)
    assert meter.end(window).joules == 0


def test_what_the_idle_machine_draws_is_told_beside_what_was_taken(clock):
    idle = TraceDomain("package-0", "uJ", ((0.0, 0), (10.0, 50_000_000), (20.0, 550_000_000)))
    meter = ReplayMeter(Trace("a server", (idle,)), clock)
    watch_idle(meter, 10, sleep=clock.pass_)
    window = meter.begin(0)
    clock.pass_(10)
    energy = meter.end(window)
    assert energy.joules == pytest.approx(500)
    assert energy.idle_joules == pytest.approx(50)
    assert energy.domains[0].idle_joules == pytest.approx(50)
    assert share(energy, 10).idle_joules == pytest.approx(5)


def test_idle_energy_is_unknown_where_a_part_of_it_is(clock):
    meter = CombinedMeter((ReplayMeter(TRACE, clock), EstimatedMeter()))
    watch_idle(meter, 1, sleep=clock.pass_)
    energy = meter.end(meter.begin(1))
    assert energy.domains[0].idle_joules is not None
    assert energy.idle_joules is None


def test_measured_and_estimated_are_added_only_as_mixed(clock):
    meter = CombinedMeter((ReplayMeter(TRACE, clock), EstimatedMeter()))
    window = meter.begin(os.getpid())
    clock.pass_(4)
    energy = meter.end(window)
    assert energy.provenance == "mixed"
    assert {part.provenance for part in energy.domains} == {"measured", "estimated"}


def test_a_short_window_is_less_certain_than_a_long_one(tree):
    now = [0.0]
    counter = tree.add("intel-rapl:0", "package-0", 0)
    meter = CounterMeter("RAPL", zone_counters(tree.root), least_seconds=0.05, clock=lambda: now[0], watch=False)

    def uncertainty(seconds, microjoules):
        window = meter.begin(0)
        now[0] += seconds
        counter.write_text(str(int(counter.read_text()) + microjoules))
        return meter.end(window).rel_uncertainty

    assert uncertainty(10, 100_000_000) == pytest.approx(0.05, rel=0.01)
    assert uncertainty(0.002, 20_000) > 0.4


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), min_size=1, max_size=8)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 1000),
)
def test_the_sum_of_the_parts_is_the_whole_within_the_resolution(domains, passes):
    span = 10**6
    traces = []
    for number, (first, steps) in enumerate(domains):
        readings = [(0.0, first)]
        for at, step in enumerate(steps, 1):
            readings.append((float(at), (readings[-1][1] + step) % (span + 1)))
        traces.append(TraceDomain(f"domain-{number}", "uJ", tuple(readings), span=span))
    trace = Trace("any machine", tuple(traces))
    now = [0.0]
    meter = ReplayMeter(trace, lambda: now[0])
    window = meter.begin(0)
    now[0] = 100.0
    energy = meter.end(window)
    resolution = sum(part.resolution_joules for part in energy.domains)
    assert abs(energy.joules - sum(sum(steps) for _, steps in domains) / 1e6) <= resolution
    assert abs(energy.joules - sum(part.joules for part in energy.domains)) <= resolution
    part_of_it = share(energy, passes)
    assert abs(part_of_it.joules - sum(part.joules for part in part_of_it.domains)) <= resolution


@given(st.lists(st.floats(0.01, 3.99), min_size=1, max_size=6))
def test_windows_one_after_the_other_add_up_to_the_one_around_them(edges):
    now = [0.0]
    meter = ReplayMeter(TRACE, lambda: now[0])
    outer, parts = meter.begin(0), 0.0
    for edge in [*sorted(edges), 4.0]:
        inner = meter.begin(0)
        now[0] = edge
        parts += meter.end(inner).joules
    whole = meter.end(outer)
    assert abs(whole.joules - parts) <= (len(edges) + 1) * sum(part.resolution_joules for part in whole.domains)


def test_a_trace_comes_back_from_its_file(tmp_path):
    TRACE.save(tmp_path / "trace.json")
    assert read_trace(tmp_path / "trace.json") == TRACE
    assert TRACE.seconds == 4.0


def test_what_counters_say_can_be_recorded_and_replayed(tree, clock):
    counter = tree.add("intel-rapl:0", "package-0", 5, span=2_000_000)

    def sleep(seconds):
        clock.pass_(seconds)
        counter.write_text(str((int(counter.read_text()) + 1_500_000) % 2_000_001))

    trace = record("this machine", zone_counters(tree.root), 1.0, period=0.25, clock=clock, sleep=sleep)
    assert [reading for _, reading in trace.domains[0].readings] == [0, 1_500_000, 3_000_000, 4_500_000, 6_000_000]
    meter = ReplayMeter(trace, clock)
    window = meter.begin(0)
    clock.pass_(1)
    assert meter.end(window).joules == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"machine": 5}, "machine"),
        ({"domains": []}, "domains"),
        ({"surplus": 1}, "surplus"),
        ({"domains": [{"name": "a", "unit": "kWh", "readings": [[0, 1]]}]}, "unit"),
        ({"domains": [{"name": "a", "unit": "uJ", "readings": []}]}, "readings"),
        ({"domains": [{"name": "a", "unit": "uJ", "readings": [[1, 1], [0, 2]]}]}, "not in order"),
        ({"domains": [{"name": "a", "unit": "uJ", "readings": [[0, 1]]}] * 2}, "same name"),
    ],
)
def test_what_is_no_trace_is_refused_with_the_place(tmp_path, change, told):
    file = tmp_path / "trace.json"
    good = {"machine": "m", "domains": [{"name": "a", "unit": "uJ", "readings": [[0, 1]]}]}
    file.write_text(json.dumps(good | change))
    with pytest.raises(ConfigError, match=told):
        read_trace(file)


def test_a_trace_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_trace(tmp_path / "none.json")
