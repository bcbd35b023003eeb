"""What a run leaves on the screen: the iterations, the best network's files, and the next command."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from lemonade_es.engine.bounds import Bounds, breaches
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Seconds
from lemonade_es.engine.loop.pruning import saved_seconds
from lemonade_es.engine.loop.state import Network, SearchState
from lemonade_es.engine.record import RunResult
from lemonade_es.report.formats import duration, value
from lemonade_es.report.noise import noise_told, still_unknown
from lemonade_es.report.run_report import cost
from lemonade_es.report.tables import iterations_table
from lemonade_es.report.weakened import weakened
from lemonade_es.vocabulary import METRICS
from lemonade_es.wording import counted

_TOLD = ("V_Acc", "T_Acc", "F", "P", "S")


def summary(result: RunResult, folder: RunFolder) -> RenderableType:
    """The end of a run, for the terminal.

    Args:
        result: the run.
        folder: where it lies, for the next command.
    """
    best = result.state.best
    return Group(*_search(result), *(_missing(result, folder) if best is None else _found(result, best, folder)))


def _search(result: RunResult) -> Iterator[RenderableType]:
    """The iterations, how the search ended, and what it took."""
    state, spec = result.state, result.started.spec
    if state.ended:
        leader = state.best.iteration if state.best is not None else None
        yield iterations_table(state.ended, state.instructions, best=leader, floor=state.floor, bounds=state.bounds)
        yield Text()
    if result.end is not None:
        yield Text(f"{result.end.status}: {result.end.reason}", "bold")
    yield _times(state.seconds, result.startup_seconds)
    if (less := weakened(result.started.isolation, result.started.isolation_reason)) is not None:
        yield Text(less, "yellow")
    yield from _spent(state, spec.grid_gco2e_per_kwh)
    if spec.repeats > 1:
        yield Text(noise_told(state.estimated) if state.estimated else still_unknown(state.noise), "dim")
    pruned = [network.measurement for network in state.networks if network.pruned is not None]
    if pruned:
        saved = sum(saved_seconds(item, result.started.recipe.epochs) for item in pruned)
        yield Text(f"pruned: {len(pruned)} of {len(state.ended)}, about {duration(saved)} of training saved", "dim")
    if state.device.failed:
        yield Text(f"measuring on the device failed for {state.device.failed} of {state.device.asked} trainings")


def _times(seconds: Seconds, startup: float) -> Text:
    return Text(
        f"{duration(seconds.total + startup)} in all: training {duration(seconds.training)}, "
        f"measuring {duration(seconds.measuring)}, executor {duration(seconds.llm)}, "
        f"start {duration(startup)}, all else {duration(seconds.overhead)}",
        "dim",
    )


def _spent(state: SearchState, grid: float) -> Iterator[Text]:
    yield Text(f"energy {state.spent.told(grid)}", "dim")
    bill = state.bill
    if bill.input_tokens or bill.output_tokens or bill.known_usd or bill.unpriced or bill.perhaps_paid:
        lost = f"; tries without an answer that may have been paid: {bill.perhaps_paid}" if bill.perhaps_paid else ""
        yield Text(f"LLM: {counted(bill.calls, 'call')}, {cost(bill)}{lost}", "dim")


def _missing(result: RunResult, folder: RunFolder) -> Iterator[Text]:
    yield Text(f"no valid network yet; see why: {folder.command('explain', result.run)}")


def _found(result: RunResult, best: Network, folder: RunFolder) -> Iterator[Text]:
    """The best network, how it stands to others and to what is required, and where it lies."""
    task, require = result.started.data.task, result.started.spec.require
    if task.objective == "regression":
        yield Text(f"accuracy is {task.accuracy}", "dim")
    told = "  ".join(f"{name} {value(name, best.metrics.get(name), unit=True)}" for name in _TOLD)
    times = f" (means over {len(best.all)} trainings)" if best.repeats else ""
    yield Text(f"best: iteration {best.iteration}, {told}{times}")
    if (other := result.state.more_accurate) is not None:
        accuracy = value("V_Acc", other.metrics.get("V_Acc"), unit=True)
        behind = f"CM {other.CM:.4f}, and that of the best {best.CM:.4f}"
        take = f"finalize and export take it with --iteration {other.iteration}"
        yield Text(f"higher V_Acc: iteration {other.iteration}, {accuracy} ({behind}); {take}")
    if require:
        broken = "; ".join(breaches(require, best.metrics))
        yield Text(f"no network keeps what is required: {broken}", "yellow") if broken else _kept(require)
    for label, path in (("network", result.model), ("weights", result.weights)):
        if path is not None:
            yield Text(f"{label}: {path}", overflow="fold")
    why = folder.command("explain", result.run, "--iteration", str(best.iteration))
    yield Text(f"why it is as it is: {why}")


def _kept(bounds: Bounds) -> Text:
    told = ", ".join(
        f"{name} {'at most' if METRICS[name].better == 'lower' else 'at least'} {value(name, bound, unit=True)}"
        for name, bound in bounds.items()
    )
    return Text(f"it keeps what is required: {told}")
