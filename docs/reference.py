"""Writes docs/cli.md from the commands' own help texts: `python docs/reference.py`."""

from __future__ import annotations

from pathlib import Path

import click

from lemonade_es.cli import main

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# Commands

Made from the `--help` texts by `python docs/reference.py`; a test keeps it current.

Exit codes: 0 done, 1 no valid network was found, 2 bad input or configuration, 130 interrupted.
"""


def page() -> str:
    """The page as it should be."""
    parts = [HEAD]
    for path, command in commands(main, "lemonade-es"):
        context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
        parts.append(f"## {path}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    """A command and all below it, with the words that call them."""
    found = [(path, command)]
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            found += commands(command.commands[name], f"{path} {name}")
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
