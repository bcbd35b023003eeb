"""``lemonade-es measure``: what any network is and costs, without a search."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal

import click

from lemonade_es.commands.options import (
    DONE,
    FAILED,
    isolation_options,
    json_option,
    measure_with_options,
    reading_options,
)
from lemonade_es.commands.output import Terminal, echo
from lemonade_es.errors import ConfigError


@click.command(short_help="Measure a network as it is.")
@click.argument("model", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--data", metavar="SPEC", default="digits", show_default=True, help="Data set name, folder, or CSV file.")
@reading_options("--target", "--target-column")
@click.option("--data-root", metavar="DIR", default="data", show_default=True, help="Where downloaded data sets lie.")
@click.option("--download", is_flag=True, help="Fetch a data set that is not there.")
@click.option("--weights", type=click.Path(dir_okay=False, path_type=Path), help="Safetensors file of its weights.")
@click.option("--limit", type=click.IntRange(min=1), metavar="INPUTS", help="Use a seeded, stratified subset.")
@click.option("--resize", type=click.IntRange(min=1), metavar="PIXELS", help="Scale images to squares of this side.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of subset and split.")
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
    data: str,
    text_column: str | None,
    label_column: str | None,
    target_column: str | None,
    task: Literal["classification", "regression"] | None,
    text_length: int | None,
    data_root: str,
    download: bool,
    weights: Path | None,
    limit: int | None,
    resize: int | None,
    seed: int,
    device: Literal["auto", "cpu", "cuda"],
    isolation: Literal["auto", "strong", "medium", "container", "none"],
    container_image: str | None,
    unsafe_no_isolation: bool,
    measure_with: str | None,
    measure_seconds: float | None,
    grid_gco2e_per_kwh: float | None,
    print_device_script: bool,
    as_json: bool,
) -> None:
    """Measure the network that a Python file defines: size, work, speed, memory, energy, and accuracy with --weights.

    The file runs in the isolated process, as generated code does.

    \b
    lemonade-es measure model.py --data cifar10 --weights weights.safetensors
    lemonade-es measure model.py --data photos/ --resize 32 --json
    lemonade-es measure --print-device-script > measure_over_ssh.sh
    """
    from lemonade_es.report.downloading import DownloadTeller
    from lemonade_es.report.measured import Appraisal, figures, figures_table
    from lemonade_es.trainer.data import Reading, load
    from lemonade_es.trainer.device.command import SECONDS, device_command
    from lemonade_es.trainer.device.script import ssh_script
    from lemonade_es.trainer.energy import GRID_GCO2E_PER_KWH
    from lemonade_es.trainer.limits import Limits
    from lemonade_es.trainer.recipe import search_recipe
    from lemonade_es.trainer.weights import read_weights
    from lemonade_es.trainer.workshop import Workshop

    if print_device_script:
        echo(ssh_script(), nl=False)
        return
    if model is None:
        raise click.UsageError("name the file of a network: lemonade-es measure MODEL.py")
    source = _source(model)
    limits = Limits()
    given = None if weights is None else read_weights(weights, limits.weights_mb * 10**6)
    command = None if measure_with is None else device_command(measure_with, measure_seconds or SECONDS)
    dataset = load(
        data,
        limit=limit,
        resize=resize,
        seed=seed,
        root=Path(data_root),
        download=download,
        reading=Reading(text_column, label_column, target_column, task, text_length),
        progress=DownloadTeller(lambda line: echo(line, err=True)),
    )
    with Workshop(
        dataset,
        search_recipe(dataset.task.kind),
        device=device,
        limits=limits,
        unsafe_no_isolation=unsafe_no_isolation,
        isolation=isolation,
        container_image=container_image,
        command=command,
    ) as workshop:
        measurement = workshop.measure(source, given, seed=seed).measurement
        appraisal = Appraisal(
            model=str(model),
            weights=None if weights is None else str(weights),
            data=dataset.task.data,
            input_shape=dataset.task.input_shape,
            accuracy=dataset.task.accuracy,
            device=workshop.device,
            isolation=workshop.isolation,
            meter=workshop.meter.describe(),
            grid=GRID_GCO2E_PER_KWH if grid_gco2e_per_kwh is None else grid_gco2e_per_kwh,
            measurement=measurement,
        )
    if as_json:
        echo(json.dumps(figures(appraisal), allow_nan=False))
    else:
        Terminal().print(figures_table(appraisal))
    sys.exit(DONE if measurement.failure is None else FAILED)


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("there is no such file", where=str(path), hint="give a Python file with a network") from None
    except UnicodeDecodeError:
        raise ConfigError("it is not UTF-8 text", where=str(path), hint="give a Python file with a network") from None
    except OSError as error:
        raise ConfigError(f"it cannot be read: {error.strerror}", where=str(path)) from None
