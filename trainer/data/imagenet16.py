"""ImageNet16-120: the first 120 classes of ImageNet at 16x16, in the pickled batches of its authors.

The archive is behind a log-in, so that it must be fetched by hand; each file is held against the checksum that
NAS-Bench-201 publishes before it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import memory
from lemonade_es.trainer.data.decoding import resized
from lemonade_es.trainer.data.download import md5_of
from lemonade_es.trainer.data.names import first_three
from lemonade_es.trainer.data.pickles import image_batch, strange
from lemonade_es.trainer.data.source import Inputs, Part, Source, Wanted

NAME = "imagenet16-120"
FOLDER = "ImageNet16"
_WHERE = "https://image-net.org/download-images"
_SIDE = 16
_CLASSES = 120
_OF_IMAGENET = range(1, 1001)
_TEST = "val_data"

CHECKSUMS: Mapping[str, str] = MappingProxyType(
    {
        "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
        "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
        "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
        "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
        "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
        "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
        "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
        "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
        "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
        "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
        _TEST: "3410e3017fdaefba8d5073aaa65e4bd6",
    }
)
"""MD5 of each file, by name, in the order of reading."""


def imagenet16(root: Path, checksums: Mapping[str, str] = CHECKSUMS) -> Source:
    """The data set below ``root``: training batches, and the official validation batch as the test split.

    Args:
        root: the folder of all data sets.
        checksums: the files and their MD5.

    Raises:
        DataError: files are missing, or are not what the authors published.
    """
    import numpy as np

    folder = root / FOLDER
    missing = [name for name in checksums if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{NAME} is not here: {first_three(missing)} missing",
            where=str(folder),
            hint=f"log in at {_WHERE}, fetch the 16x16 train and val archives, and put {len(checksums)} files, "
            f"train_data_batch_1 to _10 and {_TEST}, into {folder}",
        )
    kept = []
    labels: list[int] = []
    parts: list[Part] = []
    for name, md5 in checksums.items():
        path = folder / name
        found = md5_of(path)
        if found != md5:
            raise strange(path, f"its MD5 is {found}, and should be {md5}")
        pixels, of_imagenet = image_batch(path, _SIDE, "labels", _OF_IMAGENET)
        chosen = [index for index, label in enumerate(of_imagenet) if label <= _CLASSES]
        kept.append(pixels[chosen])
        labels += [of_imagenet[index] - 1 for index in chosen]
        parts += ["test" if name == _TEST else "train"] * len(chosen)
    images = np.concatenate(kept)

    def read(_: Sequence[int], indexes: Sequence[int], wanted: Wanted) -> Inputs:
        height, width = wanted.size or (_SIDE, _SIDE)
        memory.require(len(indexes), (3, height, width), where=NAME)
        return Inputs(resized(images[list(indexes)], wanted.size))

    return Source(
        name=NAME,
        class_names=tuple(f"class {label}" for label in range(1, _CLASSES + 1)),
        labels=labels,
        keys=[str(index) for index in range(len(labels))],
        parts=parts,
        flip=True,
        read=read,
    )
