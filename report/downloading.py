"""How far a download is, in words."""

from __future__ import annotations

from collections.abc import Callable

_STEP = 0.1
"""Of the file, between two lines."""
_UNKNOWN_STEP = 50_000_000
"""Bytes between two lines where the size is not known."""


def downloaded(done: int, total: int | None) -> str:
    """``downloading: 17 of 170 MB``."""
    return (
        f"downloading: {done / 1e6:,.0f} MB"
        if total is None
        else f"downloading: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
    )


class DownloadTeller:
    """Says a line at each tenth of a download.

    Args:
        say: takes a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._next = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        """So many bytes are here."""
        if done >= self._next or done == total:
            self._say(downloaded(done, total))
            self._next = done + (_UNKNOWN_STEP if total is None else _STEP * total)
