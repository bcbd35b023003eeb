"""Points in a file of decimal commas: ``3.110`` is three thousand to who wrote it, and three to who reads it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.columns import GROUPED, NUMBERS_FROM, has_decimal_point, is_missing, number
from lemonade_es.trainer.data.delimited import Sheet
from lemonade_es.trainer.data.names import first_three
from lemonade_es.wording import counted

HAS_COMMA = re.compile(r"[+-]?[\d.]*,\d+")
"""What may be a number with a decimal comma, whatever its points mean."""


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
    columns = {at: sheet.column(at) for at in used if at in sheet.commas}
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


def whole_beside(cells: Sequence[str]) -> str | None:
    """A number of a column that makes one doubt its points: one with several, or one of two whole ones.

    0, 1 and -1 may stand for nothing.
    """
    parted = next((cell for cell in cells if cell.count(".") > 1 and GROUPED.fullmatch(cell)), None)
    if parted is not None:
        return parted
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
