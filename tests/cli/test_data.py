"""`lemonade-es data`: what a user is shown of a data set, and what is said where it cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image


def documented():
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    section = page.split("## `lemonade-es data", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.fixture
def houses(tmp_path):
    path = tmp_path / "houses.csv"
    path.write_text("area,district,price\n" + "".join(f"{90 + n},{'ns'[n % 2]},{n * 1.5 + 0.5}\n" for n in range(60)))
    return path


def test_a_folder_of_images_is_told_with_its_faults_and_drawn(lemonade, tree, tmp_path):
    for extra in range(3, 12):
        (tree / "dog" / f"{extra}.png").unlink()
    (tree / "cat" / "notes.txt").write_text("not an image")
    done = lemonade("data", tree, "--samples", "sheet.png")
    assert done.code == 0, done.err
    assert "photos: images of 3x10x10, 2 classes" in done.out
    assert "cat" in done.out
    assert "imbalanced: 'cat' has 8 training images and 'dog' has 1" in " ".join(done.out.split())
    assert "ignored: cat/notes.txt" in " ".join(done.out.split())
    assert done.out.endswith("samples: sheet.png\n")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 600


def test_the_json_has_the_documented_names(lemonade):
    done = lemonade("data", "diabetes", "--json")
    assert done.code == 0, done.err
    assert set(done.json) == documented()
    assert done.json["splits"] == {"train": 310, "validation": 66, "test": 66}
    assert done.json["accuracy"].startswith("R2 ")


@pytest.mark.parametrize("option", ["--target", "--target-column"])
def test_the_column_to_predict_goes_by_two_names(lemonade, houses, option):
    done = lemonade("data", houses, option, "price")
    assert done.code == 0, done.err
    assert "houses: rows of 3 features, a number" in done.out
    assert "accuracy is: R2" in done.out


def test_broken_images_are_named(lemonade, tree):
    (tree / "cat" / "3.png").write_bytes(b"")
    (tree / "dog" / "4.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    done = lemonade("data", tree)
    assert (done.code, done.out) == (2, "")
    assert "2 of 24 images cannot be read" in done.err or "images cannot be read" in done.err
    assert "cat/3.png (empty file)" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cifar10"], "cifar10 is not here"),
        (["imagenet16-120", "--download"], "log in at https://image-net.org/download-images"),
        (["houses.csv"], "the columns are 'area', 'district', 'price'"),
        (["houses.csv", "--target", "prize"], "did you mean 'price'?"),
        (["hauses.csv", "--target", "price"], "did you mean houses.csv?"),
        (["houses.csv", "--target", "price", "--samples", "sheet.png"], "a contact sheet is of images"),
        (["digits", "--samples", "nowhere/sheet.png"], "cannot be written"),
        (["digits", "--target", "price"], "--target COLUMN is for table data, and these are image data"),
    ],
)
def test_what_cannot_be_done_is_one_line(lemonade, houses, words, says):
    done = lemonade("data", *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
