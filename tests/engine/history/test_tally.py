"""Sums over the candidates of a run: energy by its source, and the device's failures."""

from __future__ import annotations

import pytest

from lemonade_es.engine.history.tally import DeviceTally, EnergyTally
from lemonade_es.trainer.measurement import DeviceOutcome, Energy, Failure, Measurement


def spent(training, validation=None, provenance="measured", failure=None):
    phases = {"training": training, "validation": validation}
    return Measurement(
        metrics={"T_E": training, "V_E": validation},
        energy={
            phase: Energy(kwh, 1.0, provenance if kwh else "unavailable", "m", "machine")
            for phase, kwh in phases.items()
        },
        failure=failure,
    )


def tally(*measurements):
    found = EnergyTally()
    for measurement in measurements:
        found.heard(measurement)
    return found


def test_a_sum_is_measured_only_if_every_term_is():
    assert tally(spent(1e-3, 1e-5), spent(2e-3, 1e-5)).source == "measured"
    assert tally(spent(1e-3, 1e-5, "estimated")).source == "estimated"
    mixed = tally(spent(1e-3, 1e-5), spent(2e-3, 1e-5, "estimated"))
    assert mixed.source == "mixed"
    assert mixed.kwh_pue == pytest.approx(3.02e-3)
    assert "(mixed)" in mixed.told(436)


def test_a_failed_candidate_counts_with_what_it_took():
    found = tally(spent(1e-3, None, failure=Failure("DIVERGED", "it did")))
    assert found.to_json(400) == {
        "kwh_pue": 1e-3,
        "source": "measured",
        "complete": True,
        "co2e_grams": pytest.approx(0.4),
        "assumed_grid_gco2e_per_kwh": 400,
    }


def test_an_unknown_term_makes_the_sum_a_lower_bound():
    found = tally(spent(1e-3, 1e-5), spent(1e-3, None))
    assert found.to_json(436)["complete"] is False
    assert found.told(436).startswith("at least 0.00201 kWh-PUE")
    assert found.told(436).count("at least") == 2


def test_before_any_candidate_there_is_no_source():
    assert EnergyTally().source is None
    assert EnergyTally().told(436) == "0 kWh-PUE, 0 g CO2e if a kWh is 436 g"


def on(failure=None):
    return Measurement(metrics={}, device=DeviceOutcome("board", 1.0, failure=failure))


def test_three_failures_in_a_row_are_warned_of_once_and_again_after_it_worked():
    bad, device = Failure("DEVICE_FAILED", "the board is gone"), DeviceTally()
    told = [device.heard(on(failure)) for failure in (bad, bad, None, bad, bad, bad, bad, None, bad, bad, bad)]
    assert [index for index, warning in enumerate(told) if warning] == [5, 10]
    assert "the board is gone" in told[5]
    assert (device.asked, device.failed, device.in_a_row) == (11, 9, 3)


def test_candidates_that_never_came_to_the_device_do_not_count():
    device = DeviceTally()
    assert device.heard(Measurement(metrics={})) is None
    assert device.asked == 0
