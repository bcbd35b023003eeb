"""Options and parameter types that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lemonade_es import defaults
from lemonade_es.vocabulary import METRICS

if TYPE_CHECKING:
    from lemonade_es.trainer.isolation.level import Wish

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes; ``FAILED``: the outcome is negative, as when no valid network was found or a test failed."""

Command = Callable[..., Any]

WISHES: tuple[Wish, ...] = ("auto", "strong", "medium", "container", "none")
"""What may be asked for as a level of isolation: all of ``Wish``, which takes a quarter of the start to import."""


class Finite(click.FloatRange):
    """A number in a range; ``nan`` and ``inf``, which click lets through where a range has no end, are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert, or fail with exit code 2."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number.", param, ctx)
        return number


class Assignments(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """NAME=VALUE with a number as value.

    Args:
        example: what a good one looks like.
    """

    name = "NAME=VALUE"

    def __init__(self, example: str) -> None:
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Split and convert, or fail with exit code 2."""
        if isinstance(value, tuple):
            return value
        name, _, number = str(value).partition("=")
        try:
            return name.strip(), float(number)
        except ValueError:
            from lemonade_es.rules.advice import for_number
            from lemonade_es.rules.expression import FLAGS

            cure = for_number(number.strip(), (name.strip(),), flag=name.strip() in FLAGS)
            self.fail(f"{value!r} is not NAME=NUMBER, for example {self.example}{cure}", param, ctx)


def distinct(ctx: click.Context, param: click.Parameter, given: Sequence[Any]) -> Sequence[Any]:
    """What a repeatable option was given, of which no pair may overwrite another; a callback for click.

    Raises:
        BadParameter: a name has two values.
    """
    pairs = [pair for pair in given if isinstance(pair, tuple)]
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            values = " and ".join(as_given(value) for other, value in pairs if other == name)
            raise click.BadParameter(f"{name} has one value, and was given {values}", ctx, param)
    return given


def as_given(value: Any) -> str:
    """The value of a NAME=VALUE, as it can be given."""
    return "null" if value is None else str(value).removesuffix(".0")


class Goals(Assignments):
    """METRIC=VALUE, what a search is to reach; or the name of a column, which holds no equals sign."""

    name = "METRIC=VALUE|COLUMN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A pair for a metric, a ``str`` for a column; or fail with exit code 2."""
        if isinstance(value, tuple) or "=" in str(value):
            return super().convert(value, param, ctx)
        if value in METRICS:
            self.fail(f"{value} needs a value, for example V_Acc=0.95; a column: --target-column {value}", param, ctx)
        return value


def column_in(targets: Sequence[tuple[str, float] | str], target_column: str | None) -> str | None:
    """The one column that ``--target COLUMN`` and ``--target-column COLUMN`` name.

    Raises:
        UsageError: they name several.
    """
    named = [target for target in targets if isinstance(target, str)]
    columns = list(dict.fromkeys([*named, *([] if target_column is None else [target_column])]))
    if len(columns) > 1:
        raise click.UsageError(f"one column can be predicted, and {', '.join(map(repr, columns))} were named")
    return columns[0] if columns else None


class Fields(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """NAME=VALUE of any kind, read as YAML does: ``3``, ``1e-3``, ``true``, ``null``, ``adam``."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Split and convert, or fail with exit code 2."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        try:
            found = YAML(typ="safe", pure=True).load(text)
        except (YAMLError, ValueError, IndexError, RecursionError):  # the latter from what only looks like a number
            found = {}
        if not equals or isinstance(found, dict | list):
            self.fail(f"{value!r} is not NAME=VALUE, for example lr=0.05", param, ctx)
        return name.strip(), found


def isolation_options(default: Wish | None = "auto") -> Callable[[Command], Command]:
    """``--isolation`` and what goes with it.

    Args:
        default: of the level; ``None`` where a configuration file, or what a run was started with, may name one.
    """

    def with_options(command: Command) -> Command:
        for option in (
            click.option(
                "--unsafe-no-isolation",
                is_flag=True,
                help="Run a network's code where it cannot be isolated. It can then do all that you can.",
            ),
            click.option(
                "--container-image", metavar="IMAGE", help="For --isolation container [default: debian:stable-slim]."
            ),
            click.option(
                "--isolation",
                type=click.Choice(WISHES),
                default=default,
                help="Isolation of the network's code; a level that cannot be had is refused "
                "[default: auto, the best that holds].",
            ),
        ):
            command = option(command)
        return command

    return with_options


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
        default=defaults.OUT,
        show_default=True,
        envvar=defaults.OUT_VARIABLE,
        help="Folder of the runs.",
    )(command)


def set_option(command: Command) -> Command:
    """``--set``."""
    return click.option(
        "--set",
        "set_",
        type=Assignments("PF=0.5"),
        multiple=True,
        callback=distinct,
        help="A threshold, priority or weight.",
    )(command)


def data_root_option(command: Command) -> Command:
    """``--data-root``."""
    return click.option(
        "--data-root",
        metavar="DIR",
        default=str(defaults.DATA_ROOT),
        show_default=True,
        help="Where downloaded data sets lie.",
    )(command)


def moved_data_options(command: Command) -> Command:
    """``--data`` and its like, for a command that goes on with a run: where the run's data are now."""
    command = click.option("--download", is_flag=True, help="Fetch a data set that is not there.")(command)
    command = click.option(
        "--data-root", metavar="DIR", help="Where downloaded data sets lie now [default: as in the run]."
    )(command)
    return click.option("--data", metavar="PATH", help="Where the run's data lie now, if they were moved.")(command)


def measure_with_options(command: Command) -> Command:
    """``--measure-with`` and what goes with it, and the assumption about the grid."""
    command = click.option(
        "--grid-gco2e-per-kwh",
        type=Finite(min=0),
        metavar="GRAMS",
        help="CO2e of a kWh of your grid, in grams [default: 436, the world in 2022 (Ember)].",
    )(command)
    command = click.option(
        "--measure-seconds",
        type=Finite(min=0, min_open=True),
        help="How long --measure-with may take for a network [default: 120].",
    )(command)
    return click.option(
        "--measure-with",
        metavar="COMMAND",
        help="Measure on your device: gets {model} (ONNX) and {input_shape}, prints JSON. It is kept and shown as "
        "typed: let it take secrets from the environment (LEMONADE_DEVICE_*).",
    )(command)


def reading_options(*target_names: str) -> Callable[[Command], Command]:
    """What is said about the columns of a CSV file.

    Args:
        target_names: what the option for the column to predict is called.
    """

    def with_options(command: Command) -> Command:
        for option in (
            click.option(
                "--text-length", type=int, metavar="TOKENS", help="Cut or pad texts to it [default: by the data]."
            ),
            click.option(
                "--task",
                type=click.Choice(["classification", "regression"]),
                help="What a table's target is [default: by its values].",
            ),
            click.option(
                *target_names,
                "target_column",
                metavar="COLUMN",
                help="Of a CSV table: what to predict from the others.",
            ),
            click.option("--label-column", metavar="COLUMN", help="Of a CSV file of texts: the column of the labels."),
            click.option("--text-column", metavar="COLUMN", help="Of a CSV file of texts: the column of the texts."),
        ):
            command = option(command)
        return command

    return with_options


def json_option(text: str) -> Callable[[Command], Command]:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=text)
