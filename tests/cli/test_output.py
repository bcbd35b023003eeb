"""What is printed, and what is said where that, or anything else, is refused by the system."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.table import Table

from lemonade_es.cli import main
from lemonade_es.commands.output import LastingTerminal, Terminal


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "the system refused: Too many open files"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x"), "/tmp/x: the system refused: No space left"),
        (TimeoutError("no answer in 5 s"), "the system refused: no answer in 5 s"),
    ],
)
def test_what_has_nothing_to_do_with_the_output_is_told_as_it_is(monkeypatch, refused, said):
    def diagnose(*_):
        raise refused

    monkeypatch.setattr("lemonade_es.report.doctor.diagnose", diagnose)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 2
    assert said in done.output
    assert len(done.output.splitlines()) == 1


def test_a_reader_that_leaves_is_written_no_more_and_no_other_stream_is_touched():
    reader, writer = os.pipe()
    os.close(reader)
    others = [os.fstat(number).st_ino for number in (1, 2)]
    with os.fdopen(writer, "w") as pipe:
        console = LastingTerminal(file=pipe)
        console.print("to nobody")
        console.print("nor this")
        assert os.fstat(writer).st_rdev == Path(os.devnull).stat().st_rdev
    assert [os.fstat(number).st_ino for number in (1, 2)] == others


def printed(item, width, **options):
    terminal = Terminal(file=io.StringIO(), width=width)
    terminal.print(item, **options)
    assert terminal.width == width
    return terminal.file.getvalue()


@pytest.mark.parametrize("width", [10, 20, 80])
def test_a_terminal_that_is_too_narrow_breaks_a_table_and_loses_no_column(width):
    table = Table(box=None)
    for name in ("network", "accuracy", "size", "standing"):
        table.add_column(name, no_wrap=True)
    table.add_row("first", "93.70%", "0.0333", "best")
    cells = ["network", "accuracy", "size", "standing", "first", "93.70%", "0.0333", "best"]
    assert printed(table, width).split() == cells


def test_words_between_colons_are_no_pictures():
    assert printed("openai:x: the server said :fire:", 80, markup=False) == "openai:x: the server said :fire:\n"
