"""The record that training and measuring see: two splits in memory, and what they say about themselves."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from lemonade_es.task import Task, TaskKind
from lemonade_es.trainer.data.source import Inputs
from lemonade_es.trainer.data.traits import TableTraits, Target, TextTraits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Labels = NDArray[np.int64] | NDArray[np.float32]

LEAST_STD = 1 / 255
"""A constant channel has no spread; dividing by one grey level leaves it finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Training and validation inputs with their labels; the test split is only counted.

    Attributes:
        task: what a network for these data must take and give.
        train: uint8 images ``(N, C, H, W)``, int32 tokens ``(N, L)`` or float32 table rows ``(N, F)``; read-only,
            in a seeded random order.
        train_labels: int64 ``(N,)``; for regression float32, in standard deviations from the training mean.
        validation: as ``train``, ``(M, ...)``.
        validation_labels: as ``train_labels``, ``(M,)``.
        class_names: the name of each label; empty for regression.
        mean: of each channel of the training images, in 0..1; empty for other kinds.
        std: of each channel of the training images, in 0..1, at least :data:`LEAST_STD`; empty for other kinds.
        flip: whether a mirrored input keeps its label.
        fingerprint: hexadecimal SHA-256 over inputs, labels, class names, words, categories, the units of columns and
            target, and the test split's keys.
        test_count: inputs in the test split.
        notes: sentences that a user should read (imbalance, converted images, ignored files).
        test_class_counts: inputs of each class in the test split.
        text: of texts, the vocabulary and the lengths.
        table: of tables, the columns.
        target: of regression, the target's scale.
    """

    task: Task
    train: NDArray[Any]
    train_labels: Labels
    validation: NDArray[Any]
    validation_labels: Labels
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    fingerprint: str
    test_count: int
    notes: tuple[str, ...] = ()
    test_class_counts: tuple[int, ...] = ()
    text: TextTraits | None = None
    table: TableTraits | None = None
    target: Target | None = None


def assemble(
    name: str,
    *,
    inputs: Inputs,
    split_at: int,
    labels: Labels,
    class_names: tuple[str, ...],
    flip: bool,
    test_keys: Sequence[str],
    test_labels: Sequence[int] = (),
    target: Target | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A :class:`Dataset` of these arrays, which become read-only; statistics and fingerprint are worked out.

    Args:
        name: the data set's name, for people and prompts.
        inputs: training inputs, then validation inputs.
        split_at: how many are for training.
        labels: of all inputs, as :class:`Dataset` has them.
        class_names: the name of each label; empty for regression.
        flip: whether a mirrored input keeps its label.
        test_keys: what the inputs of the test split are called; a changed test split is a changed data set.
        test_labels: the classes of the test split, to be counted.
        target: of regression.
        notes: sentences that a user should read.
    """
    kind: TaskKind = "text" if inputs.text is not None else "table" if inputs.table is not None else "image"
    train, validation = inputs.values[:split_at], inputs.values[split_at:]
    train_labels, validation_labels = labels[:split_at], labels[split_at:]
    arrays = (train, train_labels, validation, validation_labels)
    for array in arrays:
        array.setflags(write=False)
    mean, std = _channel_statistics(train) if kind == "image" else ((), ())
    tested = Counter(test_labels)
    return Dataset(
        task=Task(
            kind,
            name,
            tuple(train.shape[1:]),
            len(class_names) if target is None else 1,
            None if inputs.text is None else len(inputs.text.vocabulary),
            "classification" if target is None else "regression",
        ),
        train=train,
        train_labels=train_labels,
        validation=validation,
        validation_labels=validation_labels,
        class_names=class_names,
        mean=mean,
        std=std,
        flip=flip,
        fingerprint=_fingerprint(arrays, class_names, test_keys, _scales(inputs, target)),
        test_count=len(test_keys),
        notes=notes,
        test_class_counts=tuple(tested[label] for label in range(len(class_names))),
        text=inputs.text,
        table=inputs.table,
        target=target,
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


def _scales(inputs: Inputs, target: Target | None) -> list[object]:
    """What the arrays no longer tell: words, categories, and the units of columns and target."""
    found: list[object] = [] if inputs.text is None else [inputs.text.vocabulary]
    columns = () if inputs.table is None else inputs.table.columns
    for column in columns:
        numbers = map(_rounded, (column.mean, column.std, column.median))
        logs = () if column.log is None else map(_rounded, astuple(column.log))
        found += [column.name, column.kind, column.categories, *numbers, *logs]
    return found if target is None else [*found, target.name, _rounded(target.mean), _rounded(target.std)]


def _rounded(number: float | None) -> str:
    """A figure with the digits that do not depend on how a machine adds up."""
    return "" if number is None else f"{number:.9g}"


def _fingerprint(
    arrays: Sequence[NDArray[Any]], class_names: Sequence[str], test_keys: Sequence[str], scales: Sequence[object]
) -> str:
    import numpy as np

    told = (tuple(class_names), tuple(test_keys), *scales)
    digest = hashlib.sha256(repr(told).encode("utf-8", "surrogateescape"))
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
