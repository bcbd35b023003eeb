"""Points and commas where decimal commas are read: ``3.110`` and ``3,110`` are three, or three thousand."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.columns import (
    DECIMAL_COMMA,
    GROUPED,
    NUMBERS_FROM,
    THOUSANDS,
    has_decimal_point,
    is_missing,
    number,
)
from lemonade_es.trainer.data.delimited import Sheet
from lemonade_es.trainer.data.names import first_three
from lemonade_es.wording import counted

HAS_COMMA = re.compile(r"[+-]?[\d.]*,\d+")
"""What may be a number with a decimal comma, whatever its points mean."""


def refuse_thousands(sheet: Sheet, used: Sequence[int]) -> None:
    """Refuse numbers with a point or comma that may part thousands, in a file whose numbers may have decimal commas.

    A point may where other numbers have decimal commas, and where other numbers of the column are whole. A column is
    let through if one of its points can be a decimal point alone, as in ``0.998`` or ``12.5``. A comma may where none
    is decimal for sure, and other numbers have decimal points or, in its column, are whole; and where a number of the
    column has several. A column is let through if one of its commas can be decimal alone, as in ``0,998`` or ``12,5``.

    Args:
        sheet: the table.
        used: the columns that are learned from or predicted.

    Raises:
        DataError: with the first of these numbers and their lines.
    """
    columns = {at: sheet.column(at) for at in used if at in sheet.commas}
    _refuse_points(sheet, columns)
    _refuse_commas(sheet, columns)


def _refuse_points(sheet: Sheet, columns: Mapping[int, list[str]]) -> None:
    commas = any(HAS_COMMA.fullmatch(cell) for cells in columns.values() for cell in cells)
    odd: list[str] = []
    beside = "numbers with decimal commas"
    for at, cells in columns.items():
        whole = None if commas else whole_beside(cells)
        if commas or whole is not None:
            found = _grouped(cells)
            odd += [f"{cells[row]!r} of {sheet.header[at]!r} in line {sheet.lines[row]}" for row in found]
            if whole is not None and len(odd) == len(found):
                beside = f"whole numbers such as {whole!r} in line {sheet.lines[cells.index(whole)]}"
    if odd:
        raise DataError(
            f"{counted(len(odd), 'number')} {'has' if len(odd) == 1 else 'have'} a point that may be a decimal point "
            f"or part thousands, beside {beside}: {first_three(odd)}",
            where=sheet.where,
            hint="write 3110 for three thousand, and 3,110 for three and a bit",
        )


def _refuse_commas(sheet: Sheet, columns: Mapping[int, list[str]]) -> None:
    if sheet.delimiter != ";":
        return  # elsewhere, only columns whose commas are decimal without a doubt are read so
    decimal = any(_is_decimal_comma(cell) for cells in columns.values() for cell in cells)
    pointed = next((cell for cells in columns.values() for cell in cells if has_decimal_point(cell)), None)
    for at, cells in columns.items():
        rows = _parted(cells)
        several = next((cells[row] for row in rows if cells[row].count(",") > 1), None)
        beside = several if decimal else several or pointed or _whole(cells)
        if rows and beside is not None:
            found = [f"{cells[row]!r} of {sheet.header[at]!r} in line {sheet.lines[row]}" for row in rows]
            raise DataError(
                f"{counted(len(found), 'number')} {'has' if len(found) == 1 else 'have'} a comma that may be a decimal "
                f"comma or part thousands, beside {beside!r}: {first_three(found)}",
                where=sheet.where,
                hint="write 3110 for three thousand, and 3,1100 for three and a bit",
            )


def _parted(cells: Sequence[str]) -> list[int]:
    """The rows of numbers whose commas may part thousands; none if the column cannot be meant so."""
    present = [cell for cell in cells if not is_missing(cell)]
    numbers = sum(number(cell) is not None or THOUSANDS.fullmatch(cell) is not None for cell in present)
    if any(map(_is_decimal_comma, present)) or numbers < NUMBERS_FROM * len(present):
        return []
    return [row for row, cell in enumerate(cells) if THOUSANDS.fullmatch(cell)]


def _is_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number with a comma that parts no thousands."""
    return DECIMAL_COMMA.fullmatch(cell) is not None and THOUSANDS.fullmatch(cell) is None


def whole_beside(cells: Sequence[str]) -> str | None:
    """A number of a column that makes one doubt its points: one with several, or one of two whole ones.

    0, 1 and -1 may stand for nothing.
    """
    parted = next((cell for cell in cells if cell.count(".") > 1 and GROUPED.fullmatch(cell)), None)
    if parted is not None:
        return parted
    return _whole(cells)


def _whole(cells: Sequence[str]) -> str | None:
    """The first of two different whole numbers of a column, if it has them."""
    plain = (cell for cell in cells if cell.lstrip("+-").isdecimal() and cell.lstrip("+-0") not in ("", "1"))
    found = list(itertools.islice(dict.fromkeys(plain), 2))
    return found[0] if len(found) > 1 else None


def _grouped(cells: Sequence[str]) -> list[int]:
    """The rows of numbers that may have their thousands parted; none if the column cannot be meant so."""
    present = [cell for cell in cells if not is_missing(cell)]
    pointed = [cell for cell in present if "." in cell and "," not in cell]
    grouped = sum(GROUPED.fullmatch(cell) is not None for cell in pointed)
    others = sum(number(cell, decimal_comma=True) is not None for cell in present if not GROUPED.fullmatch(cell))
    if any(map(has_decimal_point, pointed)) or grouped + others < NUMBERS_FROM * len(present):
        return []
    return [row for row, cell in enumerate(cells) if GROUPED.fullmatch(cell)]
