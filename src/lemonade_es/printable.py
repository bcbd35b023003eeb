"""Words of others, made fit for a terminal: no control character in them reaches it."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed, what turns the direction of writing, and halves of surrogate pairs."""


def printable(text: str) -> str:
    """``text`` without what a terminal would take for a command to it, or would show in another order."""
    return _UNPRINTABLE.sub("", text)


def shortened(text: str, limit: int) -> str:
    """``text``, with dots in the place of what is behind so many letters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def one_line(text: str) -> str:
    """``text`` on one line, with blanks for what does not print."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
