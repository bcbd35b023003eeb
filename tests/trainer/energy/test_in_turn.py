"""Energies of windows that follow each other: a training that was broken off."""

from __future__ import annotations

import pytest

from lemonade_es.trainer.energy import in_turn, total
from lemonade_es.trainer.energy.arithmetic import summed
from lemonade_es.trainer.measurement import EnergyPart


def window(joules, seconds, *, provenance="measured", domain="package-0", method="RAPL"):
    reason = "it stopped" if joules is None else None
    part = EnergyPart(domain, joules, provenance, method, "machine", 0.05, idle_joules=1.0, reason=reason)
    return summed((part,), seconds, method)


def test_each_domain_is_summed_and_the_parts_are_the_whole():
    energy = in_turn((window(10.0, 2.0), window(30.0, 3.0)))
    assert (energy.joules, energy.seconds, energy.idle_joules) == (40.0, 5.0, 2.0)
    assert [part.joules for part in energy.domains] == [40.0]
    assert (energy.provenance, energy.method) == ("measured", "RAPL")
    assert energy.rel_uncertainty == pytest.approx(0.05)


def test_a_training_that_moved_to_a_machine_without_counters_is_mixed():
    energy = in_turn((window(10.0, 2.0), window(5.0, 1.0, provenance="estimated", domain="processor", method="model")))
    assert (energy.joules, energy.provenance) == (15.0, "mixed")


def test_a_window_that_nobody_can_tell_makes_the_sum_unknown():
    energy = in_turn((window(10.0, 2.0), window(None, 1.0)))
    assert energy.joules is None
    assert "it stopped" in energy.reason


def test_methods_that_name_their_figures_are_not_listed_without_end():
    energy = window(1.0, 1.0, method="12 W x 1 CPU-s")
    for number in range(2, 50):
        energy = in_turn((energy, window(1.0, 1.0, method=f"12 W x {number} CPU-s")))
    assert energy.joules == 49.0
    assert energy.method == "12 W x 1 CPU-s, and so on for the windows that followed"


@pytest.mark.parametrize("domain", ["package-0", "processor"])
def test_the_reason_why_windows_are_unknown_is_told_once(domain):
    energy = window(None, 1.0)
    for _ in range(120):
        energy = in_turn((energy, window(None, 1.0, domain=domain)))
    assert energy.reason == window(None, 1.0).reason == "RAPL: it stopped"


def test_a_part_that_nobody_can_tell_has_its_own_reason():
    energy = in_turn([total([window(1.0, 1.0), window(None, 1.0, domain="GPU", method="NVML")])] * 3)
    assert [part.reason for part in energy.domains] == [None, "it stopped"]
    assert energy.reason == "NVML: it stopped"
