"""What a data specification may be: a name, a folder of images, a file of texts with labels, a table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import imagenet16
from lemonade_es.trainer.data.cifar import CIFAR10, CIFAR100, cifar, fetch_cifar
from lemonade_es.trainer.data.delimited import Sheet, is_delimited, read_sheet
from lemonade_es.trainer.data.diabetes import diabetes
from lemonade_es.trainer.data.digits import digits
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.data.public_trees import PUBLIC_TREES, public_tree
from lemonade_es.trainer.data.reading import Reading
from lemonade_es.trainer.data.source import Source
from lemonade_es.trainer.data.tables import table
from lemonade_es.trainer.data.texts import TextColumns, guessed, imdb, texts
from lemonade_es.trainer.data.tree import folders_beside, tree
from lemonade_es.vocabulary import closest

_TEXTS = {
    "digits": "1,797 handwritten digits, 8x8, 10 classes, from scikit-learn",
    "diabetes": "442 patients, 10 numbers, another to predict, from scikit-learn",
    CIFAR10.name: "60,000 photographs, 32x32, 10 classes; must be downloaded",
    CIFAR100.name: "60,000 photographs, 32x32, 100 classes; must be downloaded",
    "eurosat": "27,000 satellite images, 32x32, 10 classes; must be downloaded",
    imagenet16.NAME: "157,700 photographs, 16x16, 120 classes; to be fetched by hand",
    "malaria": "27,558 blood cells, 32x32, 2 classes; must be downloaded",
    "imdb": "50,000 film reviews, 2 classes; must be downloaded",
}
_PATHS = {
    "FOLDER": "images: FOLDER/train/CLASS/*, or FOLDER/CLASS/*",
    "FILE.csv": "texts with labels, or a table with --target",
}


def known() -> tuple[str, ...]:
    """The data sets that have a name."""
    return tuple(_TEXTS)


def describe() -> str:
    """What a data specification may be, a line each: for ``--help``."""
    rows = {**_TEXTS, **_PATHS}
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {text}" for name, text in rows.items())


def source_of(
    spec: str, root: Path, reading: Reading, *, download: bool = False, progress: Progress | None = None
) -> Source:
    """The data set that a specification means.

    Args:
        spec: a name or a path.
        root: the folder of all data sets.
        reading: what the columns of a file are.
        download: whether a named data set may be fetched if it is not there.
        progress: told how far a download is.

    Raises:
        DataError: there is no such data set, it is not here, or it cannot be used.
    """
    for batches in (CIFAR10, CIFAR100):
        if spec == batches.name:
            if download:
                fetch_cifar(batches, root, progress)
            return cifar(batches, root)
    if spec in PUBLIC_TREES:
        return public_tree(PUBLIC_TREES[spec], root, download=download, progress=progress)
    named: dict[str, Callable[[], Source]] = {
        "digits": digits,
        "diabetes": diabetes,
        imagenet16.NAME: lambda: imagenet16.imagenet16(root),
        "imdb": lambda: imdb(root, download=download, progress=progress),
    }
    if spec in named:
        return named[spec]()
    if not spec.strip():
        raise DataError("no data set is named", hint=f"choose {', '.join(known())} or a path")
    path = place_of(spec)
    if path.is_file() or (is_delimited(path) and not path.is_dir()):
        return _file(path, reading)
    if os.path.lexists(path) or path.name != spec:
        return tree(path)
    near = closest(spec, [*known(), *folders_beside(path)])
    raise DataError(
        f"{spec!r} is neither a known data set nor a folder or file here",
        hint=(f"did you mean {near}? " if near else "")
        + f"known: {', '.join(known())}, or a path to a folder of images or a CSV file",
    )


def place_of(spec: str) -> Path:
    """Where a path leads, from the home of a user if it begins so; the name of no user stays as it is."""
    return Path(os.path.expanduser(spec))  # noqa: PTH111  (Path's own raises for the name of no user)


def _file(path: Path, reading: Reading) -> Source:
    if not is_delimited(path):
        raise DataError(
            "a file of an unknown kind",
            where=str(path),
            hint="give a .csv or .tsv file, or a folder; a text file of delimited values need only be renamed, a "
            "workbook must be saved as CSV, and an archive unpacked",
        )
    sheet = read_sheet(path)
    name = path.stem
    if reading.target_column is not None:
        return table(sheet, reading.target_column, name, reading.objective)
    columns = _text_columns(sheet, reading)
    if columns is not None:
        return texts(sheet, columns, name)
    raise DataError(
        "which column is to be predicted?",
        where=str(path),
        hint=f"give --target for a table, or --text-column and --label-column for texts; {sheet.columns_told}",
    )


def _text_columns(sheet: Sheet, reading: Reading) -> TextColumns | None:
    """The columns that are named, or that have the names that such columns have."""
    likely_text, likely_label = guessed(sheet)
    text, label = reading.text_column or likely_text, reading.label_column or likely_label
    if text is None or label is None:
        if reading.text_column is None and reading.label_column is None:
            return None
        lacking = "--text-column" if text is None else "--label-column"
        raise DataError(
            f"{lacking} is missing",
            where=sheet.where,
            hint=sheet.columns_told,
        )
    return TextColumns(text, label)
