"""Labels that are written out, one for each row: what they are, and what does not fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.columns import WORDS, is_missing, number
from lemonade_es.trainer.data.names import cited, first_three
from lemonade_es.trainer.data.source import Part
from lemonade_es.wording import counted

_FEW = 10
"""Values; where there are fewer, they may well be meant for classes of one row."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of some rows.

    Attributes:
        names: of the classes.
        labels: of each row.
        notes: names that may be meant for one class.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    notes: tuple[str, ...] = ()


def classes_of(values: Sequence[str], parts: Sequence[Part], column: str, *, where: str) -> Classes:
    """The classes that a column names; in the order of numbers if all are numbers, else of the alphabet.

    Args:
        values: one for each row, none of them empty.
        parts: the split of each row.
        column: the column's name.
        where: the data set.

    Raises:
        DataError: there are fewer than two classes, or a split has one without training rows.
    """
    trained = {value for value, part in zip(values, parts, strict=True) if part == "train"}
    if len(trained) < 2:
        found = f"only {cited(next(iter(trained)))}" if trained else "nothing"
        raise DataError(
            f"the column {column!r} holds {found} in the training rows",
            where=where,
            hint="a classifier needs two classes or more; name another column",
        )
    for split in ("validation", "test"):
        unknown = {value for value, part in zip(values, parts, strict=True) if part == split} - trained
        if unknown:
            named = first_three([cited(value) for value in sorted(unknown)])
            raise DataError(
                f"the {split} split has {counted(len(unknown), 'class')} without training rows: {named}",
                where=where,
                hint="add training rows of these classes, or remove theirs",
            )
    names = _ordered(trained)
    label_of = {name: label for label, name in enumerate(names)}
    return Classes(names, tuple(label_of[value] for value in values), alike(names))


def alike(names: Sequence[str]) -> tuple[str, ...]:
    """A note on classes whose names differ in writing alone: ``1`` and ``1.0``, ``Yes`` and ``yes``."""
    groups: dict[float | str, list[str]] = {}
    for name in names:
        value = number(name)
        folded = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(folded if value is None else value, []).append(name)
    several = [" and ".join(map(repr, group)) for group in groups.values() if len(group) > 1]
    if not several:
        return ()
    told = "classes that differ in writing alone are kept apart (write them alike if one is meant)"
    return (f"{told}: {first_three(several)}",)


def unlabelled(cells: Sequence[str], *, numeric: bool = False, decimal_comma: bool = False) -> list[int]:
    """The rows that do not say what is to be predicted; beside other words, ``None``, ``-`` and ``.`` are words too.

    Args:
        cells: what is to be predicted.
        numeric: whether it must be a number, so that no word is meant.
        decimal_comma: whether numbers may be written ``3,14``.
    """
    present = [cell for cell in cells if not is_missing(cell)]
    words = not numeric and any(number(cell, decimal_comma=decimal_comma) is None for cell in present)
    return [row for row, cell in enumerate(cells) if is_missing(cell) and not (words and cell.lower() in WORDS)]


def mostly_different(values: Sequence[str]) -> bool:
    """Whether values say something else than classes: more than half of them differ from all before them."""
    several = len(set(values))
    return several >= _FEW and 2 * several > len(values)


def left_out(what: str, lines: Sequence[int]) -> tuple[str, ...]:
    """A note on rows that are left out, if there are any."""
    if not lines:
        return ()
    were = "was" if len(lines) == 1 else "were"
    return (f"{counted(len(lines), 'row')} {what} {were} left out: {first_three([f'line {line}' for line in lines])}",)


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    values = {name: number(name) for name in names}
    numbers = {name: value for name, value in values.items() if value is not None}
    if len(numbers) < len(values):
        return tuple(sorted(values))
    return tuple(sorted(numbers, key=lambda name: (numbers[name], name)))
