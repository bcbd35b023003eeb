"""The data set of a run: read for a new one, and again, as it was, for one that goes on or is finished."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lemonade_es.engine.history.events import DataSummary, RunStarted
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import DataError
from lemonade_es.trainer.data.catalogue import known, place_of
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.data.names import first_three
from lemonade_es.trainer.data.reading import Reading
from lemonade_es.trainer.data.spec import load


def new_data(spec: RunSpec, progress: Progress | None = None) -> Dataset:
    """The data set for a run that begins.

    Args:
        spec: its options.
        progress: told how far a download is.

    Raises:
        DataError: it is missing or broken.
    """
    return _dataset(spec, reading(spec), progress)


def same_data(spec: RunSpec, begun: RunStarted, progress: Progress | None = None) -> Dataset:
    """The data set that a run was started with.

    Args:
        spec: its options now.
        begun: its first event.
        progress: told how far a download is.

    Raises:
        DataError: it is missing or broken, or it has changed since.
    """
    try:
        dataset = _dataset(spec, reading(spec, begun.data), progress)
    except DataError as error:
        if spec.data in known() or os.path.lexists(place_of(spec.data)):
            raise
        raise DataError(
            error.message, where=error.where, hint="if the data were moved, give their place: --data"
        ) from error
    if dataset.fingerprint != begun.data.fingerprint:
        raise DataError(
            f"the data set is not the one that the run was started with: {_difference(summary(dataset), begun.data)}",
            where=spec.data,
            hint="restore it, give its place with --data, or start a new run; another version may read it otherwise",
        )
    return replace(dataset, task=begun.data.task)  # the name is that of the folder then


def reading(spec: RunSpec, begun: DataSummary | None = None) -> Reading:
    """How a run reads a file, by its options.

    Args:
        spec: the options.
        begun: what was read when the run began; ``None`` for one that begins.
    """
    logs = True if begun is None else begun.logs
    return Reading(spec.text_column, spec.label_column, spec.target_column, spec.task, spec.text_length, logs)


def summary(dataset: Dataset) -> DataSummary:
    """What a run keeps of the data set that it begins with."""
    return DataSummary(
        task=dataset.task,
        training=len(dataset.train_labels),
        validation=len(dataset.validation_labels),
        test=dataset.test_count,
        fingerprint=dataset.fingerprint,
        class_names=dataset.class_names,
        notes=dataset.notes,
        logs=True,
    )


def _difference(now: DataSummary, then: DataSummary) -> str:
    """What is another in two data sets that are not the same, as far as their summaries tell."""
    counts = (
        ("training", now.training, then.training),
        ("validation", now.validation, then.validation),
        ("test", now.test, then.test),
    )
    told = [f"{new:,} {split} inputs instead of {old:,}" for split, new, old in counts if new != old]
    gone = [f"{name!r}" for name in then.class_names if name not in now.class_names]
    added = [f"{name!r}" for name in now.class_names if name not in then.class_names]
    told += [f"{what} {first_three(names)}" for what, names in (("no class", gone), ("a new class", added)) if names]
    if now.task.input_shape != then.task.input_shape:
        told.append(f"inputs of {now.task.input_shape} instead of {then.task.input_shape}")
    return ", ".join(told) or "it has as many inputs, but not the same ones"


def _dataset(spec: RunSpec, reading: Reading, progress: Progress | None) -> Dataset:
    return load(
        spec.data,
        limit=spec.limit,
        resize=spec.resize,
        seed=spec.seed,
        root=Path(spec.data_root),
        download=spec.download,
        reading=reading,
        progress=progress,
    )
