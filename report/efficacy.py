"""What each rule was worth in recorded runs, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lemonade_es.engine.worth.efficacy import Efficacy, Estimate
from lemonade_es.engine.worth.identity import Difference
from lemonade_es.engine.worth.step import COUNTED_FROM_0
from lemonade_es.report.formats import UNKNOWN
from lemonade_es.task import ACCURACY
from lemonade_es.vocabulary import METRICS
from lemonade_es.wording import counted

_COLOURS = {"helps": "green", "harms": "red", "open": "dim"}
_OTHER: Mapping[Difference, str] = {
    "condition": "another condition",
    "instructions": "other instructions",
    "direction": "another direction",
}
_READING = (
    (
        "gain: of the rule's metric, from the network edited to the edited one, in the steps in which its advice was "
        "carried out, with a 95 % interval. Shares, such as accuracy, in points, and counts that may be 0, such as "
        "dead_layers, as they are: above 0 is better. All else as the factor by which it became better: with x2 a "
        "network has half the parameters, or twice the frames per second."
    ),
    (
        "against others: that gain beside the gain of all other steps, as a difference or a ratio; helps and harms "
        "only where its interval leaves no doubt of the sign. Rules choose the situations in which they fire: this is "
        "evidence and no proof."
    ),
)
_PRUNED = (
    "pruned: of those done, the steps whose network was stopped as hopeless (--prune). In accuracy and CM it counts as "
    "the mean of the steps that ended no better than it could have; of all else nothing is supposed."
)


def efficacy_page(rows: Sequence[Efficacy], runs: int, steps: int, meanings: Sequence[str] = ()) -> RenderableType:
    """One row a rule, in the rulebook's order, and how to read it.

    Args:
        rows: what was found of each rule.
        runs: how many.
        steps: how many there were in these runs.
        meanings: what accuracy means in the runs.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", overflow="fold")
    table.add_column("for", no_wrap=True)
    pruned = any(row.pruned for row in rows)
    for name in ("fired", "done", "failed", *(["pruned"] if pruned else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("gain", "against others"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    silent = [row.rule for row in rows if not row.fired and not row.left_out]
    strange = [_strange(row) for row in rows if row.left_out]
    for row in rows:
        if row.fired:
            table.add_row(
                Text(row.rule, "bold"),
                row.metric or UNKNOWN,
                f"{row.fired:,}",
                f"{row.carried_out:,}",
                f"{row.failed:,}" if row.failed else "",
                *([f"{row.pruned:,}" if row.pruned else ""] if pruned else []),
                Text(_told(row.gain, row.metric)),
                Text(_told(row.against_others, row.metric)),
                Text(row.verdict, _COLOURS[row.verdict]),
            )
    head = f"{counted(steps, 'step')} of {counted(runs, 'run')}"
    parts: list[RenderableType] = [Text(head), Text(), table]
    if silent:
        parts += [Text(), Text(f"gave no instruction: {', '.join(silent)}")]
    if strange:
        told = f"left out, as another rule of the same name gave the instructions: {'; '.join(strange)}"
        parts += [Text(), Text(told)]
    if any(meaning != ACCURACY["classification"] for meaning in meanings):
        parts += [Text(), Text(f"accuracy is {', or '.join(meanings)}")]
    reading = (*_READING, _PRUNED) if pruned else _READING
    return Group(*parts, Text(), *(Text(paragraph, "dim") for paragraph in reading))


def _strange(row: Efficacy) -> str:
    differs = " and ".join(_OTHER[difference] for difference in row.differs)
    return f"{row.rule} in {counted(row.left_out, 'step')} ({differs})"


def _told(estimate: Estimate | None, metric: str | None) -> str:
    if estimate is None or metric is None:
        return UNKNOWN
    show = _number if metric in COUNTED_FROM_0 else _points if METRICS[metric].high <= 1.0 else _factor
    told = show(estimate.mean)
    if estimate.low is None or estimate.high is None:
        return told
    return f"{told} [{show(estimate.low)}, {show(estimate.high)}]"


def _number(difference: float) -> str:
    return f"{difference:+.3g}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _factor(logarithm: float) -> str:
    """Of a natural logarithm of a ratio."""
    return f"x{math.exp(logarithm):.3g}" if abs(logarithm) < 100 else f"xe{logarithm:+.0f}"
