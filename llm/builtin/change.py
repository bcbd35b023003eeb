"""One possible change of a blueprint: what every module of edits proposes."""

from __future__ import annotations

from dataclasses import dataclass

from lemonade_es.llm.builtin.blueprint import Blueprint

NARROWEST = 4
WIDEST = 512


@dataclass(frozen=True, slots=True)
class Change:
    """A proposal.

    Attributes:
        blueprint: the network after it.
        how: what it does, in words, beginning with a verb in the past tense.
        preference: how promising it is among the proposals for the same instruction, before its cost counts.
    """

    blueprint: Blueprint
    how: str
    preference: float


def scaled(width: int, factor: float) -> int:
    """The width times the factor, in steps of 4 below 32 and of 8 above, and moved by one step at least.

    At the narrowest and the widest it stays where it is.
    """
    step = 4 if width * max(factor, 1.0) < 32 else 8
    target = round(width * factor / step) * step
    target = max(target, width + step) if factor > 1 else min(target, width - step)
    return min(max(target, NARROWEST), WIDEST)
