"""A contact sheet: a few training images of each class in a grid, with the names of the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.dataset import Dataset

_IN_A_ROW = 10
_MOST_ROWS = 200
_LEAST_SIDE = 48
_MOST_SIDE = 128
_GAP = 4
_NAME_WIDTH = 160
_LONGEST_NAME = 24
_PAPER, _INK = (255, 255, 255), (0, 0, 0)


def write_contact_sheet(dataset: Dataset, path: Path) -> None:
    """Write a PNG file: a row a class, the first ten training images of it, small ones magnified without smoothing.

    Args:
        dataset: of images.
        path: where to write.

    Raises:
        DataError: the inputs are no images.
        OSError: the file cannot be written.
    """
    if dataset.task.kind != "image":
        raise DataError(
            f"a contact sheet is of images, and these are {dataset.task.kind} data",
            where=str(path),
            hint="leave it out",
        )
    _, height, width = dataset.task.input_shape
    factor = max(1, -(-_LEAST_SIDE // min(height, width)))
    shrink = min(1.0, _MOST_SIDE / (factor * max(height, width)))
    tile = (max(1, round(factor * width * shrink)), max(1, round(factor * height * shrink)))
    names = dataset.class_names[:_MOST_ROWS]
    size = (_NAME_WIDTH + _IN_A_ROW * (tile[0] + _GAP) + _GAP, len(names) * (tile[1] + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    way = Image.Resampling.NEAREST if shrink == 1.0 else Image.Resampling.BILINEAR
    for row, name in enumerate(names):
        top = _GAP + row * (tile[1] + _GAP)
        pen.text((_GAP, top + tile[1] // 2 - 6), _label(name), fill=_INK)
        chosen = np.flatnonzero(dataset.train_labels == row)[:_IN_A_ROW]
        for place, index in enumerate(chosen):
            pixels = dataset.train[index]
            if len(pixels) not in (1, 3):
                raise DataError(f"images of {len(pixels)} channels cannot be shown", where=str(path))
            picture = Image.fromarray(
                pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
            )
            sheet.paste(picture.convert("RGB").resize(tile, way), (_NAME_WIDTH + place * (tile[0] + _GAP), top))
    sheet.save(path, format="PNG")


def _label(name: str) -> str:
    """A name in letters that Pillow's own font has."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
    return short.encode("latin-1", "replace").decode("latin-1")
