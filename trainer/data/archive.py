"""Published archives: fetched once, and unpacked to the files that are wanted and no others."""

from __future__ import annotations

import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import IO

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.download import Progress, download

_NO_ARCHIVE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True)
class Archive:
    """Where a data set comes from and where its files go.

    Attributes:
        name: the data set's name.
        url: of the archive, a ``.tar.gz`` or ``.zip``.
        md5: of the archive, as published; ``None`` where none is.
        folder: what its files go to, below the root of all data sets.
        example: one file that is there when it is unpacked, below ``folder``.
        place: where a member goes, below ``folder``; ``None`` for members that are not wanted.
    """

    name: str
    url: str
    md5: str | None
    folder: str
    example: str
    place: Callable[[PurePosixPath], PurePosixPath | None]

    def by_hand(self, root: Path) -> str:
        """What a user may do without ``--download``."""
        folder = root / self.folder
        return f"fetch {self.url} and unpack it into {folder.parent}, so that {folder / self.example} is there"

    def missing(self, root: Path, what: str) -> DataError:
        """The error for a data set that is not there."""
        return DataError(
            f"{self.name} is not here: {what}",
            where=str(root / self.folder),
            hint=f"add --download, or {self.by_hand(root)}",
        )


def fetch(archive: Archive, root: Path, progress: Progress | None = None) -> None:
    """Download and unpack an archive below ``root``; a part of it that is there is completed, not fetched again.

    Args:
        archive: what to fetch.
        root: the folder of all data sets.
        progress: told how far the download is.

    Raises:
        DataError: there is no network, the archive is not the published one, or ``root`` cannot be written.
    """
    part = root / f".{archive.name}{''.join(PurePosixPath(archive.url).suffixes[-2:])}.part"
    try:
        root.mkdir(parents=True, exist_ok=True)
        download(archive.url, part, md5=archive.md5, progress=progress)
        with tempfile.TemporaryDirectory(prefix=f".{archive.name}-", dir=root) as scratch:
            unpacked = Path(scratch) / archive.folder
            if _unpack(part, archive, unpacked) == 0:
                raise ValueError("the archive has none of the files that are wanted")
            _move(unpacked, root / archive.folder)
        part.unlink()
    except DataError as error:
        hint = f"try again, or {archive.by_hand(root)}"
        raise DataError(f"{archive.name}: {error.message}", where=error.where, hint=hint) from error
    except _NO_ARCHIVE as error:
        part.unlink(missing_ok=True)  # going on from it would never mend it
        raise DataError(
            f"{archive.name}: what came is not the archive: {error}",
            where=archive.url,
            hint=f"try again, or {archive.by_hand(root)}",
        ) from error
    except OSError as error:
        kept = "" if not part.exists() else f"{part} keeps what came, and --download goes on from there; or "
        raise DataError(
            f"{archive.name} cannot be fetched into {root}: {error}",
            where=archive.url,
            hint=kept + archive.by_hand(root),
        ) from error


def _unpack(path: Path, archive: Archive, target: Path) -> int:
    """Write the wanted members below ``target``; returns how many there are."""
    count = 0
    with _members(path, zipped=archive.url.endswith(".zip")) as members:
        for name, opened in members:
            place = archive.place(PurePosixPath(name))
            if place is None:
                continue
            file = target / place
            file.parent.mkdir(parents=True, exist_ok=True)
            with opened() as source, file.open("wb") as copy:
                copyfileobj(source, copy)
            count += 1
    return count


Member = tuple[str, Callable[[], IO[bytes]]]


@contextmanager
def _members(path: Path, *, zipped: bool) -> Iterator[Iterator[Member]]:
    """The name of each file in an archive, and how to open it."""
    if zipped:
        with zipfile.ZipFile(path) as opened:
            names = (info.filename for info in opened.infolist() if not info.is_dir())
            yield ((name, partial(opened.open, name)) for name in names)
        return
    with tarfile.open(path) as tar:
        yield ((member.name, partial(_extracted, tar, member)) for member in tar if member.isfile())


def _extracted(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    assert file is not None  # noqa: S101  (it is a regular file)
    return file


def _move(unpacked: Path, target: Path) -> None:
    """All at once, so that a folder is complete if it is there; file by file into one that is not."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unpacked.rename(target)
        return
    for file in unpacked.rglob("*"):
        if file.is_file():
            place = target / file.relative_to(unpacked)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
