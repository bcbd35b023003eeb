"""Whether data fit in memory, asked before they are read or decoded."""

from __future__ import annotations

from lemonade_es.errors import DataError
from lemonade_es.trainer.memory import free_bytes
from lemonade_es.wording import counted

SHARE = 0.5
"""Of the free memory that data may take: training wants the rest."""


def require(count: int, shape: tuple[int, int, int], *, where: str, free: int | None = None) -> None:
    """Refuse images that would take more than half of the free memory.

    Args:
        count: how many images.
        shape: of one image, ``(C, H, W)``, a byte a value.
        where: the data set.
        free: free memory in bytes; by default what the machine, or the container, has.

    Raises:
        DataError: they would not fit.
    """
    channels, height, width = shape
    needed = count * channels * height * width
    allowed = SHARE * (free_bytes() if free is None else free)
    if needed > allowed:
        raise DataError(
            f"{count} images of {height}x{width} with {counted(channels, 'channel')} need {needed / 1e9:.2f} GB, "
            f"and {allowed / 1e9:.2f} GB may be used (half of the free memory)",
            where=where,
            hint="use --resize N for smaller images or --limit N for fewer",
        )


def require_bytes(needed: int, what: str, *, where: str) -> None:
    """Refuse what would take more than half of the free memory.

    Args:
        needed: bytes.
        what: needs them, in words.
        where: the data set.

    Raises:
        DataError: it would not fit.
    """
    allowed = SHARE * free_bytes()
    if needed > allowed:
        raise DataError(
            f"{what} needs {needed / 1e9:.2f} GB, and {allowed / 1e9:.2f} GB may be used (half of the free memory)",
            where=where,
            hint="take a part of it",
        )
