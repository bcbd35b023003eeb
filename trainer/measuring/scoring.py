"""Scores of outputs against labels, worked out where the labels are: in the parent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Score:
    """How good a set of outputs is.

    Attributes:
        accuracy: share of rows whose largest logit is the label's; a row that is not finite is wrong. For
            regression R2, the share of the labels' variance that is explained, and 0 where it is negative.
        class_gap: best minus worst recall of a class; 0 with a single class; ``None`` for regression.
        nonfinite_rows: rows with an infinite output or NaN.
    """

    accuracy: float
    class_gap: float | None
    nonfinite_rows: int


NO_CLASS_GAP = "a regression has no classes"
"""Why :attr:`Score.class_gap` is ``None``."""


def score(outputs: NDArray[np.float32], labels: NDArray[np.int64] | NDArray[np.float32]) -> Score:
    """Scores logits ``(N, classes)`` against labels ``(N,)``, or predictions ``(N, 1)`` against float targets ``(N,)``.

    Labels go from 0 to ``classes - 1``.
    """
    finite = np.isfinite(outputs).all(axis=1)
    broken = int((~finite).sum())
    if np.issubdtype(labels.dtype, np.floating):
        return Score(_explained(outputs[:, 0], labels) if not broken else 0.0, None, broken)
    right = (outputs.argmax(axis=1) == labels) & finite
    counts = np.bincount(labels, minlength=outputs.shape[1])
    hits = np.bincount(labels[right], minlength=outputs.shape[1])
    recalls = hits[counts > 0] / counts[counts > 0]
    return Score(float(right.mean()), float(recalls.max() - recalls.min()), broken)


def _explained(predictions: NDArray[np.float32], targets: NDArray[np.float32] | NDArray[np.int64]) -> float:
    """R2, clipped at 0; of targets that are all the same, whether they are met.

    In double precision: outputs of a wild network overflow squares of single precision.
    """
    wanted = targets.astype(np.float64)
    residual = float(((predictions.astype(np.float64) - wanted) ** 2).sum())
    total = float(((wanted - wanted.mean()) ** 2).sum())
    if total == 0:  # a few inputs of many, most of which have the same target
        return float(residual == 0)
    return max(0.0, 1 - residual / total)
