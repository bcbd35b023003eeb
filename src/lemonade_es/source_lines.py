"""The lines of a source, as Python counts them."""

from __future__ import annotations


def lines_of(source: str) -> list[str]:
    """The lines, without their ends; a form feed or a Unicode line separator ends none."""
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
