"""A file from the network: resumed where a broken download ended, and held against its checksum."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from lemonade_es.errors import DataError

Progress = Callable[[int, int | None], None]
"""Told the bytes that are here, and how many there will be (``None`` where the server does not say)."""

_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20
_TRIES = 4
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL = 206


class BrokenOffError(OSError):
    """The connection ended before the file did."""


def download(url: str, target: Path, *, md5: str | None, progress: Progress | None = None) -> None:
    """Save a file; what is at ``target`` already is taken for its beginning.

    A connection that breaks is taken up again as long as each try brings something. If all fails, the part
    stays at ``target`` for the next call.

    Args:
        url: of the file.
        target: where to put it, in a folder that exists.
        md5: in hexadecimal, as published; ``None`` where none is.
        progress: told after each megabyte.

    Raises:
        DataError: the file is not the published one; it is removed.
        OSError: there is no network, the server refuses, or ``target`` cannot be written.
    """
    tries = 0
    while True:
        before = _size(target)
        try:
            _go_on(url, target, progress)
            break
        except (BrokenOffError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            tries = 1 if _size(target) > before else tries + 1
            if tries >= _TRIES:
                raise BrokenOffError(f"the connection broke off after {_size(target):,} bytes") from error
    found = md5_of(target)
    if md5 is not None and found != md5:
        target.unlink()
        raise DataError(f"the downloaded file has MD5 {found}, and should have {md5}", where=url)


def _go_on(url: str, target: Path, progress: Progress | None) -> None:
    """One connection: the rest of the file, or all of it where the server cannot give parts."""
    have = _size(target)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        reply = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310  (constants of this package)
    except urllib.error.HTTPError as error:
        error.close()
        if have and error.code == _RANGE_NOT_SATISFIABLE:
            if error.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
                return  # all of it is here
            target.unlink()  # the part of another file
            _go_on(url, target, progress)
            return
        raise OSError(f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError | ConnectionResetError):
            raise BrokenOffError(str(error.reason)) from error
        raise OSError(f"no connection: {error.reason}") from error
    with reply:
        if reply.status != _PARTIAL:
            have = 0
        rest = reply.headers.get("Content-Length")
        total = have + int(rest) if rest is not None and rest.isdecimal() else None
        with target.open("ab" if have else "wb") as file:
            _copy(reply, file, have, total, progress)


def _copy(
    reply: http.client.HTTPResponse, file: BinaryIO, have: int, total: int | None, progress: Progress | None
) -> None:
    while chunk := reply.read(_CHUNK_BYTES):
        file.write(chunk)
        have += len(chunk)
        if progress is not None:
            progress(have, total)
    if total is not None and have < total:
        raise BrokenOffError(f"{total - have} bytes are missing")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def md5_of(path: Path) -> str:
    """The checksum of a file, in hexadecimal: a guard against damage, not against forgery."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
