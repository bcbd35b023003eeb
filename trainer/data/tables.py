"""Tables of numbers and categories with a column to predict: a class, or a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lemonade_es.errors import DataError
from lemonade_es.task import Objective
from lemonade_es.trainer.data import memory
from lemonade_es.trainer.data.columns import (
    COUNTING,
    UNSPEAKING,
    dressed_up,
    encoded,
    fitted,
    is_id,
    is_missing,
    measured,
    number,
    numbers_in,
    padded,
    refuse_huge,
    undecorated,
    unit_of,
)
from lemonade_es.trainer.data.delimited import Sheet, split_column
from lemonade_es.trainer.data.labels import classes_of, left_out, mostly_different, unlabelled
from lemonade_es.trainer.data.names import cited, first_three
from lemonade_es.trainer.data.source import Inputs, Part, Read, Source, Wanted
from lemonade_es.trainer.data.thousands import refuse_thousands
from lemonade_es.trainer.data.traits import Column, TableTraits
from lemonade_es.wording import counted

MOST_CLASSES_OF_NUMBERS = 20
"""A target of whole numbers with more different values is a quantity."""

LEAST_ROWS = 10

_MANY = 20
"""Different numbers, from which on a column of them and of words is not one of grades."""

_FLOAT_BYTES = 4


def table(sheet: Sheet, target: str, name: str, objective: Objective | None = None) -> Source:
    """A table; a column ``split`` with ``train``, ``val`` and ``test`` in it is respected.

    Args:
        sheet: header and rows.
        target: the column to predict.
        name: of the data set.
        objective: ``None`` decides by the target: numbers that are not whole, or more than 20 different whole
            ones, are predicted, all else is classified.

    Raises:
        DataError: there is no such column, its values do not fit the objective, or nothing can be learned.
    """
    target_at = sheet.index(target, "--target")
    sheet, without_target = _with_a_value(sheet, target_at, numeric=objective == "regression")
    split = split_column(sheet)
    parts: list[Part] = split[1] if split is not None else ["train"] * len(sheet.rows)
    used = [at for at in range(len(sheet.header)) if at not in {target_at, *(() if split is None else (split[0],))}]
    if not used:
        raise DataError(f"there is no column beside {target!r} to predict it from", where=sheet.where)
    refuse_thousands(sheet, [*used, target_at])
    values = sheet.column(target_at)
    numbers = [number(value, decimal_comma=target_at in sheet.commas) for value in values]
    decided = objective or _objective(numbers)
    notes = (
        *sheet.notes,
        *without_target,
        *(() if objective or None in numbers else (_decision(target, decided),)),
    )
    rows = Source(
        name=name,
        class_names=(),
        labels=[0] * len(values),
        keys=[str(line) for line in sheet.lines],
        parts=parts,
        flip=False,
        read=_reader(sheet, used, target_at, name),
        notes=notes,
        kind="table",
    )
    if decided == "regression":
        return replace(rows, targets=_demand_numbers(sheet, target, values, numbers), target_name=target)
    if objective is None and None in numbers:
        _refuse_quantity(sheet, target, values, numbers)
    classes = classes_of(values, parts, target, where=sheet.where)
    return replace(
        rows,
        class_names=classes.names,
        labels=classes.labels,
        notes=(*notes, *classes.notes),
        few=(*without_target, *classes.notes),
    )


def _with_a_value(sheet: Sheet, target_at: int, *, numeric: bool) -> tuple[Sheet, tuple[str, ...]]:
    """The rows that say what is to be predicted, and a note on those that do not."""
    target = sheet.header[target_at]
    gaps = set(unlabelled(sheet.column(target_at), numeric=numeric, decimal_comma=target_at in sheet.commas))
    kept = sheet.only([row for row in range(len(sheet.rows)) if row not in gaps]) if gaps else sheet
    if len(kept.rows) < LEAST_ROWS:
        raise DataError(
            f"{counted(len(kept.rows), 'row')} with a value in {target!r} {'is' if len(kept.rows) == 1 else 'are'} too "
            "few to learn from",
            where=sheet.where,
            hint=f"give {LEAST_ROWS} or more",
        )
    return kept, left_out(f"without a value in {target!r}", [sheet.lines[row] for row in sorted(gaps)])


def _objective(numbers: Sequence[float | None]) -> Objective:
    known = [value for value in numbers if value is not None]
    if len(known) < len(numbers):
        return "classification"
    several = len(set(known)) > MOST_CLASSES_OF_NUMBERS
    return "regression" if several or not all(value.is_integer() for value in known) else "classification"


def _refuse_quantity(sheet: Sheet, target: str, values: Sequence[str], numbers: Sequence[float | None]) -> None:
    """Refuse a target that is text, and yet not meant for classes."""
    comma = sheet.header.index(target) in sheet.commas
    unit = unit_of(values)
    plain = [undecorated(value, decimal_comma=comma, unit=unit) for value in values]
    several, dressed = len(set(values)), sum(value is not None for value in plain)
    quantity = several > MOST_CLASSES_OF_NUMBERS and 2 * dressed > len(values)
    if not quantity and not mostly_different(values):
        return
    odd = next(row for row, value in enumerate(numbers) if value is None)
    meant = plain[odd]
    example = "" if meant is None else f", {meant:.15g} instead of {values[odd]},"
    raise DataError(
        f"the column {target!r} is taken for classes because of values such as {cited(values[odd])} in line "
        f"{sheet.lines[odd]}, and {several} of its {len(values)} values differ",
        where=sheet.where,
        hint=f"to predict a number, write plain numbers{example} and give --task regression; "
        "if these are classes, give --task classification",
    )


def _decision(target: str, decided: Objective) -> str:
    what, other = ("a number", "classification") if decided == "regression" else ("classes", "regression")
    return f"{target!r} is taken for {what}; `--task {other}` would take it otherwise"


def _demand_numbers(
    sheet: Sheet, target: str, values: Sequence[str], numbers: Sequence[float | None]
) -> tuple[float, ...]:
    odd = [f"{cited(values[row])} in line {sheet.lines[row]}" for row, value in enumerate(numbers) if value is None]
    if odd:
        raise DataError(
            f"{counted(len(odd), 'value')} of {target!r} {'is no number' if len(odd) == 1 else 'are no numbers'}: "
            + first_three(odd),
            where=sheet.where,
            hint="mend them, leave them empty, or choose --task classification",
        )
    return tuple(value for value in numbers if value is not None)


def _repetitions(sheet: Sheet, used: Sequence[int], columns: Sequence[Column], target_at: int) -> tuple[str, ...]:
    """A note on rows that are alike but for an id and their split."""
    kept = [target_at, *(at for at, column in zip(used, columns, strict=True) if not is_id(column))]
    repeated = len(sheet.rows) - len({tuple(map(row.__getitem__, kept)) for row in sheet.rows})
    if not repeated:
        return ()
    told = "repeats another one; it was kept" if repeated == 1 else "repeat another one; they were kept"
    return (f"{counted(repeated, 'row')} {told}, and the same row may be in several splits",)


def _reader(sheet: Sheet, used: Sequence[int], target_at: int, name: str) -> Read:
    def read(learned: Sequence[int], indexes: Sequence[int], wanted: Wanted) -> Inputs:
        import numpy as np

        in_order = sorted(learned)
        columns = tuple(
            fitted(
                sheet.header[at],
                [sheet.rows[row][at] for row in in_order],
                rows=in_order,
                decimal_comma=at in sheet.commas,
                logs=wanted.logs,
            )
            for at in used
        )
        _refuse_huge(sheet, used, columns)
        width = sum(column.features for column in columns)
        if width == 0:
            hint = "give other columns"
            if any(column.why == COUNTING for column in columns):
                hint += "; if the order of the rows says something, add a million to the numbers that count them"
            if any((column.why or "").endswith(UNSPEAKING) for column in columns):
                hint += "; to learn from texts, give --text-column and --label-column instead of --target"
            raise DataError(f"no column can be learned from: {_listed(columns)}", where=sheet.where, hint=hint)
        needed = len(indexes) * width * _FLOAT_BYTES
        memory.require_bytes(2 * needed, f"a table of {len(indexes)} rows and {width} features", where=name)
        parts = [
            encoded(column, [sheet.rows[row][at] for row in indexes])
            for at, column in zip(used, columns, strict=True)
            if column.features
        ]
        values = np.ascontiguousarray(np.concatenate(parts, axis=1))
        doubts = (note for doubt in (_mistakes, _dressed, _mixed, _codes) for note in doubt(sheet, used, columns))
        notes = (*_notes(columns), *doubts, *_repetitions(sheet, used, columns, target_at))
        return Inputs(values, notes, table=TableTraits(columns, sheet.delimiter))

    return read


def _refuse_huge(sheet: Sheet, used: Sequence[int], columns: Sequence[Column]) -> None:
    """Refuse columns of numbers that cannot be computed with in some row, whichever split it is in."""
    import numpy as np

    for at, column in zip(used, columns, strict=True):
        if column.kind == "number":
            found = numbers_in(sheet.column(at), decimal_comma=column.decimal_comma)
            values = np.array([value for value in found if value is not None])
            refuse_huge(column.name, values, measured(column, values), where=sheet.where)


def _notes(columns: Sequence[Column]) -> tuple[str, ...]:
    notes = []
    unused = [column for column in columns if column.kind == "unused"]
    if unused:
        are = "is" if len(unused) == 1 else "are"
        notes.append(f"{counted(len(unused), 'column')} {are} not used: {_listed(unused)}")
    gaps = [column for column in columns if column.missing and column.kind != "unused"]
    if gaps:
        cells = sum(column.missing for column in gaps)
        named = first_three([f"{column.name!r} ({column.missing})" for column in gaps])
        notes.append(
            f"{counted(cells, 'training cell')} {'has' if cells == 1 else 'have'} no value, in {named}: "
            "numbers take the median of their column, and a missing category is one of its own"
        )
    many = [f"{column.name!r}" for column in columns if column.kind == "category" and column.rest]
    if many:
        notes.append(f"of {first_three(many)} only the most frequent values have a feature")
    return tuple(notes)


def _listed(columns: Sequence[Column]) -> str:
    return first_three([f"{column.name!r} ({column.why})" for column in columns])


def _mistakes(sheet: Sheet, used: Sequence[int], columns: Sequence[Column]) -> tuple[str, ...]:
    """A note on cells of columns of numbers that are neither missing nor numbers."""
    odd = []
    for at, column in zip(used, columns, strict=True):
        cells = sheet.column(at) if column.kind == "number" else []
        found = numbers_in(cells, decimal_comma=column.decimal_comma)
        gaps = [row for row, value in enumerate(found) if value is None]
        odd += [f"{cited(cells[row])} in line {sheet.lines[row]}" for row in gaps if not is_missing(cells[row])]
    if not odd:
        return ()
    are, count = ("is", "counts") if len(odd) == 1 else ("are", "count")
    told = f"{counted(len(odd), 'cell')} in columns of numbers {are} none, and {count} as missing"
    return (f"{told}: {first_three(odd)}",)


def _dressed(sheet: Sheet, used: Sequence[int], columns: Sequence[Column]) -> tuple[str, ...]:
    """A note on columns of numbers that are none to a program, for currencies, percent signs, units and the like."""
    odd = []
    for at, column in zip(used, columns, strict=True):
        cells = [] if column.kind == "number" else sheet.column(at)
        cell, comma = dressed_up(cells, decimal_comma=at in sheet.commas), at in sheet.commas
        plain = None if cell is None else undecorated(cell, decimal_comma=comma, unit=unit_of(cells))
        if plain is not None and len(set(cells)) > 1:
            odd.append(f"{column.name!r} ({plain:.15g} instead of {cell})")
    if not odd:
        return ()
    hold = "holds" if len(odd) == 1 else "hold"
    return (f"{counted(len(odd), 'column')} {hold} numbers in disguise; write plain ones: {first_three(odd)}",)


def _mixed(sheet: Sheet, used: Sequence[int], columns: Sequence[Column]) -> tuple[str, ...]:
    """A note on columns of numbers that are taken for categories because of other words in them."""
    found = []
    for at, column in zip(used, columns, strict=True):
        if column.kind != "category":
            continue
        counts = Counter(cell for cell in sheet.column(at) if not is_missing(cell))
        numbers = [cell for cell in counts if number(cell, decimal_comma=at in sheet.commas) is not None]
        share = sum(counts[cell] for cell in numbers) / counts.total()
        if len(numbers) > _MANY and 0.5 <= share < 1:
            odd = max((cell for cell in counts if cell not in set(numbers)), key=lambda cell: counts[cell])
            found.append(f"{column.name!r} (of whose values {share:.0%} are numbers, and {cited(odd)} is none)")
    if not found:
        return ()
    told = f"{counted(len(found), 'column')} {'is' if len(found) == 1 else 'are'} taken for categories"
    return (f"{told}: {first_three(found)}; leave such cells empty to have numbers",)


def _codes(sheet: Sheet, used: Sequence[int], columns: Sequence[Column]) -> tuple[str, ...]:
    """A note on columns of numbers that may be codes: as numbers, they say that one is more than another."""
    found = [
        f"{column.name!r} ({code})"
        for at, column in zip(used, columns, strict=True)
        if column.kind == "number" and (code := padded(sheet.column(at))) is not None
    ]
    if not found:
        return ()
    count = "counts as a number" if len(found) == 1 else "count as numbers"
    told = f"{counted(len(found), 'column')} with leading zeros, as codes have them, {count}: {first_three(found)}"
    return (f"{told}; write a letter before codes, and they are categories",)
