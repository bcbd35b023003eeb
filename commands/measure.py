"""``lemonade-es measure``: what any network is and costs, without a search."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

import click

from lemonade_es import defaults
from lemonade_es.commands.options import (
    DONE,
    FAILED,
    data_root_option,
    isolation_options,
    json_option,
    measure_with_options,
    reading_options,
)
from lemonade_es.commands.output import Terminal, echo, echo_json
from lemonade_es.commands.signals import interrupt_by_signals


@click.command(short_help="Measure a network as it is.")
@click.argument("model", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--data", metavar="SPEC", default="digits", show_default=True, help="Data set name, folder, or CSV file.")
@reading_options("--target", "--target-column")
@data_root_option
@click.option("--download", is_flag=True, help="Fetch a data set that is not there.")
@click.option("--weights", type=click.Path(dir_okay=False, path_type=Path), help="Safetensors file of its weights.")
@click.option("--limit", type=click.IntRange(min=1), metavar="INPUTS", help="Use a seeded, stratified subset.")
@click.option("--resize", type=click.IntRange(min=1), metavar="PIXELS", help="Scale images to squares of this side.")
@click.option(
    "--seed", type=click.IntRange(0, defaults.MAX_SEED), default=0, show_default=True, help="Of subset and split."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where it runs."
)
@isolation_options()
@measure_with_options
@click.option("--print-device-script", is_flag=True, help="Print a script that measures over ssh, and do no more.")
@json_option("Print one object.")
def measure(
    model: Path | None,
    *,
    text_column: str | None,
    label_column: str | None,
    target_column: str | None,
    task: Literal["classification", "regression"] | None,
    text_length: int | None,
    data_root: str,
    print_device_script: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the network that a Python file defines: size, work, speed, memory, energy, and accuracy with --weights.

    The file runs in the isolated process, as generated code does.

    Exit code 1 if it could not be measured, or not by --measure-with; all figures that there are are printed.

    \b
    lemonade-es measure model.py --data cifar10 --weights weights.safetensors
    lemonade-es measure model.py --data photos/ --resize 32 --json
    lemonade-es measure --print-device-script > measure_over_ssh.sh
    """
    from lemonade_es.engine.appraisal import AppraisalSpec, appraise
    from lemonade_es.report.downloading import DownloadTeller
    from lemonade_es.report.measured import figures, figures_table
    from lemonade_es.trainer.data import Reading
    from lemonade_es.trainer.device.script import ssh_script

    if print_device_script:
        echo(ssh_script(), nl=False)
        return
    if model is None:
        raise click.UsageError("name the file of a network: lemonade-es measure MODEL.py")
    reading = Reading(text_column, label_column, target_column, task, text_length)
    spec = AppraisalSpec(model=model, reading=reading, data_root=Path(data_root), **options)
    interrupt_by_signals()
    appraisal = appraise(spec, DownloadTeller(lambda line: echo(line, err=True)))
    if as_json:
        echo_json(figures(appraisal))
    else:
        Terminal().print(figures_table(appraisal))
    sys.exit(DONE if appraisal.whole else FAILED)
