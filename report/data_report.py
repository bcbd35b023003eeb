"""What was found in a data set: ``lemonade-es data``, as JSON data and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lemonade_es.report.formats import UNKNOWN, shape, spread_told
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.traits import Column, TextTraits

if TYPE_CHECKING:
    from lemonade_es.trainer.data.dataset import Labels

_FREQUENT = 20
_MOST_SHOWN = 40
"""Classes, or columns, of the page; the JSON data have all of them."""


def data_report(dataset: Dataset) -> dict[str, Any]:
    """The findings as JSON data, with the names that ``data --json`` documents."""
    task = dataset.task
    return {
        "data": task.data,
        "kind": task.kind,
        "objective": task.objective,
        "accuracy": task.accuracy,
        "input_shape": list(task.input_shape),
        "splits": {
            "train": len(dataset.train_labels),
            "validation": len(dataset.validation_labels),
            "test": dataset.test_count,
        },
        "classes": _classes(dataset),
        "target": None if dataset.target is None else asdict(dataset.target),
        "values": {
            "low": float(dataset.train.min()),
            "high": float(dataset.train.max()),
            "type": str(dataset.train.dtype),
        },
        "channels": [{"mean": mean, "std": std} for mean, std in zip(dataset.mean, dataset.std, strict=True)],
        "mirrored_keeps_label": dataset.flip,
        "text": None if dataset.text is None else _text(dataset.text),
        "columns": None if dataset.table is None else [asdict(column) for column in dataset.table.columns],
        "notes": list(dataset.notes),
        "fingerprint": dataset.fingerprint,
    }


def data_page(dataset: Dataset) -> RenderableType:
    """The findings for the terminal."""
    parts: list[RenderableType] = [Text(line) for line in _head(dataset)]
    if dataset.class_names:
        parts += [Text(), _class_table(_classes(dataset))]
    if dataset.table is not None:
        parts += [Text(), _column_table(dataset.table.columns)]
    if dataset.notes:
        parts += [Text(), *(Text(f"note: {note}", "yellow") for note in dataset.notes)]
    return Group(*parts)


def _classes(dataset: Dataset) -> list[dict[str, Any]]:
    if not dataset.class_names:
        return []
    train, validation = (
        _counts(labels, len(dataset.class_names)) for labels in (dataset.train_labels, dataset.validation_labels)
    )
    rows = zip(dataset.class_names, train, validation, dataset.test_class_counts, strict=True)
    return [
        {"name": name, "train": trained, "validation": validated, "test": tested}
        for name, trained, validated, tested in rows
    ]


def _counts(labels: Labels, classes: int) -> list[int]:
    return [int(count) for count in np.bincount(labels.astype(np.int64), minlength=classes)]


def _text(traits: TextTraits) -> dict[str, Any]:
    low, tenth, median, ninetieth, high = traits.lengths
    return {
        "vocabulary_size": len(traits.vocabulary),
        "length": traits.length,
        "lengths": {"min": low, "p10": tenth, "p50": median, "p90": ninetieth, "max": high},
        "cut": traits.cut,
        "unknown": traits.unknown,
        "most_frequent": list(traits.vocabulary[2 : 2 + _FREQUENT]),
    }


def _head(dataset: Dataset) -> Iterator[str]:
    task = dataset.task
    what = {"image": "images", "text": "texts", "table": "rows"}
    yield f"{task.data}: {what[task.kind]} of {shape(task)}, {task.answer}"
    yield (
        f"{len(dataset.train_labels):,} for training, {len(dataset.validation_labels):,} for validation, "
        f"{dataset.test_count:,} for the test"
    )
    yield f"accuracy is: {task.accuracy}"
    if task.kind == "image":
        channels = ", ".join(f"{mean:.3f} +- {std:.3f}" for mean, std in zip(dataset.mean, dataset.std, strict=True))
        yield f"pixels from {dataset.train.min()} to {dataset.train.max()}"
        yield f"mean and standard deviation of each channel, in 0..1: {channels}"
        yield f"mirrored images keep their label: {'yes' if dataset.flip else 'no'}"
    if dataset.text is not None:
        yield from _text_lines(dataset.text)
    if dataset.target is not None:
        target = dataset.target
        low, high, mean = (spread_told(number, target.std) for number in (target.low, target.high, target.mean))
        yield f"{target.name}: {low} to {high}, mean {mean}, standard deviation {target.std:.4g}"
    yield f"fingerprint: {dataset.fingerprint[:16]}"


def _text_lines(traits: TextTraits) -> Iterator[str]:
    low, tenth, median, ninetieth, high = traits.lengths
    yield (
        f"words in a text: {low} to {high}, half of them up to {median}, 80 % from {tenth} to {ninetieth}; "
        f"{traits.cut:.1%} are cut to {traits.length}"
    )
    yield (
        f"vocabulary: {len(traits.vocabulary):,} tokens; {traits.unknown:.1%} of the words are not in it; "
        f"the most frequent: {', '.join(traits.vocabulary[2:12])}"
    )


def _class_table(classes: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class", overflow="fold")
    for name in ("train", "validation", "test"):
        table.add_column(name, justify="right")
    for entry in classes[:_MOST_SHOWN]:
        table.add_row(Text(entry["name"]), *(f"{entry[name]:,}" for name in ("train", "validation", "test")))
    if len(classes) > _MOST_SHOWN:
        table.add_row(_rest(len(classes)))
    return table


def _rest(count: int) -> Text:
    return Text(f"and {count - _MOST_SHOWN} more (--json lists all)", "dim")


def _column_table(columns: tuple[Column, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("column", overflow="fold")
    table.add_column("kind")
    table.add_column("missing", justify="right")
    table.add_column("found", overflow="fold")
    for column in columns[:_MOST_SHOWN]:
        table.add_row(Text(column.name), column.kind, f"{column.missing:,}", Text(_found(column)))
    if len(columns) > _MOST_SHOWN:
        table.add_row(_rest(len(columns)))
    return table


def _found(column: Column) -> str:
    if column.kind == "number":
        log = "" if column.log is None else "; skewed: its logarithm is a feature, too"
        return f"mean {column.mean:.4g}, standard deviation {column.std:.4g}, median {column.median:.4g}{log}"
    if column.kind == "category":
        shown = ", ".join(name or "(missing)" for name in column.categories[:6])
        more = len(column.categories) + column.rest - 6
        return shown + (f" and {more} more" if more > 0 else "")
    return column.why or UNKNOWN
