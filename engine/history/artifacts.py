"""Content-addressed files: model sources and weights, written once, by rename."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from lemonade_es.errors import StoreError

UNFINISHED = ".new-"
"""How names of files begin that are being written."""


class Artifacts:
    """A folder of files named after the SHA-256 of what is in them.

    A name is ``ab/abcdef….suffix``; a file is complete or not there at all.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes, suffix: str) -> str:
        """Store the content and return its name.

        Raises:
            StoreError: the folder cannot be written (disk full, no permission).
        """
        digest = hashlib.sha256(content).hexdigest()
        name = f"{digest[:2]}/{digest}{suffix}"
        path = self._folder / name
        if not _holds(path, digest):  # nothing is there, or what an interrupted copy left
            write_file(path, content)
        return name

    def path(self, name: str) -> Path:
        """Where the artifact of that name lies."""
        return self._folder / name

    def read(self, name: str) -> bytes:
        """The content of an artifact.

        Raises:
            StoreError: it is missing, or is not what its name says.
        """
        path = self._folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(f"cannot be read: {error.strerror}", where=str(path)) from None
        if hashlib.sha256(content).hexdigest() != path.name.split(".")[0]:
            raise StoreError(
                "the file is not what its name says: it was changed or damaged",
                where=str(path),
                hint="restore it from a copy of the run's folder, or start a new run",
            )
        return content


def _holds(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"cannot be read: {error.strerror}", where=str(path)) from None


def write_file(path: Path, content: bytes, *, option: str = "--out") -> None:
    """Write a file so that it is there whole or not at all, even if the machine stops.

    Args:
        path: where; its folder is made.
        content: all of it.
        option: which names another folder.

    Raises:
        StoreError: with the reason of the operating system.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.parent / f"{UNFINISHED}{secrets.token_hex(4)}"
        with unfinished.open("xb") as file:  # who may read it is for the user's umask to say
            temporary = unfinished
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"cannot be written: {error.strerror or error}", where=str(path), hint=f"free some space or choose {option}"
        ) from None
    finally:  # also where the user broke it off
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a rename in the folder last, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
