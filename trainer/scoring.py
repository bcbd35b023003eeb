"""Scores of logits against labels, worked out where the labels are: in the parent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Score:
    """How good a set of logits is.

    Attributes:
        accuracy: share of rows whose largest logit is the label's; a row that is not finite is wrong.
        class_gap: best minus worst recall of a class; 0 with a single class.
        nonfinite_rows: rows with an infinite logit or NaN.
    """

    accuracy: float
    class_gap: float
    nonfinite_rows: int


def score(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Score:
    """Scores logits ``(N, classes)`` against labels ``(N,)`` from 0 to ``classes - 1``."""
    finite = np.isfinite(logits).all(axis=1)
    right = (logits.argmax(axis=1) == labels) & finite
    counts = np.bincount(labels, minlength=logits.shape[1])
    hits = np.bincount(labels[right], minlength=logits.shape[1])
    recalls = hits[counts > 0] / counts[counts > 0]
    return Score(float(right.mean()), float(recalls.max() - recalls.min()), int((~finite).sum()))
