"""EuroSAT and the malaria cells, in archives that look like the published ones."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import load, load_test, public_trees
from lemonade_es.trainer.data.catalogue import PUBLIC_TREES

CLASSES = {"eurosat": ("AnnualCrop", "Forest", "River"), "malaria": ("Parasitized", "Uninfected")}


def image(size, name):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, format="PNG" if name.endswith(".png") else "JPEG")
    return made.getvalue()


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The archive of one of the two, with the odd files that are really in them, behind a ``file:`` URL."""

    def publish(name, *, md5=None, strange=None):
        top = {"eurosat": "2750", "malaria": "cell_images"}[name]
        path = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for label, folder in enumerate(CLASSES[name]):
                for number in range(20):
                    if name == "eurosat":
                        file, size = f"{folder}_{number}.jpg", (64, 64)
                    else:  # cells are cut out in any size
                        file, size = f"C{number}_cell.png", (100 + 7 * number, 120 + label)
                    archive.writestr(f"{top}/{folder}/{file}", image(size, file))
                archive.writestr(f"{top}/{folder}/Thumbs.db", b"no image")
            if name == "malaria":  # one of its copies holds everything twice
                archive.writestr(f"{top}/{top}/Parasitized/C0_cell.png", image((9, 9), ".png"))
            archive.writestr("../../evil.jpg", b"an attack")
            archive.writestr(f"{top}/../evil.jpg", b"an attack")
            for member, content in (strange or {}).items():
                archive.writestr(f"{top}/{member}", content)
        known = PUBLIC_TREES[name]
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        local = replace(known, archive=replace(known.archive, url=path.as_uri(), md5=md5 or digest))
        monkeypatch.setattr("lemonade_es.trainer.data.catalogue.PUBLIC_TREES", {name: local})
        return tmp_path / "data"

    return publish


@pytest.mark.parametrize("name", CLASSES)
def test_the_archive_is_fetched_resized_to_32_and_split_8_to_2(published, name):
    root = published(name)
    data = load(name, root=root, download=True)
    count = 20 * len(CLASSES[name])
    assert data.task.data == name
    assert data.task.input_shape == (3, 32, 32)
    assert data.class_names == CLASSES[name]
    assert data.test_count == count // 5
    assert len(data.train) + len(data.validation) == count - count // 5
    assert data.flip is True
    assert any(
        f"{count} images are here, and {PUBLIC_TREES[name].images} were published" in note for note in data.notes
    )
    images, labels = load_test(name, data.task, root=root)
    assert images.shape == (count // 5, 3, 32, 32)
    assert np.bincount(labels).tolist() == [4] * len(CLASSES[name])


@pytest.mark.parametrize("name", CLASSES)
def test_only_images_of_classes_come_out_of_the_archive(published, tmp_path, name):
    root = published(name)
    load(name, root=root, download=True)
    folder = root / PUBLIC_TREES[name].archive.folder
    assert sorted(path.name for path in folder.iterdir()) == sorted(CLASSES[name])
    assert {path.suffix for path in folder.rglob("*.*")} == {".jpg" if name == "eurosat" else ".png"}
    assert not list(tmp_path.rglob("evil.jpg"))
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []


def test_another_size_is_the_users_choice(published):
    assert load("malaria", root=published("malaria"), download=True, resize=16).task.input_shape == (3, 16, 16)


def test_broken_images_in_the_archive_are_named(published):
    root = published("malaria", strange={"Uninfected/broken.png": b"\x89PNG nothing", "Uninfected/empty.png": b""})
    with pytest.raises(DataError, match=r"2 of 42 images cannot be read: Uninfected/broken.png") as raised:
        load("malaria", root=root, download=True)
    assert "Uninfected/empty.png (empty file)" in raised.value.message


@pytest.mark.parametrize("name", CLASSES)
def test_without_the_folder_the_message_says_what_to_fetch_and_where_to_put_it(tmp_path, name):
    with pytest.raises(DataError, match=f"{name} is not here: the folder is missing") as raised:
        load(name, root=tmp_path)
    archive = PUBLIC_TREES[name].archive
    assert f"add --download, or fetch {archive.url}" in raised.value.hint
    assert str(tmp_path / archive.folder / archive.example) in raised.value.hint


def test_an_archive_that_is_not_the_published_one_is_refused_with_what_to_do(published):
    root = published("eurosat", md5="0" * 32)
    with pytest.raises(DataError, match="eurosat: the downloaded file has MD5") as raised:
        load("eurosat", root=root, download=True)
    assert raised.value.hint.startswith("try again, or fetch ")
    assert list(root.iterdir()) == []


def test_what_is_not_the_archive_is_refused_and_not_gone_on_from(published, tmp_path, monkeypatch):
    root = published("malaria")
    known = public_trees.PUBLIC_TREES["malaria"]
    path = tmp_path / "other.zip"
    other = replace(known, archive=replace(known.archive, url=path.as_uri()))
    monkeypatch.setattr("lemonade_es.trainer.data.catalogue.PUBLIC_TREES", {"malaria": other})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("something/else.txt", "else")
    for content, says in (
        (path.read_bytes(), "none of the files that are wanted"),
        (b"<html>log in</html>", "not a zip"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"malaria: what came is not the archive: .*{says}") as raised:
            load("malaria", root=root, download=True)
        assert raised.value.hint.startswith("try again, or fetch ")
        assert list(root.iterdir()) == []
