"""Training dynamics as the parent works them out: from the losses, and from what was kept of a network on the way.

What only the candidate's process can see, gradients and rectified units, is in ``gradients`` and ``activity``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lemonade_es.wording import counted

MOST_CHECKPOINTS = 10
_MOST_ROWS, _LEAST_ROWS = 1024, 100
_MOST_IN_BATCH, _LEAST_IN_BATCH = 256, 64
_FEWEST_VALIDATION_ROWS = 10
_SHARE = 0.005
"""Of the training's work, what the checkpoints may cost."""
_PASSES = 3
"""What a training step costs in forward passes: its own, and a backward pass of about twice that."""
_ROWS_SEED = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure, or why there is none."""

    value: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """When a training is looked at, and on which validation inputs: by what is kept of the network then.

    Attributes:
        epochs: numbers from 0, rising; the last one is the last epoch. Empty where it is not worth it, or there is no
            room for the weights of any other.
        rows: rising indices into the validation set.
        batch: likewise, for the one pass after training that counts dead units.
    """

    epochs: tuple[int, ...]
    rows: tuple[int, ...]
    batch: tuple[int, ...]

    @property
    def kept(self) -> tuple[int, ...]:
        """The epochs after which the network is kept as it is: all but the last one."""
        return self.epochs[:-1]


def checkpoints(epochs: int, training: int, validation: int, most: int = MOST_CHECKPOINTS) -> Checkpoints:
    """Two to ten epochs, evenly spread, and 100 to 1,024 validation inputs: as many as cost 0.5 % of the training.

    They are drawn alike for every candidate, and are the same at each epoch: so a difference is not due to them. A
    small training is looked at less often rather than at fewer inputs; all are taken where there are fewer.

    Args:
        epochs: of the training.
        training: inputs in the training set.
        validation: inputs in the validation set.
        most: epochs to look at; fewer than two are none.
    """
    affordable = int(_SHARE * epochs * training * _PASSES)
    batch = sample(validation, min(_MOST_IN_BATCH, max(_LEAST_IN_BATCH, affordable)))
    if min(epochs, most) < 2 or validation < _FEWEST_VALIDATION_ROWS:
        return Checkpoints((), (), batch)
    count = min(epochs, most, max(2, affordable // _LEAST_ROWS))
    rows = min(validation, _MOST_ROWS, max(_LEAST_ROWS, affordable // count))
    spread = tuple(round((number + 1) * epochs / count) - 1 for number in range(count))
    return Checkpoints(spread, sample(validation, rows), batch)


def sample(inputs: int, rows: int) -> tuple[int, ...]:
    """Up to ``rows`` of so many inputs, rising: the same ones for every candidate."""
    chosen = np.random.default_rng(_ROWS_SEED).permutation(inputs)[:rows]
    return tuple(sorted(chosen.tolist()))


def loss_slope(losses: Sequence[float]) -> Reading:
    """The relative fall of the loss over the last fifth of the epochs: that of the line fitted to them.

    Args:
        losses: the mean training loss of each epoch.
    """
    if len(losses) < 2:
        return Reading(None, "one epoch has no slope")
    steps = max(1, round(len(losses) / 5))
    last = np.asarray(losses[-steps - 1 :], np.float64)
    slope, start = np.polyfit(np.arange(steps + 1), last, 1)
    if start <= 0:  # nothing is left that could fall
        return Reading(0.0)
    return Reading(min(1.0, float(-slope * steps / start)))


def loss_noise(losses: Sequence[float]) -> Reading:
    """The spread of the losses about their trend, in units of the loss.

    Each epoch's loss less the mean of its neighbours', the root mean square of that, scaled to be the standard
    deviation of independent noise. The first fifth of the epochs, in which the loss falls steeply, is left out.

    Args:
        losses: the mean training loss of each epoch.
    """
    settled = np.asarray(losses[math.ceil(len(losses) / 5) :], np.float64)
    if len(settled) < 3:
        return Reading(None, f"of {counted(len(losses), 'epoch')} it cannot be told: it takes 4")
    jumps = settled[1:-1] - (settled[:-2] + settled[2:]) / 2
    return Reading(float(np.sqrt((jumps**2).mean() / 1.5)))


def best_epoch(epochs: Sequence[int], accuracies: Sequence[float], total: int, *, noise: float = 0.0) -> Reading:
    """Where validation accuracy peaked: the last checkpoint that is not worse than the best by more than the noise.

    Args:
        epochs: numbers of the checkpoints, from 0.
        accuracies: at them.
        total: how many epochs the training had.
        noise: what two accuracies may differ by for nothing.

    Returns:
        0 for the first epoch, 1 for the last.
    """
    if not accuracies:
        need = f"2 epochs, {_FEWEST_VALIDATION_ROWS} validation inputs, and room for the weights of an epoch"
        return Reading(None, f"it takes {need}")
    floor = max(accuracies) - noise
    peak = max(epoch for epoch, accuracy in zip(epochs, accuracies, strict=True) if accuracy >= floor)
    return Reading(peak / (total - 1))


def share_noise(accuracies: Sequence[float], count: int) -> float:
    """One standard error of the best of some shares of ``count`` inputs; 0 where there are none."""
    best = max(accuracies, default=0.0)
    return math.sqrt(best * (1 - best) / count) if count else 0.0
