"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A number of things, as ``1 test``, ``1,200 tests`` or ``2 classes``."""
    ending = "" if number == 1 else "es" if what.endswith("ss") else "s"
    return f"{number:,} {what}{ending}"


def ordinal(number: int) -> str:
    """A place in a row, as ``1st``, ``12th`` or ``22nd``."""
    last = number % 10 if number % 100 not in (11, 12, 13) else 0
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(last, 'th')}"
