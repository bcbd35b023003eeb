"""Scores of logits."""

from __future__ import annotations

import numpy as np
import pytest

from lemonade_es.trainer.scoring import score


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
