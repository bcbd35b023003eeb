"""EuroSAT and the malaria cells: public archives of image folders, brought to 32x32 and split 8:2 as in the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from lemonade_es.trainer.data.archive import Archive, fetch
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.data.source import PAPER_PORTIONS, Source
from lemonade_es.trainer.data.tree import tree

_SIDE = 32


@dataclass(frozen=True, slots=True)
class PublicTree:
    """One of the data sets.

    Attributes:
        archive: where it comes from.
        images: how many it has, as published.
    """

    archive: Archive
    images: int


def _image(top: str, member: PurePosixPath) -> PurePosixPath | None:
    """``CLASS/FILE`` for an image in a folder of the archive's top folder."""
    parts = member.parts
    # one of the copies of the malaria archive has its top folder twice; the inner one comes last
    wanted = len(parts) == 3 and parts[0] == top and parts[1] != top and member.suffix.lower() in (".jpg", ".png")
    return PurePosixPath(*parts[1:]) if wanted and ".." not in parts else None


PUBLIC_TREES: Mapping[str, PublicTree] = MappingProxyType(
    {
        "eurosat": PublicTree(
            Archive(
                name="eurosat",
                url="https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
                "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
                md5="c8fa014336c82ac7804f0398fcb19387",
                folder="eurosat/2750",
                example="AnnualCrop",
                place=partial(_image, "2750"),
            ),
            images=27_000,
        ),
        "malaria": PublicTree(
            Archive(
                name="malaria",
                url="https://data.lhncbc.nlm.nih.gov/public/Malaria/cell_images.zip",
                md5=None,
                folder="cell_images",
                example="Parasitized",
                place=partial(_image, "cell_images"),
            ),
            images=27_558,
        ),
    }
)
"""By name."""


def public_tree(known: PublicTree, root: Path, *, download: bool, progress: Progress | None = None) -> Source:
    """The data set below ``root``.

    Args:
        known: which one.
        root: the folder of all data sets.
        download: whether it may be fetched if it is not there.
        progress: told how far the download is.

    Raises:
        DataError: it is not there, cannot be fetched, or is not fit to learn from.
    """
    archive = known.archive
    folder = root / archive.folder
    if download and not folder.is_dir():
        fetch(archive, root, progress)
    if not folder.is_dir():
        raise archive.missing(root, "the folder is missing")
    source = tree(folder)
    found = len(source.keys)
    note = (f"{found} images are here, and {known.images} were published",) if found != known.images else ()
    return replace(
        source, name=archive.name, portions=PAPER_PORTIONS, side=_SIDE, flip=True, notes=(*source.notes, *note)
    )
