"""Whether a network's answers are to the inputs alone: not to their order, their number, or what else was asked.

What a validation accuracy is worth rests on it, and the outputs come from a process that the candidate rules.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.measuring.scoring import Score, score

ALONE = 100
"""Validation inputs, at most, that a network is asked one by one before it is asked them all."""

_MARGIN = 0.05
_DEVIATIONS = 3.0
_RARELY = 1e-4
# the accuracy that counts is that of the saved network, so there is no harm in letting one pass
_HARDLY_EVER = 1e-6
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
    rows = len(alone)
    single, same, everything = (
        score(alone, labels[:rows]),
        score(together[:rows], labels[:rows]),
        score(together, labels),
    )
    for other, which, better in (
        (same, "for the same inputs", _better(alone, together[:rows], labels[:rows], _RARELY)),
        (everything, "for all inputs", _apart(single, everything, rows)),
    ):
        if better:
            return (
                f"asked one by one, the network has an accuracy of {single.accuracy:.3g} on {rows} inputs; {which} "
                f"in batches it has {other.accuracy:.3g}. {_DEMAND}"
            )
    return None


def loss(saved: NDArray[np.float32], live: NDArray[np.float32], labels: Labels) -> str | None:
    """What a network lost when it was made anew from its source and its weights; ``None`` if it is as good as before.

    Args:
        saved: what it says now, ``(M, classes)``.
        live: what it said of the same inputs where it was trained, ``(M, classes)``.
        labels: likewise, ``(M,)``.
    """
    if np.issubdtype(labels.dtype, np.floating):
        less = _outranked(_errors(saved, labels), _errors(live, labels), labels.astype(np.float64))
    else:
        less = _better(saved, live, labels, _HARDLY_EVER)
    if not less:
        return None
    before, now = score(live, labels).accuracy, score(saved, labels).accuracy
    return (
        f"where it was trained the network has an accuracy of {before:.3g} on training inputs; made from its source "
        f"and its saved weights it has {now:.3g}. What forward() changes in training must be saved: in persistent "
        "buffers."
    )


def _better(some: NDArray[np.float32], others: NDArray[np.float32], labels: Labels, rarely: float) -> bool:
    """Whether other answers to the same inputs are better, as chance makes them rarely (McNemar's exact test)."""
    right, other = (answers.argmax(1) == labels for answers in (some, others))
    won, lost = int((other & ~right).sum()), int((right & ~other).sum())
    return won > lost and _tail(won, won + lost) < rarely


def _tail(least: int, tries: int) -> float:
    """The probability of so many heads, or more, in so many throws of a coin."""
    logarithms = (
        math.lgamma(tries + 1) - math.lgamma(heads + 1) - math.lgamma(tries - heads + 1) - tries * math.log(2)
        for heads in range(least, tries + 1)
    )
    return math.fsum(map(math.exp, logarithms))


def _apart(alone: Score, other: Score, rows: int) -> bool:
    """Whether the share of right answers to other inputs is higher, and chance is not why."""
    return other.accuracy - alone.accuracy > _MARGIN + _DEVIATIONS * _deviation(alone, other, rows)


def _deviation(alone: Score, other: Score, rows: int) -> float:
    """The standard deviation of the difference of the two shares, if chance alone made it."""
    spread = sum(one.accuracy * (1 - one.accuracy) for one in (alone, other))
    return math.sqrt(max(0.0, spread) / rows)


def _of_errors(alone: Numbers, together: Numbers, targets: Numbers) -> str | None:
    same, others = together[: len(alone)], together[len(alone) :]
    for better, other, which in (
        (_outranked(alone, same, targets), same, "for the same inputs"),
        (_unpaired(alone, others) > _RANK_DEVIATIONS, others, f"for the {len(others)} others"),
    ):
        if better:
            return (
                f"asked one by one, the network is off by {np.median(alone):.3g} standard deviations of the target on "
                f"half of {len(alone)} inputs; {which} in batches by {np.median(other):.3g}. {_DEMAND}"
            )
    return None


def _outranked(some: Numbers, others: Numbers, targets: Numbers) -> bool:
    """Whether other errors on the same inputs are smaller, and chance is not why."""
    # what rounding does may have one sign throughout, and must not count as better
    by_more = np.mean(some - others) > _MARGIN * np.mean(np.abs(targets - targets.mean()))
    return bool(by_more) and _paired(some - others) > _RANK_DEVIATIONS


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
