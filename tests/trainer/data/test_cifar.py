"""CIFAR files, written here with the opcodes that Python 2 used for the published ones."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import load, load_test
from lemonade_es.trainer.data.cifar import CIFAR10, CIFAR100, Batches, fetch_cifar

IMAGES_IN_A_FILE = 40


class Attack:
    """A pickle that runs a program when it is read."""

    def __reduce__(self):
        return (eval, ("__import__('pathlib').Path('attacked').touch()",))


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def python2_pickle(entry: dict[str, list[int] | list[str] | np.ndarray]) -> bytes:
    """Protocol 2 as cPickle of Python 2 wrote it: texts are SHORT_BINSTRING, array bytes are BINSTRING."""
    stream = b"\x80\x02}("
    for key, value in entry.items():
        stream += text(key)
        if isinstance(value, np.ndarray):
            stream += b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
            stream += b"".join(b"J" + struct.pack("<i", length) for length in value.shape) + b"\x86"
            stream += b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            stream += b"\x89T" + struct.pack("<i", value.nbytes) + value.tobytes() + b"tb"
        else:
            items = [text(item) if isinstance(item, str) else b"K" + bytes([item]) for item in value]
            stream += b"](" + b"".join(items) + b"e"
    return stream + b"u."


def pixels_of(labels: list[int]) -> np.ndarray:
    """Images whose red, green and blue planes are label, label + 100 and label + 150."""
    planes = np.repeat(np.array([0, 100, 150]), 1024)
    return (np.array(labels)[:, None] + planes).astype(np.uint8)


def write(archive: Batches, root: Path, classes: int) -> Path:
    folder = root / archive.folder
    folder.mkdir(parents=True)
    names = [f"class-{label:03}" for label in range(classes)]
    (folder / archive.meta).write_bytes(python2_pickle({archive.label_names: names}))
    for name in (*archive.train, archive.test):
        labels = [index % classes for index in range(max(IMAGES_IN_A_FILE, 2 * classes))]
        (folder / name).write_bytes(python2_pickle({"data": pixels_of(labels), archive.labels: labels}))
    return folder


def test_the_files_written_here_are_read_by_pickle_as_torchvision_reads_them(tmp_path):
    path = write(CIFAR10, tmp_path, 10) / "data_batch_1"
    with path.open("rb") as file:
        entry = pickle.load(file, encoding="latin1")
    assert np.array_equal(entry["data"], pixels_of(entry["labels"]))


@pytest.mark.parametrize(("archive", "classes"), [(CIFAR10, 10), (CIFAR100, 100)])
def test_published_files_are_read_into_their_own_splits(tmp_path, archive, classes):
    write(archive, tmp_path, classes)
    found = load(archive.name, root=tmp_path)
    in_file = max(IMAGES_IN_A_FILE, 2 * classes)
    assert found.task.input_shape == (3, 32, 32)
    assert found.task.classes == classes
    assert len(found.train) + len(found.validation) == in_file * len(archive.train)
    assert found.test_count == in_file
    assert found.class_names[1] == "class-001"
    assert found.flip is True
    assert np.array_equal(found.train[:, 0, 0, 0], found.train_labels)
    assert np.array_equal(found.train[:, 2, 31, 31], found.train_labels + 150)
    images, labels = load_test(archive.name, found.task, root=tmp_path)
    assert np.array_equal(images[:, 1, 5, 5], labels + 100)


def test_files_that_python_3_pickled_are_read_too(tmp_path):
    folder = write(CIFAR10, tmp_path, 10)
    labels = [index % 10 for index in range(20)]
    for protocol, name in enumerate(CIFAR10.train, start=1):
        (folder / name).write_bytes(pickle.dumps({"data": pixels_of(labels), "labels": labels}, min(protocol, 4)))
    assert np.array_equal((found := load("cifar10", root=tmp_path)).train[:, 0, 0, 0], found.train_labels)


def test_without_the_files_the_error_says_what_to_fetch_and_where_to_put_it(tmp_path):
    with pytest.raises(DataError) as raised:
        load("cifar10", root=tmp_path)
    said = str(raised.value)
    assert "cifar10 is not here: batches.meta, data_batch_1, data_batch_2 and 4 more missing" in said
    assert "fetch https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz" in said
    assert str(tmp_path / "cifar-10-batches-py" / "data_batch_1") in said


def test_the_default_root_is_the_folder_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(CIFAR10, tmp_path / "data", 10)
    assert load("cifar10").test_count == IMAGES_IN_A_FILE


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write(CIFAR10, tmp_path, 10)
    (folder / "data_batch_3").write_bytes(pickle.dumps({"data": Attack()}))
    with pytest.raises(DataError, match=r"it asks for builtins\.eval") as raised:
        load("cifar10", root=tmp_path)
    assert raised.value.where == str(folder / "data_batch_3")
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Ran out of input"),
        (b"\x80\x02}(", ""),
        (b"<html>", ""),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".", "MemoryError"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b".", "maximum size"),
        (python2_pickle({"labels": [1]}), "'data' is no uint8 array"),
        (python2_pickle({"data": pixels_of([1, 2]), "labels": [1]}), "no list of 2 labels"),
        (python2_pickle({"data": pixels_of([1, 2]), "labels": [1, 10]}), "labels from 0 to 9"),
        (python2_pickle({"data": np.zeros((2, 5), dtype=np.uint8), "labels": [1, 2]}), "3072 columns"),
        (pickle.dumps([1, 2]), "a list where a dictionary should be"),
        (pickle.dumps({"data": np.array([object()]), "labels": [1]}), "which no such file"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(tmp_path, content, says):
    path = write(CIFAR10, tmp_path, 10) / "data_batch_2"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        load("cifar10", root=tmp_path)
    assert raised.value.where == str(path)
    assert says in raised.value.message


@pytest.fixture
def published(tmp_path) -> Batches:
    """An archive that can be downloaded from a file."""
    folder = write(CIFAR10, tmp_path / "origin", 10)
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, CIFAR10.folder)
        tar.add(folder / "test_batch", "../outside")
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return dataclasses.replace(CIFAR10, url=path.as_uri(), md5=digest)


def test_a_download_gives_the_files_and_nothing_else(published, tmp_path):
    root = tmp_path / "data"
    fetch_cifar(published, root)
    assert load("cifar10", root=root).test_count == IMAGES_IN_A_FILE
    assert [path.name for path in root.iterdir()] == [CIFAR10.folder]
    assert {path.name for path in (root / CIFAR10.folder).iterdir()} == set(CIFAR10.files)


def test_what_is_there_is_not_downloaded_again(published, tmp_path):
    fetch_cifar(dataclasses.replace(published, url="file:///nowhere"), tmp_path / "origin")


def test_a_download_with_a_wrong_checksum_is_thrown_away(published, tmp_path):
    with pytest.raises(DataError, match=f"has MD5 {published.md5}, and should have 0"):
        fetch_cifar(dataclasses.replace(published, md5="0"), tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_download_that_fails_says_how_to_do_it_by_hand(published, tmp_path):
    with pytest.raises(DataError, match="cannot be fetched") as raised:
        fetch_cifar(dataclasses.replace(published, url=(tmp_path / "nothing").as_uri()), tmp_path / "data")
    assert "unpack it into" in str(raised.value)
