"""``lemonade-es validate``: whether the networks in model files can be trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lemonade_es.commands.options import BAD_INPUT, DONE, FAILED, Finite, isolation_options, json_option
from lemonade_es.commands.output import Terminal, echo_json
from lemonade_es.commands.signals import interrupt_by_signals


class _Shape(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """C,H,W or L."""

    name = "SHAPE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Split and convert, or fail with exit code 2."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(side) for side in str(value).replace("x", ",").split(","))
        except ValueError:
            self.fail(f"{value!r} is not C,H,W, for example 3,32,32", param, ctx)


@click.command(short_help="Check whether model files can be trained.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--input-shape", type=_Shape(), metavar="C,H,W", required=True, help="Of one input; L for L tokens.")
@click.option(
    "--classes",
    type=int,
    metavar="N",
    required=True,
    help="Logits that a network must return; 1: a number, from features.",
)
@click.option("--vocabulary", type=int, metavar="V", help="For token input: one more than the largest token.")
@click.option("--max-params", type=click.IntRange(min=0), metavar="N", help="Trainable parameters allowed.")
@click.option("--max-macs", type=click.IntRange(min=0), metavar="N", help="Multiply-accumulates allowed for an input.")
@click.option(
    "--max-activation-mb",
    type=Finite(min=0),
    metavar="X",
    help="Memory allowed for the activations of a training batch of 128, in MB.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Networks checked at once [default: one a core, at most 4]."
)
@click.option(
    "--seconds",
    type=Finite(min=0, min_open=True, max=86_400),
    default=30.0,
    show_default=True,
    metavar="X",
    help="A longer check fails.",
)
@isolation_options()
@json_option("Print one object a line, as they come.")
def validate(
    files: Sequence[Path],
    *,
    input_shape: tuple[int, ...],
    classes: int,
    vocabulary: int | None,
    max_params: int | None,
    max_macs: int | None,
    max_activation_mb: float | None,
    jobs: int | None,
    seconds: float,
    as_json: bool,
    **isolation: Any,
) -> None:
    """Check whether the networks in model files can be trained.

    Each FILE is Python source, a folder all its *.py. Its code is run, isolated: the network is built, gets
    inputs of the shape, must return logits (N, classes) and learn from two small batches. The network is the
    first of these that exists: a module in a variable at module level; what build_model(), get_model() or the
    like returns; the class that no other class uses, whatever its name. Arguments with defaults keep them;
    required ones are filled in if their name is obvious (num_classes, in_channels, input_shape, ...). What
    stands under `if __name__ == "__main__":` does not run.

    Exit code: 0 if all files pass, 1 if some do not, 2 if some cannot be read (the others are checked all
    the same) or the options cannot be used.

    \b
    lemonade-es validate model.py --input-shape 3,32,32 --classes 10
    lemonade-es validate models/ --input-shape 1,28,28 --classes 10 --max-params 100000 --json
    lemonade-es validate text.py --input-shape 200 --vocabulary 20000 --classes 2
    """
    import time
    from contextlib import closing
    from dataclasses import asdict

    from lemonade_es.report.validation import verdict_line, verdict_summary
    from lemonade_es.trainer import validation
    from lemonade_es.trainer.measurement import Budget

    task = validation.input_task(input_shape, classes, vocabulary)
    found = validation.found(files)
    budget = Budget(max_params, max_macs, max_activation_mb)
    jobs = jobs or validation.default_jobs()
    console = Terminal(soft_wrap=True, highlight=False)
    started = time.monotonic()
    told = []
    interrupt_by_signals()
    with closing(validation.validate(found, task, budget, jobs=jobs, seconds=seconds, **isolation)) as verdicts:
        for verdict in verdicts:
            told.append(verdict)
            if as_json:
                echo_json(asdict(verdict))
            else:
                console.print(verdict_line(verdict))
    if not as_json:
        console.print(verdict_summary(told, time.monotonic() - started))
    if any(verdict.stage == "read" for verdict in told):
        sys.exit(BAD_INPUT)
    sys.exit(DONE if all(verdict.ok for verdict in told) else FAILED)
