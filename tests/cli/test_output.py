"""What is printed, and what is said where that, or anything else, is refused by the system."""

from __future__ import annotations

import errno
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Group
from rich.table import Table
from rich.text import Text

from lemonade_es.cli import main
from lemonade_es.commands.output import LastingTerminal, Terminal, echo
from lemonade_es.errors import LemonadeError
from lemonade_es.report.tables import RunLine, runs_table
from lemonade_es.report.validation import verdict_line
from lemonade_es.trainer.validation import Validation


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


@pytest.mark.parametrize(
    "words", ["completion bash", "rulebook list", "rulebook list --json", "--version", "--help", "run -h"]
)
def test_standard_output_that_is_closed_is_no_success(words):
    script = f"exec {shlex.quote(sys.executable)} -m lemonade_es {words} >&-"
    done = subprocess.run(["sh", "-c", script], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "lemonade-es: the output cannot be written: standard output is closed\n",
    )


def test_help_that_cannot_be_written_is_one_line():
    script = f"exec {shlex.quote(sys.executable)} -m lemonade_es --help > /dev/full"
    done = subprocess.run(["sh", "-c", script], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "lemonade-es: the system refused: No space left on device\n")


def test_work_that_goes_on_for_long_needs_no_standard_output(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    LastingTerminal().print("to nobody")
    with pytest.raises(LemonadeError, match="standard output is closed"):
        Terminal().print("to nobody")


HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b31m \u202eback\u2069\u061c, größe\u00a05, 👩\u200d🔬\tend"
HARMLESS = "]0;owned[31mred31m back, größe\u00a05, 👩\u200d🔬\tend"


def test_no_control_character_of_others_reaches_a_terminal():
    shown = io.StringIO()
    console = Terminal(file=shown, force_terminal=True, width=200, color_system=None)
    table = Table("words")
    table.add_row(HOSTILE)
    console.print(Group(table, Text(HOSTILE, style="bold")))
    console.print(HOSTILE, markup=False)
    assert "owned" in shown.getvalue()
    assert not set("\x07\x9b\u202e\u2069\u061c") & set(shown.getvalue())
    assert not re.search(r"\x1b(?!\[[0-9;]*m)|\x1b\[31m", shown.getvalue())


def test_what_a_program_reads_stays_as_it_is_and_what_people_read_is_made_harmless(monkeypatch, capsys):
    echo(HOSTILE)
    assert capsys.readouterr().out == HOSTILE.replace("\x1b[31m", "") + "\n"  # click's doing
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    echo(HOSTILE)
    assert capsys.readouterr().out == f"{HARMLESS}\n"


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


CELLS = ["network", "accuracy", "size", "standing", "first", "93.70%", "0.0333", "best"]


def table():
    made = Table(box=None)
    for name in CELLS[:4]:
        made.add_column(name, no_wrap=True)
    made.add_row(*CELLS[4:])
    return made


@pytest.mark.parametrize("width", [10, 20, 80])
def test_a_terminal_that_is_too_narrow_breaks_a_table_and_loses_no_column(width):
    assert printed(table(), width).split() == CELLS
    assert printed(Group("ahead", table()), width).split() == ["ahead", *CELLS]


def test_words_are_wrapped_as_ever_beside_a_path_that_is_longer_than_a_line():
    text = printed(Group("some words before it", "/" + "long" * 20), 12)
    assert [line.rstrip() for line in text.splitlines()[:2]] == ["some words", "before it"]


def test_what_fits_leaves_the_width_to_the_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    now = {"size": (80, 25)}
    terminal = Terminal(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size(now["size"]))
    terminal.print(table())
    now["size"] = (120, 25)
    assert terminal.width == 120


def test_words_between_colons_are_no_pictures():
    assert printed("openai:x: the server said :fire:", 80) == "openai:x: the server said :fire:\n"


@pytest.mark.parametrize("name", ["photos [old]", "odd [/b] one", "[bold]x[/]", "back\\"])
def test_words_in_square_brackets_are_no_styles(name):
    line = RunLine("2026-a", "finished", data=name, rulebook=name, executor=name)
    for shown in (printed(runs_table([line]), 200), printed(name, 200)):
        assert name in shown
    assert printed(runs_table([line]), 200).count(name) == 3
    wrong = Validation(f"{name}.py", False, "build", "X", name, 2, None, None, None)
    assert printed(verdict_line(wrong), 200).splitlines() == [f"wrong {name}.py:2  X (build)", f"      {name}"]
