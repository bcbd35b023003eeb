"""What a rulebook advises in one situation, and how one advice differs from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.rules.rulebook import Rulebook

Weights = Mapping[str, float]
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rulebook says about one situation.

    Attributes:
        kept: the instructions that are left, with their weights.
        fired: the rules that fire, with theirs.
        won: the conflicts: winner and loser.
    """

    kept: Weights
    fired: Mapping[str, float | None]
    won: Pairs


def decide(rulebook: Rulebook, facts: Facts) -> Decision:
    """What a rulebook says, by the plain evaluator."""
    inference = evaluate(rulebook, facts)
    resolution = resolve(inference, rulebook)
    fired = {firing.rule: firing.weight for firing in inference.fired}
    won = tuple((item.winner, item.loser) for item in resolution.decisions)
    return Decision(dict(resolution.instructions), fired, won)


def turned(old: Pairs, new: Pairs) -> Pairs:
    """The conflicts that are decided in both, but the other way round in the new."""
    return tuple(pair for pair in new if pair[::-1] in old)


@dataclass(frozen=True, slots=True)
class Shift:
    """How one advice differs from another.

    Attributes:
        gained: instructions that only the new one gives, with their weights.
        lost: those that only the old one gives.
        reweighted: those of both with another weight: old, new.
    """

    gained: Weights
    lost: Weights
    reweighted: Mapping[str, tuple[float, float]]

    @classmethod
    def between(cls, old: Weights, new: Weights) -> Shift | None:
        """The shift from one advice to another; ``None`` if they are the same."""
        gained = {name: weight for name, weight in new.items() if name not in old}
        lost = {name: weight for name, weight in old.items() if name not in new}
        both = {name: (old[name], new[name]) for name in new if name in old}
        reweighted = {name: pair for name, pair in both.items() if not np.isclose(*pair, rtol=1e-9, atol=1e-12)}
        return cls(gained, lost, reweighted) if gained or lost or reweighted else None
