"""Image files that cannot be read, or not in the memory that there is: found before anything else is done."""

from __future__ import annotations

import psutil
import pytest
from PIL import Image

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import load, load_test
from tests.trainer.data.conftest import TRAIN_TEST, problem


def test_only_the_files_within_the_limit_and_those_of_the_test_split_are_opened(make_tree):
    root = make_tree(TRAIN_TEST)
    for broken in (root / "train").rglob("*.png"):
        broken.write_bytes(b"broken")
    assert "10 of 17 images cannot be read" in problem(root, limit=10)


def test_broken_images_of_the_test_split_are_refused_before_anything_is_done_and_counted_with_the_others(make_tree):
    root = make_tree(TRAIN_TEST, size=(64, 64))
    cut = root / "test/cat/001.png"  # its header is good
    cut.write_bytes(cut.read_bytes()[:2000])
    assert "1 of 57 images cannot be read: test/cat/001.png (" in problem(root)
    (root / "test/dog/002.png").write_bytes(b"")
    (root / "train/dog/002.png").write_bytes(b"")
    assert "3 of 57 images cannot be read: test/cat/001.png (" in problem(root)
    assert "repair or remove these files; where a run on them has begun, repair them" in problem(root, resize=8)


def test_nobody_is_told_to_remove_a_test_image_from_a_data_set_that_was_searched_on(make_tree):
    root = make_tree(TRAIN_TEST)
    task = load(str(root)).task
    (root / "test/cat/000.png").write_bytes(b"")
    with pytest.raises(DataError) as raised:
        load_test(str(root), task)
    assert raised.value.hint == "repair these files: without them it is another data set"


def test_a_file_name_with_a_line_break_stays_on_one_line(make_tree):
    root = make_tree({"cat": 5, "dog": 5})
    for name in (root / "cat").iterdir():
        name.rename(name.with_name(name.name.replace(".", "\n.")))
    for broken in (root / "cat").iterdir():
        broken.write_bytes(b"")
    assert r"cat/000\n.png (empty file)" in problem(root)


def test_unreadable_images_are_counted_and_twenty_are_named(make_tree):
    root = make_tree({**TRAIN_TEST, "val/cat": 1, "val/dog": 1})
    (root / "train/cat/000.png").write_bytes(b"")
    (root / "train/cat/001.png").write_text("<html>404</html>")
    (root / "train/cat/002.png").unlink()
    (root / "train/cat/002.png").symlink_to("nowhere.png")
    cut = root / "train/dog/003.png"  # its header is good
    cut.write_bytes(cut.read_bytes()[:60])
    text = problem(root)
    assert "4 of 59 images cannot be read" in text
    assert "train/cat/000.png (empty file), train/cat/001.png (no readable image)" in text
    assert "train/cat/002.png (no such file or directory), train/dog/003.png (" in text
    for number in range(4, 24):
        (root / f"train/dog/{number:03}.png").write_bytes(b"")
    assert "train/dog/019.png (empty file) and 4 more (repair or remove" in problem(root)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".ppm"])
def test_truncated_images_are_found(make_tree, suffix):
    root = make_tree({**TRAIN_TEST, "val/cat": 1, "val/dog": 1}, size=(64, 64), suffix=suffix)
    cut = root / "train/dog" / f"007{suffix}"
    content = cut.read_bytes()
    cut.write_bytes(content[: len(content) * 2 // 3])
    assert f"1 of 59 images cannot be read: train/dog/007{suffix} (" in problem(root)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_is_no_reason_to_refuse_an_image(make_tree, exif):
    root = make_tree(TRAIN_TEST, suffix=".jpg")
    Image.new("RGB", (8, 8)).save(root / "train/cat/000.jpg", exif=exif)
    assert load(str(root)).task.input_shape == (3, 8, 8)


def test_a_gigantic_image_is_refused_before_it_is_decoded(make_tree):
    root = make_tree({**TRAIN_TEST, "val/cat": 1, "val/dog": 1})
    Image.new("1", (8000, 8000)).save(root / "train/cat/000.png")
    Image.new("1", (10000, 10000)).save(root / "train/cat/001.png")
    Image.new("1", (20000, 20000)).save(root / "train/cat/002.png")
    text = problem(root, resize=8)
    assert "000.png (8000x8000 pixels, more than 50 megapixels)" in text
    assert "001.png (more than 50 megapixels), train/cat/002.png (more than 50 megapixels)" in text


def test_what_does_not_fit_in_memory_is_refused_before_it_is_decoded(make_tree):
    root = make_tree({"train/cat": 1, "train/dog": 1})
    large = root / "large.png"
    Image.new("L", (7000, 7000)).save(large)
    for name in ("cat", "dog"):
        for old in (root / "train" / name).iterdir():
            old.unlink()
        for number in range(psutil.virtual_memory().total // 49_000_000 // 2):
            (root / "train" / name / f"{number}.png").symlink_to(large)
    text = problem(root)
    assert "images of 7000x7000 with 1 channel need" in text
    assert "--resize N" in text
    assert "--limit N" in text
