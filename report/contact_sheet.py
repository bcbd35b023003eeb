"""A contact sheet: a few training images of each class in a grid, with the names of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from math import log
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lemonade_es.errors import ConfigError, DataError
from lemonade_es.report.formats import shape
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IN_A_ROW, _IN_A_SHORT_ROW = 10, 5
_MANY = 20
"""Classes, above which rows are short and stand in several columns."""
_MOST_CLASSES = 200
_MOST_COLUMNS = 10
_LEAST_SIDE, _MOST_SIDE = 48, 128
_LEAST_HEIGHT = 32
"""Of a row: a name and what is below it, where images are wider than high."""
_GAP, _MARGIN = 4, 12
_HEAD = 28
_NAME_WIDTH = 150
_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
_NAME_SIZE, _SMALL_SIZE = 14, 11


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the rows of images stand; all in pixels but the counts.

    Attributes:
        tile: width and height of an image.
        images: in a row.
        columns: of rows.
        rows: in a column.
    """

    tile: tuple[int, int]
    images: int
    columns: int
    rows: int

    @property
    def row_size(self) -> tuple[int, int]:
        """Width and height of a row, its name and gaps included."""
        width = _NAME_WIDTH + self.images * (self.tile[0] + _GAP) + _MARGIN
        return width, max(self.tile[1], _LEAST_HEIGHT) + _GAP

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        width, height = self.row_size
        return self.columns * width + _MARGIN, _HEAD + self.rows * height + _MARGIN

    def corner(self, row: int) -> tuple[int, int]:
        """The upper left corner of a row."""
        width, height = self.row_size
        return _MARGIN + row // self.rows * width, _HEAD + row % self.rows * height


def demand_sheet(path: Path) -> None:
    """Refuse a path that no contact sheet can be written to, as far as that is seen beforehand.

    Raises:
        ConfigError: the name does not end in ``.png``, there is no such folder, or a folder is there already.
    """
    if path.suffix.lower() != ".png":
        raise _unwritable(path, "it is a PNG file", f"call it {path.stem or 'samples'}.png")
    try:
        inside, taken = path.parent.is_dir(), path.is_dir()
    except OSError as error:  # a name that is too long
        raise _unwritable(path, error.strerror or str(error), "name another file") from error
    if not inside:
        raise _unwritable(path, f"there is no folder {path.parent}", "make it, or name another")
    if taken:
        raise _unwritable(path, "a folder has that name", "name a file")


def write_contact_sheet(dataset: Dataset, path: Path) -> None:
    """Write a PNG file: for each class its name, its label and ten training images, or five of many classes.

    Small images are magnified without smoothing, large ones are made smaller. Of more than 200 classes the first
    are shown, and the sheet says so.

    Args:
        dataset: of images.
        path: where to write.

    Raises:
        DataError: the inputs are no images.
        ConfigError: the file cannot be written.
    """
    demand_sheet(path)
    if dataset.task.kind != "image":
        raise DataError(
            f"a contact sheet is of images, and these are {dataset.task.kind} data",
            where=str(path),
            hint="leave it out",
        )
    names = dataset.class_names[:_MOST_CLASSES]
    grid = _grid(len(names), dataset.task.input_shape)
    sheet = Image.new("RGB", grid.size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    title = _title(dataset, len(names))
    font = _font(title, _NAME_SIZE)
    pen.text((_MARGIN, 7), _legible(title, font), fill=_INK, font=font)
    for row, name in enumerate(names):
        left, top = grid.corner(row)
        found = np.flatnonzero(dataset.train_labels == row)
        middle = top + (grid.row_size[1] - _GAP) // 2
        _write_name(pen, (left, middle), name, f"label {row}: {len(found):,} for training")
        for place, index in enumerate(found[: grid.images]):
            picture = _picture(dataset.train[index], grid.tile)
            sheet.paste(picture, (left + _NAME_WIDTH + place * (grid.tile[0] + _GAP), middle - grid.tile[1] // 2))
    try:
        sheet.save(path, format="PNG")
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error), "name another file") from error


def _unwritable(path: Path, why: str, hint: str) -> ConfigError:
    return ConfigError(f"the contact sheet cannot be written: {why}", where=f"--samples {path}", hint=hint)


def _grid(classes: int, shape: tuple[int, ...]) -> _Grid:
    """Tiles of a fair size, and as many columns as make the sheet nearly a square."""
    _, height, width = shape
    factor = max(1, -(-_LEAST_SIDE // min(height, width)))
    shrink = min(1.0, _MOST_SIDE / (factor * max(height, width)))
    tile = (max(1, round(factor * width * shrink)), max(1, round(factor * height * shrink)))
    images = _IN_A_ROW if classes <= _MANY else _IN_A_SHORT_ROW
    most = 1 if classes <= _MANY else _MOST_COLUMNS
    grids = [_Grid(tile, images, columns, -(-classes // columns)) for columns in range(1, most + 1)]
    return min(grids, key=lambda grid: abs(log(grid.size[0] / grid.size[1])))


def _title(dataset: Dataset, shown: int) -> str:
    left_out = len(dataset.class_names) - shown
    rest = f"; not shown: {counted(left_out, 'more class')}" if left_out else ""
    return f"{dataset.task.data}: training images of {shape(dataset.task)}, {len(dataset.class_names)} classes{rest}"


def _write_name(pen: ImageDraw.ImageDraw, middle: tuple[int, int], name: str, below: str) -> None:
    """The name over its label, cut to the width that there is."""
    large, small = _font(name, _NAME_SIZE), _font(below, _SMALL_SIZE)
    short = _legible(name, large)
    room = _NAME_WIDTH - 2 * _GAP
    while pen.textlength(short, font=large) > room:
        short = f"{short.removesuffix('...')[:-1]}..."
    left, centre = middle
    pen.text((left, centre - 1), short, fill=_INK, font=large, anchor="ls")
    pen.text((left, centre + 13), below, fill=_FAINT, font=small, anchor="ls")


def _picture(pixels: NDArray[np.uint8], tile: tuple[int, int]) -> Image.Image:
    """Grey or RGB pixels ``(C, H, W)`` as large as a tile."""
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    larger = tile[0] >= picture.width
    way = Image.Resampling.NEAREST if larger else Image.Resampling.BILINEAR
    return picture.convert("RGB").resize(tile, way)


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _font(text: str, size: int) -> _Font:
    """Pillow's own font, which has ASCII alone; for all else the one that matplotlib brings, which has no Chinese."""
    spec = None if text.isascii() else find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(Path(spec.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf", size)


def _legible(text: str, font: _Font) -> str:
    """A text with ``?`` for what a font does not have; the label beside a class tells which one is meant."""
    nothing = bytes(font.getmask("\uffff"))
    return "".join(
        letter if letter.isprintable() and (letter == " " or bytes(font.getmask(letter)) != nothing) else "?"
        for letter in normalize("NFC", text)
    )
