"""Names of files, classes and columns, and cells, as messages show them: a few, on one line."""

from __future__ import annotations

from collections.abc import Sequence

from lemonade_es.printable import shortened

_LONGEST = 60
"""Letters of a cell that a message cites."""

_MOST_NAMES = 20


def first_three(names: Sequence[str]) -> str:
    """The first three of ``names``, as :func:`the_first` has them."""
    return the_first(3, names)


def the_first(count: int, names: Sequence[str]) -> str:
    """The first so many of ``names``, and how many more there are.

    A name with line breaks, or with bytes that are no text, is escaped.
    """
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names[:count]) + more


def cited(cell: str) -> str:
    """A cell, or the name of a column, in quotes; of a long one, such as a whole review, the beginning."""
    return repr(shortened(cell, _LONGEST))


def columns_listed(header: Sequence[str]) -> str:
    """What the columns are: the first twenty of them, and how many more there are."""
    more = f" and {len(header) - _MOST_NAMES} more" if len(header) > _MOST_NAMES else ""
    return f"the columns are {', '.join(map(cited, header[:_MOST_NAMES]))}{more}"
