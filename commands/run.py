"""``lemonade-es run``: search for a network, or go on with a search."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lemonade_es.commands.options import (
    DONE,
    FAILED,
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
    set_option,
)
from lemonade_es.commands.output import LastingTerminal, echo_json
from lemonade_es.commands.signals import end_interrupted, interrupt_by_signals
from lemonade_es.errors import LemonadeError, SearchError
from lemonade_es.vocabulary import PRESETS

if TYPE_CHECKING:
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.record import RunResult


@click.command(short_help="Search for a network.")
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
@set_option
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

    CONFIG is a YAML file with the same names as the options (`max_seconds: 600`, `set: {PF: 0.5}`); options win over
    it.

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
    from lemonade_es.engine.options import resolve
    from lemonade_es.engine.run import new_run, resume_run
    from lemonade_es.report.live import view

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
    _tell(result, folder, console, as_json=as_json)


def _tell(result: RunResult, folder: RunFolder, console: LastingTerminal, *, as_json: bool) -> NoReturn:
    """Print what came of a search, and end with the exit code for that."""
    from lemonade_es.engine.outcome import outcome
    from lemonade_es.report.summary import summary

    if as_json:
        echo_json(outcome(result))
    else:
        console.print(summary(result, folder), soft_wrap=True)  # commands and paths are to be copied whole
    if result.end is None:
        end_interrupted(f"interrupted; go on with: {folder.command('run', '--resume', result.run)}")
    sys.exit(FAILED if result.state.best is None else DONE)
