"""Why generated code is locked in less than it could be."""

from __future__ import annotations

from lemonade_es.trainer.isolation.level import AUTOMATIC


def weakened(level: str, reason: str) -> str | None:
    """What a level rests on, if it is not the one that ``auto`` prefers.

    Args:
        level: that is in force.
        reason: what it rests on, and why no better one is in force; empty in journals of old.

    Returns:
        A line, or ``None`` where the level is the best or nothing is known of the reason.
    """
    return f"isolation {level}: {reason}" if level != AUTOMATIC[0] and reason else None
