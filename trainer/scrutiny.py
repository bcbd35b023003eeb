"""Whether a network's answers are to the inputs alone: not to their order, their number, or what else was asked.

What a validation accuracy is worth rests on it, and the outputs come from a process that the candidate rules.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.scoring import Score

ALONE = 100
"""Validation inputs, at most, that a network is asked one by one before it is asked them all."""

_MARGIN = 0.05
_DEVIATIONS = 3.0


def secret_order(labels: NDArray[np.int64] | NDArray[np.float32]) -> NDArray[np.int64]:
    """An order of the validation inputs: the same for every candidate, and known only to who knows the labels.

    Args:
        labels: of the validation set, ``(M,)``.

    Returns:
        Each index once, ``(M,)``.
    """
    digest = hashlib.sha256(np.ascontiguousarray(labels).tobytes()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32)).permutation(len(labels))


def inconsistency(alone: Score, together: Score, everything: Score, rows: int) -> str | None:
    """Why a network's answers to single inputs and to batches cannot both be meant; ``None`` if they can.

    A network that draws random numbers is not blamed for what chance does. For regression the scores are R2.

    Args:
        alone: for some inputs, each asked by itself.
        together: for the same ones, asked among all others.
        everything: for all inputs.
        rows: how many were asked by themselves.
    """
    for other, which in ((together, "for the same inputs"), (everything, "for all inputs")):
        if other.accuracy - alone.accuracy > _MARGIN + _DEVIATIONS * _deviation(alone, other, rows):
            return (
                f"asked one by one, the network has an accuracy of {alone.accuracy:.3g} on {rows} inputs; {which} "
                f"in batches it has {other.accuracy:.3g}. Its answer must depend on the input alone: not on the "
                "batch (its size, order and statistics), nor on earlier calls."
            )
    return None


def _deviation(alone: Score, other: Score, rows: int) -> float:
    """The standard deviation of the difference of the two shares, if chance alone made it."""
    spread = sum(score.accuracy * (1 - score.accuracy) for score in (alone, other))
    return math.sqrt(max(0.0, spread) / rows)
