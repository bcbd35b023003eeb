"""A data set by its name, its folder or its file, ready to be searched on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lemonade_es import defaults
from lemonade_es.errors import DataError
from lemonade_es.task import SHORT_R2, Task
from lemonade_es.trainer.data.catalogue import known, source_of
from lemonade_es.trainer.data.columns import refuse_huge, standardised
from lemonade_es.trainer.data.dataset import Dataset, assemble
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.data.names import the_first
from lemonade_es.trainer.data.reading import Reading
from lemonade_es.trainer.data.source import Inputs, Source, Wanted
from lemonade_es.trainer.data.split import Split, divide, limited, mixed
from lemonade_es.trainer.data.traits import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lemonade_es.trainer.data.dataset import Labels

SMALLEST_SIDE = 4
LARGEST_SIDE = 512

_NAMED = 5
"""Classes that a note names."""


def load(
    spec: str,
    *,
    limit: int | None = None,
    resize: int | None = None,
    seed: int = 0,
    root: Path | None = None,
    download: bool = False,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
    progress: Progress | None = None,
) -> Dataset:
    """Read, split and decode a data set; of the test split it is only checked whether its files can be read.

    Args:
        spec: one of :func:`known`, or the path of a folder of images, a file of texts with labels, or a table. A
            name goes before a folder of the same name: write ``./digits`` for the folder.
        limit: at most this many training and validation inputs together, a stratified subset; of the others,
            only test images are opened.
        resize: side in pixels of the square that every image is resized to (bilinear, antialiased).
        seed: of the splits, the subset and the order.
        root: where downloaded data sets lie (default: :data:`lemonade_es.defaults.DATA_ROOT`).
        download: whether a data set that is not there may be fetched.
        reading: what the columns of a file are.
        progress: told how far a download is.

    Raises:
        DataError: the data are missing, broken, do not fit, or are not fit to learn from.
    """
    _refuse_odd_options(spec, limit, resize)
    reading.check(spec)
    where = defaults.DATA_ROOT if root is None else root
    source = source_of(spec, where, reading, download=download, progress=progress)
    reading.refuse_for(source.kind, spec)
    if spec in known():
        reading.refuse_for_named(spec)
    if resize is not None and source.kind != "image":
        raise DataError(
            f"--resize is for image data, and these are {source.kind} data", where=spec, hint="leave it out"
        )
    split = _split(source, seed, limit)
    searched = [*split.train, *split.validation]
    side = source.side if resize is None else resize
    wanted = Wanted(
        size=None if side is None else (side, side),
        length=reading.text_length,
        checked=split.test if source.kind == "image" else (),
        logs=reading.logs,
    )
    inputs = source.read(split.train, searched, wanted)
    if source.kind == "image":
        _refuse_tiny(inputs, spec)
    target = _target(source, split)
    return assemble(
        source.name,
        inputs=inputs,
        split_at=len(split.train),
        labels=_labels(source, searched, target),
        class_names=source.class_names,
        flip=source.flip,
        test_keys=[source.keys[index] for index in split.test],
        test_labels=[source.labels[index] for index in split.test],
        target=target,
        notes=(*source.notes, *inputs.notes, *_remarks(source, split, target)),
    )


def load_test(
    spec: str,
    task: Task,
    *,
    limit: int | None = None,
    seed: int = 0,
    root: Path | None = None,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
) -> tuple[NDArray[Any], Labels]:
    """The test split that belongs to ``load`` with the same arguments: for the final training, once.

    Args:
        spec: as given to :func:`load`.
        task: of the loaded :class:`Dataset`; inputs are brought to its shape.
        limit: as given to :func:`load`: what is learned from the training split depends on it.
        seed: as given to :func:`load`.
        root: as given to :func:`load`.
        reading: as given to :func:`load`.

    Returns:
        Inputs and labels as :class:`Dataset` has them, both read-only.

    Raises:
        DataError: the data are missing or broken, or do not fit in memory.
    """
    source = source_of(spec, defaults.DATA_ROOT if root is None else root, reading)
    split = _split(source, seed, limit)
    if task.kind == "image":
        channels, height, width = task.input_shape
        wanted = Wanted((height, width), channels)
    else:
        wanted = Wanted(length=task.input_shape[0], logs=reading.logs)
    values = source.read(split.train, split.test, wanted).values
    labels = _labels(source, split.test, _target(source, split))
    values.setflags(write=False)
    labels.setflags(write=False)
    return values, labels


def _split(source: Source, seed: int, limit: int | None) -> Split:
    split = divide(source, seed)
    return mixed(split if limit is None else limited(split, limit, source), source, seed)


def _refuse_odd_options(spec: str, limit: int | None, resize: int | None) -> None:
    if limit is not None and limit <= 0:
        raise DataError(f"a limit of {limit} is no limit", where=spec, hint="use --limit N with N above 0")
    if resize is not None and not SMALLEST_SIDE <= resize <= LARGEST_SIDE:
        raise DataError(
            f"images cannot be resized to {resize} pixels",
            where=spec,
            hint=f"use --resize N with N from {SMALLEST_SIDE} to {LARGEST_SIDE}",
        )


def _refuse_tiny(images: Inputs, spec: str) -> None:
    height, width = images.values.shape[2:]
    if min(height, width) < SMALLEST_SIDE:
        raise DataError(
            f"images of {width}x{height} pixels are too small to learn from",
            where=spec,
            hint=f"use --resize N with N from {SMALLEST_SIDE} to {LARGEST_SIDE}",
        )


def _target(source: Source, split: Split) -> Target | None:
    """The scale of a regression's target, over the training split.

    Raises:
        DataError: the target is constant where R2 is taken, and so has no variance to explain, or its numbers cannot
            be computed with.
    """
    import numpy as np

    if source.targets is None:
        return None
    for part, indexes in (("training", split.train), ("validation", split.validation), ("test", split.test)):
        found = {source.targets[index] for index in indexes}
        if len(found) < 2:
            raise DataError(
                f"{source.target_name!r} is always {next(iter(found), None)} in the {part} split: nothing to predict",
                where=source.name,
                hint="give more rows, a larger --limit, or another --target",
            )
    values = np.array([source.targets[index] for index in split.train])
    low, high = float(values.min()), float(values.max())
    with np.errstate(all="ignore"):  # what overflows is refused
        mean, std = float(values.mean()), float(values.std())
    everything = np.array(source.targets)
    refuse_huge(source.target_name, everything, standardised(everything, mean, std), where=source.name)
    return Target(source.target_name, mean, std, low, high)


def _labels(source: Source, indexes: Sequence[int], target: Target | None) -> Labels:
    import numpy as np

    if source.targets is None or target is None:
        return np.array([source.labels[index] for index in indexes], dtype=np.int64)
    values = np.array([source.targets[index] for index in indexes])
    return standardised(values, target.mean, target.std)


def _remarks(source: Source, split: Split, target: Target | None) -> tuple[str, ...]:
    """What accuracy means for a regression; or notes on classes that are not tested, or rarer than others."""
    if target is not None:
        return (f"regression on {target.name!r}: accuracy is {SHORT_R2}",)
    return (*_untested(source, split), *_imbalance(source, split))


def _untested(source: Source, split: Split) -> Iterator[str]:
    """A note, if the data set's own test split lacks classes: then test accuracy says nothing of them."""
    tested = {source.labels[index] for index in split.test}
    lacking = [repr(name) for label, name in enumerate(source.class_names) if label not in tested]
    if lacking and split.test:
        yield f"the test split has no {source.noun} of {the_first(_NAMED, lacking)}: it says nothing of them"


def _imbalance(source: Source, split: Split) -> tuple[str, ...]:
    """A note, if a class has three times the training inputs of another."""
    counts = [0] * len(source.class_names)
    for index in split.train:
        counts[source.labels[index]] += 1
    most, least = max(counts), min(counts)
    if most < 3 * least:
        return ()
    large, small = (source.class_names[counts.index(count)] for count in (most, least))
    note = (
        f"the classes are imbalanced: {large!r} has {most} training {source.noun}s and {small!r} has {least}; "
        f"always answering {large!r} would be right for {most / len(split.train):.1%} of them"
    )
    return (note,)
