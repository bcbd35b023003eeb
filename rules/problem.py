"""What is wrong with a rulebook file, and exactly where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file: 1-based line and column."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """``file:line:col``."""
        return f"{self.file}:{self.line}:{self.column}"

    def shifted(self, columns: int) -> Place:
        """The place so many columns further on in the same line."""
        return Place(self.file, self.line, self.column + columns)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a rulebook file.

    Attributes:
        place: where it is.
        code: a stable word in capitals (``UNKNOWN_NAME``, ``DUPLICATE_KEY``, ...), for scripts and editors.
        message: what is wrong, with the value, and what to do about it.
    """

    place: Place
    code: str
    message: str

    def __str__(self) -> str:
        """``file:line:col CODE message``."""
        return f"{self.place} {self.code} {self.message}"
