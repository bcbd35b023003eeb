"""A file of delimited values (CSV, TSV, semicolons): its header and its rows, or one line that says what is wrong."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import memory
from lemonade_es.trainer.data.columns import has_decimal_commas, number
from lemonade_es.trainer.data.names import cited, columns_listed, first_three
from lemonade_es.trainer.data.source import PARTS, Part
from lemonade_es.vocabulary import closest
from lemonade_es.wording import counted

EXTENSIONS = (".csv", ".tsv")
"""Of files that are taken for delimited values, in lower case."""

LONGEST_FIELD = 1_000_000
"""In characters; a longer one is a quote that was never closed."""

_DELIMITERS = ",;\t|"
_SAID = re.compile(r'"?sep=([,;\t|])"?[ \t]*(?:\r\n|\r|\n)', re.IGNORECASE)
"""A first line that Excel writes and reads: it says what separates the fields of the others."""
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BROKEN = "\ufffd"
"""What stands for bytes that are no UTF-8."""

_OFTEN = 3
"""Times that the name of a column must stand in it to be taken for one of its values."""

_BYTES_IN_MEMORY = 8
"""Of a byte in the file, once its fields are texts of their own."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Header and rows.

    Attributes:
        where: the file, for messages.
        header: the names of the columns, no two alike.
        rows: as many fields each as the header has, without white space at their ends.
        lines: the line of the file that each row begins in, from 1.
        notes: what a user should know about the file.
        commas: the columns whose numbers may be written ``3,14``, by their places.
        delimiter: what separates the fields.
        doubt: why the header may be a row; nothing if it looks like a header.
    """

    where: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    notes: tuple[str, ...] = ()
    commas: frozenset[int] = frozenset()
    delimiter: str = ","
    doubt: str = ""

    @property
    def columns_told(self) -> str:
        """What the columns are, for a hint; and that the header may be a row, if it looks like one."""
        return "; ".join(filter(None, (columns_listed(self.header), self.doubt)))

    def index(self, name: str, option: str) -> int:
        """The place of a column.

        Raises:
            DataError: there is none of this name; ``option`` is how the user named it.
        """
        if name in self.header:
            return self.header.index(name)
        near = closest(name, self.header)
        raise DataError(
            f"there is no column {name!r} for {option}",
            where=self.where,
            hint=f"did you mean {near!r}?" if near else self.columns_told,
        )

    def column(self, index: int) -> list[str]:
        """The cells of a column."""
        return [row[index] for row in self.rows]

    def only(self, kept: Sequence[int]) -> Sheet:
        """The same file with some of its rows, by their indexes."""
        rows, lines = [self.rows[index] for index in kept], [self.lines[index] for index in kept]
        return replace(self, rows=rows, lines=lines)


def is_delimited(path: Path) -> bool:
    """Whether a path names a file of delimited values."""
    return path.suffix.lower() in EXTENSIONS


def read_sheet(path: Path) -> Sheet:
    """Read a file; text that is not UTF-8, but for a few bytes, is read as Western European, with a note.

    Raises:
        DataError: it is missing, empty, too large, no text, has no header, or rows of another length.
    """
    text, notes = _text(path)
    said = _SAID.match(text)
    above = 0
    if said is not None:
        text, above = text[said.end() :], 1
    tabs = path.suffix.lower() == ".tsv"
    delimiter = said[1] if said is not None else _delimiter(text, tabs=tabs)
    if delimiter != "," and not tabs:
        notes = (*notes, f"fields are separated by {_NAMES[delimiter]}")
    rows, lines, literal = _records(path, text, delimiter, above)
    if literal:
        notes = (*notes, "quotes are part of the fields: without quoting, every line has as many of them")
    if not rows:
        raise DataError("the file is empty", where=str(path), hint="it needs a header and rows")
    header = _header(path, rows.pop(0), lines.pop(0))
    _demand_even(path, header, rows, lines, delimiter)
    if not rows:
        raise DataError("there is a header and no row", where=str(path))
    places = range(len(header))
    if delimiter == ";":
        commas = frozenset(places)
    elif delimiter == "," and '"' not in text:
        commas = frozenset()
    else:
        commas = frozenset(at for at in places if has_decimal_commas([row[at] for row in rows]))
        named = [repr(header[at]) for at in sorted(commas)]
        notes = (*notes, f"columns of numbers with decimal commas: {first_three(named)}") if named else notes
    doubt = _doubt(header, rows)
    return Sheet(str(path), header, rows, lines, (*notes, doubt) if doubt else notes, commas, delimiter, doubt)


def split_column(sheet: Sheet) -> tuple[int, list[Part]] | None:
    """The place of the column that says which split each row is in, and what it says; ``None`` without one.

    It is called ``split`` (in any case) and holds ``train``, ``val`` or ``test`` and the like; a column of that
    name with no such value in it is a column like any other.

    Raises:
        DataError: some of its values are splits and others are not, or no row is for training.
    """
    index = next((at for at, name in enumerate(sheet.header) if name.lower() == "split"), None)
    if index is None:
        return None
    said = [cell.lower() for cell in sheet.column(index)]
    if not set(said) & set(PARTS):
        return None
    odd = [f"{said[row]!r} in line {sheet.lines[row]}" for row in range(len(said)) if said[row] not in PARTS]
    if odd:
        raise DataError(
            f"no split is named by {counted(len(odd), 'cell')} of the column {sheet.header[index]!r}: "
            + first_three(odd),
            where=sheet.where,
            hint="write train, val or test, or rename the column",
        )
    parts = [PARTS[cell] for cell in said]
    if "train" not in parts:
        raise DataError(f"no row of the column {sheet.header[index]!r} says train", where=sheet.where)
    return index, parts


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        size = path.stat().st_size
        memory.require_bytes(size * _BYTES_IN_MEMORY, f"a file of {size / 1e6:.0f} MB", where=str(path))
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path), hint=_neighbour(path)) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    data = data.removeprefix(codecs.BOM_UTF8)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    notes: tuple[str, ...] = ()
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DataError(
                "the file begins as UTF-16, and is none: it is damaged, or broken off",
                where=str(path),
                hint="write it anew, best as UTF-8",
            ) from None
        line = data.count(b"\n", 0, error.start) + 1
        odd = data[error.start]
        text = data.decode(encoding, errors="replace")
        broken = text.count(_BROKEN)
        if _beyond_ascii(text) > 2 * broken:  # in other encodings, hardly any is UTF-8 by chance
            told = f"{counted(broken, 'character')} {'is' if broken == 1 else 'are'} no UTF-8, and unknown"
            notes = (f"{told}: the first is byte 0x{odd:02X} in line {line}",)
        else:
            text = data.decode("cp1252", errors="replace")
            told = f"not UTF-8 (byte 0x{odd:02X} in line {line}): read as Western European (Windows-1252)"
            notes = (f"{told}; if it is in another encoding, save it as UTF-8",)
    if "\0" in text:
        raise DataError(
            "the file holds NUL characters: it is no text, or in an encoding without a byte-order mark",
            where=str(path),
            hint="save it as UTF-8",
        )
    return text, notes


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", errors="ignore"))


def _neighbour(path: Path) -> str:
    try:
        beside = [entry.name for entry in os.scandir(path.absolute().parent) if is_delimited(Path(entry.name))]
    except OSError:
        beside = []
    near = closest(path.name, beside)
    return f"did you mean {path.parent / near}?" if near else "check the path"


def _delimiter(text: str, *, tabs: bool) -> str:
    """What separates the fields of the first line; a comma where nothing does.

    Args:
        text: the file.
        tabs: whether its name promises tabs, which then go before all else.
    """
    first = next((line for line in text.split("\n", 50) if line.strip()), "")
    unquoted = "".join(first.split('"')[::2])
    if tabs and "\t" in unquoted:
        return "\t"
    return max(_DELIMITERS, key=lambda mark: (unquoted.count(mark), -_DELIMITERS.index(mark)))


def _records(path: Path, text: str, delimiter: str, above: int) -> tuple[list[list[str]], list[int], bool]:
    """The fields of each record, the line that it begins in, and whether quotes are part of the fields.

    A quote may stand behind a space. Files of tabs are often written without any quoting: a text that begins with a
    quote would take the lines up to the next one along.

    Args:
        path: the file, for messages.
        text: its records.
        delimiter: of their fields.
        above: lines that were taken from its beginning.

    Raises:
        DataError: a record cannot be read.
    """
    spaced = re.search(re.escape(delimiter) + ' +"', text) is not None
    parsed: list[tuple[int, list[str]]] | None = None
    problems: list[DataError] = []
    literal = False
    for behind_a_space in (True, False) if spaced else (False,):  # where they may be part of the fields, too
        try:
            parsed = list(_parsed(path, text, delimiter, above, spaced=behind_a_space))
            break
        except DataError as error:
            problems.append(error)
    if delimiter == "\t" and (parsed is None or any(map(_takes_lines_along, parsed))):
        lines = list(_parsed(path, text, delimiter, above, spaced=False, quoted=False))
        literal = len({len(fields) for _, fields in lines}) == 1
        parsed = lines if literal else parsed
    if parsed is None:
        raise problems[-1]
    return [[field.strip() for field in fields] for _, fields in parsed], [line for line, _ in parsed], literal


def _takes_lines_along(record: tuple[int, list[str]]) -> bool:
    return any("\t" in field and ("\n" in field or "\r" in field) for field in record[1])


def _parsed(
    path: Path, text: str, delimiter: str, above: int, *, spaced: bool, quoted: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """The line and the fields of each record; those that hold nothing, or only white space, are left out."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        skipinitialspace=spaced,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    before = csv.field_size_limit(LONGEST_FIELD)
    line = 1 + above
    try:
        for fields in reader:
            if any(map(str.strip, fields)):
                yield line, fields
            line = reader.line_num + 1 + above
    except csv.Error as error:
        reason, hint = (
            str(error),
            "quote fields that hold the delimiter, a quote or a line break, and double quotes in them",
        )
        if "field limit" in reason:
            reason = f"a field of more than {LONGEST_FIELD:,} characters"
            hint = "close the quote that was opened there"
        elif "unexpected end" in reason:
            reason, hint = "a quote is opened and never closed", "close it"
        raise DataError(
            f"the record that begins in line {line} cannot be read: {reason}", where=str(path), hint=hint
        ) from None
    finally:
        csv.field_size_limit(before)


