"""What is made of a child that tells of its training, be it nonsense."""

from __future__ import annotations

import pytest

from lemonade_es.trainer.isolation.child import CandidateFailed
from lemonade_es.trainer.trials import readings
from lemonade_es.trainer.watching.dynamics import Reading


@pytest.mark.parametrize(
    "message", [{"low": 1.1, "high": 0}, {"low": 0, "high": -0.1}, {"low": "0"}, {"low": 0, "high": [1]}]
)
def test_a_share_of_gradients_that_cannot_be_is_a_breach_of_the_protocol(message):
    with pytest.raises(CandidateFailed, match="wrong share"):
        readings.gradients(message)


@pytest.mark.parametrize(
    "message",
    [
        {"units": 3, "dead_units": 4, "layers": 1, "dead_layers": 0},
        {"units": 3, "dead_units": -1, "layers": 1, "dead_layers": 0},
        {"units": 3, "dead_units": 1, "layers": 1, "dead_layers": 2},
        {"units": 3, "dead_units": 1, "layers": 1, "dead_layers": -1},
        {"units": 2.5, "dead_units": 1, "layers": 1, "dead_layers": 0},
        {},
    ],
)
def test_a_number_of_units_that_cannot_be_is_one_too(message):
    with pytest.raises(CandidateFailed, match="wrong number of units"):
        readings.units(message)


@pytest.mark.parametrize(
    "told",
    [
        {"index": 2, "loss": 1.0},
        {"index": 1, "loss": 1e200},
        {"index": 1, "loss": -1e200},
        {"index": 1, "loss": "1"},
        {"index": 1},
        None,
    ],
)
def test_an_epoch_that_is_not_due_or_whose_loss_cannot_be_is_one_too(told):
    assert readings.epoch_loss({"index": 1, "loss": 3}, 1, 2) == 3.0
    with pytest.raises(CandidateFailed, match="wrong epoch"):
        readings.epoch_loss(told, 1, 2)


def test_an_epoch_too_many_is_one_too():
    with pytest.raises(CandidateFailed, match="wrong epoch"):
        readings.epoch_loss({"index": 2, "loss": 1.0}, 2, 2)


def test_the_largest_losses_that_can_be_leave_the_course_finite():
    losses = [readings.LARGEST_LOSS * (-1) ** index for index in range(8)]
    found = {**readings.losses(losses), **readings.peak({1: 0.5, 7: 0.5}, 2, 8, shares=True)}
    assert all(reading.value is None or abs(reading.value) < float("inf") for reading in found.values())


def test_what_was_told_becomes_shares_and_counts():
    assert readings.gradients({"low": 0.25, "high": 0}) == {"grad_low": Reading(0.25), "grad_high": Reading(0.0)}
    found = readings.units({"units": 8, "dead_units": 2, "layers": 2, "dead_layers": 1})
    assert found == {"dead_units": Reading(0.25), "dead_layers": Reading(1.0)}


def test_a_network_without_rectifiers_or_weights_says_so():
    none = {"units": 0, "dead_units": 0, "layers": 0, "dead_layers": 0}
    assert {reading.reason for reading in readings.units(none).values()} == {"it has no rectified units"}
    assert all(reading.value is None for reading in readings.gradients({"low": None, "high": None}).values())
    assert "no weight tensor" in readings.gradients({})["grad_low"].reason


def test_accuracies_that_are_no_shares_have_no_standard_error():
    accuracies = dict(enumerate([0.5, 0.52, 0.51, 0.5]))
    assert readings.peak(accuracies, 100, 4, shares=True) == {"best_epoch": Reading(1.0)}
    assert readings.peak(accuracies, 100, 4, shares=False) == {"best_epoch": Reading(1 / 3)}
    assert {*readings.losses([4.0, 3.0]), "best_epoch", "grad_low", "grad_high"} == set(readings.OF_COURSE)
