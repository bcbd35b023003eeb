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
class Layout:
    """Where the characters of a text stand in its file.

    Attributes:
        place: where the whole begins.
        rows: the offset in the text at which each row of the file goes on, and where that is; empty if the text does
            not stand in the file character by character.
    """

    place: Place
    rows: tuple[tuple[int, Place], ...] = ()

    def at(self, offset: int) -> Place:
        """The place of a character; that of the whole if it is not known."""
        found = self.place
        for begin, place in self.rows:
            if begin > offset:
                break
            found = place.shifted(offset - begin)
        return found

    def behind(self, offset: int) -> Layout:
        """The layout of what is left of the text behind its first characters."""
        here = self.at(offset)
        later = tuple((begin - offset, place) for begin, place in self.rows if begin > offset)
        return Layout(here, ((0, here), *later) if self.rows else ())


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
