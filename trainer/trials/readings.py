"""What a child tells of its training, held against what can be: each figure is known, or has a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lemonade_es.trainer.isolation.child import broken
from lemonade_es.trainer.watching.dynamics import Reading, best_epoch, loss_noise, loss_slope, share_noise

OF_COURSE = ("loss_slope", "loss_noise", "grad_low", "grad_high", "best_epoch")
"""Metrics of the course of a training."""
OF_UNITS = ("dead_units", "dead_layers")
"""Metrics of a trained network's rectified units."""

LARGEST_LOSS = float(np.finfo(np.float32).max)
"""Of the losses that can be a mean of 32-bit numbers; arithmetic with them stays finite in 64 bits."""

Readings = Mapping[str, Reading]


def epoch_loss(told: object, due: int, until: int) -> float:
    """The mean loss of the epoch that is due.

    Args:
        told: by the child.
        due: the epoch's number, from 0.
        until: how many epochs are wanted.

    Raises:
        CandidateFailed: it is of another epoch, or no loss.
    """
    match told:
        case {"index": int(index), "loss": int(loss) | float(loss)} if (
            index == due < until and abs(loss) <= LARGEST_LOSS
        ):
            return float(loss)
    raise broken("a wrong epoch")


def gradients(told: Mapping[str, Any]) -> Readings:
    """Shares of small and of large gradients.

    Raises:
        CandidateFailed: they are no shares.
    """
    return {"grad_low": _share(told.get("low")), "grad_high": _share(told.get("high"))}


def _share(said: object) -> Reading:
    match said:
        case None:
            return Reading(None, "it has no weight tensor of two dimensions that is trained")
        case int(share) | float(share) if 0 <= share <= 1:
            return Reading(float(share))
    raise broken("a wrong share of gradients")


def units(told: Mapping[str, Any]) -> Readings:
    """Dead units and layers.

    Raises:
        CandidateFailed: the numbers contradict each other.
    """
    match told:
        case {"units": 0}:
            return dict.fromkeys(OF_UNITS, Reading(None, "it has no rectified units"))
        case {"units": int(every), "dead_units": int(dead), "layers": int(layers), "dead_layers": int(ended)} if (
            0 <= dead <= every > 0 and 0 <= ended <= layers
        ):
            return {"dead_units": Reading(dead / every), "dead_layers": Reading(float(ended))}
    raise broken("a wrong number of units")


def losses(course: Sequence[float]) -> Readings:
    """How the loss went.

    Args:
        course: the loss of each epoch.
    """
    return {"loss_slope": loss_slope(course), "loss_noise": loss_noise(course)}


def unseen(why: str) -> Readings:
    """That it is not known where validation accuracy was best."""
    return {"best_epoch": Reading(None, why)}


def peak(accuracies: Mapping[int, float], rows: int, epochs: int, *, shares: bool) -> Readings:
    """Where validation accuracy was best.

    Args:
        accuracies: after some of the epochs, by their numbers from 0.
        rows: inputs that these were taken on.
        epochs: how many there were.
        shares: whether accuracies are shares of right answers, which have a standard error.
    """
    values = list(accuracies.values())
    noise = share_noise(values, rows) if shares else 0.0
    return {"best_epoch": best_epoch(list(accuracies), values, epochs, noise=noise)}
