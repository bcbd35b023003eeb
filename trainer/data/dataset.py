"""The record that training and measuring see: two splits in memory, and what they say about themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lemonade_es.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_STD = 1 / 255
"""A constant channel has no spread; dividing by one grey level leaves it finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Training and validation images with their labels; the test split is only counted.

    Attributes:
        task: what a network for these data must take and give.
        train: uint8 ``(N, C, H, W)``, read-only, in a seeded random order.
        train_labels: int64 ``(N,)``, read-only.
        validation: uint8 ``(M, C, H, W)``, read-only, in a seeded random order.
        validation_labels: int64 ``(M,)``, read-only.
        class_names: the name of each label.
        mean: of each channel of the training images, in 0..1.
        std: of each channel of the training images, in 0..1, at least :data:`LEAST_STD`.
        flip: whether a mirrored input keeps its label.
        fingerprint: hexadecimal SHA-256 over images, labels, class names and the test split's keys.
        test_count: images in the test split.
        notes: sentences that a user should read (imbalance, converted images, ignored files).
    """

    task: Task
    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    validation: NDArray[np.uint8]
    validation_labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    fingerprint: str
    test_count: int
    notes: tuple[str, ...] = ()


def assemble(
    name: str,
    *,
    train: NDArray[np.uint8],
    train_labels: NDArray[np.int64],
    validation: NDArray[np.uint8],
    validation_labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    flip: bool,
    test_keys: Sequence[str],
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A :class:`Dataset` of these arrays, which become read-only; statistics and fingerprint are worked out.

    Args:
        name: the data set's name, for people and prompts.
        train: uint8 ``(N, C, H, W)``.
        train_labels: int64 ``(N,)``.
        validation: uint8 ``(M, C, H, W)``.
        validation_labels: int64 ``(M,)``.
        class_names: the name of each label.
        flip: whether a mirrored input keeps its label.
        test_keys: what the images of the test split are called; a changed test split is a changed data set.
        notes: sentences that a user should read.
    """
    arrays = (train, train_labels, validation, validation_labels)
    for array in arrays:
        array.setflags(write=False)
    mean, std = _channel_statistics(train)
    return Dataset(
        task=Task("image", name, tuple(train.shape[1:]), len(class_names)),
        train=train,
        train_labels=train_labels,
        validation=validation,
        validation_labels=validation_labels,
        class_names=class_names,
        mean=mean,
        std=std,
        flip=flip,
        fingerprint=_fingerprint(arrays, class_names, test_keys),
        test_count=len(test_keys),
        notes=notes,
    )


def _channel_statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in 0..1, from histograms: exact, and in little memory."""
    import numpy as np

    levels = np.arange(256) / 255
    means, stds = [], []
    for channel in range(images.shape[1]):
        histogram = np.zeros(256, dtype=np.int64)
        for start in range(0, len(images), 512):
            histogram += np.bincount(images[start : start + 512, channel].ravel(), minlength=256)
        shares = histogram / histogram.sum()
        mean = float(shares @ levels)
        means.append(mean)
        stds.append(max(LEAST_STD, float(np.sqrt(shares @ (levels - mean) ** 2))))
    return tuple(means), tuple(stds)


def _fingerprint(
    arrays: Sequence[NDArray[np.uint8] | NDArray[np.int64]], class_names: Sequence[str], test_keys: Sequence[str]
) -> str:
    import numpy as np

    digest = hashlib.sha256(repr((tuple(class_names), tuple(test_keys))).encode("utf-8", "surrogateescape"))
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
