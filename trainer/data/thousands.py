"""Points in a file of decimal commas: ``3.110`` is three thousand to who wrote it, and three to who reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.columns import NUMBERS_FROM, is_missing, number
from lemonade_es.trainer.data.delimited import Sheet
from lemonade_es.trainer.data.names import first_three

_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
_COMMA = re.compile(r"[+-]?[\d.]*,\d+")


def refuse_thousands(sheet: Sheet, used: Sequence[int]) -> None:
    """Refuse numbers with a point that may part thousands, in a file whose numbers may have decimal commas.

    So they do where other numbers have decimal commas, and where other numbers of the column are whole. A column is let
    through if one of its points can be a decimal point alone, as in ``0.998`` or ``12.5``.

    Args:
        sheet: the table.
        used: the columns that are learned from or predicted.

    Raises:
        DataError: with the first of these numbers and their lines.
    """
    if not sheet.decimal_comma:
        return
    columns = {at: sheet.column(at) for at in used}
    commas = any(_COMMA.fullmatch(cell) for cells in columns.values() for cell in cells)
    odd = [
        f"{cells[row]!r} of {sheet.header[at]!r} in line {sheet.lines[row]}"
        for at, cells in columns.items()
        if commas or any(map(_is_whole, cells))
        for row in _grouped(cells)
    ]
    if odd:
        beside = "numbers with decimal commas" if commas else "whole numbers"
        raise DataError(
            f"{len(odd)} number(s) have a point that may be a decimal point or part thousands, beside {beside}: "
            f"{first_three(odd)}",
            where=sheet.where,
            hint="write 3110 for three thousand, and 3,110 for three and a bit",
        )


def _is_whole(cell: str) -> bool:
    """Whether a number can have no decimal point: it has none, or several points."""
    return cell.lstrip("+-").isdecimal() or (cell.count(".") > 1 and _GROUPED.fullmatch(cell) is not None)


def _grouped(cells: Sequence[str]) -> list[int]:
    """The rows of numbers that may have their thousands parted; none if the column cannot be meant so."""
    present = [cell for cell in cells if not is_missing(cell)]
    pointed = [cell for cell in present if "." in cell and "," not in cell]
    grouped = sum(_GROUPED.fullmatch(cell) is not None for cell in pointed)
    others = sum(number(cell, decimal_comma=True) is not None for cell in present if not _GROUPED.fullmatch(cell))
    decimal_points = any(number(cell) is not None and not _GROUPED.fullmatch(cell) for cell in pointed)
    if decimal_points or grouped + others < NUMBERS_FROM * len(present):
        return []
    return [row for row, cell in enumerate(cells) if _GROUPED.fullmatch(cell)]
