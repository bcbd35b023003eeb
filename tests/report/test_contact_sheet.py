"""The contact sheet: each class in its row, in its own colours, whatever its name and however many there are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lemonade_es.errors import ConfigError, DataError
from lemonade_es.report.contact_sheet import write_contact_sheet
from lemonade_es.task import Task
from lemonade_es.trainer.data import load
from lemonade_es.trainer.data.dataset import Dataset


def coloured(classes, *, side=8, width=None, channels=3, each=12, names=None):
    """Images of one colour, which tells the class."""
    labels = np.arange(classes * each) % classes
    levels = 40 + 180 * labels // max(1, classes - 1)
    shape = (channels, side, width or side)
    train = np.broadcast_to(levels[:, None, None, None], (len(labels), *shape)).astype(np.uint8).copy()
    if channels == 3:
        train[:, 2] = 0
    return Dataset(
        task=Task("image", "colours", shape, classes),
        train=train,
        train_labels=labels,
        validation=train[:1],
        validation_labels=labels[:1],
        class_names=names or tuple(f"class {number}" for number in range(classes)),
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        flip=True,
        fingerprint="",
        test_count=0,
    )


def drawn(dataset, tmp_path):
    path = tmp_path / "sheet.png"
    write_contact_sheet(dataset, path)
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        return np.asarray(sheet.convert("RGB"))


def tiles(sheet, colour):
    """How many pixels have a colour."""
    return int((sheet == np.array(colour)).all(axis=2).sum())


@pytest.mark.parametrize("channels", [1, 3])
def test_ten_images_of_each_class_are_shown_in_their_own_colours(tmp_path, channels):
    sheet = drawn(coloured(3, channels=channels), tmp_path)
    for level in (40, 130, 220):
        assert tiles(sheet, (level, level, 0 if channels == 3 else level)) == pytest.approx(10 * 48 * 48, abs=200)


def test_a_class_of_few_images_has_a_short_row(tmp_path):
    sheet = drawn(coloured(2, each=4), tmp_path)
    assert tiles(sheet, (40, 40, 0)) == 4 * 48 * 48


def test_many_classes_stand_in_columns_on_a_sheet_that_is_nearly_square(tmp_path):
    sheet = drawn(coloured(120), tmp_path)
    height, width, _ = sheet.shape
    assert 0.6 < width / height < 1.6
    assert tiles(sheet, (40, 40, 0)) == 5 * 48 * 48
    assert tiles(sheet, (220, 220, 0)) == 5 * 48 * 48


def test_of_very_many_classes_the_first_are_shown_and_the_rest_is_counted(tmp_path):
    sheet = drawn(coloured(300, each=5), tmp_path)
    assert max(sheet.shape) < 6000
    assert tiles(sheet, (220, 220, 0)) == 0


def test_names_beside_images_that_are_low_and_wide_do_not_run_into_each_other(tmp_path):
    sheet = drawn(coloured(3, side=8, width=100), tmp_path)
    written = (sheet[28:-12, 12:150] < 200).any(axis=(1, 2))  # the lines of pixels that names and labels have
    gaps = np.flatnonzero(np.diff(written.astype(int)) == 1)
    assert len(gaps) == 6 - written[0]  # a name and a line below it, three times
    assert tiles(sheet, (40, 40, 0)) == 10 * 128 * 10


def test_large_images_are_made_smaller(tmp_path):
    sheet = drawn(coloured(2, side=400), tmp_path)
    assert tiles(sheet, (40, 40, 0)) == 10 * 128 * 128


@pytest.mark.parametrize("name", ["x" * 500, "猫", "größe", "a\nb", ""])
def test_any_name_of_a_class_is_written_beside_its_row_and_not_over_it(tmp_path, name):
    sheet = drawn(coloured(2, names=(name, "other")), tmp_path)
    plain = drawn(coloured(2, names=("a", "other")), tmp_path)
    assert sheet.shape == plain.shape
    assert np.array_equal(sheet[:, 158:], plain[:, 158:])
    assert tiles(sheet[:, :158], (255, 255, 255)) < sheet[:, :158, 0].size


@pytest.mark.parametrize(("one", "other"), [("größe", "grosse"), ("größe", "große"), ("жук", "лук"), ("a\u0301", "a")])
def test_names_in_other_letters_than_those_of_ascii_are_told_apart(tmp_path, one, other):
    sheets = [drawn(coloured(2, names=(name, "other")), tmp_path) for name in (one, other)]
    assert not np.array_equal(*sheets)


def test_letters_that_no_font_has_are_question_marks(tmp_path):
    sheets = [drawn(coloured(2, names=(name, "other")), tmp_path) for name in ("ж猫", "ж犬", "ж\n", "ж?")]
    assert all(np.array_equal(sheets[0], sheet) for sheet in sheets)


def test_the_same_data_give_the_same_file(tmp_path):
    digits = load("digits", limit=200)
    write_contact_sheet(digits, tmp_path / "a.png")
    write_contact_sheet(digits, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_table_has_no_contact_sheet(tmp_path):
    with pytest.raises(DataError, match="a contact sheet is of images, and these are table data"):
        write_contact_sheet(load("diabetes"), tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nodir/x.png", "there is no folder {0}/nodir (make it, or name another)"),
        ("s.jpg", "it is a PNG file (call it s.png)"),
        ("sheet", "it is a PNG file (call it sheet.png)"),
        ("folder.png", "a folder has that name (name a file)"),
        (f"{'long' * 99}.png", "File name too long (name another file)"),
    ],
)
def test_what_cannot_be_written_is_named_with_its_option(tmp_path, name, says):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigError) as raised:
        write_contact_sheet(coloured(2), tmp_path / name)
    said = f"--samples {tmp_path / name}: the contact sheet cannot be written: {says.format(tmp_path)}"
    assert str(raised.value) == said
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_an_ending_in_capitals_is_an_ending(tmp_path):
    write_contact_sheet(coloured(2), tmp_path / "SHEET.PNG")
    assert (tmp_path / "SHEET.PNG").stat().st_size > 0
