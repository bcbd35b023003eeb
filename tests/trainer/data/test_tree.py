"""Trees of images: what is taken for a split, a class and an image, and what is told of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lemonade_es.errors import DataError
from lemonade_es.task import Task
from lemonade_es.trainer.data import load, load_test
from tests.trainer.data.conftest import TRAIN_TEST


def notes(root: Path, **options: int) -> str:
    return "\n".join(load(str(root), **options).notes)


def test_train_and_test_folders(make_tree):
    found = load(str(make_tree(TRAIN_TEST)))
    assert found.task == Task("image", "pets", (3, 8, 8), 2)
    assert found.class_names == ("cat", "dog")
    assert (len(found.train), len(found.validation), found.test_count) == (45, 5, 7)
    assert found.flip is True
    assert found.notes == ()


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val", "dev"])
def test_a_validation_folder_under_any_of_its_names(make_tree, name):
    found = load(str(make_tree({**TRAIN_TEST, f"{name}/cat": 2, f"{name}/dog": 6})))
    assert (len(found.train), len(found.validation), found.test_count) == (50, 8, 7)
    assert sorted(found.validation_labels.tolist()) == [0, 0, 1, 1, 1, 1, 1, 1]


def test_training_and_testing_are_no_classes(make_tree):
    names = {"train": "Training", "test": "Testing"}
    renamed = {f"{names[path.split('/')[0]]}/{path.split('/')[1]}": count for path, count in TRAIN_TEST.items()}
    found = load(str(make_tree(renamed)))
    assert found.class_names == ("cat", "dog")
    assert (len(found.train), len(found.validation), found.test_count) == (45, 5, 7)


@pytest.mark.parametrize("names", [("training_set", "test_set"), ("Train-Set", "TestSet"), ("trainset", "test sets")])
@pytest.mark.parametrize("twice", [False, True])
def test_sets_are_splits_even_if_an_archive_has_their_folders_twice(make_tree, names, twice):
    train, test = (f"{name}/{name}" if twice else name for name in names)
    found = load(str(make_tree({f"{train}/cat": 20, f"{train}/dog": 30, f"{test}/cat": 3, f"{test}/dog": 4})))
    assert found.class_names == ("cat", "dog")
    assert (len(found.train), len(found.validation), found.test_count) == (45, 5, 7)


def test_a_flat_tree_is_split_in_three(make_tree):
    found = load(str(make_tree({"cat": 20, "dog": 40})))
    assert (len(found.train), len(found.validation), found.test_count) == (42, 9, 9)


def test_a_tree_without_test_folder_takes_the_test_split_from_training(make_tree):
    found = load(str(make_tree({"train/cat": 20, "train/dog": 40, "val/cat": 1, "val/dog": 1})))
    assert (len(found.train), len(found.validation), found.test_count) == (51, 2, 9)


@pytest.mark.parametrize(
    "names", [("train station", "bus station"), ("test", "train 1", "bus"), ("test tube", "valid tube")]
)
def test_classes_may_have_words_of_splits_in_their_names(make_tree, names):
    assert load(str(make_tree(dict.fromkeys(names, 5)))).class_names == tuple(sorted(names))


def test_a_class_may_be_called_train(make_tree):
    assert load(str(make_tree({"bus": 5, "test": 5, "train": 5}))).class_names == ("bus", "test", "train")


def test_images_of_nested_folders_belong_to_the_class_above(make_tree):
    assert len(load(str(make_tree({"cat/2023/may": 10, "cat": 10, "dog": 20}))).train) == 28


def test_labels_and_pixels_belong_together(tmp_path):
    for level, name in enumerate(("black", "grey", "white")):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("L", (6, 4), 100 * level).save(tmp_path / name / f"{number}.png")
    found = load(str(tmp_path))
    assert found.task.input_shape == (1, 4, 6)
    assert np.array_equal(found.train.mean(axis=(1, 2, 3)), found.train_labels * 100)
    assert np.array_equal(found.validation.mean(axis=(1, 2, 3)), found.validation_labels * 100)
    images, labels = load_test(str(tmp_path), found.task)
    assert np.array_equal(images.mean(axis=(1, 2, 3)), labels * 100)


def test_the_test_split_does_not_decide_whether_images_are_grey(make_tree):
    root = make_tree({"train/cat": 5, "train/dog": 5}, mode="L")
    make_tree({"test/cat": 2, "test/dog": 2})
    assert load(str(root)).task.input_shape == (1, 8, 8)
    assert "4 of 4 test images have colours; they will be converted to grey" in notes(root)


def test_a_mix_of_grey_and_colour_becomes_rgb_with_a_note(make_tree):
    root = make_tree({"train/cat": 10, "train/dog": 10, "test/cat": 5})
    make_tree({"train/fox": 10}, mode="L")
    assert load(str(root)).task.input_shape == (3, 8, 8)
    assert "10 of 30 images are grey; they were converted to RGB" in notes(root)


def test_grey_images_alone_have_one_channel(make_tree):
    assert load(str(make_tree({"cat": 10, "dog": 10}, mode="L"))).task.input_shape == (1, 8, 8)


def test_test_images_are_brought_to_the_channels_of_the_search(make_tree):
    root = make_tree({"train/cat": 5, "train/dog": 5}, mode="L")
    make_tree({"test/cat": 2, "test/dog": 2})
    images, _ = load_test(str(root), load(str(root)).task)
    assert images.shape == (4, 1, 8, 8)


def test_jfif_is_jpeg(make_tree):
    root = make_tree({"cat": 4, "dog": 4}, suffix=".jpg")
    for file in root.rglob("*.jpg"):
        file.rename(file.with_suffix(".jfif"))
    assert load(str(root)).task.input_shape == (3, 8, 8)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".TIFF", ".webp"])
def test_every_extension_is_read_in_any_case(make_tree, suffix):
    mode = "L" if suffix == ".pgm" else "RGB"
    found = load(str(make_tree({"cat": 4, "dog": 4}, suffix=suffix, mode=mode)))
    assert len(found.train) + len(found.validation) + found.test_count == 8


def test_hidden_files_and_other_files_are_ignored_with_a_note(make_tree):
    root = make_tree({"cat": 5, "dog": 5})
    (root / ".git").mkdir()
    (root / "README.txt").touch()
    (root / "cat" / ".DS_Store").touch()
    (root / "dog" / "._0.png").touch()
    assert "not part of the data set, and ignored: .git, README.txt, cat/.DS_Store and 1 more" in notes(root)


def test_images_beside_the_class_folders_are_ignored_with_a_note(make_tree):
    assert "2 images beside the class folders" in notes(make_tree({"cat": 5, "dog": 5, ".": 2}))


def test_folders_beside_train_are_ignored_with_a_note(make_tree):
    root = make_tree({**TRAIN_TEST, "extra/cat": 3})
    assert "ignored: extra" in notes(root)


def test_imbalance_is_noted(make_tree):
    text = notes(make_tree({"train/cat": 60, "train/dog": 10, "test/cat": 1, "test/dog": 1}))
    assert "'cat' has 54 training images and 'dog' has 9" in text
    assert "right for 85.7%" in text


@pytest.mark.parametrize(
    ("names", "mirrored"),
    [
        (("0", "1"), False),
        (("1", "10"), False),
        (("00", "09"), False),
        (("A", "10"), False),
        (("1", "11"), True),
        (("left", "right", "straight"), False),
        (("Turn left", "turn RIGHT"), False),
        (("bright", "dark"), True),
        (("left", "straight"), True),
    ],
)
def test_classes_called_like_letters_digits_or_sides_are_not_mirrored(make_tree, names, mirrored):
    found = load(str(make_tree(dict.fromkeys(names, 5))))
    assert found.flip is mirrored
    assert any("not mirrored" in note for note in found.notes) is not mirrored


def test_an_empty_class_is_left_out_with_a_note(make_tree):
    root = make_tree({"cat": 5, "dog": 5, "fox": 0})
    assert load(str(root)).class_names == ("cat", "dog")
    assert "1 class folder without images was left out: 'fox'" in notes(root)


def test_a_class_without_test_images_is_noted(make_tree):
    root = make_tree({"train/cat": 5, "train/dog": 5, "test/cat": 2})
    assert "the test split has no image of 'dog': it says nothing of them" in notes(root)
    assert notes(root).count("the test split") == 1


def test_symlink_loops_end(make_tree):
    root = make_tree({"cat": 5, "dog": 5})
    (root / "cat" / "again").symlink_to(root / "cat")
    (root / "dog" / "self").symlink_to(root / "dog" / "self")
    found = load(str(root))
    assert len(found.train) + len(found.validation) + found.test_count == 10
    assert "met twice (symlinks) were left out: cat/again" in "\n".join(found.notes)


def test_a_pipe_with_the_name_of_an_image_is_never_opened(make_tree):
    root = make_tree({"cat": 5, "dog": 5})
    os.mkfifo(root / "cat" / "pipe.png")
    assert "cat/pipe.png" in notes(root)


def test_class_folders_that_differ_in_writing_alone_are_told_of(make_tree):
    assert "kept apart (write them alike if one is meant): 'Cat' and 'cat'" in notes(make_tree({"Cat": 5, "cat": 5}))


def test_the_name_of_the_folder_does_not_change_the_split(make_tree):
    first = make_tree({"cat": 20, "dog": 20}, root="one")
    second = make_tree({"cat": 20, "dog": 20}, root="two")
    assert load(str(first)).fingerprint == load(str(second)).fingerprint


def test_another_test_split_is_another_data_set(make_tree):
    root = make_tree(TRAIN_TEST)
    before = load(str(root)).fingerprint
    (root / "test/cat/000.png").unlink()
    assert load(str(root)).fingerprint != before


def test_a_link_to_a_folder_above_gives_no_class_the_images_of_others(tmp_path):
    for name in ("cat", "dog"):
        folder = tmp_path / name
        folder.mkdir()
        for index in range(6):
            Image.new("L", (8, 8), index).save(folder / f"{index}.png")
    (tmp_path / "cat" / "loop").symlink_to(tmp_path)
    (tmp_path / "all").symlink_to(tmp_path)
    data = load(str(tmp_path))
    assert data.class_names == ("cat", "dog")
    assert len(data.train_labels) + len(data.validation_labels) + data.test_count == 12


def test_images_that_use_a_small_part_of_the_range_are_told_of(make_tree):
    """A camera of 12 bits writes files of 16."""
    root = make_tree({"train/cat": 10, "train/dog": 10, "test/cat": 5}, mode="L")
    assert "dark" not in notes(root)
    generator = np.random.default_rng(0)
    for path in root.rglob("*.png"):
        Image.fromarray(generator.integers(0, 4096, (8, 8)).astype(np.uint16)).save(path)
    assert "the brightest sample is 15 of 255, so there are 16 shades at most" in notes(root)
    for path in root.rglob("*.png"):
        Image.fromarray(generator.integers(0, 200, (8, 8)).astype(np.uint16)).save(path)
    with pytest.raises(DataError, match=r"all images are black.*stretch them to the full range"):
        load(str(root))


def test_images_that_repeat_another_one_are_told_of_also_across_splits(make_tree):
    root = make_tree({"train/cat": 5, "train/dog": 5, "test/cat": 2, "test/dog": 2})
    assert "repeat another one" not in notes(root)
    shutil.copy(root / "train/cat/000.png", root / "test/dog/copy.png")
    assert "1 image repeats another one, pixel for pixel; it was kept, and the same image may be in" in notes(root)


def test_folders_that_are_called_like_splits_inside_of_classes_are_told_of(make_tree):
    root = make_tree({"cat/train": 4, "cat/test": 2, "dog/train": 4, "dog/test": 2})
    assert "called like splits and are none, their images are taken together: 'cat' has test, train" in notes(root)
    assert "called like splits" not in notes(make_tree({"cat/train": 4, "dog/old": 4}, root="toys"))


def test_folders_inside_of_classes_that_may_be_the_classes_are_told_of(make_tree):
    root = make_tree({f"{kind}/{name}": 3 for kind in ("color", "grey") for name in ("apple", "corn", "grape", "plum")})
    assert "'color' has apple, corn, grape and 1 more, 'grey' has apple, corn, grape and 1 more (if these" in notes(
        root
    )
    assert "inside of the classes" not in notes(make_tree({"cat/a": 3, "cat/b": 3, "dog": 6}, root="toys"))
