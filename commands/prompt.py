"""``lemonade-es prompt``: what an executor was sent."""

from __future__ import annotations

from pathlib import Path

import click

from lemonade_es.commands.options import out_option
from lemonade_es.commands.output import echo


@click.command(short_help="Print what an executor was sent.")
@click.argument("run_name", metavar="RUN")
@click.option("--iteration", type=int, required=True, metavar="N", help="Of which iteration.")
@click.option("--attempt", type=int, metavar="K", help="Of which attempt [default: the first].")
@out_option
def prompt(run_name: str, *, iteration: int, attempt: int | None, out: Path, store: str | None) -> None:
    """Print the prompt of an iteration as it was sent, word for word; repairs are further attempts.

    RUN is a run's id, the beginning of one, or `latest`.

    \b
    lemonade-es prompt latest --iteration 3
    lemonade-es prompt latest --iteration 3 --attempt 2
    """
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.history.sent import prompt_sent

    events = [entry.event for entry in RunFolder(out, store).entries(run_name)]
    echo(prompt_sent(events, iteration, attempt))
