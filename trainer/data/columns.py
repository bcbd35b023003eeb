"""One column of a table: number, category or of no use; and the features that its cells become."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.skew import log_of, logarithms
from lemonade_es.trainer.data.traits import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MISSING = frozenset(
    {
        *("", "?", "-", ".", "na", "n/a", "n.a.", "nan", "nat", "<na>", "null", "none", "\\n"),  # the last of MySQL
        *("inf", "-inf", "infinity"),
        *("#n/a", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!"),  # of spreadsheets
    }
)
"""What cells say, in lower case, that hold no value."""

WORDS = frozenset({"none", "-", "."})
"""Of them, what may be meant where words are to be told apart: no disorder, a negative finding, a full stop."""

MOST_CATEGORIES = 50
"""Of a column that have a feature; rarer ones have none."""

NUMBERS_FROM = 0.9
"""Share of the values that must be numbers, for a column of numbers with some mistakes."""

COUNTING = "it numbers the rows, from 0 or 1 on"
"""Why a column of numbers that count is not used."""

UNSPEAKING = "an id, a date or free text"
"""Why a column of words that are nearly all different is not used."""

_ID_FROM = 20
"""Rows from which on a column may be taken for an id."""

# "userID" and "PassengerId" end in an id, and "bid" and "humid" do not: there, capitals count. A price index is none.
_ID_NAME = re.compile(r"(?i:(?:^|[_\s.-])(?:id|idx|key|uuid|guid)$|^(?:index|row|column 1)$|^unnamed)|[a-z]I[dD]$")

DECIMAL_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d*),\d+(?:e[+-]?\d+)?", re.IGNORECASE)
"""A number with a decimal comma, and perhaps points that part thousands."""

GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
"""A number whose points may part thousands."""

THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
"""A number whose commas may part thousands."""

_BELOW_ONE = re.compile(r"[+-]?0,\d{3}")

_COMMAS_FROM = 10
"""Different numbers with a comma, from which on they are taken for numbers, whatever is behind it."""

_CODE_WIDTH = 2
"""Digits from which on one may be a leading zero."""

_CURRENCY = re.compile(r"^[A-Z]{3}\b|\b[A-Z]{3}$")

_IN_A_UNIT = re.compile(r"[+-]?\d[\d.,]*\s*([^\W\d_][^\s\d]{0,7}|°[A-Z]?)")


def is_missing(cell: str) -> bool:
    """Whether a cell holds no value."""
    return cell.lower() in MISSING


def number(cell: str, *, decimal_comma: bool = False) -> float | None:
    """The finite number in a cell, or ``None``; with decimal commas, ``1.234,5`` is one, too."""
    if decimal_comma and DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(".", "").replace(",", ".")
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None  # 2024_01 is no number but to Python


def numbers_in(cells: Sequence[str], *, decimal_comma: bool = False) -> list[float | None]:
    """What :func:`number` says of each cell; at once, where all of them are plain numbers, as in most columns."""
    try:
        plain = list(map(float, cells))
    except ValueError:
        plain = []
    if len(plain) == len(cells) and all(map(math.isfinite, plain)) and "_" not in "".join(cells):
        return [*plain]
    return [number(cell, decimal_comma=decimal_comma) for cell in cells]


def has_decimal_commas(cells: Sequence[str]) -> bool:
    """Whether a column is of numbers whose commas are decimal, without a doubt.

    Most of them part no thousands, as in ``3,14`` and ``0,5``, or a tenth are like ``0,512``, as no thousands are; no
    point can be a decimal one; and the numbers are not few with one digit behind the comma each, which may be pairs
    or sets.
    """
    commas = [cell for cell in cells if "," in cell and DECIMAL_COMMA.fullmatch(cell)]
    below_one = sum(_BELOW_ONE.fullmatch(cell) is not None for cell in commas)
    some = len(set(commas)) >= _COMMAS_FROM and below_one >= (1 - NUMBERS_FROM) * len(commas)
    if not some and 2 * sum(THOUSANDS.fullmatch(cell) is None for cell in commas) <= len(commas):
        return False
    if len(set(commas)) < _COMMAS_FROM and not any(len(cell.rpartition(",")[2]) > 1 for cell in commas):
        return False
    present = [cell for cell in cells if not is_missing(cell)]
    if any(has_decimal_point(cell) for cell in present):
        return False
    return sum(number(cell, decimal_comma=True) is not None for cell in present) >= NUMBERS_FROM * len(present)


def has_decimal_point(cell: str) -> bool:
    """Whether a cell is a number with a point that parts no thousands."""
    return "." in cell and "," not in cell and GROUPED.fullmatch(cell) is None and number(cell) is not None


def padded(cells: Sequence[str]) -> str | None:
    """The first cell with leading zeros in a column of digits of one width, as postcodes are; else ``None``."""
    if not any(cell.startswith("0") and len(cell) >= _CODE_WIDTH for cell in cells):
        return None
    present = [cell for cell in cells if not is_missing(cell)]
    digits = [cell for cell in present if cell.isdecimal()]
    width, count = max(Counter(map(len, digits)).items(), key=lambda item: item[1], default=(0, 0))
    if width < _CODE_WIDTH or count < NUMBERS_FROM * len(present):
        return None
    return next((cell for cell in digits if len(cell) == width and cell.startswith("0")), None)


def unit_of(cells: Sequence[str]) -> str:
    """What stands behind nearly all numbers of a column, as ``kg`` in ``41 kg``; nothing where units differ."""
    present = [cell for cell in cells if not is_missing(cell)]
    units = Counter(found[1] for cell in present if (found := _IN_A_UNIT.fullmatch(cell)) is not None)
    unit, count = max(units.items(), key=lambda item: item[1], default=("", 0))
    return unit if count >= NUMBERS_FROM * len(present) else ""


def undecorated(cell: str, *, decimal_comma: bool = False, unit: str = "") -> float | None:
    """The number in a cell that dresses it up, or ``None``.

    Dresses are a currency, a percent sign, the unit, thousands commas, and a minus that is typeset (U+2212).
    """
    bare = cell.removesuffix(unit).replace("$", "")
    if not bare.isascii():
        bare = "".join(letter for letter in bare if unicodedata.category(letter) != "Sc")
    bare = _CURRENCY.sub("", bare)
    bare = "".join(bare.split()).rstrip("%").replace("\N{MINUS SIGN}", "-")
    if not decimal_comma and THOUSANDS.fullmatch(bare):
        bare = bare.replace(",", "")
    return number(bare, decimal_comma=decimal_comma)


def dressed_up(cells: Sequence[str], *, decimal_comma: bool = False) -> str | None:
    """The first cell that is a number but for its dress, in a column of numbers that are written so; else ``None``."""
    counts = Counter(cell for cell in cells if not is_missing(cell))
    present, unit = counts.total(), unit_of(cells)
    numbers = [cell for cell in counts if undecorated(cell, decimal_comma=decimal_comma, unit=unit) is not None]
    if not present or sum(counts[cell] for cell in numbers) < NUMBERS_FROM * present:
        return None
    return next((cell for cell in numbers if number(cell, decimal_comma=decimal_comma) is None), None)


def fitted(
    name: str,
    cells: Sequence[str],
    *,
    rows: Sequence[int] | None = None,
    decimal_comma: bool = False,
    logs: bool = True,
) -> Column:
    """What a column is, by its training cells in the order of the file.

    Numbers are standardised, skewed ones are logarithms as well, and categories get one feature a value. A column is
    unused if it says nothing: it is constant, or (nearly) every row has a value of its own that is no measurement.

    Args:
        name: of the column.
        cells: of the training split.
        rows: where each of them stands in the file, from 0; by default one after the other.
        decimal_comma: whether its numbers may be written ``3,14``.
        logs: whether skewed numbers have one.
    """
    found = numbers_in(cells, decimal_comma=decimal_comma)
    numbers = [value for value in found if value is not None]
    present = cells if len(numbers) == len(cells) else [cell for cell in cells if not is_missing(cell)]
    if not present:
        return _unused(name, cells, "it has no values")
    says = len(set(numbers)) > 1 or len(numbers) == len(cells)  # where one value is all, having it may say something
    if len(numbers) >= NUMBERS_FROM * len(present) and len(numbers) > 1 and says:
        points = any(has_decimal_point(cell) for cell in present if "." in cell)
        column = _numeric(name, cells, numbers, range(len(cells)) if rows is None else rows, logs=logs)
        return replace(column, decimal_comma=decimal_comma, decimal_points=points)
    odd = None
    if len(present) <= 2 * len(numbers) < 2 * len(present):
        share = len(numbers) / len(present)
        first = next(cell for cell in present if number(cell, decimal_comma=decimal_comma) is None)
        odd = f"{share:.0%} of them are numbers, and {first!r} is none: leave such cells empty to learn from the others"
    return _categorical(name, cells, dressed=dressed_up(cells, decimal_comma=decimal_comma), odd=odd)


def is_id(column: Column) -> bool:
    """Whether a column tells rows apart, and nothing else about them."""
    return column.kind == "unused" and (column.why == COUNTING or _ID_NAME.search(column.name) is not None)


def encoded(column: Column, cells: Sequence[str]) -> NDArray[np.float32]:
    """The features of cells, ``(N, column.features)``; a value that training did not know is like none."""
    import numpy as np

    if column.kind == "number":
        found = numbers_in(cells, decimal_comma=column.decimal_comma)
        values = np.array([column.median if value is None else value for value in found], dtype=np.float64)
        return measured(column, values)
    features = np.zeros((len(cells), column.features), dtype=np.float32)
    place = {category: at for at, category in enumerate(column.categories)}
    for row, cell in enumerate(cells):
        at = place.get("" if is_missing(cell) else cell)
        if at is not None:
            features[row, at] = 1
    return features


def measured(column: Column, values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The features of numbers of a column, ``(N, features)``; NaN or infinite where they cannot be computed."""
    import numpy as np

    assert column.mean is not None and column.std is not None  # noqa: S101, PT018  (numbers have them)
    found = [standardised(values, column.mean, column.std)]
    if column.log is not None:
        found.append(standardised(logarithms(values, column.log.scale), column.log.mean, column.log.std))
    return np.stack(found, axis=1)


