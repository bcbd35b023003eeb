"""``lemonade-es rulebook efficacy`` and ``tune``: what rules were worth, and weights learned from that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lemonade_es.commands.options import Finite, json_option, out_option
from lemonade_es.commands.output import Terminal, echo, echo_json


@click.command(short_help="Say what each rule was worth.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--rulebook", "file", metavar="NAME|FILE", help="Whose rules to look at [default: the first run's].")
@out_option
@json_option("Print one object.")
def efficacy(runs: Sequence[str], *, file: str | None, out: Path, store: str | None, as_json: bool) -> None:
    """Hold each rule's purpose against what was measured after its advice was carried out, in recorded runs.

    A rule of a run counts for the one of its name in the rulebook if both have the same condition, the same
    instructions and the same direction; where they do not, its steps are left out, and a line says so.

    \b
    lemonade-es rulebook efficacy latest
    """
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.history.journal import started
    from lemonade_es.engine.record import rulebook_at
    from lemonade_es.engine.worth.efficacy import efficacy as measured_efficacy
    from lemonade_es.engine.worth.step import steps
    from lemonade_es.report.efficacy import efficacy_page
    from lemonade_es.rules.load import find_rulebook, load_rulebook

    folder = RunFolder(out, store)
    recorded = folder.distinct(runs)
    book = rulebook_at(recorded[0], 0) if file is None else load_rulebook(find_rulebook(file))
    rows = measured_efficacy(book, recorded)
    count = sum(1 for entries in recorded for _ in steps(entries))
    meanings = list(dict.fromkeys(started(entries).data.task.accuracy for entries in recorded))
    if as_json:
        data = {"rulebook": book.name, "runs": len(recorded), "steps": count, "accuracy": meanings}
        echo_json(data | {"rules": [row.to_json() for row in rows]})
    else:
        terminal = Terminal()
        console = terminal if terminal.file.isatty() else Terminal(width=110)
        console.print(efficacy_page(rows, len(recorded), count, meanings))


@click.command(short_help="Learn weights from recorded runs.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--doubt",
    type=Finite(min=0, min_open=True),
    default=0.5,
    show_default=True,
    help="How far a rule's effect may be from its weight, before anything is seen (a standard deviation).",
)
@out_option
@json_option("Print what was learned as one object, in the place of a rulebook.")
def tune(runs: Sequence[str], *, doubt: float, out: Path, store: str | None, as_json: bool) -> None:
    """Learn the weights of the rulebook that advised in recorded runs, and print one that extends it.

    Each weight stands with its evidence. The runs must have been advised by the same rulebook; where it is a file of
    yours, put the printed one beside it.

    \b
    lemonade-es rulebook tune RUN1 RUN2 RUN3 > tuned.yaml
    lemonade-es rulebook diff lemonade tuned.yaml --against latest
    """
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.worth.book import tuned_rulebook
    from lemonade_es.engine.worth.tuning import advising_rulebook
    from lemonade_es.engine.worth.tuning import tune as learn

    folder = RunFolder(out, store)
    recorded = folder.distinct(runs)
    book = advising_rulebook(recorded)
    learned = learn(book, recorded, doubt=doubt)
    if as_json:
        echo_json({"rulebook": book.name, **learned.to_json()})
    else:
        echo(tuned_rulebook(book, learned), nl=False)
