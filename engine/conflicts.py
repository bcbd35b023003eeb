"""Conflict resolution (Algorithm 2), with the reasons for each decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lemonade_es.engine.inference import Inference
from lemonade_es.rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Conflict:
    """A decided pair of instructions with opposite effects.

    Attributes:
        winner: the instruction that was kept.
        loser: the one that was set to 0.
        winner_weight: its weight.
        loser_weight: its weight.
        margin: ``winner_weight - loser_weight``.
        winner_rules: the rules behind it.
        loser_rules: the rules behind it.
        flip: what would have decided it the other way, as a sentence.
    """

    winner: str
    loser: str
    winner_weight: float
    loser_weight: float
    margin: float
    winner_rules: tuple[str, ...]
    loser_rules: tuple[str, ...]
    flip: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """An instruction that was given, but is not passed on, without having lost a conflict.

    Attributes:
        instruction: its id.
        weight: what it had.
        rules: the rules that gave it.
    """

    instruction: str
    weight: float
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The instructions that are left.

    Attributes:
        instructions: weights by id, heaviest first.
        decisions: the conflicts that were decided, in the order in which they were met.
        dropped: instructions with weights of 0 or less, in the order of the walk.
        surplus: instructions that are too many for the rulebook's ``max_instructions``, heaviest first.
    """

    instructions: Mapping[str, float]
    decisions: tuple[Conflict, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    surplus: tuple[Dropped, ...] = ()


def resolve(inference: Inference, rulebook: Rulebook) -> Resolution:
    """Keep of each pair of conflicting instructions the heavier one (Algorithm 2).

    Instructions are walked from the heaviest to the lightest; among equals, the one behind which the rule with
    the highest salience stands comes first, then the one that the rulebook names first. Of those that are kept,
    the first ``max_instructions`` are left, if the rulebook has such a limit.
    """
    salience = {rule.id: rule.salience for rule in rulebook.rules}
    behind = {name: tuple(item.rule for item in items) for name, items in inference.contributions.items()}
    urgency = {name: max(salience[rule] for rule in rules) for name, rules in behind.items()}
    position = {name: index for index, name in enumerate(rulebook.instructions)}
    weights = inference.weights
    walk = sorted(weights, key=lambda name: (-weights[name], -urgency[name], position[name]))

    kept: dict[str, float] = {}
    beaten: set[str] = set()
    decisions: list[Conflict] = []
    dropped: list[Dropped] = []
    for name in walk:
        if name in beaten:
            continue
        if weights[name] <= 0:
            dropped.append(Dropped(name, weights[name], behind[name]))
            continue
        kept[name] = weights[name]
        rival = rulebook.instructions[name].conflicts_with
        if rival is None or weights.get(rival, 0.0) <= 0:
            continue
        beaten.add(rival)
        decisions.append(
            Conflict(
                winner=name,
                loser=rival,
                winner_weight=weights[name],
                loser_weight=weights[rival],
                margin=weights[name] - weights[rival],
                winner_rules=behind[name],
                loser_rules=behind[rival],
                flip=_flip(name, rival, weights[name] - weights[rival], urgency[name] > urgency[rival]),
            )
        )
    left = list(kept)[: rulebook.max_instructions]
    surplus = tuple(Dropped(name, kept[name], behind[name]) for name in kept if name not in left)
    return Resolution({name: kept[name] for name in left}, tuple(decisions), tuple(dropped), surplus)


def _flip(winner: str, loser: str, margin: float, by_salience: bool) -> str:
    if margin > 0:
        return f"{loser} would win if its weight rose by more than {margin:.4g}"
    tie = f"a rule of higher salience gives {winner}" if by_salience else f"the rulebook names {winner} first"
    return f"{loser} would win if its weight rose at all; the weights are equal, and {tie}"
