"""Names of files and classes as messages show them: a few, on one line."""

from __future__ import annotations

from collections.abc import Sequence


def first_three(names: Sequence[str]) -> str:
    """The first three of ``names``, and how many more there are.

    A name with line breaks, or with bytes that are no text, is escaped.
    """
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names[:3]) + more
