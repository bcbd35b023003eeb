"""Instructions that conflict, and are asked for in the same situation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lemonade_es.rules.analysis.arrays import number
from lemonade_es.rules.analysis.vector import Outcomes, levels
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.scene import Mask, Scene, fire_all, given
from lemonade_es.rules.lint.wording import example, located, located_all, share
from lemonade_es.rules.rulebook import Rule


@dataclass(frozen=True, slots=True)
class _Rivals:
    """Two instructions that conflict, with their weights at each point and where both are above 0."""

    one: str
    other: str
    one_weight: npt.NDArray[np.float64]
    other_weight: npt.NDArray[np.float64]

    @property
    def both(self) -> Mask:
        return np.asarray((self.one_weight > 0) & (self.other_weight > 0))

    @property
    def lead(self) -> npt.NDArray[np.int8]:
        """1 where the one is heavier, -1 where the other is, 0 where they are equal."""
        one, other = levels(self.one_weight), levels(self.other_weight)
        return np.asarray((one > other).astype(np.int8) - (one < other).astype(np.int8))


def _rivals(scene: Scene) -> Iterator[_Rivals]:
    order = scene.outcomes.instructions
    for name in order:
        partner = scene.rulebook.instructions[name].conflicts_with
        if partner is not None and order.index(name) < order.index(partner):
            yield _Rivals(name, partner, given(scene.outcomes, name), given(scene.outcomes, partner))


def overlaps(scene: Scene) -> Iterator[Finding]:
    """For each pair of instructions that conflict: whether rules ask for both at once, and which one wins."""
    for rivals in _rivals(scene):
        both = rivals.both
        pairs = _pairs(scene, rivals)
        if not len(pairs):
            continue
        one, other = (scene.rulebook.rules[number] for number in pairs[0])
        where = both & scene.fired[:, pairs[0]].all(axis=1)
        witness = scene.witness(where, (one, other))
        more = f", as do {len(pairs) - 1:,} other pairs of rules" if len(pairs) > 2 else ""
        more = ", as does another pair of rules" if len(pairs) == 2 else more
        said = (
            f"{rivals.one} and {rivals.other} conflict, and {located(one)} asks for the one while {located(other)} "
            f"asks for the other{more}, for example with {example(witness)}; {_winner(scene, rivals)}"
        )
        ids = tuple(scene.rulebook.rules[number].id for number in dict.fromkeys(pairs.ravel().tolist()))
        place = scene.rulebook.instructions[rivals.one].place
        yield Finding("note", "PARTNER_OVERLAP", place, said, ids, witness)


def _pairs(scene: Scene, rivals: _Rivals) -> npt.NDArray[np.intp]:
    """The numbers of the pairs of rules that ask for both, ``[pairs, 2]``, those that meet most often first."""
    ours = np.asarray([number for number in scene.givers[rivals.one] if scene.may_count(number)], dtype=np.intp)
    theirs = np.asarray([number for number in scene.givers[rivals.other] if scene.may_count(number)], dtype=np.intp)
    asked = (scene.fired.T[ours] & rivals.both).astype(np.float32)
    rows, columns = np.nonzero(asked @ scene.fired.T[theirs].T.astype(np.float32))
    pairs = np.stack([ours[rows], theirs[columns]], axis=1)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    often = np.asarray(scene.times)[pairs].min(axis=1)
    return np.asarray(pairs[np.argsort(-often, kind="stable")])


def _winner(scene: Scene, rivals: _Rivals) -> str:
    """Which one wins, where both are asked for: also where other rules leave one of them, or both, no weight."""
    asked = _asked(scene, rivals.one) & _asked(scene, rivals.other)
    total = int(asked.sum())
    wins = int((asked & (rivals.lead > 0) & (rivals.one_weight > 0)).sum())
    loses = int((asked & (rivals.lead < 0) & (rivals.other_weight > 0)).sum())
    if max(wins, loses) == 0:
        return f"the weights are equal in {share(int((asked & rivals.both).sum()), total)} situations tried"
    name, often = (rivals.one, wins) if wins >= loses else (rivals.other, loses)
    return f"the weights let {name} win in {share(often, total)} situations tried"


def _asked(scene: Scene, name: str) -> Mask:
    """Where a rule gives an instruction a weight above 0."""
    found = np.zeros(len(scene.points.values), dtype=np.bool_)
    for index in scene.givers[name]:
        weight, fixed = scene.rulebook.rules[index].weight, scene.fixed_weights[index]
        if weight is not None and (fixed is None or fixed > 0):
            found |= scene.fired[:, index] & (number(weight.tree, scene.values) > 0 if fixed is None else True)
    return found


def ties(scene: Scene) -> Iterator[Finding]:
    """For each pair of instructions that conflict: whether both can be equally heavy."""
    for rivals in _rivals(scene):
        tied = rivals.both & (rivals.lead == 0)
        tied &= _urgency(scene.outcomes, rivals.one) == _urgency(scene.outcomes, rivals.other)
        if tied.any():
            yield _tie(scene, rivals, tied)


def _tie(scene: Scene, rivals: _Rivals, tied: Mask) -> Finding:
    numbers = np.flatnonzero(tied)[:200]
    givers = {number for name in (rivals.one, rivals.other) for number in scene.givers[name] if scene.may_count(number)}
    few = scene.fired[numbers][:, sorted(givers)].sum(axis=1)
    point = int(numbers[int(np.argmin(few))])
    at_work = scene.at_work((rivals.one, rivals.other), point)
    ours = [rule for rule in at_work if rivals.one in rule.instruct]
    theirs = [rule for rule in at_work if rivals.other in rule.instruct]
    judges = [scene.rulebook.rules[number] for name in (rivals.one, rivals.other) for number in scene.givers[name]]

    def holds(outcomes: Outcomes) -> Mask:
        left, right = given(outcomes, rivals.one), given(outcomes, rivals.other)
        return np.asarray((left > 0) & (levels(left) == levels(right))) & fire_all(at_work)(outcomes)

    where = np.asarray(tied & scene.fired[:, _numbers(scene, at_work)].all(axis=1))
    witness = scene.witness(where, at_work, holds, judges)
    weight = f"{rivals.one_weight[point]:.4g}"
    by, cure = f"{located_all(ours)} against {located_all(theirs)}", "let the weights differ, or give a rule a salience"
    if ours == theirs:
        by, cure = f"{located_all(ours)}, which asks for both", "leave one of them out"
    said = (
        f"{rivals.one} and {rivals.other} conflict and can be equally heavy, for example {weight} each with "
        f"{example(witness)}, by {by}; only the order of the file lets {rivals.one} win: {cure}"
    )
    ids = tuple(rule.id for rule in at_work)
    return Finding("warning", "WEIGHT_TIE", scene.rulebook.instructions[rivals.one].place, said, ids, witness)


def _numbers(scene: Scene, rules: list[Rule]) -> list[int]:
    ids = {rule.id for rule in rules}
    return [number for number, rule in enumerate(scene.rulebook.rules) if rule.id in ids]


def _urgency(outcomes: Outcomes, name: str) -> npt.NDArray[np.float64]:
    """The highest salience of the rules that give an instruction weight, at each point."""
    return np.asarray(outcomes.urgency[:, outcomes.instructions.index(name)])
