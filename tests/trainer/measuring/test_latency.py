"""Latency from a timer that is told what to say."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.trainer.measuring.latency import BATCH, SPREAD_BOUND, latency, passes_for, spread, throughput


class Machine:
    """Networks with a known time for a pass; a window costs a little more than its passes.

    Args:
        noise: the relative spread of the windows.
        hiccups: how many windows at the beginning wait for 30 ms.
        wait: seconds that every window waits.
    """

    def __init__(
        self,
        candidate: float,
        reference: float = 2e-4,
        batch: float = 1e-2,
        noise: float = 0.0,
        hiccups: int = 0,
        wait: float = 5e-5,
    ) -> None:
        self.seconds = {"candidate": candidate, "reference": reference, "batch": batch}
        self.now = 0.0
        self.windows: list[tuple[str, int]] = []
        self.noise = noise
        self.hiccups = hiccups
        self.wait = wait
        self.random = random.Random(0)

    def timer(self, which: str, passes: int) -> float:
        took = self.seconds[which] * passes * (1 + self.noise * self.random.random()) + self.wait
        if self.hiccups:
            self.hiccups -= 1
            took += 0.03
        self.now += took
        self.windows.append((which, passes))
        return took

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize("seconds", [1e-5, 1e-4, 1e-3, 1e-2])
def test_the_time_of_a_pass_is_found_to_a_hundredth(seconds: float) -> None:
    machine = Machine(seconds)
    found = latency(machine.timer, machine.clock)
    assert found.p50 == pytest.approx(seconds * 1e3, rel=0.01)
    assert found.best <= found.p10 <= found.p50 <= found.p90 <= found.p95 <= found.p99
    assert found.reference_ratio == pytest.approx(seconds / 2e-4, rel=0.03)
    assert found.passes * seconds >= 0.0099
    assert found.windows >= 20
    assert machine.now < 1.2


def test_candidate_and_reference_take_turns() -> None:
    machine = Machine(1e-3)
    found = latency(machine.timer, machine.clock)
    last = [which for which, _ in machine.windows[-2 * found.windows :]]
    assert last == ["candidate", "reference"] * found.windows


def test_a_slow_network_is_timed_a_few_times_only() -> None:
    machine = Machine(0.6)
    found = latency(machine.timer, machine.clock)
    assert found.passes == 1
    assert found.windows == 5
    assert not found.settled
    assert len([which for which, _ in machine.windows if which == "candidate"]) == 6


def test_a_slow_machine_slows_both_alike() -> None:
    quiet, busy = Machine(1e-3, 2e-4), Machine(3e-3, 6e-4)
    ratio = latency(quiet.timer, quiet.clock).reference_ratio
    assert latency(busy.timer, busy.clock).reference_ratio == pytest.approx(ratio, rel=0.03)


def test_a_quiet_machine_is_done_sooner_than_a_busy_one() -> None:
    quiet, busy = Machine(1e-3, noise=0.02), Machine(1e-3, noise=2)
    calm, wild = latency(quiet.timer, quiet.clock), latency(busy.timer, busy.clock)
    assert calm.settled
    assert calm.spread <= SPREAD_BOUND
    assert quiet.now < 0.6
    assert not wild.settled
    assert wild.spread > SPREAD_BOUND
    assert 1.0 <= busy.now < 1.6


def test_more_time_makes_the_median_better_known() -> None:
    short, long = Machine(1e-3, noise=2), Machine(1e-3, noise=2)
    hurried = latency(short.timer, short.clock, cap_seconds=1)
    patient = latency(long.timer, long.clock, cap_seconds=30)
    assert patient.windows > 10 * hurried.windows
    assert patient.spread < hurried.spread / 2


@given(st.integers(0, 2**32), st.integers(20, 200))
def test_the_interval_of_the_median_holds_the_true_one_most_often(seed: int, count: int) -> None:
    draw = random.Random(seed)
    held = 0
    for _ in range(40):
        values = [draw.lognormvariate(0, 0.5) for _ in range(count)]
        median = sorted(values)[count // 2]
        # the interval is not symmetric, so twice its half width around the median surely reaches over it
        held += abs(1.0 - median) <= 2 * spread(values) * median
    assert held >= 32


def test_equal_values_have_no_spread() -> None:
    assert spread([3.0] * 20) == 0


def test_a_window_grows_until_it_is_long_enough() -> None:
    machine = Machine(1e-6)
    passes = passes_for(machine.timer, "candidate", 0.005)
    assert 0.005 <= passes * 1e-6 + 5e-5 < 0.01


def test_a_window_that_had_to_wait_is_not_taken_for_a_long_one() -> None:
    machine = Machine(1e-6, hiccups=2)
    assert passes_for(machine.timer, "candidate", 0.005) * 1e-6 + 5e-5 >= 0.005


@pytest.mark.parametrize("seconds", [4e-5, 1e-3])
def test_what_each_window_waits_is_not_taken_for_the_time_of_a_pass(seconds: float) -> None:
    machine = Machine(seconds, wait=0.012)
    found = latency(machine.timer, machine.clock)
    assert found.p50 < 2 * seconds * 1e3
    assert machine.now < 3


def test_windows_that_turn_out_to_be_short_are_made_longer() -> None:
    machine, waits = Machine(4e-5), iter([0.02] * 3 + [0.05])
    found = latency(lambda which, passes: machine.timer(which, passes) + next(waits, 0.0), machine.clock)
    assert found.passes * 4e-5 >= 0.0099
    assert found.p50 == pytest.approx(0.04, rel=0.01)
    assert (found.windows >= 20, found.settled) == (True, True)


def test_throughput_counts_the_inputs_of_a_batch() -> None:
    machine = Machine(1e-3, batch=0.02)
    assert throughput(machine.timer) == pytest.approx(BATCH / 0.02, rel=0.01)
    assert {which for which, _ in machine.windows} == {"batch"}
