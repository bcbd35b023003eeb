"""ImageNet16-120 in the pickled batches of its authors."""

from __future__ import annotations

import hashlib
import os
import pickle
from functools import partial

import numpy as np
import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import catalogue, load, load_test
from lemonade_es.trainer.data.imagenet16 import CHECKSUMS, FOLDER, imagenet16


class Attack:
    def __reduce__(self):

        return (os.system, ("touch attacked",))


def batch(labels):
    """As the authors pickle it: rows of three planes, and labels from 1 to 1000 in a list."""
    planes = np.repeat(np.array([0, 100, 50]), 256)
    pixels = (np.array(labels)[:, None] % 120 + planes).astype(np.uint8)
    return pickle.dumps({"data": pixels, "labels": labels, "mean": np.zeros(768)}, protocol=4)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Batches with every class from 1 to 200 once or twice, whose checksums are the ones that count here."""

    def write(**contents):
        folder = tmp_path / FOLDER
        folder.mkdir()
        checksums = {}
        for name in CHECKSUMS:
            content = contents.get(name, batch(list(range(1, 201))))
            (folder / name).write_bytes(content)
            checksums[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        monkeypatch.setattr(catalogue.imagenet16, "imagenet16", partial(imagenet16, checksums=checksums))
        return tmp_path

    return write


def test_the_first_120_classes_are_taken_and_the_official_validation_batch_is_the_test_split(written):
    root = written()
    data = load("imagenet16-120", root=root)
    assert data.task.input_shape == (3, 16, 16)
    assert data.task.classes == 120
    assert (data.class_names[0], data.class_names[119]) == ("class 1", "class 120")
    assert len(data.train) + len(data.validation) == 10 * 120
    assert data.test_count == 120
    assert data.flip is True
    assert np.array_equal(data.train[:, 0, 0, 0], (data.train_labels + 1) % 120)
    assert np.array_equal(data.train[:, 1, 5, 5], (data.train_labels + 1) % 120 + 100)
    images, labels = load_test("imagenet16-120", data.task, root=root)
    assert np.array_equal(images[:, 2, 15, 15], (labels + 1) % 120 + 50)


def test_there_are_ten_batches_and_one_for_the_test():
    assert len(CHECKSUMS) == 11
    assert len(set(CHECKSUMS.values())) == 11


def test_without_the_files_the_message_says_where_to_log_in_and_where_to_put_them(tmp_path):
    with pytest.raises(DataError, match="imagenet16-120 is not here: train_data_batch_1") as raised:
        load("imagenet16-120", root=tmp_path)
    assert "log in at https://image-net.org/download-images" in raised.value.hint
    assert str(tmp_path / FOLDER) in raised.value.hint


def test_a_file_with_another_checksum_is_not_even_unpickled(written, tmp_path, monkeypatch):
    root = written()
    monkeypatch.chdir(tmp_path)
    path = root / FOLDER / "train_data_batch_4"
    path.write_bytes(pickle.dumps(Attack()))
    with pytest.raises(DataError, match="its MD5 is") as raised:
        load("imagenet16-120", root=root)
    assert raised.value.where == str(path)
    assert not (tmp_path / "attacked").exists()


def test_a_hostile_pickle_is_refused_even_if_its_checksum_holds(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = written(train_data_batch_2=pickle.dumps({"data": Attack()}))
    with pytest.raises(DataError, match=r"it asks for posix\.system"):
        load("imagenet16-120", root=root)
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize(
    ("labels", "says"), [([0, 1], "labels from 1 to 1000"), ([1, 1001], "labels from 1 to 1000"), ([1, "2"], "labels")]
)
def test_labels_out_of_range_are_refused(written, labels, says):
    content = pickle.dumps({"data": np.zeros((2, 768), dtype=np.uint8), "labels": labels})
    with pytest.raises(DataError, match=says):
        load("imagenet16-120", root=written(train_data_batch_1=content))
