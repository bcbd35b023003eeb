"""The command line: options in, library calls, messages and exit codes out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from lemonade_es import __version__
from lemonade_es.commands.data import data
from lemonade_es.commands.export import export
from lemonade_es.commands.finalize import finalize
from lemonade_es.commands.measure import measure
from lemonade_es.commands.options import (
    BAD_INPUT,
    DONE,
    FAILED,
    INTERRUPTED,
    Assignments,
    Fields,
    Goals,
    column_in,
    distinct,
    isolation_options,
    json_option,
    measure_with_options,
    out_option,
    reading_options,
)
from lemonade_es.commands.output import LastingTerminal, Terminal, echo, echo_json
from lemonade_es.commands.prompt import prompt
from lemonade_es.commands.rulebook import rulebook
from lemonade_es.commands.runs import runs
from lemonade_es.commands.signals import interrupt_by_signals
from lemonade_es.commands.validate import validate
from lemonade_es.errors import LemonadeError, SearchError
from lemonade_es.printable import printable
from lemonade_es.vocabulary import PRESETS


class _Group(click.Group):
    """Turns the library's errors into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LemonadeError as error:
            click.echo(printable(f"lemonade-es: {error}"), err=True)
            ctx.exit(BAD_INPUT)
        except KeyboardInterrupt:
            click.echo("lemonade-es: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # click ends quietly
            raise
        except OSError as error:
            click.echo(printable(f"lemonade-es: {LemonadeError.of_system(error)}"), err=True)
            ctx.exit(BAD_INPUT)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lemonade-es")
def main() -> None:
    """Find a neural network for a data set and a set of wishes.

    An expert system reads a rulebook, fires rules on what was measured, and instructs an executor (an LLM or
    the built-in one), which edits the network; the edit is checked, trained and measured, and so on.
    """


for command in (data, export, finalize, measure, prompt, rulebook, runs, validate):
    main.add_command(command)


@main.command(short_help="Search for a network.")
@click.argument("config", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--data", metavar="SPEC", help="Data set name, folder of images, or CSV file [default: digits].")
@reading_options("--target-column")
@click.option("--data-root", metavar="DIR", help="Where downloaded data sets lie [default: data].")
@click.option("--download", is_flag=True, default=None, help="Fetch a data set that is not there.")
@click.option("--rulebook", metavar="NAME|FILE", help="Shipped name or YAML file [default: lemonade].")
@click.option("--watch-rulebook", is_flag=True, default=None, help="Take over the file's changes while it runs.")
@click.option("--llm", metavar="SPEC", help="Who edits: builtin, PROVIDER:MODEL, ... [default: builtin].")
@click.option(
    "--llm-base-url",
    metavar="URL",
    help="Another server: Ollama, vLLM, llama.cpp, a gateway [default: OPENAI_BASE_URL or its like, else the "
    "provider's own].",
)
@click.option(
    "--llm-max-tokens", type=int, metavar="N", help="Most tokens in an LLM's answer [default: the provider's bound]."
)
@click.option(
    "--llm-timeout", type=float, metavar="SECONDS", help="Give up a call after so long a silence [default: 180]."
)
@click.option("--llm-context", type=int, metavar="N", help="Tokens of prompt and answer, for local: models.")
@click.option("--fallback", metavar="SPEC", help="Executor asked once if --llm gives no answer, or only unusable ones.")
@click.option("--preset", type=click.Choice(list(PRESETS)), help="What counts [default: accuracy].")
@click.option(
    "--set",
    "set_",
    type=Assignments("PF=0.5"),
    multiple=True,
    callback=distinct,
    help="A threshold, priority or weight.",
)
@click.option("--iterations", type=int, help="How many networks to try [default: 30].")
@click.option("--epochs", type=int, help="Epochs of each training [default: the recipe's, 50].")
@click.option("--zero-cost", is_flag=True, default=None, help="Score untrained networks, as facts for the rules.")
@click.option("--prune", is_flag=True, default=None, help="Stop trainings that are hopeless.")
@click.option("--repeats", type=int, metavar="K", help="Train each network that may lead with K seeds [default: 1].")
@click.option(
    "--recipe", type=Fields(), multiple=True, callback=distinct, help="A field of the training recipe: lr=0.05."
)
@click.option("--limit", type=int, metavar="INPUTS", help="Use a seeded, stratified subset.")
@click.option("--resize", type=int, metavar="PIXELS", help="Scale images to squares of this side.")
@click.option(
    "--target",
    type=Goals("V_Acc=0.95"),
    multiple=True,
    callback=distinct,
    help="Stop when the best network reaches it; without a value, as --target-column.",
)
@click.option(
    "--require",
    type=Assignments("S=0.1"),
    multiple=True,
    callback=distinct,
    help="What a network must keep before CM counts: S=0.1 (at most), F=4000 (at least).",
)
@click.option(
    "--max-seconds", type=float, help="Stop after so long, the start not counted; the iteration under way ends first."
)
@click.option("--max-energy", type=float, metavar="KWH", help="Stop after this much energy (kWh-PUE).")
@click.option(
    "--max-llm-cost",
    type=float,
    metavar="USD",
    help="Stop after this much was paid for LLM answers; the iteration under way ends first.",
)
@click.option(
    "--max-llm-calls",
    type=int,
    metavar="N",
    help="Stop after N LLM calls (a repair is one, a retry is not); the iteration under way ends first.",
)
@click.option("--max-parameters", type=int, help="No network may have more.")
@click.option(
    "--max-macs",
    type=int,
    help="No network may need more multiply-accumulates for an input; builtin has a bound of its own: 40 million for "
    "images of 32x32.",
)
@click.option("--candidate-seconds", type=float, help="A longer training fails [default: 3600].")
@click.option(
    "--start-from",
    type=click.Choice(["current", "best"]),
    help="What to edit: the last network (the paper), or the best [default: best].",
)
@click.option("--seed", type=int, help="Of everything [default: 0].")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to train [default: auto].")
@click.option("--resume", metavar="RUN", help="Take up a run: its id, the beginning of it, or `latest`.")
@isolation_options(default=None)
@measure_with_options
@out_option
@json_option("Print the result as one JSON object and nothing else.")
def run(
    config: Path | None,
    *,
    set_: Sequence[tuple[str, float]],
    target: Sequence[tuple[str, float] | str],
    require: Sequence[tuple[str, float]],
    recipe: Sequence[tuple[str, Any]],
    resume: str | None,
    unsafe_no_isolation: bool,
    out: Path,
    store: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Search for a network.

    CONFIG is a YAML file with the same names as the options (`max_seconds: 600`); options win over it.

    \b
    lemonade-es run
    lemonade-es run --data photos/ --resize 32 --preset edge --iterations 10
    lemonade-es run --rulebook edge --require S=0.1 --require F=4000
    lemonade-es run --data cifar10 --llm openai:gpt-4o --target V_Acc=0.9
    lemonade-es run --data imdb.csv --rulebook text
    lemonade-es run --data houses.csv --target price
    lemonade-es run --resume latest
    """
    from lemonade_es.engine.configuration import read_config
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.outcome import outcome
    from lemonade_es.engine.run import new_run, resume_run
    from lemonade_es.engine.spec import resolve
    from lemonade_es.report.live import view
    from lemonade_es.report.summary import summary

    options["target_column"] = column_in(target, options["target_column"])
    goals = dict(goal for goal in target if not isinstance(goal, str))
    options |= {"set": dict(set_), "target": goals, "require": dict(require), "recipe": dict(recipe)}
    folder = RunFolder(out, store)
    if resume is not None and config is not None:
        raise click.UsageError("a resumed run has its configuration; give CONFIG or --resume, not both")
    console = LastingTerminal(stderr=as_json)
    interrupt_by_signals()
    try:
        with view(console, quiet=as_json and not console.file.isatty()) as watcher:
            if resume is not None:
                result = resume_run(resume, folder, watcher, options, unsafe_no_isolation=unsafe_no_isolation)
            else:
                spec = resolve(read_config(config) if config is not None else {}, options)
                result = new_run(spec, folder, watcher, unsafe_no_isolation=unsafe_no_isolation)
    except SearchError as error:
        go_on = folder.command("run", "--resume", error.run)
        raise LemonadeError(error.message, hint=f"then go on with: {go_on}") from error
    if as_json:
        echo_json(outcome(result))
    else:
        console.print(summary(result, folder), soft_wrap=True)  # commands and paths are to be copied whole
    if result.end is None:
        echo(f"interrupted; go on with: {folder.command('run', '--resume', result.run)}", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(FAILED if result.state.best is None else DONE)


@main.command(short_help="Explain the decisions of a run.")
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


@main.command(short_help="Show what this machine offers.")
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


@main.command(short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    eval "$(lemonade-es completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  (click ships all three)
    echo(kind(main, {}, "lemonade-es", "_LEMONADE_ES_COMPLETE").source())


if __name__ == "__main__":
    main()
