"""How a file is to be read: what a user says about its columns."""

from __future__ import annotations

from dataclasses import dataclass

from lemonade_es.errors import DataError
from lemonade_es.task import Objective

SHORTEST_TEXT, LONGEST_TEXT = 4, 4096


@dataclass(frozen=True, slots=True)
class Reading:
    """What is said about a file of delimited values; ``None`` leaves it to the file.

    Attributes:
        text_column: holds the texts.
        label_column: holds their labels.
        target_column: is to be predicted from the others, which makes the file a table.
        objective: whether the target of a table is a class or a number.
        text_length: tokens that each text is cut or padded to.
        logs: whether skewed columns of a table are logarithms as well, as they are not in runs of earlier versions.
    """

    text_column: str | None = None
    label_column: str | None = None
    target_column: str | None = None
    objective: Objective | None = None
    text_length: int | None = None
    logs: bool = True

    def refuse_for(self, kind: str, where: str) -> None:
        """Refuse what does not concern ``image``, ``text`` or ``table`` data.

        Raises:
            DataError: with the first option that has no meaning there.
        """
        given = {
            "--text-column": (self.text_column, "text"),
            "--label-column": (self.label_column, "text"),
            "--text-length": (self.text_length, "text"),
            "--target COLUMN": (self.target_column, "table"),
            "--task": (self.objective, "table"),
        }
        for option, (value, fits) in given.items():
            if value is not None and kind != fits:
                raise DataError(
                    f"{option} is for {fits} data, and these are {kind} data", where=where, hint="leave it out"
                )

    def refuse_for_named(self, name: str) -> None:
        """Refuse what only a file leaves open: a data set that has a name brings its columns.

        Raises:
            DataError: with the first option that has no meaning there.
        """
        given = {
            "--text-column": self.text_column,
            "--label-column": self.label_column,
            "--target COLUMN": self.target_column,
            "--task": self.objective,
        }
        for option, value in given.items():
            if value is not None:
                raise DataError(
                    f"{option} is for files, and {name} says itself what is predicted from what",
                    where=name,
                    hint="leave it out",
                )

    def check(self, where: str) -> None:
        """Refuse values that cannot be meant.

        Raises:
            DataError: a length out of range, or columns of a text file and of a table at once.
        """
        length = self.text_length
        if length is not None and not SHORTEST_TEXT <= length <= LONGEST_TEXT:
            raise DataError(
                f"texts cannot be cut to {length} tokens",
                where=where,
                hint=f"use --text-length N with N from {SHORTEST_TEXT} to {LONGEST_TEXT}",
            )
        if self.target_column is not None and (self.text_column is not None or self.label_column is not None):
            raise DataError(
                "the file cannot be one of texts and a table at once",
                where=where,
                hint="give --text-column with --label-column, or --target",
            )
