"""What commands print arrives whole: every column, and the words of others as they are."""

from __future__ import annotations

import io

from rich.table import Table

from lemonade_es.commands.output import Terminal


def printed(item, width, **options):
    terminal = Terminal(file=io.StringIO(), width=width)
    terminal.print(item, **options)
    assert terminal.width == width
    return terminal.file.getvalue()


def wide():
    table = Table(box=None)
    for name in ("network", "accuracy", "size", "standing"):
        table.add_column(name, no_wrap=True)
    table.add_row("first", "93.70%", "0.0333", "best")
    return table


def test_a_terminal_that_is_too_narrow_breaks_a_table_and_loses_no_column():
    for width in (10, 20, 80):
        text = printed(wide(), width)
        assert text.split() == ["network", "accuracy", "size", "standing", "first", "93.70%", "0.0333", "best"]


def test_words_between_colons_are_no_pictures():
    assert printed("openai:x: the server said :fire:", 80, markup=False) == "openai:x: the server said :fire:\n"
