"""The examination: figures, intervals, and answers that are no numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lemonade_es.trainer.data.traits import Target
from lemonade_es.trainer.measuring.examination import examine, mean_loss, wilson

NAMES = ("cat", "dog", "owl")


def logits(answers, classes=3):
    return np.eye(classes, dtype=np.float32)[answers] * 4


def test_each_class_has_its_recall_and_precision_and_the_matrix_adds_up():
    labels = np.array([0, 0, 0, 0, 1, 1])
    found = examine(logits([0, 0, 0, 1, 1, 0]), labels, NAMES, None)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.confusion == ((3, 1, 0), (1, 1, 0), (0, 0, 0))
    cat, dog, owl = found.classes
    assert (cat.count, cat.recall, cat.precision) == (4, 0.75, 0.75)
    assert (dog.count, dog.recall, dog.precision) == (2, 0.5, 0.5)
    assert (owl.count, owl.recall, owl.precision) == (0, None, None)
    assert found.residuals is None


@pytest.mark.parametrize(("hits", "count", "low", "high"), [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611)])
def test_the_interval_is_wilsons(hits, count, low, high):
    found = wilson(hits, count)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@pytest.mark.parametrize("count", [1, 3, 30, 32, 270, 10_000])
def test_the_interval_holds_the_share_also_where_all_or_none_are_right(count):
    assert wilson(count, count).high == 1.0
    assert wilson(0, count).low == 0.0


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    hits = generator.binomial(200, 0.9, 2000)
    covered = [wilson(int(number), 200) for number in hits]
    assert np.mean([found.low <= 0.9 <= found.high for found in covered]) == pytest.approx(0.95, abs=0.02)


def test_answers_that_are_no_numbers_are_wrong_and_no_class():
    outputs = logits([0, 1, 2])
    outputs[0, 0] = np.nan
    found = examine(outputs, np.array([0, 1, 2]), NAMES, None)
    assert (found.accuracy, found.nonfinite, found.loss) == (pytest.approx(2 / 3), 1, None)
    assert sum(map(sum, found.confusion)) == 2


def test_the_loss_is_cross_entropy_however_large_the_outputs():
    outputs = np.array([[0.0, 0.0], [1e4, 0.0]], np.float32)
    assert mean_loss(outputs, np.array([1, 0])) == pytest.approx(math.log(2) / 2)


def test_errors_of_a_regression_are_in_the_targets_own_unit():
    target = Target("price", mean=100.0, std=20.0, low=40.0, high=160.0)
    labels = np.array([-1.0, 0.0, 1.0, 2.0], np.float32)
    found = examine((labels + 0.5)[:, None], labels, (), target)
    assert found.residuals.mae == found.residuals.rmse == pytest.approx(10.0)
    assert found.residuals.r2 == found.accuracy == pytest.approx(1 - 4 * 0.25 / 5)
    assert found.residuals.r2_interval.low <= found.residuals.r2 <= found.residuals.r2_interval.high
    assert found.residuals.spread == pytest.approx(20 * math.sqrt(1.25))
    assert found.loss == pytest.approx(0.25)
    assert found.classes == found.confusion == ()


def test_a_regression_worse_than_the_mean_has_no_accuracy_and_a_negative_r2():
    target = Target("price", mean=0.0, std=1.0, low=-2.0, high=2.0)
    labels = np.linspace(-1, 1, 30, dtype=np.float32)
    found = examine(-labels[:, None], labels, (), target)
    assert found.accuracy == found.interval.low == found.interval.high == 0.0
    assert found.residuals.r2 == pytest.approx(-3.0)


def test_a_regression_with_an_answer_that_is_no_number_has_no_residuals():
    target = Target("price", mean=0.0, std=1.0, low=-2.0, high=2.0)
    found = examine(np.array([[np.inf], [0.0]], np.float32), np.array([0.0, 1.0], np.float32), (), target)
    assert (found.accuracy, found.nonfinite, found.residuals) == (0.0, 1, None)
