"""What commands print: a failure to write it is told from all else that the system may refuse."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from lemonade_es.errors import LemonadeError
from lemonade_es.printable import printable

_UNBOUNDED = 10_000


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text; on a terminal without control characters, which a model or a file may have brought.

    Args:
        text: what to print.
        err: on standard error.
        nl: end it with a line break.

    Raises:
        BrokenPipeError: its reader has left.
        LemonadeError: it cannot be written.
    """
    stream = sys.stderr if err else sys.stdout
    if not err:
        demand_output()
    with _written():
        click.echo(printable(text) if stream is not None and stream.isatty() else text, err=err, nl=nl)


def echo_json(data: object) -> None:
    """Print one JSON value on a line of its own; its letters are escaped only where the output would lose some.

    Raises:
        BrokenPipeError: its reader has left.
        LemonadeError: it cannot be written.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if printable(text) != text or text.encode(encoding, "replace").decode(encoding) != text:
        text = json.dumps(data, allow_nan=False)
    echo(text)


class Terminal(Console):
    """A console that drops no column and says where it cannot write.

    It turns no word of others into a picture or a style, and passes no control character in them on.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, markup=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, without control characters but rich's own."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; a table that needs more columns than there are is left to the terminal to break.

        Raises:
            LemonadeError: it cannot be written.
        """
        self.demand_reader()
        unbounded = self.options.update(width=_UNBOUNDED)
        tables = (table for item in objects for table in _tables(item))
        least = max((Measurement.get(self, unbounded, table).minimum for table in tables), default=0)
        with _written():
            if least <= self.width:
                super().print(*objects, **options)
                return
            narrow, self.width = self.width, least
            try:
                super().print(*objects, **options)
            finally:
                self.width = narrow

    def demand_reader(self) -> None:
        """What is printed would be lost without a word where standard output was closed from the beginning.

        Raises:
            LemonadeError: it was.
        """
        if not self.stderr and self._file is None:
            demand_output()


class LastingTerminal(Terminal):
    """A terminal whose reader may leave, or never was there: the work goes on without it."""

    def demand_reader(self) -> None:
        """None is needed."""

    def on_broken_pipe(self) -> None:
        """Print no more, and let what is still kept for the reader go nowhere."""
        self.quiet = True
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self.file.fileno())


def demand_output() -> None:
    """See that there is a standard output.

    Raises:
        LemonadeError: it was closed from the beginning.
    """
    if sys.stdout is None:  # Python's word for one that is closed, and click and rich print nothing then
        raise LemonadeError("the output cannot be written: standard output is closed")


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LemonadeError(f"the output cannot be written: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise LemonadeError(
            f"the output cannot be written: {error.encoding} has no {error.object[error.start]!a}",
            hint="set PYTHONIOENCODING=utf-8",
        ) from error


def _tables(item: object) -> Iterator[Table]:
    if isinstance(item, Table):
        yield item
    elif isinstance(item, Group):
        for part in item.renderables:
            yield from _tables(part)
