"""Writes docs/cli.md from the commands' own help texts: `python docs/reference.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from lemonade_es.cli import main

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# Commands

Made from the `--help` texts by `python docs/reference.py`; a test keeps it current.

Exit codes: 0 done, 1 the outcome is negative (no valid network, a test that failed, a file that differs), 2 bad input,
configuration or store, 130 interrupted.

Where `--out` or `--store` is not given, the environment variables `LEMONADE_OUT` and `LEMONADE_STORE` stand for them.
"""


def page() -> str:
    """The page as it should be."""
    top = click.Context(main, info_name="lemonade-es", **main.context_settings, terminal_width=100)
    sections = [f"## {context.command_path}\n\n```\n{context.get_help()}\n```\n" for context in contexts(top)]
    return "\n".join([HEAD, *sections])


def contexts(context: click.Context) -> Iterator[click.Context]:
    """A command's context and those of all below it, as they are when the command is called."""
    yield context
    if isinstance(context.command, click.Group):
        for name, command in sorted(context.command.commands.items()):
            yield from contexts(click.Context(command, parent=context, info_name=name))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
