"""``lemonade-es explain``: the decisions of a run, and why or why not."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from lemonade_es.commands.options import DONE, FAILED, json_option, out_option
from lemonade_es.commands.output import echo, echo_json


@click.command(short_help="Explain the decisions of a run.")
@click.argument("run_name", metavar="RUN")
@click.option("--iteration", type=int, metavar="N", help="Only this one [default: all; with a question, the last].")
@click.option("--source", is_flag=True, help="Also show what the patch changed in the source.")
@click.option("--why", metavar="NAME", help="Derive an instruction, a rule or a conclusion down to measured numbers.")
@click.option("--why-not", metavar="NAME", help="What stood in its way, and the smallest change that would help.")
@click.option("--replay", is_flag=True, help="Infer again from the recorded facts: is each decision still the same?")
@click.option("--format", "form", type=click.Choice(["text", "json", "mermaid"]), help="Of an answer [default: text].")
@out_option
@json_option("Print the explanation as JSON: an object for one iteration, a list for all.")
def explain(
    run_name: str,
    *,
    iteration: int | None,
    source: bool,
    why: str | None,
    why_not: str | None,
    replay: bool,
    form: str | None,
    out: Path,
    store: str | None,
    as_json: bool,
) -> None:
    """Explain a run: facts, fired rules, conflicts, the request, the patch, and what came of it.

    RUN is a run's id, the beginning of one, or `latest`.

    \b
    lemonade-es explain latest --iteration 3
    lemonade-es explain latest --why ACL
    lemonade-es explain latest --why-not RCL --format mermaid
    """
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.report import explanation
    from lemonade_es.report.derivation import answer_mermaid

    asked = why is not None or why_not is not None
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} are two forms; choose one")
    if form == "mermaid" and not asked:
        raise click.UsageError("--format mermaid draws the answer to --why or --why-not")
    if source and (asked or replay):
        raise click.UsageError("--source shows what patches changed; it goes with no question and no --replay")
    if sum((why is not None, why_not is not None, replay)) > 1:
        raise click.UsageError("--why, --why-not and --replay are different questions; ask one at a time")
    as_json = as_json or form == "json"
    folder = RunFolder(out, store)
    entries = folder.entries(run_name)
    if asked:
        number, answer = explanation.answer(entries, iteration, why=why, why_not=why_not)
        if as_json:
            echo_json({"iteration": number} | answer.to_json())
        else:
            echo(answer_mermaid(answer) if form == "mermaid" else explanation.answered(entries, number, answer))
        return
    if replay:
        verdicts = explanation.comparisons(entries, iteration)
        if as_json:
            echo_json([asdict(verdict) for verdict in verdicts])
        else:
            echo(explanation.replayed(verdicts))
        sys.exit(DONE if all(verdict.same for verdict in verdicts) else FAILED)
    chosen = explanation.explanations(entries, folder, iteration)
    if as_json:
        data = [item.to_json() for item in chosen]
        echo_json(data if iteration is None else data[0])
    else:
        echo(explanation.explained(entries, folder, chosen, source=source))
