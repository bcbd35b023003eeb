"""Whether a network's answers are to the inputs alone: not to their order, their number, or what else was asked.

What a validation accuracy is worth rests on it, and the outputs come from a process that the candidate rules.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.scoring import Score, score

ALONE = 100
"""Validation inputs, at most, that a network is asked one by one before it is asked them all."""

_MARGIN = 0.05
_DEVIATIONS = 3.0
# sums of ranks, to which no margin is added
_RANK_DEVIATIONS = 4.0
_DEMAND = "Its answer must depend on the input alone: not on the batch (size, order, statistics), nor on earlier calls."

Labels = NDArray[np.int64] | NDArray[np.float32]
Numbers = NDArray[np.float64]


def inconsistency(alone: NDArray[np.float32], together: NDArray[np.float32], labels: Labels) -> str | None:
    """Why a network's answers to single inputs and to batches cannot both be meant; ``None`` if they can.

    A network that draws random numbers is not blamed for what chance does. Shares of right answers have a known
    spread. The errors of a regression have none: a few inputs may make up most of R2, so there ranks are compared,
    which chance moves alike whatever the errors' distribution is. That takes about 20 inputs on which the network is
    better among others.

    Args:
        alone: the answers to the first inputs, each asked by itself, ``(N, classes)``.
        together: the answers to all inputs in the same order, asked in batches, ``(M, classes)``.
        labels: likewise, ``(M,)``.
    """
    if np.issubdtype(labels.dtype, np.floating):
        return _of_errors(_errors(alone, labels[: len(alone)]), _errors(together, labels), labels.astype(np.float64))
    first = labels[: len(alone)]
    return _of_shares(score(alone, first), score(together[: len(alone)], first), score(together, labels), len(alone))


def _of_shares(alone: Score, together: Score, everything: Score, rows: int) -> str | None:
    for other, which in ((together, "for the same inputs"), (everything, "for all inputs")):
        if other.accuracy - alone.accuracy > _MARGIN + _DEVIATIONS * _deviation(alone, other, rows):
            return (
                f"asked one by one, the network has an accuracy of {alone.accuracy:.3g} on {rows} inputs; {which} "
                f"in batches it has {other.accuracy:.3g}. {_DEMAND}"
            )
    return None


def _deviation(alone: Score, other: Score, rows: int) -> float:
    """The standard deviation of the difference of the two shares, if chance alone made it."""
    spread = sum(one.accuracy * (1 - one.accuracy) for one in (alone, other))
    return math.sqrt(max(0.0, spread) / rows)


def _of_errors(alone: Numbers, together: Numbers, targets: Numbers) -> str | None:
    same, others = together[: len(alone)], together[len(alone) :]
    # what rounding does may have one sign throughout, and must not count as better
    better = np.mean(alone - same) > _MARGIN * np.mean(np.abs(targets - targets.mean()))
    for deviations, other, which in (
        (_paired(alone - same) if better else 0.0, same, "for the same inputs"),
        (_unpaired(alone, others), others, f"for the {len(others)} others"),
    ):
        if deviations > _RANK_DEVIATIONS:
            return (
                f"asked one by one, the network is off by {np.median(alone):.3g} standard deviations of the target on "
                f"half of {len(alone)} inputs; {which} in batches by {np.median(other):.3g}. {_DEMAND}"
            )
    return None


def _errors(answers: NDArray[np.float32], targets: Labels) -> Numbers:
    """How far each answer is off; one that is not finite is as far as can be."""
    off = np.abs(answers[:, 0].astype(np.float64) - targets)
    return np.where(np.isfinite(off), off, np.finfo(np.float32).max)


def _paired(gains: Numbers) -> float:
    """By how many standard deviations the gains' signed ranks are above what chance makes of them (Wilcoxon)."""
    moved = gains[gains != 0]
    sizes = np.sort(np.abs(moved))
    ranks = _below(sizes, np.abs(moved)) + 0.5
    return float((np.sign(moved) * ranks).sum() / math.sqrt((ranks**2).sum())) if len(moved) else 0.0


def _unpaired(some: Numbers, others: Numbers) -> float:
    """By how many standard deviations some rank above others, more than chance would divide them (Mann, Whitney)."""
    if not len(others):
        return 0.0
    pairs = len(some) * len(others)
    wins = float(_below(np.sort(others), some).sum())
    return (wins - pairs / 2) / math.sqrt(pairs * (len(some) + len(others) + 1) / 12)


def _below(ordered: Numbers, values: Numbers) -> Numbers:
    """How many of the ordered numbers are below each value; those equal to it count half."""
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
