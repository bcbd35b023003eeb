"""The examination of a trained network on inputs that it has never seen: figures with their uncertainty.

It is scored in the parent, where the labels are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.data.traits import Target
from lemonade_es.trainer.measuring.scoring import score

_Z = 1.959964
"""The normal distribution's 97.5th percentile."""

_RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class is recognised.

    Attributes:
        name: of the class.
        count: inputs of it.
        recall: share of them that was recognised; ``None`` if there are none.
        precision: share of the answers with this class that are right; ``None`` if there is none.
    """

    name: str
    count: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True, slots=True)
class Residuals:
    """Errors of a regression.

    Attributes:
        target: what is predicted.
        r2: share of the target's variance that is explained; unlike the accuracy it can be negative.
        r2_interval: over resampled inputs (bootstrap).
        mae: mean absolute error, in the target's unit.
        rmse: root of the mean squared error, in the target's unit.
        spread: standard deviation of the target on these inputs: the RMSE of always answering its mean.
    """

    target: str
    r2: float
    r2_interval: Interval
    mae: float
    rmse: float
    spread: float


@dataclass(frozen=True, slots=True)
class Examination:
    """What a network scored.

    Attributes:
        count: inputs.
        accuracy: share of right answers; for regression R2, clipped at 0.
        interval: of the accuracy: Wilson's, for regression the bootstrap's, clipped likewise.
        loss: cross-entropy, or for regression the mean squared error in standard deviations; ``None`` if infinite.
        nonfinite: inputs with an answer that is not a number; they count as wrong.
        classes: of classification, one for each class.
        confusion: of classification, a row for each true class with the number of answers by class.
        residuals: of regression; ``None`` if an answer is not a number.
    """

    count: int
    accuracy: float
    interval: Interval
    loss: float | None
    nonfinite: int
    classes: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    residuals: Residuals | None = None


def examine(
    outputs: NDArray[np.float32],
    labels: NDArray[np.int64] | NDArray[np.float32],
    class_names: Sequence[str],
    target: Target | None,
) -> Examination:
    """Scores outputs against labels.

    Args:
        outputs: logits ``(N, classes)``, or for regression predictions ``(N, 1)`` in standard deviations.
        labels: class indices ``(N,)``, or for regression targets ``(N,)`` in standard deviations.
        class_names: of classification, the name of each label.
        target: of regression, the scale of the target.
    """
    found = score(outputs, labels)
    if target is not None:
        return _regression(outputs[:, 0].astype(np.float64), labels.astype(np.float64), target, found.nonfinite_rows)
    answers = np.where(np.isfinite(outputs).all(axis=1), outputs.argmax(axis=1), -1)
    count = len(class_names)
    confusion = np.zeros((count, count), np.int64)
    told = answers >= 0
    np.add.at(confusion, (labels[told].astype(np.int64), answers[told]), 1)
    counts = np.bincount(labels.astype(np.int64), minlength=count)
    return Examination(
        count=len(labels),
        accuracy=found.accuracy,
        interval=wilson(int(confusion.trace()), len(labels)),
        loss=mean_loss(outputs, labels),
        nonfinite=found.nonfinite_rows,
        classes=tuple(
            ClassScore(
                name,
                int(counts[index]),
                _share(confusion[index, index], counts[index]),
                _share(confusion[index, index], confusion[:, index].sum()),
            )
            for index, name in enumerate(class_names)
        ),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def wilson(hits: int, count: int) -> Interval:
    """Wilson's 95 % interval of a share: it keeps to 0..1, and has a width at 0 and at 1 too.

    Args:
        hits: how often.
        count: of how many; at least 1.
    """
    share, square = hits / count, _Z**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    # at 0 and at 1 rounding would leave the share itself outside
    return Interval(max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def mean_loss(outputs: NDArray[np.float32], labels: NDArray[np.int64] | NDArray[np.float32]) -> float | None:
    """The loss that training makes small; ``None`` if it is not finite.

    Args:
        outputs: as for :func:`examine`.
        labels: likewise.
    """
    if not np.isfinite(outputs).all():
        return None
    values = outputs.astype(np.float64)
    if np.issubdtype(labels.dtype, np.floating):
        return float(((values[:, 0] - labels) ** 2).mean())
    highest = values.max(axis=1)
    logs = highest + np.log(np.exp(values - highest[:, None]).sum(axis=1))
    return float((logs - values[np.arange(len(labels)), labels.astype(np.int64)]).mean())


def _regression(
    predictions: NDArray[np.float64], targets: NDArray[np.float64], target: Target, nonfinite: int
) -> Examination:
    if nonfinite:
        return Examination(len(targets), 0.0, Interval(0.0, 0.0), None, nonfinite)
    errors = (predictions - targets) * target.std
    values = targets * target.std
    r2, interval = _r2(errors, values), _bootstrapped(errors, values)
    return Examination(
        count=len(targets),
        accuracy=max(0.0, r2),
        interval=Interval(max(0.0, interval.low), max(0.0, interval.high)),
        loss=float((errors**2).mean() / target.std**2),
        nonfinite=0,
        residuals=Residuals(
            target=target.name,
            r2=r2,
            r2_interval=interval,
            mae=float(np.abs(errors).mean()),
            rmse=float(np.sqrt((errors**2).mean())),
            spread=float(values.std()),
        ),
    )


def _bootstrapped(errors: NDArray[np.float64], targets: NDArray[np.float64]) -> Interval:
    """The percentile interval of R2; resamples without any spread tell nothing and are left out."""
    generator = np.random.default_rng(_SEED)
    found = []
    for _ in range(_RESAMPLES):
        chosen = generator.integers(0, len(errors), len(errors))
        if np.ptp(targets[chosen]) > 0:
            found.append(_r2(errors[chosen], targets[chosen]))
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(float(low), float(high))


def _r2(errors: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    return float(1 - (errors**2).sum() / ((targets - targets.mean()) ** 2).sum())


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
