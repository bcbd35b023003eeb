"""A data set by its name or its folder, ready to be searched on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lemonade_es.errors import DataError
from lemonade_es.task import Task
from lemonade_es.trainer.data.cifar import CIFAR10, CIFAR100, cifar, fetch
from lemonade_es.trainer.data.dataset import Dataset, assemble
from lemonade_es.trainer.data.digits import digits
from lemonade_es.trainer.data.source import Source, Wanted
from lemonade_es.trainer.data.split import divide, limited
from lemonade_es.trainer.data.tree import folders_beside, tree
from lemonade_es.vocabulary import closest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_ROOT = Path("data")
"""Where downloaded data sets are looked for, below the current directory."""

SMALLEST_SIDE = 4
LARGEST_SIDE = 512

_TEXTS = {
    "digits": "1,797 handwritten digits, 8x8 grey, 10 classes, from scikit-learn",
    CIFAR10.name: "60,000 photographs, 32x32 RGB, 10 classes; must be downloaded",
    CIFAR100.name: "60,000 photographs, 32x32 RGB, 100 classes; must be downloaded",
}


def known() -> tuple[str, ...]:
    """The data sets that have a name."""
    return tuple(_TEXTS)


def describe() -> str:
    """What a data specification may be, a line each: for ``--help``."""
    rows = {**_TEXTS, "PATH": "a folder of images: PATH/train/CLASS/*, or PATH/CLASS/*"}
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {text}" for name, text in rows.items())


def load(
    spec: str,
    *,
    limit: int | None = None,
    resize: int | None = None,
    seed: int = 0,
    root: Path | None = None,
    download: bool = False,
) -> Dataset:
    """Read, split and decode a data set; the images of its test split are counted, not decoded.

    Args:
        spec: one of :func:`known`, or the path of a folder of images. A name goes before a folder of the
            same name: write ``./digits`` for the folder.
        limit: at most this many training and validation images together, a stratified subset; only these
            are decoded.
        resize: side in pixels of the square that every image is resized to (bilinear, antialiased).
        seed: of the splits, the subset and the order.
        root: where downloaded data sets lie (default: :data:`DEFAULT_ROOT`).
        download: whether a data set that is not there may be fetched.

    Raises:
        DataError: the data are missing, broken, do not fit, or are not fit to learn from.
    """
    _refuse_odd_options(spec, limit, resize)
    source = _source(spec, DEFAULT_ROOT if root is None else root, download=download)
    split = divide(source, seed)
    if limit is not None:
        split = limited(split, limit, source)

    searched = [*split.train, *split.validation]
    images = source.read(searched, Wanted(None if resize is None else (resize, resize)))
    height, width = images.pixels.shape[2:]
    if min(height, width) < SMALLEST_SIDE:
        raise DataError(
            f"images of {width}x{height} pixels are too small to learn from",
            where=spec,
            hint=f"use --resize N with N from {SMALLEST_SIDE} to {LARGEST_SIDE}",
        )
    return assemble(
        source.name,
        train=images.pixels[: len(split.train)],
        train_labels=_labels(source, split.train),
        validation=images.pixels[len(split.train) :],
        validation_labels=_labels(source, split.validation),
        class_names=source.class_names,
        flip=source.flip,
        test_keys=[source.keys[index] for index in split.test],
        notes=(*source.notes, *images.notes, *_imbalance(source, split.train)),
    )


def load_test(
    spec: str, task: Task, *, seed: int = 0, root: Path | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The test split that belongs to ``load(spec, seed=seed)``: for the final training, once.

    Args:
        spec: as given to :func:`load`.
        task: of the loaded :class:`Dataset`; images are brought to its size and channels.
        seed: as given to :func:`load`.
        root: as given to :func:`load`.

    Returns:
        Images, uint8 ``(N, C, H, W)``, and labels, int64 ``(N,)``, both read-only.

    Raises:
        DataError: the data are missing or broken, or do not fit in memory.
    """
    source = _source(spec, DEFAULT_ROOT if root is None else root, download=False)
    split = divide(source, seed)
    channels, height, width = task.input_shape
    pixels = source.read(split.test, Wanted((height, width), channels)).pixels
    labels = _labels(source, split.test)
    pixels.setflags(write=False)
    labels.setflags(write=False)
    return pixels, labels


def _source(spec: str, root: Path, *, download: bool) -> Source:
    if spec == "digits":
        return digits()
    for archive in (CIFAR10, CIFAR100):
        if spec == archive.name:
            if download:
                fetch(archive, root)
            return cifar(archive, root)
    if not spec.strip():
        raise DataError("no data set is named", hint=f"choose {', '.join(known())} or a path")
    folder = Path(spec).expanduser()
    if os.path.lexists(folder) or folder.name != spec:
        return tree(folder)
    near = closest(spec, [*known(), *folders_beside(folder)])
    raise DataError(
        f"{spec!r} is neither a known data set nor a folder here",
        hint=(f"did you mean {near}? " if near else "")
        + f"known: {', '.join(known())}, or a path to a folder of images",
    )


def _refuse_odd_options(spec: str, limit: int | None, resize: int | None) -> None:
    if limit is not None and limit <= 0:
        raise DataError(f"a limit of {limit} images is no limit", where=spec, hint="use --limit N with N above 0")
    if resize is not None and not SMALLEST_SIDE <= resize <= LARGEST_SIDE:
        raise DataError(
            f"images cannot be resized to {resize} pixels",
            where=spec,
            hint=f"use --resize N with N from {SMALLEST_SIDE} to {LARGEST_SIDE}",
        )


def _labels(source: Source, indexes: Sequence[int]) -> NDArray[np.int64]:
    import numpy as np

    return np.array([source.labels[index] for index in indexes], dtype=np.int64)


def _imbalance(source: Source, train: Sequence[int]) -> tuple[str, ...]:
    """A note, if the largest class has three times the training images of the smallest."""
    counts = [0] * len(source.class_names)
    for index in train:
        counts[source.labels[index]] += 1
    most, least = max(counts), min(counts)
    if most < 3 * least:
        return ()
    large, small = (source.class_names[counts.index(count)] for count in (most, least))
    note = (
        f"the classes are imbalanced: {large!r} has {most} training images and {small!r} has {least}; "
        f"always answering {large!r} would be right for {most / len(train):.1%} of them"
    )
    return (note,)
