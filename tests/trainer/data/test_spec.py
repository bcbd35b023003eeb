from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lemonade_es.errors import DataError
from lemonade_es.task import Task
from lemonade_es.trainer.data import describe, known, load, load_test


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_digits_are_split_into_three_parts(digits):
    assert digits.task == Task("image", "digits", (1, 8, 8), 10)
    assert (len(digits.train), len(digits.validation), digits.test_count) == (1257, 270, 270)
    assert digits.train.dtype == np.uint8
    assert digits.train_labels.dtype == np.int64
    assert digits.train.max() == 255
    assert digits.class_names == tuple("0123456789")
    assert digits.flip is False


def test_statistics_are_those_of_the_training_images_alone(digits):
    scaled = digits.train.astype(np.float64) / 255
    assert digits.mean == pytest.approx((scaled.mean(),))
    assert digits.std == pytest.approx((scaled.std(),))


def test_arrays_cannot_be_written_to(digits):
    for array in (digits.train, digits.train_labels, digits.validation, digits.validation_labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_dataset_survives_pickling(digits):
    again = pickle.loads(pickle.dumps(digits))
    assert again.fingerprint == digits.fingerprint
    assert np.array_equal(again.train, digits.train)


def test_the_order_is_random_so_that_any_batch_has_many_classes(digits):
    assert len(set(digits.validation_labels[:64].tolist())) >= 8
    assert len(set(digits.train_labels[:64].tolist())) >= 8


def test_the_fingerprint_is_the_same_for_the_same_data_and_changes_with_the_split(digits):
    assert load("digits").fingerprint == digits.fingerprint
    assert load("digits", seed=1).fingerprint != digits.fingerprint
    assert load("digits", limit=500).fingerprint != digits.fingerprint


def test_a_limit_counts_training_and_validation_images(digits):
    some = load("digits", limit=100)
    assert len(some.train) + len(some.validation) == 100
    assert some.test_count == digits.test_count
    assert set(map(bytes, some.train)) <= set(map(bytes, digits.train))


def test_digits_can_be_resized():
    assert load("digits", limit=40, resize=16).task.input_shape == (1, 16, 16)


def test_the_test_split_shares_no_image_with_the_search(digits):
    images, labels = load_test("digits", digits.task)
    assert images.shape == (270, 1, 8, 8)
    assert labels.shape == (270,)
    searched = {*map(bytes, digits.train), *map(bytes, digits.validation)}
    assert not searched & set(map(bytes, images))


def test_the_test_split_has_the_size_that_the_search_had():
    images, _ = load_test("digits", load("digits", limit=40, resize=12).task)
    assert images.shape[1:] == (1, 12, 12)


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_of_nothing_is_refused(limit):
    with pytest.raises(DataError, match=f"a limit of {limit} is no limit"):
        load("digits", limit=limit)


@pytest.mark.parametrize("side", [3, 513, 0, -1])
def test_a_side_out_of_range_is_refused(side):
    with pytest.raises(DataError, match=f"resized to {side} pixels") as raised:
        load("digits", resize=side)
    assert "from 4 to 512" in str(raised.value)


@pytest.mark.parametrize(("spec", "meant"), [("digit", "digits"), ("CIFAR-10", "cifar10"), ("cifar_100", "cifar100")])
def test_a_mistyped_name_is_recognised(spec, meant):
    with pytest.raises(DataError) as raised:
        load(spec)
    assert f"did you mean {meant}?" in str(raised.value)
    assert "digits, diabetes, cifar10, cifar100" in str(raised.value)


def test_a_mistyped_folder_is_recognised(make_tree, monkeypatch):
    monkeypatch.chdir(make_tree({"cat": 8, "dog": 8}, root="photos").parent)
    with pytest.raises(DataError, match=r"did you mean photos\?"):
        load("photo")


@pytest.mark.parametrize("spec", ["~nobody-of-this-name", "~nobody-of-this-name/photos", "~nobody-of-this-name/a.csv"])
def test_the_home_of_a_user_who_is_not_known_is_a_place_where_nothing_is(spec):
    with pytest.raises(DataError, match="~nobody-of-this-name"):
        load(spec)


@pytest.mark.parametrize("spec", ["", "  "])
def test_an_empty_name_is_refused_with_the_list(spec):
    with pytest.raises(DataError, match="no data set is named") as raised:
        load(spec)
    assert "digits" in str(raised.value)


def test_a_name_goes_before_a_folder_and_a_path_reaches_the_folder(make_tree, monkeypatch):
    root = make_tree({"a-cat": 8, "a-dog": 8}, root="digits")
    monkeypatch.chdir(root.parent)
    assert load("digits").task.classes == 10
    assert load("./digits").task.classes == 2


def test_each_known_data_set_is_described():
    text = describe()
    assert all(name in text for name in known())
    assert all(len(line) < 80 for line in text.splitlines())


def test_the_documentation_has_the_same_descriptions():
    page = Path(__file__).parents[3] / "docs" / "data.md"
    assert f"```\n{describe()}\n```" in page.read_text(encoding="utf-8")


def test_loading_imports_no_torch():
    code = (
        "import sys, lemonade_es.trainer.data as data\n"
        "assert not {'numpy', 'PIL', 'sklearn', 'torch'} & set(sys.modules), 'at import'\n"
        "data.load('digits')\n"
        "assert 'torch' not in sys.modules, 'in use'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_test_split_that_lacks_a_class_is_told_of(tmp_path):
    parts = {"train": ("a", "b"), "test": ("a",)}
    for part, classes in parts.items():
        for name in classes:
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(12):
                Image.new("RGB", (8, 8), (number, 9, 9)).save(tmp_path / part / name / f"{number}.png")
    told = "the test split has no image of 'b': it says nothing of them"
    assert told in load(str(tmp_path)).notes
    (tmp_path / "test" / "b").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "test" / "b" / "1.png")
    assert told not in load(str(tmp_path)).notes
