"""Trees of images that cannot be read as they are: each is refused with a way out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import load
from tests.trainer.data.conftest import TRAIN_TEST, problem


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (["seg_pred/seg_pred", "seg_test/seg_test/sea", "seg_train/seg_train/sea"], "'seg_test', 'seg_train'"),
        (["training_data/cat", "training_data/dog", "validation_data/cat"], "'training_data', 'validation_data'"),
        (["train", "test1"], "'test1', 'train'"),
        (["01 Train", "02 Val"], "'01 Train', '02 Val'"),
        (["TrainImages", "TestImages"], "'TestImages', 'TrainImages'"),
    ],
)
def test_splits_are_not_taken_for_classes(make_tree, folders, named):
    text = problem(make_tree(dict.fromkeys(folders, 6)))
    assert f"the folders {named} are called like splits, and would be taken for classes (call them train" in text


def test_test_images_of_another_size_ask_for_resize(make_tree):
    root = make_tree({"train/cat": 9, "train/dog": 9, "test/cat": 2}, size=(9, 7))
    make_tree({"test/dog": 3}, size=(12, 12))
    assert "2 different sizes: 9x7 (20), 12x12 (3)" in problem(root)
    assert load(str(root), resize=10).test_count == 5


def test_different_sizes_ask_for_resize(make_tree):
    root = make_tree({"cat": 20}, size=(9, 7))
    make_tree({"dog": 10}, size=(12, 12))
    text = problem(root)
    assert "2 different sizes: 9x7 (20), 12x12 (10)" in text
    assert "--resize N" in text
    assert load(str(root), resize=10).task.input_shape == (3, 10, 10)


def test_images_too_small_to_learn_from_ask_for_resize(make_tree):
    assert "images of 2x8 pixels are too small" in problem(make_tree({"cat": 5, "dog": 5}, size=(2, 8)))


def test_a_missing_folder_suggests_its_neighbour(make_tree):
    root = make_tree({"cat": 5, "dog": 5})
    text = problem(root.with_name("pet"))
    assert "no such folder" in text
    assert f"did you mean {root}?" in text


def test_a_missing_parent_is_named(tmp_path):
    assert f"its parent {tmp_path / 'none'} is missing" in problem(tmp_path / "none" / "pets")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "photos.zip").touch()
    assert "a file of an unknown kind (give a .csv or .tsv file, or a folder; a text file of" in problem(
        tmp_path / "photos.zip"
    )


def test_an_empty_folder_is_refused(tmp_path):
    assert "the folder holds no images" in problem(tmp_path)


def test_a_folder_of_tables_suggests_the_one_for_training(tmp_path):
    for name in ("sample_submission.csv", "test.csv", "train.csv"):
        (tmp_path / name).touch()
    assert f"the folder holds no images (did you mean {tmp_path / 'train.csv'}? " in problem(tmp_path)


def test_images_without_class_folders_are_refused(make_tree):
    assert "holds images, but no folder for each class" in problem(make_tree({".": 3}))


def test_one_class_is_refused(make_tree):
    assert "only the class 'cat' has images (of 1 class folder)" in problem(make_tree({"cat": 5}))


def test_classes_without_images_are_refused(make_tree):
    assert "no class folder has images (of 2 class folders)" in problem(make_tree({"cat": 0, "dog": 0}))


def test_files_that_are_no_images_here_are_counted_where_no_others_are(make_tree):
    root = make_tree({"cat": 3, "dog": 2}, suffix=".gif")
    (root / "cat" / "notes.txt").touch()
    text = problem(root)
    assert "no class folder has images (of 2 class folders); passed over: 5 .gif, 1 .txt (" in text
    assert "images are files that end in .bmp .jfif .jpeg .jpg .pgm .png" in text


def test_the_folder_around_the_classes_suggests_them(make_tree):
    root = make_tree({"PetImages/cat": 5, "PetImages/dog": 5})
    (root / "readme.txt").touch()
    text = problem(root)
    assert "only the class 'PetImages' has images" in text
    assert f"did you mean {root / 'PetImages'}?" in text


def test_what_a_mac_leaves_in_archives_does_not_hide_the_folder_around_the_classes(make_tree):
    root = make_tree({"PetImages/cat": 5, "PetImages/dog": 5, "__MACOSX/PetImages/cat": 0})
    (root / "__MACOSX/PetImages/cat/._000.png").write_bytes(b"\0\5\x16\7")
    text = problem(root)
    assert "only the class 'PetImages' has images (of 2 class folders) (" in text
    assert f"did you mean {root / 'PetImages'}?" in text


@pytest.mark.parametrize("more", [{}, {"train/labels": 0, "test/labels": 0}])
def test_a_folder_between_the_split_and_the_classes_is_named(make_tree, more):
    counts = {f"{split}/images/{name}": 5 for split in ("train", "test") for name in ("cat", "dog")}
    root = make_tree(counts | more)
    folder = root / "train" / "images"
    assert f"if the folders in {folder} are the classes, move them up into {folder.parent}; " in problem(root)


def test_the_folder_above_the_tree_suggests_the_tree(make_tree):
    root = make_tree({f"cifar/{name}": count for name, count in TRAIN_TEST.items()})
    assert f"did you mean {root / 'cifar'}?" in problem(root)


def test_a_test_folder_alone_is_refused(make_tree):
    assert "there is test/, val/ but no train/" in problem(make_tree({"test/cat": 3, "val/cat": 3}))


def test_two_validation_folders_are_refused(make_tree):
    root = make_tree({**TRAIN_TEST, "val/cat": 1, "valid/cat": 1})
    assert "val/ and valid/ are both the validation split" in problem(root)


def test_the_same_folder_as_two_splits_is_refused(make_tree):
    root = make_tree(TRAIN_TEST)
    (root / "val").symlink_to(root / "test")
    assert "test/ and val/ are the same folder" in problem(root)


@pytest.mark.parametrize("part", ["test", "val"])
def test_classes_that_training_has_not_are_refused(make_tree, part):
    text = problem(make_tree({**TRAIN_TEST, f"{part}/emu": 1, f"{part}/fox": 1}))
    assert "2 classes without training images: 'emu', 'fox'" in text


def test_too_few_images_in_a_class_are_counted(make_tree):
    assert "'dog' has 2; each class needs 3" in problem(make_tree({"cat": 9, "dog": 2}))


def test_an_unprintable_class_name_is_refused(make_tree):
    assert r"'do\ng'" in problem(make_tree({"cat": 5, "do\ng": 5}))


@pytest.mark.parametrize(
    ("locked", "mode"),
    [
        (".", 0),
        (".", 0o444),
        ("train", 0),
        ("train", 0o444),
        ("train/cat", 0),
        ("train/cat", 0o444),
        ("train/cat/000.png", 0),
    ],
)
def test_no_permission_is_said_where_it_lacks(make_tree, locked, mode):
    with tempfile.TemporaryDirectory() as open_to_all:
        root = make_tree(TRAIN_TEST).rename(Path(open_to_all) / "pets")
        Path(open_to_all).chmod(0o755)
        load(str(root))  # imports what it needs while it may
        (root / locked).chmod(mode)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)  # nobody: root may read anything
        try:
            text = problem(root)
        finally:
            os.seteuid(was)
            (root / locked).chmod(0o755)
    assert "permission" in text
    assert str(root / locked) in text or locked in text


def test_a_test_folder_of_images_without_labels_is_refused_with_the_way_out(make_tree):
    root = make_tree({"train/cat": 5, "train/dog": 5, "test": 3})
    with pytest.raises(DataError, match=r"no folder for each class.*if these have no labels, take them away"):
        load(str(root))
