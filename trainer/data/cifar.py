"""CIFAR-10 and CIFAR-100 as their authors publish them (the "python version" that torchvision keeps, too)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from lemonade_es.trainer.data import memory
from lemonade_es.trainer.data.archive import Archive, fetch
from lemonade_es.trainer.data.decoding import resized
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.data.names import first_three
from lemonade_es.trainer.data.pickles import image_batch, read_pickle, strange
from lemonade_es.trainer.data.source import Inputs, Part, Source, Wanted

_SIDE = 32


@dataclass(frozen=True, slots=True)
class Batches:
    """Where one of the data sets comes from and what its files are called.

    Attributes:
        name: the data set's name.
        url: of the archive.
        md5: of the archive, as torchvision checks it.
        folder: what it unpacks to.
        train: files of training images.
        test: the file of test images.
        meta: the file of class names.
        labels: the key of the labels in a file of images.
        label_names: the key of the class names.
    """

    name: str
    url: str
    md5: str
    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    label_names: str

    @property
    def files(self) -> tuple[str, ...]:
        """All that is needed, in the order of reading."""
        return (self.meta, *self.train, self.test)

    @property
    def archive(self) -> Archive:
        """What to fetch."""
        return Archive(self.name, self.url, self.md5, self.folder, self.train[0], partial(_placed, self))


CIFAR10 = Batches(
    name="cifar10",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test="test_batch",
    meta="batches.meta",
    labels="labels",
    label_names="label_names",
)
CIFAR100 = Batches(
    name="cifar100",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    folder="cifar-100-python",
    train=("train",),
    test="test",
    meta="meta",
    labels="fine_labels",
    label_names="fine_label_names",
)


def cifar(batches: Batches, root: Path) -> Source:
    """The data set below ``root``, in its own training and test split.

    Raises:
        DataError: files are missing, or are not what the authors published.
    """
    import numpy as np

    folder = root / batches.folder
    missing = _missing(batches, folder)
    if missing:
        raise batches.archive.missing(root, f"{first_three(missing)} missing")
    class_names = _class_names(folder / batches.meta, batches)
    allowed = range(len(class_names))
    read_in = [image_batch(folder / name, _SIDE, batches.labels, allowed) for name in (*batches.train, batches.test)]
    pixels = np.concatenate([images for images, _ in read_in])
    labels = [label for _, batch in read_in for label in batch]
    tested = len(read_in[-1][1])
    parts: list[Part] = ["train"] * (len(labels) - tested)
    parts += ["test"] * tested

    def read(_: Sequence[int], indexes: Sequence[int], wanted: Wanted) -> Inputs:
        height, width = wanted.size or (_SIDE, _SIDE)
        memory.require(len(indexes), (3, height, width), where=batches.name)
        return Inputs(resized(pixels[list(indexes)], wanted.size))

    return Source(
        name=batches.name,
        class_names=class_names,
        labels=labels,
        keys=[str(index) for index in range(len(labels))],
        parts=parts,
        flip=True,
        read=read,
    )


def fetch_cifar(batches: Batches, root: Path, progress: Progress | None = None) -> None:
    """Download and unpack the data set below ``root``; nothing is done if it is there.

    Raises:
        DataError: there is no network, the archive is not the published one, or ``root`` cannot be written.
    """
    if _missing(batches, root / batches.folder):
        fetch(batches.archive, root, progress)


def _missing(batches: Batches, folder: Path) -> list[str]:
    return [name for name in batches.files if not (folder / name).is_file()]


def _placed(batches: Batches, member: PurePosixPath) -> PurePosixPath | None:
    wanted = member.parent == PurePosixPath(batches.folder) and member.name in batches.files
    return PurePosixPath(member.name) if wanted else None


def _class_names(path: Path, batches: Batches) -> tuple[str, ...]:
    names = read_pickle(path).get(batches.label_names)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) < 2:
        raise strange(path, f"no list of class names under {batches.label_names!r}")
    return tuple(names)