def _header(path: Path, fields: Sequence[str], line: int) -> tuple[str, ...]:
    if all(_is_number(field) for field in fields):
        raise DataError(
            f"the first line has numbers ({first_three(fields)}) where the names of the columns should be",
            where=f"{path}:{line}",
            hint="add a header line",
        )
    names = tuple(name or f"column {number}" for number, name in enumerate(fields, start=1))
    twice = [repr(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        hint = "rename them; if the line is a row, put a header above it"
        raise DataError(f"columns have the same name: {first_three(twice)}", where=f"{path}:{line}", hint=hint)
    return names


def _doubt(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Why the header may be a row: numbers in it that do not number or date the columns, or a value of its column."""
    values = {name: value for name in header if (value := number(name)) is not None}
    rises = [after - before for before, after in itertools.pairwise(values.values())]
    if values and (min(rises, default=0) <= 0 or (len(rises) == 1 and rises != [1])):
        return (
            f"the first line is taken for the header: if {cited(next(iter(values)))} is a value, put a header above it"
        )
    for at, name in enumerate(header):
        if name not in values and [row[at] for row in rows].count(name) >= _OFTEN:
            return (
                f"the first line is taken for the header, and {cited(name)} is a value in its column, too: if it is "
                "a row, put a header above it"
            )
    return ""


def _demand_even(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[int], delimiter: str
) -> None:
    uneven = [f"line {line} has {len(row)}" for line, row in zip(lines, rows, strict=True) if len(row) != len(header)]
    if uneven:
        hint = f"quote fields that hold {_NAMES[delimiter]} or line breaks, or remove these rows"
        if len(uneven) == len(rows) > 1:  # which is the header's mistake, not theirs
            hint = f"the first line, from {header[0]!r} on, is taken for the header: remove it if it is a title, "
            hint += "or name all columns in it"
            if all(len(row) == len(header) + 1 and not row[-1] for row in rows):
                hint = f"each of them ends in one of the {_NAMES[delimiter]}: take it away, or end the header so, too"
        raise DataError(
            f"{len(uneven)} of {len(rows)} rows have another number of fields than the header's {len(header)}: "
            + first_three(uneven),
            where=str(path),
            hint=hint,
        )


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
