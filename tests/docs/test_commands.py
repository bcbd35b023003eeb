"""Every `lemonade-es` line in a document is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from lemonade_es.cli import main

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(rf"^\s*(?:\$ )?(lemonade-es (?:{'|'.join(main.commands)})\b.*)$", re.M)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINES = [
    (path.name, line)
    for path in DOCUMENTS
    for fence in re.findall(r"^```.*?^```", path.read_text(), re.M | re.S)
    for line in LINE.findall(fence)
    if not line.endswith("]")  # usage lines
]


def test_there_are_commands_in_the_documents():
    assert {"README.md"} <= {name for name, _ in LINES}


@pytest.mark.parametrize(("document", "line"), LINES)
def test_a_documented_command_has_only_options_that_exist(document, line):
    context, words = called(shlex.split(re.split(r"[|>]", line)[0], comments=True)[1:])
    _, rest, _ = context.command.make_parser(context).parse_args(words)
    arguments = [parameter for parameter in context.command.params if isinstance(parameter, click.Argument)]
    assert len(rest) <= len(arguments) or any(argument.nargs == -1 for argument in arguments)


def test_an_option_that_does_not_exist_would_be_found():
    context, words = called(["run", "--no-such-option"])
    with pytest.raises(click.NoSuchOption):
        context.command.make_parser(context).parse_args(words)


def called(words: list[str]) -> tuple[click.Context, list[str]]:
    """The command that the first words name, in its context, and the words that it gets."""
    context = click.Context(main, info_name="lemonade-es", **main.context_settings)
    while isinstance(context.command, click.Group) and words and words[0] in context.command.commands:
        name, *words = words
        context = click.Context(context.command.commands[name], parent=context, info_name=name)
    return context, words
