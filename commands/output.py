"""What commands print: a failure to write it is told from all else that the system may refuse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.measure import Measurement
from rich.protocol import is_renderable

from lemonade_es.errors import LemonadeError

_UNBOUNDED = 10_000


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text.

    Args:
        text: what to print.
        err: on standard error.
        nl: end it with a line break.

    Raises:
        BrokenPipeError: its reader has left.
        LemonadeError: it cannot be written.
    """
    with _written():
        click.echo(text, err=err, nl=nl)


class Terminal(Console):
    """A console that drops no column, turns no word of others into a picture, and says where it cannot write."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; what needs more columns than there are is left to the terminal to break.

        Raises:
            LemonadeError: it cannot be written.
        """
        unbounded = self.options.update(width=_UNBOUNDED)
        least = max(
            (Measurement.get(self, unbounded, item).minimum for item in objects if is_renderable(item)), default=0
        )
        there_are = self.width
        with _written():
            try:
                self.width = max(least, there_are)
                super().print(*objects, **options)
            finally:
                self.width = there_are


class LastingTerminal(Terminal):
    """A terminal whose reader may leave: the work goes on without it."""

    def on_broken_pipe(self) -> None:
        """Print no more, and let what is still kept for the reader go nowhere."""
        self.quiet = True
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self.file.fileno())


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LemonadeError(f"the output cannot be written: {error.strerror or error}") from error
