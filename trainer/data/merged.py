"""The data of a final training: validation joins training, and the test split comes in when training is over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lemonade_es.trainer.data.dataset import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lemonade_es.trainer.data.dataset import Labels

PROBE = 5000
"""Training inputs, at most, that the curve of training accuracy is taken on."""


@dataclass(frozen=True, slots=True)
class FinalData:
    """What a network is trained on in the end.

    Attributes:
        dataset: its training split is what is learned from; its validation split holds, one after the other, the
            probe (training inputs again, evenly spread) and the inputs that are held out.
        probe: how many inputs the probe has.
        held_out: how many are held out.
    """

    dataset: Dataset
    probe: int
    held_out: int


def merged(dataset: Dataset, *, hold_out: bool) -> FinalData:
    """A searched data set, made ready for the final training.

    Normalisation, vocabulary and the target's scale stay those of the search, learned from its training split:
    the network is given what it was chosen on.

    Args:
        dataset: as the search had it.
        hold_out: keep the validation split out of training, to see it in the curves.
    """
    import numpy as np

    train, labels = dataset.train, dataset.train_labels
    held_out = len(dataset.validation) if hold_out else 0
    if not hold_out:
        train, labels = np.concatenate([train, dataset.validation]), np.concatenate([labels, dataset.validation_labels])
    step = -(-len(train) // PROBE)
    watched, watched_labels = train[::step], labels[::step]
    probe = len(watched)
    if hold_out:
        watched = np.concatenate([watched, dataset.validation])
        watched_labels = np.concatenate([watched_labels, dataset.validation_labels])
    return FinalData(
        replace(
            dataset,
            train=train,
            train_labels=labels,
            validation=watched,
            validation_labels=watched_labels,
        ),
        probe=probe,
        held_out=held_out,
    )


def for_test(dataset: Dataset, inputs: NDArray[Any], labels: Labels) -> Dataset:
    """A data set whose validation split is the test split: to measure a trained network, and train none.

    Args:
        dataset: as the search had it; a few of its training inputs stay.
        inputs: of the test split.
        labels: of the test split; like all labels that score, they stay in this process.
    """
    return replace(
        dataset,
        train=dataset.train[:PROBE],
        train_labels=dataset.train_labels[:PROBE],
        validation=inputs,
        validation_labels=labels,
    )
