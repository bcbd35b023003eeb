"""The command line: its commands lie in ``commands/``; their errors become messages and exit codes here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from lemonade_es import __version__
from lemonade_es.commands.data import data
from lemonade_es.commands.doctor import doctor
from lemonade_es.commands.explain import explain
from lemonade_es.commands.export import export
from lemonade_es.commands.finalize import finalize
from lemonade_es.commands.measure import measure
from lemonade_es.commands.options import BAD_INPUT, DONE, INTERRUPTED
from lemonade_es.commands.output import demand_output, echo
from lemonade_es.commands.prompt import prompt
from lemonade_es.commands.rulebook import rulebook
from lemonade_es.commands.run import run
from lemonade_es.commands.runs import runs
from lemonade_es.commands.validate import validate
from lemonade_es.errors import LemonadeError
from lemonade_es.printable import printable


class _Group(click.Group):
    """Turns the library's errors into one message and an exit code."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _told():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _told():
            return super().invoke(ctx)


@contextmanager
def _told() -> Iterator[None]:
    try:
        with _printed():
            yield
    except LemonadeError as error:
        click.echo(printable(f"lemonade-es: {error}"), err=True)
        raise click.exceptions.Exit(BAD_INPUT) from error
    except KeyboardInterrupt as error:
        with suppress(BrokenPipeError):  # its reader may have been interrupted, too
            click.echo("lemonade-es: interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from error
    except BrokenPipeError:  # click ends quietly
        raise
    except OSError as error:
        click.echo(printable(f"lemonade-es: {LemonadeError.of_system(error)}"), err=True)
        raise click.exceptions.Exit(BAD_INPUT) from error


@contextmanager
def _printed() -> Iterator[None]:
    """Click prints ``--help`` and ``--version`` by itself, and says nothing where there is no output."""
    try:
        yield
    except click.exceptions.Exit as end:
        if end.exit_code == DONE:
            demand_output()
        raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lemonade-es")
def main() -> None:
    """Find a neural network for a data set and a set of wishes.

    An expert system reads a rulebook, fires rules on what was measured, and instructs an executor (an LLM or
    the built-in one), which edits the network; the edit is checked, trained and measured, and so on.
    """


for command in (data, doctor, explain, export, finalize, measure, prompt, rulebook, run, runs, validate):
    main.add_command(command)


@main.command(short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    eval "$(lemonade-es completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  (click ships all three)
    echo(kind(main, {}, "lemonade-es", "_LEMONADE_ES_COMPLETE").source())


if __name__ == "__main__":
    main()
