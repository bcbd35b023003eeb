"""Folders of small images, and tables, written for one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import load

MakeTree = Callable[..., Path]
TRAIN_TEST = {"train/cat": 20, "train/dog": 30, "test/cat": 3, "test/dog": 4}


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """``make_tree({"train/cat": 3, "train/dog": 4})`` writes that many random images, and gives the root."""

    def make(
        counts: Mapping[str, int],
        *,
        size: tuple[int, int] = (8, 8),
        mode: str = "RGB",
        suffix: str = ".png",
        root: str = "pets",
    ) -> Path:
        generator = np.random.default_rng(0)
        bands = len(Image.new(mode, (1, 1)).getbands())
        for folder, count in counts.items():
            (tmp_path / root / folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
                picture = Image.fromarray(pixels.squeeze(2) if bands == 1 else pixels)
                picture.save(tmp_path / root / folder / f"{number:03}{suffix}")
        return tmp_path / root

    return make


@pytest.fixture
def houses(tmp_path):
    """60 houses: an id, an area with a gap, a district, a constant, a comment, and a price that follows from them."""

    def write(*, name="houses.csv", rows=60, area=lambda n: str(50 + n), price=lambda n: f"{2 * n + 0.5}"):
        lines = ["id,area,district,country,comment,price"]
        lines += [
            f"h{n:03},{area(n)},{('north', 'south', 'east')[n % 3]},DE,written by hand no {n},{price(n)}"
            for n in range(rows)
        ]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    return write


def problem(root: Path, **options: int) -> str:
    """What is said of a data set that is refused: one line, with a hint."""
    with pytest.raises(DataError) as raised:
        load(str(root), **options)
    assert raised.value.hint
    text = str(raised.value)
    assert "\n" not in text
    return text
