"""Step 7 of the ladder: did the network change as each instruction asked? The census before and after says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lemonade_es.llm.request import Instruction


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one instruction.

    Attributes:
        instruction: its id.
        verdict: ``followed`` or ``opposite`` by the census, ``not`` if the entry did not move, ``unknown``
            if the rulebook names no entry or there is no census to compare with.
        before: the census entry of the network edited.
        after: the census entry of the patched network.
    """

    instruction: str
    verdict: Literal["followed", "opposite", "not", "unknown"]
    before: float | None = None
    after: float | None = None


def judge(
    instructions: Sequence[Instruction],
    before: Mapping[str, float] | None,
    after: Mapping[str, float] | None,
) -> tuple[Verdict, ...]:
    """A verdict for each instruction, in their order."""
    return tuple(_judge(instruction, before or {}, after or {}) for instruction in instructions)


def _judge(instruction: Instruction, before: Mapping[str, float], after: Mapping[str, float]) -> Verdict:
    entry = instruction.changes
    if entry is None or instruction.direction is None or entry not in before or entry not in after:
        return Verdict(instruction.id, "unknown")
    old, new = before[entry], after[entry]
    if new == old:
        return Verdict(instruction.id, "not", old, new)
    rose = new > old
    followed = rose == (instruction.direction == "increase")
    return Verdict(instruction.id, "followed" if followed else "opposite", old, new)
