"""``lemonade-es data``: what was found in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from lemonade_es import defaults
from lemonade_es.commands.options import data_root_option, json_option, reading_options
from lemonade_es.commands.output import Terminal, echo, echo_json


@click.command(short_help="Show what was found in a data set.")
@click.argument("spec", metavar="SPEC")
@reading_options("--target", "--target-column")
@data_root_option
@click.option("--download", is_flag=True, help="Fetch a data set that is not there; a part that is there is completed.")
@click.option("--limit", type=int, metavar="INPUTS", help="Use a seeded, stratified subset.")
@click.option("--resize", type=int, metavar="PIXELS", help="Scale images to squares of this side.")
@click.option(
    "--seed", type=click.IntRange(0, defaults.MAX_SEED), default=0, show_default=True, help="Of splits and subsets."
)
@click.option(
    "--samples",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Write a contact sheet: a few training images of each class.",
)
@json_option("Print one object.")
def data(
    spec: str,
    *,
    text_column: str | None,
    label_column: str | None,
    target_column: str | None,
    task: Literal["classification", "regression"] | None,
    text_length: int | None,
    data_root: str,
    download: bool,
    limit: int | None,
    resize: int | None,
    seed: int,
    samples: Path | None,
    as_json: bool,
) -> None:
    """Show what was found: counts by split and class, shapes, values, vocabulary, columns, and what is odd.

    SPEC is what `run --data` takes: a name, a folder of images, or a CSV file.

    \b
    lemonade-es data cifar10 --download --samples cifar10.png
    lemonade-es data photos/ --resize 32
    lemonade-es data reviews.csv --text-column review --label-column stars
    lemonade-es data houses.csv --target price --json
    """
    from lemonade_es.report.contact_sheet import demand_sheet, write_contact_sheet
    from lemonade_es.report.data_report import data_page, data_report
    from lemonade_es.report.downloading import DownloadTeller
    from lemonade_es.trainer.data import Reading, load

    if samples is not None:
        demand_sheet(samples)
    dataset = load(
        spec,
        limit=limit,
        resize=resize,
        seed=seed,
        root=Path(data_root),
        download=download,
        reading=Reading(text_column, label_column, target_column, task, text_length),
        progress=DownloadTeller(lambda line: echo(line, err=True)),
    )
    if samples is not None:
        write_contact_sheet(dataset, samples)
    if as_json:
        echo_json(data_report(dataset))
        return
    Terminal().print(data_page(dataset))
    if samples is not None:
        echo(f"samples: {samples}")
