"""Tables for the terminal: the iterations of a run, the runs of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rich.table import Table
from rich.text import Text

from lemonade_es.engine.bounds import Bounds
from lemonade_es.engine.history.events import IterationEnded, RunEnded, RunStarted
from lemonade_es.engine.history.journal import Entry, Journal, started
from lemonade_es.engine.record import current_spec, is_over
from lemonade_es.errors import LemonadeError
from lemonade_es.report.formats import UNKNOWN, value
from lemonade_es.report.noise import combined, standing
from lemonade_es.task import Objective
from lemonade_es.vocabulary import DYNAMICS

_STYLES = {"best": "bold green", "tie": "dim", "pruned": "yellow"}
_SHOWN = ("T_Acc", "V_Acc", "F", "P", "S")


def iterations_table(
    ended: Sequence[IterationEnded],
    instructions: Sequence[Mapping[str, float]],
    *,
    best: int | None,
    last: int | None = None,
    floor: float | None = None,
    bounds: Bounds = MappingProxyType({}),
) -> Table:
    """One row an iteration: instructions carried out, metrics, CM; the best one marked, and those it ties with.

    Args:
        ended: the outcomes.
        instructions: the weights of each iteration, as long as ``ended``.
        best: the iteration that leads.
        last: show only so many rows.
        floor: the noise floor of CM, where it is known.
        bounds: what is required.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right")
    table.add_column("instructions", overflow="fold", min_width=18)
    for name in _SHOWN:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("CM", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    rows = list(zip(ended, instructions, strict=True))
    leader = next((item for item in ended if item.iteration == best), None)
    for item, given in rows[-last:] if last is not None else rows:
        leads = item is leader
        told = standing(item, leader, floor, bounds)
        cells = [value(name, item.metrics.get(name)) for name in _SHOWN]
        table.add_row(
            str(item.iteration),
            " ".join(given) or ("first network" if item.iteration == 1 else UNKNOWN),
            *cells,
            combined(item),
            Text(told, _STYLES.get(told, "red")),
            style="bold" if leads else None,
        )
    return table


def dynamics_table(ended: Sequence[IterationEnded]) -> Table:
    """One row an iteration: how its training went."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right", no_wrap=True, min_width=2)
    for name in DYNAMICS:
        table.add_column(name.replace("_", "_\n"), justify="right", no_wrap=True)  # eight of them in 80 columns
    for item in ended:
        table.add_row(str(item.iteration), *(value(name, item.metrics.get(name)) for name in DYNAMICS))
    return table


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in one line; of an ``unreadable`` one no more is known than its id.

    Attributes:
        run: its id.
        status: ``finished``, ``stopped``, ``failed``, or ``open`` if it goes on or can be resumed,
            ``unreadable`` if its record is damaged or of another version.
        data: its data set.
        executor: who carried the instructions out.
        rulebook: its rulebook.
        iterations: how many are done.
        wanted: how many it is to do.
        CM: of the best network.
        V_Acc: of the best network.
        objective: ``classification`` or ``regression``, where ``V_Acc`` is R2, clipped at 0.
    """

    run: str
    status: str
    data: str | None = None
    executor: str | None = None
    rulebook: str | None = None
    iterations: int | None = None
    wanted: int | None = None
    CM: float | None = None
    V_Acc: float | None = None
    objective: Objective | None = None


def run_lines(journal: Journal) -> list[RunLine]:
    """The line of each run, oldest first; a run whose record is damaged is listed as ``unreadable``."""
    lines = []
    for name in journal.runs():
        try:
            lines.append(run_line(journal.read(name)))
        except LemonadeError:
            lines.append(RunLine(name, "unreadable"))
    return lines


def run_line(entries: tuple[Entry, ...]) -> RunLine:
    """The line for one run, from its journal."""
    begun: RunStarted = started(entries)
    spec = current_spec(entries)
    ended = [entry.event for entry in entries if isinstance(entry.event, IterationEnded)]
    best = next((item for item in reversed(ended) if item.is_best), None)
    ends = [entry.event for entry in entries if isinstance(entry.event, RunEnded)]
    return RunLine(
        run=entries[0].run,
        data=begun.data.task.data,
        executor=begun.executor,
        rulebook=Path(begun.rulebook_file).stem,
        status=ends[-1].status if is_over(entries) else "open",
        iterations=len(ended),
        wanted=spec.iterations,
        CM=best.CM if best is not None else None,
        V_Acc=best.metrics.get("V_Acc") if best is not None else None,
        objective=begun.data.task.objective,
    )


def runs_table(lines: Sequence[RunLine]) -> Table:
    """One row a run, oldest first; ``V_Acc`` and ``CM`` are those of its best network."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", no_wrap=True, min_width=max((len(line.run) for line in lines), default=0))
    for name in ("data", "rulebook", "llm", "status"):
        table.add_column(name, overflow="ellipsis")  # these give way: figures that are cut off would be others
    figures = [_figures(line) for line in lines]
    for number, name in enumerate(("done", "V_Acc", "CM")):
        widest = max(len(text) for text in (name, *(row[number] for row in figures)))
        table.add_column(name, justify="right", no_wrap=True, min_width=widest)
    for line, row in zip(lines, figures, strict=True):
        words = (line.data or UNKNOWN, line.rulebook or UNKNOWN, line.executor or UNKNOWN, line.status)
        table.add_row(line.run, *words, *row)
    return table


def _figures(line: RunLine) -> tuple[str, str, str]:
    kind = "R2 " if line.objective == "regression" and line.V_Acc is not None else ""
    return (
        UNKNOWN if line.iterations is None else f"{line.iterations}/{line.wanted}",
        f"{kind}{value('V_Acc', line.V_Acc)}",
        UNKNOWN if line.CM is None else f"{line.CM:.4f}",
    )
