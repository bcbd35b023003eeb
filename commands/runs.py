"""``lemonade-es runs``: list the runs of a folder, show one of them in a page."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from lemonade_es.commands.options import json_option, out_option
from lemonade_es.commands.output import Terminal, echo_json


@click.group(invoke_without_command=True, short_help="List the runs, or show one in a page.")
@out_option
@json_option("Print a list of objects.")
@click.pass_context
def runs(context: click.Context, *, out: Path, store: str | None, as_json: bool) -> None:
    """List the runs of a folder, oldest first; `show` tells of one.

    \b
    lemonade-es runs
    lemonade-es runs show latest
    """
    if context.invoked_subcommand is not None:
        for option in context.command.params:
            if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"{option.opts[0]} belongs behind `{context.invoked_subcommand}`")
        return
    from contextlib import closing
    from dataclasses import asdict

    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.report.tables import run_lines, runs_table

    with closing(RunFolder(out, store).journal(create=False)) as journal:
        lines = run_lines(journal)
    if as_json:
        echo_json([asdict(line) for line in lines])
    else:
        Terminal().print(runs_table(lines))


@runs.command(short_help="Show a run in one page.")
@click.argument("run_name", metavar="RUN")
@out_option
@json_option("Print one object.")
def show(run_name: str, *, out: Path, store: str | None, as_json: bool) -> None:
    """Show a run in one page: how it ended, its iterations, and for each executor calls, faults, compliance, cost.

    RUN is a run's id, the beginning of one, or `latest`.

    \b
    lemonade-es runs show latest
    lemonade-es runs show latest --json
    """
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.report.run_report import report_page, run_report

    folder = RunFolder(out, store)
    report = run_report(folder.entries(run_name), folder)
    if as_json:
        echo_json(report.to_json())
    else:
        Terminal().print(report_page(report))
