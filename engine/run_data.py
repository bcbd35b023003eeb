"""The data set of a run: read as its options say, and whether it is still the one that the run was started with."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lemonade_es.engine.events import DataSummary, RunStarted
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import DataError
from lemonade_es.trainer.data.catalogue import known
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.data.reading import Reading
from lemonade_es.trainer.data.spec import load


def run_data(spec: RunSpec, progress: Progress | None = None) -> Dataset:
    """The data set that a run's options name.

    Raises:
        DataError: it is missing or broken.
    """
    return load(
        spec.data,
        limit=spec.limit,
        resize=spec.resize,
        seed=spec.seed,
        root=Path(spec.data_root),
        download=spec.download,
        reading=reading(spec),
        progress=progress,
    )


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
        dataset = run_data(spec, progress)
    except DataError as error:
        if spec.data in known() or os.path.lexists(Path(spec.data).expanduser()):
            raise
        raise DataError(
            error.message, where=error.where, hint="if the data were moved, give their place: --data"
        ) from error
    if dataset.fingerprint != begun.data.fingerprint:
        raise DataError(
            "the data set is not the one that the run was started with",
            where=spec.data,
            hint="restore it, give its place with --data, or start a new run; another version may read it otherwise",
        )
    return replace(dataset, task=begun.data.task)  # the name is that of the folder then


def reading(spec: RunSpec) -> Reading:
    """What a run's options say of the columns of a file."""
    return Reading(spec.text_column, spec.label_column, spec.target_column, spec.task, spec.text_length)


def summary(dataset: Dataset) -> DataSummary:
    """What the journal keeps of a data set."""
    return DataSummary(
        task=dataset.task,
        training=len(dataset.train_labels),
        validation=len(dataset.validation_labels),
        test=dataset.test_count,
        fingerprint=dataset.fingerprint,
        class_names=dataset.class_names,
        notes=dataset.notes,
    )
