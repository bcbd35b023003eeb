"""Options and parameter types that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes; ``FAILED``: no valid network was found, or a rulebook's tests failed."""

Command = Callable[..., Any]


class Assignments(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """NAME=VALUE with a number as value."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Split and convert, or fail with exit code 2."""
        if isinstance(value, tuple):
            return value
        name, _, number = str(value).partition("=")
        try:
            return name.strip(), float(number)
        except ValueError:
            self.fail(f"{value!r} is not NAME=NUMBER, for example V_Acc=0.95", param, ctx)


def out_option(command: Command) -> Command:
    """``--out`` and ``--store``: where the runs lie."""
    command = click.option(
        "--store",
        metavar="URL",
        envvar="LEMONADE_STORE",
        help="SQLAlchemy URL of the journal [default: SQLite in the --out folder].",
    )(command)
    return click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("runs"),
        show_default=True,
        envvar="LEMONADE_OUT",
        help="Folder of the runs.",
    )(command)


def json_option(text: str) -> Callable[[Command], Command]:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=text)
