"""``lemonade-es finalize``: train a run's network in the end, and test it once."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lemonade_es import defaults
from lemonade_es.commands.options import (
    DONE,
    FAILED,
    Fields,
    Finite,
    as_given,
    distinct,
    isolation_options,
    json_option,
    moved_data_options,
    out_option,
)
from lemonade_es.commands.output import LastingTerminal, echo_json
from lemonade_es.commands.signals import end_interrupted, interrupt_by_signals

if TYPE_CHECKING:
    from lemonade_es.report.finishing import SilentFinish


@click.command(short_help="Train a run's network in the end, and test it.")
@click.argument("run_name", metavar="RUN")
@click.option("--iteration", type=click.IntRange(min=1), metavar="N", help="Whose network [default: the best].")
@click.option(
    "--epochs", type=int, help="Epochs of the training [default: the recipe's: 600, of texts 200, of tables 50]."
)
@click.option(
    "--recipe", type=Fields(), multiple=True, callback=distinct, help="A field of the training recipe: lr=0.01."
)
@click.option(
    "--hold-out",
    type=click.Choice(["validation"]),
    help="Keep the validation split out of the training, and show it in the curves.",
)
@click.option("--seed", type=click.IntRange(0, defaults.MAX_SEED), help="Of weights and order [default: the run's].")
@click.option(
    "--anew",
    is_flag=True,
    help="Start over, even if this training was begun or finished before; what --anew itself began goes on.",
)
@click.option(
    "--checkpoint-seconds",
    type=Finite(min=0),
    default=60.0,
    show_default=True,
    help="Between two checkpoints; 0 keeps one after every epoch.",
)
@moved_data_options
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to train."
)
@isolation_options()
@out_option
@json_option("Print the result as one JSON object and nothing else.")
@click.pass_context
def finalize(
    context: click.Context,
    /,
    run_name: str,
    *,
    recipe: Sequence[tuple[str, Any]],
    hold_out: str | None,
    checkpoint_seconds: float,
    data: str | None,
    data_root: str | None,
    download: bool,
    out: Path,
    store: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network of a run from scratch on training and validation inputs, test it once, and write its card.

    RUN is a run's id, the beginning of one, or `latest`. After Ctrl-C or a crash give the same command
    again: it goes on at the last checkpoint. A result that is there already is shown, and nothing is computed again.

    \b
    lemonade-es finalize latest
    lemonade-es finalize latest --iteration 7 --epochs 100 --recipe lr=0.05
    lemonade-es finalize latest --hold-out validation
    """
    from lemonade_es.engine.final.final_plan import FinalSpec
    from lemonade_es.engine.final.finalize import finalize as final_training
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.spec import Whereabouts
    from lemonade_es.report.final_folder import final_outcome, leave_final
    from lemonade_es.report.finishing import final_summary, finishing_view

    folder = RunFolder(out, store)
    wishes = FinalSpec(
        recipe=dict(recipe),
        hold_out=hold_out is not None,
        save_seconds=checkpoint_seconds,
        whereabouts=Whereabouts(data, data_root, download),
        **options,
    )
    console = LastingTerminal(stderr=as_json)
    interrupt_by_signals()
    with finishing_view(console, quiet=as_json and not console.file.isatty()) as watcher:
        run, result = folder.find(run_name), None  # `latest` may be another one in the end
        try:
            result = final_training(run, folder, watcher, wishes)
            path = leave_final(result, folder)
        except KeyboardInterrupt:
            recorded = result is not None
            again = shlex.join(_again(context, run, anew=not (recorded or watcher.kept))) + folder.store_option
            kept = "the result is recorded" if recorded else _kept(watcher)
            end_interrupted(f"interrupted; {kept}; go on with: {again}")
    if as_json:
        echo_json(final_outcome(result, path))
    else:
        console.print(final_summary(result, path), soft_wrap=True)  # paths are to be copied whole
    sys.exit(DONE if result.finalized is not None else FAILED)


def _kept(watcher: SilentFinish) -> str:
    """What is left of a training that was broken off."""
    if watcher.kept:
        return f"the checkpoint after epoch {watcher.kept} is kept"
    return "no checkpoint was due yet" if watcher.began else "the training had not begun"


def _again(context: click.Context, run: str, *, anew: bool) -> Iterator[str]:
    """The words of the same command for the same run; ``--anew`` only where nothing of the new training is kept."""
    yield from ("lemonade-es", "finalize", run)
    left_out = ("store",) if anew else ("store", "anew")
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if not given or not isinstance(option, click.Option) or option.name in left_out:
            continue
        value = context.params[option.name or ""]
        for item in value if option.multiple else [value]:
            yield option.opts[0]
            if not option.is_flag:
                yield "=".join(map(as_given, item)) if isinstance(item, tuple) else str(item)
