"""Texts with labels: any delimited file with a column of each, and the film reviews of IMDb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.archive import Archive, fetch
from lemonade_es.trainer.data.delimited import Sheet, read_sheet, split_column
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.data.labels import classes_of, left_out, mostly_different, unlabelled
from lemonade_es.trainer.data.names import cited
from lemonade_es.trainer.data.source import PAPER_PORTIONS, Inputs, Part, Source, Wanted
from lemonade_es.trainer.data.words import cleaned, tokenised
from lemonade_es.wording import counted

_TEXT_NAMES = ("text", "review", "sentence", "comment", "message")
_LABEL_NAMES = ("label", "sentiment", "class", "category")

IMDB_FILES = ("imdb.csv", "IMDB Dataset.csv")
"""What the public file is called, below the root of all data sets."""


@dataclass(frozen=True, slots=True)
class TextColumns:
    """Which columns hold the texts and their labels."""

    text: str
    label: str


def guessed(sheet: Sheet) -> tuple[str | None, str | None]:
    """The columns whose names say that they hold texts (``review``, ``text``, ...) and labels (``sentiment``, ...)."""
    lowered = {name.lower(): name for name in sheet.header}
    text = next((lowered[name] for name in _TEXT_NAMES if name in lowered), None)
    label = next((lowered[name] for name in _LABEL_NAMES if name in lowered), None)
    return text, label


def texts(sheet: Sheet, columns: TextColumns, name: str) -> Source:
    """The texts of a file; a column ``split`` with ``train``, ``val`` and ``test`` in it is respected.

    Rows without a label, rows of whose text nothing is left, and rows with the words and label of another one are left
    out, with a note. Of repeated rows in several splits, the one that is for testing or else for validation stays.

    Raises:
        DataError: a column is missing, or the labels are not fit to learn from.
    """
    text_at = sheet.index(columns.text, "the texts")
    label_at = sheet.index(columns.label, "the labels")
    if text_at == label_at:
        raise DataError(f"{columns.text!r} cannot be both the text and the label", where=sheet.where)
    split = split_column(sheet)
    parts: list[Part] = split[1] if split is not None else ["train"] * len(sheet.rows)
    gaps = unlabelled(sheet.column(label_at), decimal_comma=label_at in sheet.commas)
    without = set(gaps)
    labelled = {
        row: (cleaned(fields[text_at]), fields[label_at]) for row, fields in enumerate(sheet.rows) if row not in without
    }
    empty = [row for row, (text, _) in labelled.items() if not text]
    pairs = {row: pair for row, pair in labelled.items() if pair[0]}
    repeated = _repeated(pairs, parts)
    kept = [row for row in pairs if row not in repeated]
    if not kept:
        raise _nothing(sheet, columns, wordless=sum(bool(sheet.rows[row][text_at]) for row in empty))
    lines = sheet.lines
    few = (
        *left_out(f"without a label in {columns.label!r}", [lines[row] for row in gaps]),
        *left_out("of whose text nothing is left after cleaning", [lines[row] for row in empty]),
        *left_out("repeating another one word for word", [lines[row] for row in sorted(repeated)]),
    )
    notes = (*sheet.notes, *few, *_contradictions([pairs[row] for row in kept]))
    return _source(
        name,
        [pairs[row][0] for row in kept],
        [pairs[row][1] for row in kept],
        keys=[str(row) for row in kept],
        parts=[parts[row] for row in kept],
        label_column=columns.label,
        where=sheet.where,
        notes=notes,
        few=few,
    )


def _nothing(sheet: Sheet, columns: TextColumns, *, wordless: int) -> DataError:
    """The error for a file of which no row is left; ``wordless`` rows have a text and a label, and yet no word."""
    if not wordless:
        return DataError(
            f"no row of {len(sheet.rows)} has both a text in {columns.text!r} and a label in {columns.label!r}",
            where=sheet.where,
            hint="name other columns with --text-column and --label-column",
        )
    return DataError(
        f"cleaning leaves no word of {counted(wordless, 'labelled text')} in {columns.text!r}, and there are no others",
        where=sheet.where,
        hint="URLs, tags, mentions, hashtags and special characters such as emoji are removed: name another column "
        "with --text-column",
    )


def _source(
    name: str,
    contents: Sequence[str],
    values: Sequence[str],
    *,
    keys: Sequence[str],
    parts: Sequence[Part],
    label_column: str,
    where: str,
    notes: tuple[str, ...],
    few: tuple[str, ...],
) -> Source:
    if mostly_different(values):
        raise DataError(
            f"the column {label_column!r} is taken for classes, and {len(set(values))} of its {len(values)} values "
            f"differ, {cited(values[0])} for instance",
            where=where,
            hint="name a column of classes with --label-column, or write classes such as low and high for ranges of "
            "numbers; numbers are predicted from tables alone, with --target and --task regression",
        )
    classes = classes_of(values, parts, label_column, where=where)

    def read(learned: Sequence[int], indexes: Sequence[int], wanted: Wanted) -> Inputs:
        found = tokenised(
            (contents[index] for index in learned), [contents[index] for index in indexes], wanted.length, where=name
        )
        return Inputs(found.values, text=found.traits)

    return Source(
        name=name,
        class_names=classes.names,
        labels=classes.labels,
        keys=keys,
        parts=parts,
        flip=False,
        read=read,
        notes=(*notes, *classes.notes),
        few=(*few, *classes.notes),
        kind="text",
    )


def _repeated(pairs: dict[int, tuple[str, str]], parts: Sequence[Part]) -> set[int]:
    """Rows whose text and label another row has that comes before: test, then validation, then training."""
    order: dict[Part, int] = {"test": 0, "validation": 1, "train": 2}
    seen: set[tuple[str, str]] = set()
    repeated = set()
    for row in sorted(pairs, key=lambda row: (order[parts[row]], row)):
        if pairs[row] in seen:
            repeated.add(row)
        seen.add(pairs[row])
    return repeated


def _contradictions(pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """A note, if a text has several labels: what is left of repeated rows differs in label, or in text."""
    several = len(pairs) - len({text for text, _ in pairs})
    if not several:
        return ()
    occur, they = ("occurs", "it was") if several == 1 else ("occur", "they were")
    return (f"{counted(several, 'text')} {occur} again under another label; {they} kept",)


def _review(member: PurePosixPath) -> PurePosixPath | None:
    """``train/pos/0_9.txt`` for a labelled review in the archive."""
    match member.parts:
        case ("aclImdb", "train" | "test", "pos" | "neg", name) if name.endswith(".txt"):
            return PurePosixPath(*member.parts[1:])
    return None


IMDB = Archive(
    name="imdb",
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    md5="7c2ac02c03563afcf9b574c7e56c153a",
    folder="aclImdb",
    example="train/pos",
    place=_review,
)


def imdb(root: Path, *, download: bool, progress: Progress | None = None) -> Source:
    """The reviews of IMDb: the public CSV file below ``root``, or else the folder of Stanford's archive.

    Both are split 8:2 as in the paper, unless the file has a column ``split``.

    Args:
        root: the folder of all data sets.
        download: whether Stanford's archive may be fetched if neither is there.
        progress: told how far the download is.

    Raises:
        DataError: it is not there, cannot be fetched, or is not fit to learn from.
    """
    file = next((root / name for name in IMDB_FILES if (root / name).is_file()), None)
    if file is not None:
        source = texts(read_sheet(file), TextColumns("review", "sentiment"), IMDB.name)
        return replace(source, portions=PAPER_PORTIONS)
    folder = root / IMDB.folder
    if download and not folder.is_dir():
        fetch(IMDB, root, progress)
    if not folder.is_dir():
        raise IMDB.missing(
            root, f"neither {root / IMDB_FILES[0]} (columns review and sentiment) nor the folder is there"
        )
    return replace(texts(_as_sheet(folder), TextColumns("review", "sentiment"), IMDB.name), portions=PAPER_PORTIONS)


def _as_sheet(folder: Path) -> Sheet:
    """The archive's files as rows, sorted by name."""
    files = sorted(path for part in ("train", "test") for path in (folder / part).glob("*/*.txt"))
    files = [path for path in files if path.parent.name in ("pos", "neg")]
    if not files:
        raise DataError(
            "no review is in train/pos, train/neg, test/pos or test/neg",
            where=str(folder),
            hint="remove the folder and fetch the data set anew",
        )
    rows = [(_written(path), {"pos": "positive", "neg": "negative"}[path.parent.name]) for path in files]
    return Sheet(str(folder), ("review", "sentiment"), rows, range(1, len(rows) + 1))


def _written(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path), hint="fetch the data set anew") from error
