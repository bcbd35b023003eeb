"""Scores of logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.trainer.learning.loss import loss
from lemonade_es.trainer.measuring.scoring import score


def logits(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_the_largest_logit_decides() -> None:
    found = score(logits([2, 1], [0, 1], [3, 1], [1, 0]), np.array([0, 1, 0, 1]))
    assert found.accuracy == 0.75
    assert found.class_gap == 0.5
    assert found.nonfinite_rows == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_wrong(bad: float) -> None:
    found = score(logits([bad, 1], [0, 1]), np.array([0 if bad != -np.inf else 1, 1]))
    assert found.accuracy == 0.5
    assert found.nonfinite_rows == 1


def test_a_class_without_rows_has_no_recall() -> None:
    assert score(logits([1, 0, 0], [1, 0, 0]), np.array([0, 0])).class_gap == 0.0


TARGETS = np.array([-1.0, 0.0, 0.5, 2.0], dtype=np.float32)


def predicted(values) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def test_the_accuracy_of_a_regression_is_the_share_of_the_variance_that_is_explained() -> None:
    assert score(predicted(TARGETS), TARGETS).accuracy == 1.0
    found = score(predicted(TARGETS + np.array([0.5, -0.5, 0.5, -0.5])), TARGETS)
    assert found.accuracy == pytest.approx(1 - 1.0 / (4 * TARGETS.var()))
    assert found.class_gap is None


@pytest.mark.parametrize("values", [[0.375] * 4, [2, 1, 0, -1], [1e30, -1e30, 1e38, 0], [3e38] * 4])
def test_a_regression_no_better_than_the_mean_has_an_accuracy_of_0(values) -> None:
    assert score(predicted(values), TARGETS).accuracy == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_prediction_that_is_not_finite_spoils_a_regression(bad: float) -> None:
    found = score(predicted([-1, bad, 0.5, 2]), TARGETS)
    assert (found.accuracy, found.nonfinite_rows) == (0.0, 1)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4))
def test_the_accuracy_of_a_regression_is_always_a_share(values) -> None:
    assert 0.0 <= score(predicted(values), TARGETS).accuracy <= 1.0


def test_of_targets_that_are_all_the_same_it_counts_whether_they_are_met() -> None:
    same = np.zeros(3, np.float32)
    assert score(np.zeros((3, 1), np.float32), same).accuracy == 1.0
    assert score(np.full((3, 1), 0.1, np.float32), same).accuracy == 0.0


def test_a_regression_is_trained_on_the_mean_squared_error() -> None:
    outputs = torch.tensor([[1.0], [3.0]])
    assert loss(outputs, torch.tensor([0.0, 1.0]), "regression").item() == pytest.approx((1 + 4) / 2)