def standardised(values: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float32]:
    """Numbers in standard deviations from a mean, ``(N,)``; NaN or infinite where that cannot be computed."""
    import numpy as np

    if not math.isfinite(std):  # by which all but infinite numbers would be 0
        return np.full(len(values), np.nan, dtype=np.float32)
    with np.errstate(all="ignore"):
        return ((values - mean) / std).astype(np.float32)


def refuse_huge(column: str, values: NDArray[np.float64], features: NDArray[np.float32], *, where: str) -> None:
    """Refuse numbers whose features cannot be computed.

    Args:
        column: the name of the column.
        values: its numbers, for the message.
        features: what :func:`standardised` made of them.
        where: the data set.

    Raises:
        DataError: a feature is not finite.
    """
    import numpy as np

    if not np.isfinite(features).all():
        raise DataError(
            f"the numbers of the column {column!r}, {values.min():.4g} to {values.max():.4g}, cannot be brought to a "
            "standard deviation of 1: they are too large, or too close together",
            where=where,
            hint="give them in another unit",
        )


def _numeric(name: str, cells: Sequence[str], numbers: Sequence[float], rows: Sequence[int], *, logs: bool) -> Column:
    import numpy as np

    values = np.array(numbers)
    if values.min() == values.max():
        return _unused(name, cells, f"it is always {numbers[0]:g}")
    whole = len(numbers) == len(cells) and all(value.is_integer() for value in numbers)
    if whole and len(numbers) >= _ID_FROM and len(set(numbers)) == len(numbers):
        # from 0 or 1 on: a sorted column of years or sizes begins elsewhere, and says something
        # of a subset, too, whose numbers are far apart: by as much as their rows, or more where rows were taken out
        rises = bool((np.diff(values) >= np.diff(rows)).all())
        counts_rows = rises and values[0] >= 0 and values[-1] <= 1.5 * (rows[-1] + 1)
        if counts_rows:
            return _unused(name, cells, COUNTING)
        if _ID_NAME.search(name):
            return _unused(name, cells, "it has the name of an id, and another number in each row")
    spared = float(np.finfo(np.float32).tiny)
    with np.errstate(all="ignore"):  # what overflows is refused later, with its file
        mean, std, median = float(values.mean()), float(values.std()), float(np.median(values))
    missing = len(cells) - len(numbers)
    log = log_of(values) if logs else None
    features = 1 if log is None else 2
    return Column(name, "number", features, missing, mean=mean, std=max(std, spared), median=median, log=log)


def _categorical(name: str, cells: Sequence[str], *, dressed: str | None, odd: str | None) -> Column:
    counts = Counter("" if is_missing(cell) else cell for cell in cells)
    missing = counts.get("", 0)
    present = len(cells) - missing
    values = len(counts) - ("" in counts)
    if len(counts) == 1:
        return _unused(name, cells, f"it is always {next(iter(counts))!r}")
    if present >= _ID_FROM and (values == present or values > max(MOST_CATEGORIES, present / 2)):
        what = odd or UNSPEAKING
        if dressed is not None:
            what = f"no plain numbers, as {dressed!r} shows"
        return _unused(name, cells, f"it has {values} different values in {present} rows: {what}")
    ranked = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_CATEGORIES]
    rest = len(counts) - len(ranked)
    return Column(name, "category", len(ranked), missing, categories=tuple(ranked), rest=rest)


def _unused(name: str, cells: Sequence[str], why: str) -> Column:
    return Column(name, "unused", 0, sum(map(is_missing, cells)), why=why)
