"""The course of a training, worked out from its losses and its answers on the way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lemonade_es.trainer.watching.dynamics import (
    best_epoch,
    checkpoints,
    loss_noise,
    loss_slope,
    sample,
    share_noise,
)


def test_the_slope_is_the_relative_fall_over_the_last_fifth_of_the_epochs():
    losses = [9.0] * 40 + [2.0 - 0.1 * step for step in range(11)][1:]
    losses[39] = 2.0
    assert loss_slope(losses).value == pytest.approx(0.5)
    assert loss_slope([5.0] * 50).value == pytest.approx(0, abs=1e-12)
    assert loss_slope([1.0 + 0.02 * step for step in range(50)]).value < -0.1


def test_the_slope_sees_through_noise():
    draw = np.random.default_rng(0)
    losses = [2 - 0.01 * step + draw.normal(0, 0.01) for step in range(51)]
    assert loss_slope(losses).value == pytest.approx(0.1 / 1.6, abs=0.02)


def test_the_slope_of_one_epoch_is_not_known_and_nothing_falls_from_zero():
    assert loss_slope([1.0]).value is None
    assert loss_slope([1.0]).reason
    assert loss_slope([2.0, 1.0]).value == pytest.approx(0.5)
    assert loss_slope([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]).value == 0.0


@pytest.mark.parametrize("spread", [0.01, 0.1, 0.5])
def test_noise_is_the_spread_of_the_losses_about_a_falling_trend(spread):
    draw = np.random.default_rng(1)
    losses = [0.5 + 2 * math.exp(-step / 40) + draw.normal(0, spread) for step in range(400)]
    assert loss_noise(losses).value == pytest.approx(spread, rel=0.15)


def test_a_smooth_steep_fall_is_no_noise():
    assert loss_noise([2.3 * math.exp(-step / 3) + 0.1 for step in range(50)]).value < 0.005


def test_three_epochs_are_too_few_for_noise():
    assert loss_noise([3.0, 2.0, 1.0]).value is None
    assert "3 epochs" in loss_noise([3.0, 2.0, 1.0]).reason
    assert loss_noise([3.0, 2.0, 1.0, 0.0]).value == pytest.approx(0)


def test_validation_peaked_where_it_was_best_last():
    epochs = (0, 1, 2, 3, 4)
    assert best_epoch(epochs, [0.1, 0.9, 0.5, 0.5, 0.5], 5).value == 0.25
    assert best_epoch(epochs, [0.1, 0.9, 0.5, 0.9, 0.5], 5).value == 0.75
    assert best_epoch(epochs, [0.9, 0.1, 0.1, 0.1, 0.1], 5).value == 0.0


def test_a_peak_within_the_noise_is_none():
    epochs, accuracies = (4, 9, 14, 19), [0.70, 0.74, 0.71, 0.72]
    assert best_epoch(epochs, accuracies, 20).value == 9 / 19
    assert best_epoch(epochs, accuracies, 20, noise=share_noise(accuracies, 200)).value == 1.0
    assert share_noise(accuracies, 200) == pytest.approx(0.031, abs=0.001)


def test_a_training_that_nobody_looked_at_has_no_peak():
    found = best_epoch((), [], 1)
    assert found.value is None
    assert found.reason
    assert checkpoints(1, 1000, 1000).epochs == ()
    assert checkpoints(50, 1000, 9).epochs == ()


@pytest.mark.parametrize(("epochs", "count"), [(2, 2), (7, 7), (10, 10), (11, 10), (50, 10), (600, 10)])
def test_checkpoints_are_spread_over_the_epochs_up_to_the_last(epochs, count):
    looks = checkpoints(epochs, 40_000, 10_000).epochs
    assert len(looks) == len(set(looks)) == count
    assert list(looks) == sorted(looks)
    assert looks[-1] == epochs - 1
    gaps = np.diff([-1, *looks])
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("epochs", "training", "validation", "rows"),
    [(50, 40_000, 10_000, 1024), (50, 40_000, 300, 300), (50, 1400, 400, 105), (3, 1400, 400, 100), (3, 1400, 60, 60)],
)
def test_as_many_inputs_are_looked_at_as_half_a_percent_of_the_training_costs(epochs, training, validation, rows):
    looks = checkpoints(epochs, training, validation)
    assert len(looks.rows) == rows
    assert looks.rows == tuple(sorted(set(looks.rows)))
    assert 0 <= looks.rows[0] <= looks.rows[-1] < validation
    assert looks == checkpoints(epochs, training, validation)


def test_a_sample_follows_no_pattern_of_the_labels():
    labels = np.arange(1000) % 10
    assert np.bincount(labels[list(sample(1000, 200))], minlength=10).min() >= 10
