"""Where a training is going: a power law through its first losses, and the accuracy that goes with its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lemonade_es.task import Objective

_LEAST = 3
_POWERS = np.linspace(0.1, 2.0, 20)


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """loss = level + gain * epoch ** -power, epochs from 1."""

    level: float
    gain: float
    power: float

    def at(self, epoch: int) -> float:
        """The loss of an epoch, counted from 1."""
        return float(self.level + self.gain * epoch**-self.power)


def fitted(losses: Sequence[float]) -> PowerLaw:
    """The falling power law nearest to the later half of the losses so far, by least squares.

    The later half, for deep networks often stand still at first, which is no power law. Level and gain are not below
    0, the power lies between 0.1 and 2. Fewer than three losses tell no power: the last of them is then taken to
    stay. A schedule that lowers the learning rate makes the end better than the law says;
    :mod:`lemonade_es.engine.loop.pruning` puts that right by the networks that it has seen to the end.

    Args:
        losses: mean training losses, finite, at least one.
    """
    if len(losses) < _LEAST:
        return PowerLaw(losses[-1], 0.0, 1.0)
    later = min(len(losses) // 2, len(losses) - _LEAST)
    wanted = np.asarray(losses[later:])
    epochs = np.arange(later + 1, len(losses) + 1, dtype=float)
    best, least = PowerLaw(float(wanted.mean()), 0.0, 1.0), float(((wanted - wanted.mean()) ** 2).sum())
    for power in _POWERS:
        falling = epochs**-power
        gain, level = np.polyfit(falling, wanted, 1)
        if level < 0:
            level, gain = 0.0, float(falling @ wanted / (falling @ falling))
        error = float(((level + gain * falling - wanted) ** 2).sum())
        if gain > 0 and error < least:
            best, least = PowerLaw(float(level), float(gain), float(power)), error
    return best


def accuracy_at_loss(loss: float, objective: Objective) -> float:
    """An accuracy on the scale of 0 to 1 that a mean loss speaks of.

    For classes the geometric mean of the probabilities given to the right ones, for numbers the share of a variance
    of 1 that is explained.
    """
    return max(0.0, 1 - loss) if objective == "regression" else math.exp(-max(0.0, loss))


def extrapolated(losses: Sequence[float], epochs: int, objective: Objective) -> float:
    """The accuracy that the losses of the first epochs speak of, at the last one.

    Args:
        losses: mean training losses of the first epochs.
        epochs: how many there will be.
        objective: what the losses are.
    """
    return accuracy_at_loss(fitted(losses).at(epochs), objective)
