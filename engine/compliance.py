"""Step 7 of the ladder: did the network change as each instruction asked? The census before and after says.

A verdict is about the census entry that the rulebook names for the instruction, and that entry alone:

============ =====================================================================================
followed     it moved as asked, by a step that counts, and the executor does not say otherwise
partly       it moved as asked, but by less than the smallest step that counts
             (:func:`smallest_step`), or the executor says that it skipped the instruction
not          it did not move
opposite     it moved the other way
cannot tell  the rulebook names no entry, it was not counted, or there was nothing to reduce
============ =====================================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator

from lemonade_es.llm.patch import Skipped
from lemonade_es.llm.request import Instruction

Followed = Literal["followed", "partly", "not", "opposite", "cannot tell"]
FOLLOWED: tuple[Followed, ...] = get_args(Followed)

NOT_FOLLOWED = "NOT_FOLLOWED"
"""The typed reason for which a candidate goes back that ignores a heavy instruction."""

HEAVY = 0.5
"""An instruction with at least this share of the heaviest one's weight is heavy."""

_POINTS = 5.0
"""Dropout counts in percent: a change of fewer points is no step."""

_SHARE = 0.02
"""Of kernels and neurons: a change of a smaller share is no step."""

_ROUNDING = 1e-6


def _as_of_old(value: Any) -> Any:
    """The first journals called it ``unknown``."""
    return "cannot tell" if value == "unknown" else value


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one instruction.

    Attributes:
        instruction: its id.
        verdict: see the module.
        before: the census entry of the network edited.
        after: the census entry of the patched network.
    """

    instruction: str
    verdict: Annotated[Followed, BeforeValidator(_as_of_old)]
    before: float | None = None
    after: float | None = None


def judge(
    instructions: Sequence[Instruction],
    before: Mapping[str, float] | None,
    after: Mapping[str, float] | None,
    skipped: Collection[Skipped] = (),
) -> tuple[Verdict, ...]:
    """A verdict for each instruction, in their order.

    Args:
        instructions: what was asked.
        before: the census of the network edited.
        after: that of the patched network.
        skipped: what the executor says it did not do.
    """
    left_out = {entry.instruction for entry in skipped}
    return tuple(_judge(item, before or {}, after or {}, skipped=item.id in left_out) for item in instructions)


def ignored(
    instructions: Sequence[Instruction], verdicts: Sequence[Verdict], skipped: Collection[Skipped]
) -> tuple[Verdict, ...]:
    """The verdicts on heavy instructions that were not carried out and not skipped for a reason."""
    heaviest = max((item.weight for item in instructions), default=0.0)
    heavy = {item.id for item in instructions if item.weight > 0 and item.weight >= HEAVY * heaviest}
    explained = {entry.instruction for entry in skipped if entry.why.strip()}
    return tuple(
        verdict
        for verdict in verdicts
        if verdict.verdict in ("not", "opposite") and verdict.instruction in heavy - explained
    )


def complaint(instructions: Sequence[Instruction], verdicts: Sequence[Verdict]) -> str:
    """What was ignored, in the sentence that goes back to the executor."""
    asked = {item.id: item for item in instructions}
    parts = []
    for verdict in verdicts:
        item = asked[verdict.instruction]
        moved = "as before" if verdict.verdict == "not" else f"and was {verdict.before:g}"
        parts.append(f"{item.id} asks to {item.direction} {item.changes}, which is {verdict.after:g} {moved}")
    return f"{'; '.join(parts)}: carry it out, or name it in skipped and say why not"


def smallest_step(entry: str, before: float) -> float:
    """The smallest change of a census entry that counts as a step.

    One layer, join or initialisation; of kernels and neurons one in fifty, but at least one; five points of
    dropout.
    """
    if entry == "dropouts":
        return _POINTS
    return max(1.0, _SHARE * before) if entry in ("kernels", "neurons") else 1.0


def _judge(
    instruction: Instruction, before: Mapping[str, float], after: Mapping[str, float], *, skipped: bool
) -> Verdict:
    entry = instruction.changes
    if entry is None or instruction.direction is None or entry not in before or entry not in after:
        return Verdict(instruction.id, "cannot tell")
    old, new = before[entry], after[entry]
    return Verdict(instruction.id, _moved(instruction.direction, entry, old, new, skipped=skipped), old, new)


def _moved(direction: str, entry: str, old: float, new: float, *, skipped: bool) -> Followed:
    step = new - old if direction == "increase" else old - new
    if step == 0:
        return "cannot tell" if direction != "increase" and old == 0 else "not"
    if step < 0:
        return "opposite"
    gone = direction != "increase" and new == 0  # nothing is left: no larger step was possible
    whole = gone or step >= smallest_step(entry, old) - _ROUNDING
    return "followed" if whole and not skipped else "partly"
