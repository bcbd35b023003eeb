"""``lemonade-es doctor``: what this machine offers."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lemonade_es.commands.options import json_option, out_option
from lemonade_es.commands.output import Terminal, echo_json


@click.command(short_help="Show what this machine offers.")
@out_option
@json_option("Print one object.")
def doctor(*, out: Path, store: str | None, as_json: bool) -> None:
    """Show Python, torch, devices, energy counters, isolation, LLM SDKs and keys (names only), and the store."""
    from lemonade_es.report.doctor import diagnose, diagnosis_table

    found = diagnose(out, store, os.environ)
    if as_json:
        echo_json(found)
    else:
        Terminal().print(diagnosis_table(found))
