"""CIFAR-10 and CIFAR-100 as their authors publish them (the "python version" that torchvision keeps, too).

The files are Python pickles. They are read by an unpickler that knows numpy arrays and nothing else, so a
file that was tampered with cannot run code.
"""

from __future__ import annotations

import hashlib
import pickle
import tarfile
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import memory
from lemonade_es.trainer.data.decoding import resized
from lemonade_es.trainer.data.names import first_three
from lemonade_es.trainer.data.source import Images, Part, Source, Wanted

_SIDE = 32
_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Archive:
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


CIFAR10 = Archive(
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
CIFAR100 = Archive(
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


def cifar(archive: Archive, root: Path) -> Source:
    """The data set below ``root``, in its own training and test split.

    Raises:
        DataError: files are missing, or are not what the authors published.
    """
    import numpy as np

    folder = root / archive.folder
    missing = [name for name in archive.files if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{archive.name} is not here: {first_three(missing)} missing",
            where=str(folder),
            hint=f"add --download, or {_by_hand(archive, root)}",
        )
    class_names = _class_names(folder / archive.meta, archive)
    batches = [_batch(folder / name, archive, len(class_names)) for name in (*archive.train, archive.test)]
    pixels = np.concatenate([images for images, _ in batches])
    labels = [label for _, batch in batches for label in batch]
    tested = len(batches[-1][1])
    parts: list[Part] = ["train"] * (len(labels) - tested)
    parts += ["test"] * tested

    def read(indexes: Sequence[int], wanted: Wanted) -> Images:
        height, width = wanted.size or (_SIDE, _SIDE)
        memory.require(len(indexes), (3, height, width), where=archive.name)
        return Images(resized(pixels[list(indexes)], wanted.size))

    return Source(
        name=archive.name,
        class_names=class_names,
        labels=labels,
        keys=[str(index) for index in range(len(labels))],
        parts=parts,
        flip=True,
        read=read,
    )


def fetch(archive: Archive, root: Path) -> None:
    """Download and unpack the data set below ``root``; nothing is done if it is there.

    Raises:
        DataError: there is no network, the archive is not the published one, or ``root`` cannot be written.
    """
    folder = root / archive.folder
    if all((folder / name).is_file() for name in archive.files):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{archive.folder}-", dir=root) as scratch:
            downloaded = Path(scratch) / "archive.tar.gz"
            found = _download(archive.url, downloaded)
            if found != archive.md5:
                raise DataError(
                    f"the downloaded {archive.name} has MD5 {found}, and should have {archive.md5}",
                    where=archive.url,
                    hint=f"try again, or {_by_hand(archive, root)}",
                )
            _unpack(downloaded, archive, Path(scratch))
            folder.mkdir(exist_ok=True)
            for name in archive.files:
                (Path(scratch) / name).replace(folder / name)
    except (OSError, tarfile.TarError, KeyError) as error:
        raise DataError(
            f"{archive.name} cannot be fetched into {root}: {error}", where=archive.url, hint=_by_hand(archive, root)
        ) from error


def _by_hand(archive: Archive, root: Path) -> str:
    return f"fetch {archive.url} and unpack it into {root}, so that {root / archive.folder / archive.train[0]} is there"


def _download(url: str, target: Path) -> str:
    """Save ``url`` as ``target``; returns its MD5, which guards against broken downloads."""
    digest = hashlib.md5(usedforsecurity=False)
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as reply,  # noqa: S310 - a constant of this module
        target.open("wb") as file,
    ):
        while chunk := reply.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _unpack(path: Path, archive: Archive, target: Path) -> None:
    """Write the archive's files, and no others, straight into ``target``."""
    with tarfile.open(path) as tar:
        for name in archive.files:
            member = tar.extractfile(f"{archive.folder}/{name}")
            if member is None:
                raise KeyError(f"{name} is no file in the archive")
            (target / name).write_bytes(member.read())


def _class_names(path: Path, archive: Archive) -> tuple[str, ...]:
    names = _unpickled(path).get(archive.label_names)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) < 2:
        raise _strange(path, f"no list of class names under {archive.label_names!r}")
    return tuple(names)


def _batch(path: Path, archive: Archive, classes: int) -> tuple[Any, list[int]]:
    """Pixels, uint8 ``(N, 3, 32, 32)``, and labels of one file."""
    import numpy as np

    entry = _unpickled(path)
    pixels, labels = entry.get("data"), entry.get(archive.labels)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3 * _SIDE**2,):
        raise _strange(path, "'data' is no uint8 array of 3072 columns")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise _strange(path, f"{archive.labels!r} is no list of {len(pixels)} labels")
    if not all(isinstance(label, int) and 0 <= label < classes for label in labels):
        raise _strange(path, f"{archive.labels!r} holds something else than labels from 0 to {classes - 1}")
    return pixels.reshape(-1, 3, _SIDE, _SIDE), labels


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = _ArrayUnpickler(file).load()
    except (OSError, pickle.UnpicklingError, ValueError, TypeError, LookupError, EOFError, AttributeError) as error:
        raise _strange(path, str(error) or type(error).__name__) from error
    if not isinstance(content, dict):
        raise _strange(path, f"a {type(content).__name__} where a dictionary should be")
    return content


def _strange(path: Path, what: str) -> DataError:
    return DataError(
        f"not a file of the published data set: {what}",
        where=str(path),
        hint="remove its folder and fetch the data set anew",
    )


class _ArrayUnpickler(pickle.Unpickler):
    """Numpy arrays in plain containers, as Python 2 pickled them; every other name is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        import numpy as np

        match module, name:
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return np.empty(0).__reduce__()[0]  # the same function under numpy 1's and numpy 2's name
            case "numpy", "ndarray":
                return np.ndarray
            case "numpy", "dtype":
                return _dtype
            case "_codecs", "encode":  # how Python 3 writes bytes for protocol 2
                return _encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no such file needs")


def _dtype(name: str, align: object = False, copy: object = False) -> Any:
    """The type of unsigned bytes; its flags come as 0 and 1, which numpy 2.4 begins to deprecate."""
    import numpy as np

    if name != "u1":
        raise pickle.UnpicklingError(f"an array of {name!r}, which no such file has")
    return np.dtype(name, bool(align), bool(copy))


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}, which no such file has")
    return text.encode("latin1")
