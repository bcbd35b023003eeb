"""What differs between two rulebooks, and what a rulebook would have done in recorded runs, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lemonade_es.engine.expert.advice import Shift
from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.suppositions.backtest import Backtest, Flipped
from lemonade_es.engine.suppositions.difference import Elsewhere, Region
from lemonade_es.report.formats import weighted
from lemonade_es.rules.changes import Change
from lemonade_es.wording import counted

REGIONS_SHOWN = 12
_SHOWN_ELSEWHERE = 3

_NO_RULE = "how weights are combined and limited, or conflicts decided"
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": "~"}


def difference_text(
    changed: Sequence[Change], regions: Sequence[Region], tried: int, elsewhere: Sequence[Elsewhere] = ()
) -> str:
    """The changes of the text, then where the advice differs, with an example for each region.

    Args:
        changed: the changes.
        regions: where the advice differs at the default settings.
        tried: in how many situations it was compared.
        elsewhere: where it differs at other settings.
    """
    return "\n".join((*_changes(changed), "", *_regions(regions, tried), *_elsewhere(elsewhere)))


def flipped_text(flipped: Sequence[Flipped], decisions: int, *, old: str, new: str) -> str:
    """The recorded decisions that come out otherwise."""
    return "\n".join(_flipped(flipped, decisions, old=old, new=new))


def decisions_in(runs: Sequence[Sequence[Entry]]) -> int:
    """How many decisions runs hold."""
    return sum(isinstance(entry.event, Advised) for entries in runs for entry in entries)


def backtest_text(found: Backtest) -> str:
    """How often each rule would have fired, those that never would, and the decisions that would be others."""
    return "\n".join(_backtest(found))


def _changes(changed: Sequence[Change]) -> Iterator[str]:
    if not changed:
        yield "The rulebooks say the same, word for word (but for name, version, about and comments)."
        return
    yield "Changes"
    for item in changed:
        places = " -> ".join(str(place) for place in (item.old, item.new) if place is not None)
        moved = " moved" if item.how == "moved" else ""
        yield f"  {_SIGNS[item.how]} {item.part} {item.name}{moved}{f'  ({places})' if places else ''}"
        for name, (before, after) in item.fields.items():
            yield f"      {name}: {_value(before)} -> {_value(after)}"


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_value(item)}" for name, item in value.items()) + "}"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _regions(regions: Sequence[Region], tried: int) -> Iterator[str]:
    if not regions:
        yield f"The advice is the same in all of {tried:,} situations tried at the default settings."
        return
    total = sum(region.share for region in regions)
    yield f"The advice differs in {total:.1%} of {tried:,} situations tried at the default settings"
    yield from _listed(regions, REGIONS_SHOWN)


def _elsewhere(elsewhere: Sequence[Elsewhere]) -> Iterator[str]:
    for item in elsewhere:
        yield f"It differs with {', '.join(f'{name} = {value:g}' for name, value in item.settings.items())}"
        yield from _listed(item.regions, _SHOWN_ELSEWHERE)


def _listed(regions: Sequence[Region], most: int) -> Iterator[str]:
    for region in regions[:most]:
        parts = [
            *(f"+{name}" for name in region.gained),
            *(f"-{name}" for name in region.lost),
            *(f"~{name}" for name in region.reweighted),
        ]
        yield f"  {' '.join(parts)}  in {region.share:.1%}, because of {', '.join(region.rules) or _NO_RULE}"
        if region.ranges:
            yield f"      within {', '.join(_range(name, ends) for name, ends in region.ranges.items())}"
        yield f"      for example {_situation(region.witness)}"
        yield f"          old: {weighted(region.old) or 'nothing'}"
        yield f"          new: {weighted(region.new) or 'nothing'}"
    if len(regions) > most:
        yield f"  and {counted(len(regions) - most, 'smaller region')} (--json has them all)"


def _range(name: str, ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3g} <= {name} <= {ends[1]:.3g}"


def _situation(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:.10g}" for name, value in metrics.items())


def _flipped(flipped: Sequence[Flipped], decisions: int, *, old: str, new: str) -> Iterator[str]:
    if not decisions:
        yield "The runs hold no decisions: no rule has advised yet."
        return
    yield f"{len(flipped)} of {decisions} recorded decisions would be others"
    for item in flipped:
        shift = Shift.between(item.old, item.new)
        parts = (
            []
            if shift is None
            else [
                *(f"+{name}" for name in shift.gained),
                *(f"-{name}" for name in shift.lost),
                *(f"~{name}" for name in shift.reweighted),
            ]
        )
        yield f"  run {item.run}, iteration {item.iteration}: {' '.join(parts)}"
        yield f"      {old}: {weighted(item.old) or 'nothing'}"
        yield f"      {new}: {weighted(item.new) or 'nothing'}"
        if item.turned:
            pairs = ", ".join(f"{winner} over {loser}" for winner, loser in item.turned)
            yield f"      conflicts that turn: {pairs}"


def _backtest(found: Backtest) -> Iterator[str]:
    for run in found.runs:
        if not run.decisions:
            yield f"run {run.run} holds no decisions"
    if not found.decisions:
        return
    count = counted(len(found.runs), "run")
    yield f"Rules that would have fired in {counted(found.decisions, 'decision')} of {count}"
    fires = found.fires
    for rule, number in sorted(fires.items(), key=lambda item: -item[1]):
        if number:
            yield f"  {number:4}  {rule}"
    if found.never:
        yield f"never: {', '.join(found.never)}"
    yield ""
    if len(found.runs) > 1:
        for run in found.runs:
            if run.decisions:
                yield f"run {run.run}: {len(run.flipped)} of {run.decisions} decisions would be others"
    yield from _flipped(found.flipped, found.decisions, old="sent", new="now")
