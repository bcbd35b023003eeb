"""What whoever deploys a network must know of its inputs and answers: the contents of ``model.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lemonade_es.trainer.data.columns import MISSING
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.traits import Column
from lemonade_es.trainer.data.words import NORMAL_FORM, PADDING, UNKNOWN, WORD_PATTERN
from lemonade_es.trainer.export.delivery import Exported, Figures
from lemonade_es.trainer.export.form import FORMS, bakes, input_dtype

VOCABULARY_FILE, LABELS_FILE = "vocabulary.txt", "labels.txt"


def described(dataset: Dataset, exported: Exported) -> dict[str, Any]:
    """Inputs, what becomes of them, and answers, as JSON data.

    Args:
        dataset: what the network was made for.
        exported: its file.
    """
    task, target = dataset.task, dataset.target
    facts = FORMS[exported.wanted.form]
    return {
        "format": exported.wanted.form,
        "file": facts.file,
        "runtime": facts.runtime,
        "quantized": "int8" if exported.wanted.int8 else None,
        "data": task.data,
        "kind": task.kind,
        "objective": task.objective,
        "input": {
            "name": "input",
            "dtype": input_dtype(exported.wanted.form, task.kind),
            "shape": list(task.input_shape),
            "batch": exported.rows,
        },
        "output": {"name": "logits", "dtype": "float32", "shape": [task.classes], "batch": exported.rows},
        "classes": list(dataset.class_names) or None,
        "normalisation": _normalisation(dataset, baked=bakes(exported.wanted.form)),
        "text": _text(dataset),
        "table": _table(dataset),
        "target": None if target is None else {"name": target.name, "mean": target.mean, "std": target.std},
    }


def checked(exported: Exported) -> dict[str, Any]:
    """What came of running the file against PyTorch, as JSON data.

    Args:
        exported: the file.
    """
    return {
        "validation_inputs": exported.inputs,
        "tolerance": exported.limit,
        "pytorch": _figures(exported.pytorch),
        "file": _figures(exported.file),
        "float32_file": None if exported.unquantised is None else _figures(exported.unquantised),
        "accuracy_loss": exported.pytorch.accuracy - exported.file.accuracy,
    }


def vocabulary_file(dataset: Dataset) -> bytes | None:
    """The word of each token, a line each: the first, padding, is empty; ``None`` unless inputs are texts."""
    return None if dataset.text is None else _lines(dataset.text.vocabulary)


def labels_file(dataset: Dataset) -> bytes | None:
    """The name of each class, a line each; ``None`` for regression."""
    return _lines(dataset.class_names) if dataset.class_names else None


def _lines(words: tuple[str, ...]) -> bytes:
    return "".join(f"{' '.join(word.splitlines())}\n" for word in words).encode("utf-8", "replace")


def _figures(figures: Figures) -> dict[str, Any]:
    timed = figures.latency
    return {
        "size_mb": figures.megabytes,
        "accuracy": figures.accuracy,
        "max_abs_difference": figures.max_abs_difference,
        "equal_predictions": figures.equal_share,
        "latency_ms": {"p50": timed.p50, "p95": timed.p95, "spread": timed.spread, "settled": timed.settled},
    }


def _normalisation(dataset: Dataset, *, baked: bool) -> Mapping[str, Any] | None:
    if dataset.task.kind != "image":
        return None
    return {
        "baked": baked,
        "formula": "(pixel / 255 - mean) / std, for each channel",
        "mean": list(dataset.mean),
        "std": list(dataset.std),
    }


def _text(dataset: Dataset) -> Mapping[str, Any] | None:
    if dataset.text is None:
        return None
    return {
        "vocabulary": VOCABULARY_FILE,
        "length": dataset.text.length,
        "padding": PADDING,
        "unknown": UNKNOWN,
        "rules": [
            f"HTML entities are resolved (&amp; is &), letters are made small, and the text becomes {NORMAL_FORM}",
            "the words are what group 1 of `word_pattern` (a Python regular expression) finds; U+2019 becomes '",
            "a word's token is its line in the vocabulary, from 0; a word that is not there is `unknown`",
            "tokens behind `length` are cut off, a shorter text ends in `padding`",
        ],
        "word_pattern": WORD_PATTERN,
    }


def _table(dataset: Dataset) -> Mapping[str, Any] | None:
    if dataset.table is None:
        return None
    return {
        "missing": sorted(MISSING),
        "delimiter": dataset.table.delimiter,
        "rules": [
            "features follow each other in the order of `columns`",
            "a number gives (value - mean) / std, computed in double precision",
            "with a `log` a second feature follows: sign(value) * log(1 + |value| / scale), by the mean and std there",
            "a missing number takes the median, and so does a cell that holds none",
            "numbers may be 3,14 where semicolons separate the fields; where `delimiter` does, if `decimal_comma`",
            "a category gives a feature for each of `categories`: 1 for its value, 0 for the others",
            "a missing category is the empty one, and a value that is not listed gives zeros",
        ],
        "columns": [_column(column) for column in dataset.table.columns if column.features],
    }


def _column(column: Column) -> Mapping[str, Any]:
    of_numbers = ("mean", "std", "median", "decimal_comma", "decimal_points", "log")
    of_its_kind = of_numbers if column.kind == "number" else ("categories", "rest")
    return {name: value for name, value in asdict(column).items() if name in ("name", "kind", *of_its_kind)}
