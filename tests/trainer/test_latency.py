"""Latency from a timer that is told what to say."""

from __future__ import annotations

import pytest

from lemonade_es.trainer.latency import latency, passes_for


class Machine:
    """Networks with a known time for a pass; a window costs a little more than its passes."""

    def __init__(self, candidate: float, reference: float = 2e-4) -> None:
        self.seconds = {"candidate": candidate, "reference": reference}
        self.now = 0.0
        self.windows: list[tuple[str, int]] = []

    def timer(self, which: str, passes: int) -> float:
        took = self.seconds[which] * passes + 5e-5
        self.now += took
        self.windows.append((which, passes))
        return took

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize("seconds", [1e-5, 1e-4, 1e-3, 1e-2])
def test_the_time_of_a_pass_is_found_to_a_hundredth(seconds: float) -> None:
    machine = Machine(seconds)
    found = latency(machine.timer, machine.clock)
    assert found.p50 == pytest.approx(seconds * 1e3, rel=0.015)
    assert found.best <= found.p10 <= found.p50 <= found.p90 <= found.p99
    assert found.reference_ratio == pytest.approx(seconds / 2e-4, rel=0.03)
    assert found.passes * seconds >= 0.0049
    assert found.windows >= 20
    assert machine.now < 1.5


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


def test_a_slow_machine_slows_both_alike() -> None:
    quiet, busy = Machine(1e-3, 2e-4), Machine(3e-3, 6e-4)
    ratio = latency(quiet.timer, quiet.clock).reference_ratio
    assert latency(busy.timer, busy.clock).reference_ratio == pytest.approx(ratio, rel=0.03)


def test_a_window_grows_until_it_is_long_enough() -> None:
    machine = Machine(1e-6)
    passes = passes_for(machine.timer, "candidate", 0.005)
    assert 0.005 <= passes * 1e-6 + 5e-5 < 0.01
