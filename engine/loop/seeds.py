"""Seeds: independent draws for each purpose, which follow from the run's seed alone."""

from __future__ import annotations

import hashlib


def seed_for(seed: int, purpose: str, number: int) -> int:
    """A seed for one purpose, below 2**31.

    Args:
        seed: of the run.
        purpose: ``training``, ``request``.
        number: of the draw.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
