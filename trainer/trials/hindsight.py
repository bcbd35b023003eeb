"""How good a network was on the way, told afterwards from what was kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.measuring.scoring import score
from lemonade_es.trainer.trials.questions import Questions
from lemonade_es.trainer.watching.dynamics import Checkpoints


def accuracies(
    ask: Questions,
    make_anew: Callable[[], None],
    looks: Checkpoints,
    kept: Mapping[int, bytes],
    last: NDArray[np.float32],
    labels: NDArray[np.int64] | NDArray[np.float32],
) -> dict[int, float]:
    """Validation accuracy after some of the epochs, by their numbers from 0.

    Args:
        ask: a child that holds no training input.
        make_anew: has it make the network again: what that keeps for its answers is of other weights.
        looks: after which epochs, and on which inputs.
        kept: weights by epoch: of all that were to be kept.
        last: what the trained network says of all validation inputs, ``(M, classes)``.
        labels: of these, ``(M,)``.

    Raises:
        CandidateFailed: the child ended, was too slow, or the weights do not fit.
    """
    if not looks.epochs:
        return {}
    rows, found = list(looks.rows), {}
    for epoch in looks.kept:
        make_anew()
        ask.load(kept[epoch])
        found[epoch] = score(ask.outputs(len(rows), split="validation", rows=rows), labels[rows]).accuracy
    return {**found, looks.epochs[-1]: score(last[rows], labels[rows]).accuracy}
