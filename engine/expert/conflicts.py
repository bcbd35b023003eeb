"""Conflict resolution (Algorithm 2), with the reasons for each decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lemonade_es.engine.expert.inference import Contribution, Inference
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.rules.tie import level, total


@dataclass(frozen=True, slots=True)
class Conflict:
    """A decided pair of instructions with opposite effects.

    Attributes:
        winner: the instruction that was kept.
        loser: the one that was set to 0.
        winner_weight: its weight.
        loser_weight: its weight.
        margin: ``winner_weight - loser_weight``; 0 if the two are equal but for the rounding of sums.
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

    Instructions are walked from the heaviest to the lightest; among equals (see :func:`lemonade_es.rules.tie.level`),
    the one to which the rule with the highest salience gave weight comes first, then the one that the rulebook names
    first. Of those that are kept, the first ``max_instructions`` are left, if the rulebook has such a limit.
    """
    behind = {name: tuple(item.rule for item in items) for name, items in inference.contributions.items()}
    urgency = _urgencies(inference, rulebook)
    position = {name: index for index, name in enumerate(rulebook.instructions)}
    weights = inference.weights
    levels = {name: level(weight) for name, weight in weights.items()}
    walk = sorted(weights, key=lambda name: (-levels[name], -urgency[name].salience, position[name]))

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
        margin = weights[name] - weights[rival] if levels[name] != levels[rival] else 0.0
        decisions.append(
            Conflict(
                winner=name,
                loser=rival,
                winner_weight=weights[name],
                loser_weight=weights[rival],
                margin=margin,
                winner_rules=behind[name],
                loser_rules=behind[rival],
                flip=_flip(name, rival, margin, urgency),
            )
        )
    left = list(kept)[: rulebook.max_instructions]
    surplus = tuple(Dropped(name, kept[name], behind[name]) for name in kept if name not in left)
    return Resolution({name: kept[name] for name in left}, tuple(decisions), tuple(dropped), surplus)


def adds_up(parts: Sequence[Contribution], weight: float, combine: str | None) -> bool:
    """Whether a weight is the sum of what rules gave; otherwise it is the largest of that, under ``combine: max``.

    Args:
        parts: what they gave.
        weight: what that makes.
        combine: the rulebook's; if it is not known, the numbers must tell.
    """
    if combine is not None:
        return combine == "sum" or sum(part.weight != 0 for part in parts) < 2
    return total([0.0, *(part.weight for part in parts)]) == weight


def givers(parts: Sequence[Contribution], weight: float, combine: str | None) -> str:
    """The rules that made a weight, in words: those that gave, and those that took away, with what they took."""
    told = [part.rule for part in parts if part.weight > 0]
    if adds_up(parts, weight, combine):  # from the largest of several nothing is taken
        told += [f"{part.rule} {part.weight:.3g}" for part in parts if part.weight < 0]
    return ", ".join(told)


def tie_told(winner: str, other: str, inference: Inference, rulebook: Rulebook) -> str:
    """That one of two instructions of equal weight comes first, and what decides it, in a clause."""
    return f"a tie that {winner} wins, as {_precedence(winner, other, _urgencies(inference, rulebook))}"


def margin_told(item: Conflict, inference: Inference, rulebook: Rulebook) -> str:
    """By how much a conflict was won, or what decided it where the weights are equal; to be put behind its loser."""
    return f" by {item.margin:.4g}" if item.margin else f", {tie_told(item.winner, item.loser, inference, rulebook)}"


@dataclass(frozen=True, slots=True)
class _Urgency:
    """What decides among equals: the highest salience behind an instruction, and the rule that has it."""

    rule: str
    salience: int


def _urgencies(inference: Inference, rulebook: Rulebook) -> dict[str, _Urgency]:
    salience = {rule.id: rule.salience for rule in rulebook.rules}

    def urgency(items: Sequence[Contribution]) -> _Urgency:
        speaking = [item for item in items if item.weight > 0] or items  # who takes weight away asks for nothing
        rule = max((item.rule for item in speaking), key=salience.__getitem__)
        return _Urgency(rule, salience[rule])

    return {name: urgency(items) for name, items in inference.contributions.items()}


def _flip(winner: str, loser: str, margin: float, urgency: Mapping[str, _Urgency]) -> str:
    if margin > 0:
        return f"{loser} would win if its weight rose by more than {margin:.4g}"
    decided = _precedence(winner, loser, urgency)
    return f"{loser} would win if its weight rose at all; the weights are equal, and {decided}"


def _precedence(winner: str, other: str, urgency: Mapping[str, _Urgency]) -> str:
    most = urgency[winner]
    if most.salience > urgency[other].salience:
        return f"{most.rule}, which gives {winner}, has the higher salience"
    return f"the rulebook names {winner} first"
