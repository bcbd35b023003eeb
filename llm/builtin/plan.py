"""Carrying out a request's instructions on a blueprint: which change for each, and that none undoes another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from lemonade_es.errors import ReplyError
from lemonade_es.llm.builtin import exploration
from lemonade_es.llm.builtin.allowance import Allowance
from lemonade_es.llm.builtin.blueprint import Blueprint, grids
from lemonade_es.llm.builtin.capability import Capability, capability
from lemonade_es.llm.builtin.change import Change
from lemonade_es.llm.builtin.convolutions import narrower
from lemonade_es.llm.builtin.cost import census
from lemonade_es.llm.codes import Code
from lemonade_es.llm.patch import Applied, Skipped
from lemonade_es.llm.request import Attempt, EditRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """A patched network, what was done for each instruction, in the place of some, and beside them."""

    blueprint: Blueprint
    applied: tuple[Applied, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    instead: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def plan(blueprint: Blueprint, request: EditRequest, rng: Random, *, refusals: int = 0, variations: int = 0) -> Plan:
    """Carry out all instructions that can be, the heaviest first.

    After it, the census entry of each applied instruction has moved as asked, seen from the network that came
    in: a change that would undo another is repaired by a further step of the other, or not taken.

    Args:
        blueprint: the network to patch.
        request: instructions, budgets and history.
        rng: decides among proposals, by their preference.
        refusals: how often a patch was refused as too large.
        variations: so many small changes to add beside the instructions (their result alone is known already).

    Raises:
        ReplyError: ``NOTHING_TO_DO``: nothing can be done within the budgets.
    """
    allowance = Allowance.of(blueprint, request.constraints, refusals)
    work = _Work(blueprint, allowance, rng, _disappointing(request.history))
    work.fit()
    if not allowance.admits(work.now):
        raise _nothing_to_do("even with its convolutions as narrow as can be, the network does not keep", allowance)
    for instruction in sorted(request.instructions, key=lambda instruction: -instruction.weight):
        work.carry_out(instruction.id, capability(instruction, blueprint.kind))
    asked = [capability(instruction, blueprint.kind) for instruction in request.instructions]
    for _ in range(variations if work.changed else max(variations, 1)):
        work.vary([known for known in asked if known is not None])
    if work.now == blueprint:
        raise _nothing_to_do("no instruction, and no small variation either, can be carried out within", allowance)
    return Plan(work.now, tuple(work.applied), tuple(work.skipped), tuple(work.instead), tuple(work.beside))


def _nothing_to_do(why: str, allowance: Allowance) -> ReplyError:
    return ReplyError(
        Code.NOTHING_TO_DO,
        f"{why} {allowance.macs:,} multiply-accumulates and {allowance.parameters:,} parameters",
        hint="raise the budgets, or edit with an LLM executor",
    )


def _disappointing(history: Iterable[Attempt]) -> tuple[str, ...]:
    """Our own words about earlier networks that did not become the best."""
    return tuple(attempt.summary for attempt in history if attempt.outcome != "best" and attempt.summary)


class _Work:
    """The state of one plan: the network so far, and what its census must keep."""

    def __init__(self, blueprint: Blueprint, allowance: Allowance, rng: Random, disappointing: Sequence[str]) -> None:
        self.now = blueprint
        self.applied: list[Applied] = []
        self.skipped: list[Skipped] = []
        self.instead: list[str] = []
        self.beside: list[str] = []
        self._before = census(blueprint)
        self._earlier = [blueprint]  # none of which a small change may lead back to
        self._held: list[Capability] = []
        self._done: list[str] = []
        self._allowance = allowance
        self._rng = rng
        self._disappointing = disappointing

    @property
    def changed(self) -> bool:
        """Whether an instruction was carried out, or something in its place."""
        return bool(self._held)

    def fit(self) -> None:
        """Narrow a network that breaks the budgets from the start, step by step, until it keeps them."""
        while not self._allowance.admits(self.now):
            steps = [change for change in narrower(self.now) if change.blueprint != self.now]
            if not steps:
                return
            self._take(max(steps, key=lambda change: change.preference), "to keep the budget")

    def carry_out(self, instruction: str, known: Capability | None) -> None:
        """Apply one instruction, or say why not."""
        if known is None:
            self._skip(instruction, "the built-in executor does not know this instruction")
            return
        here = census(self.now)
        proposals = map(_settled, known.proposals(self.now))
        steps = [change for change in proposals if known.moved(here, census(change.blueprint))]
        moving = [change for change in steps if self._moves(change, known)]
        if not moving:
            moving = [repaired for change in steps for repaired in self._repaired(change, known)]
        affordable = [paid for change in moving if (paid := self._paid_for(change, known)) is not None]
        if affordable:
            change = self._choose(affordable)
            self._move(change)
            self._held.append(known)
            self._done.append(instruction)
            if known.stand_in is None:
                self.applied.append(Applied(instruction, change.how))
            else:  # what was asked for was not done, and yet something was
                self.instead.append(f"in the place of {instruction}: {change.how}")
                self._skip(instruction, f"{known.stand_in}: {change.how}")
        elif moving:
            self._skip(
                instruction,
                f"it would take more than {self._allowance.macs:,} multiply-accumulates "
                f"or {self._allowance.parameters:,} parameters, the most that this patch may",
            )
        elif steps:
            done = ", ".join(self._done) or "the budget"
            self._skip(instruction, f"it would undo what was done for {done}")
        else:
            self._skip(instruction, known.exhausted)

    def vary(self, asked: Sequence[Capability]) -> None:
        """Make a small change that undoes no instruction, and if it can be works against none."""
        known_good = (change for change in map(_settled, exploration.variations(self.now)) if self._moves(change))
        paid = (self._paid_for(change) for change in known_good)
        been = (*self._earlier, self.now)
        fitting = [change for change in paid if change is not None and change.blueprint not in been]
        after = {change: census(change.blueprint) for change in fitting}
        agreeing = [
            change for change in fitting if not any(known.opposed(self._before, after[change]) for known in asked)
        ]
        if agreeing or fitting:
            self._take(self._choose(agreeing or fitting), "to explore")

    def _move(self, change: Change) -> None:
        self._earlier.append(self.now)
        self.now = change.blueprint

    def _take(self, change: Change, purpose: str) -> None:
        self._move(change)
        self.beside.append(f"{change.how} {purpose}")

    def _skip(self, instruction: str, why: str) -> None:
        self.skipped.append(Skipped(instruction, why))

    def _broken(self, change: Change, also: Capability | None = None) -> Capability | None:
        after = census(change.blueprint)
        asked = self._held if also is None else [*self._held, also]
        return next((known for known in asked if not known.moved(self._before, after)), None)

    def _moves(self, change: Change, also: Capability | None = None) -> bool:
        return self._broken(change, also) is None

    def _repaired(self, change: Change, also: Capability) -> Iterator[Change]:
        """The change with one more step of the instruction that it would leave undone."""
        broken = self._broken(change, also)
        if broken is None:
            return
        for repair in map(_settled, broken.proposals(change.blueprint)):
            if self._moves(repair, also):
                preference = change.preference * repair.preference
                yield Change(repair.blueprint, f"{change.how}; to make up for it, {repair.how}", preference)

    def _paid_for(self, change: Change, also: Capability | None = None) -> Change | None:
        """The change, with narrower convolutions elsewhere if the budgets ask for it; ``None`` if they do not do."""
        blueprint, paid = change.blueprint, []
        while not self._allowance.admits(blueprint):
            steps = [step for step in map(_settled, narrower(blueprint)) if step.blueprint != blueprint]
            keeping = [step for step in steps if self._moves(step, also)]
            if not keeping:
                return None
            step = max(keeping, key=lambda step: step.preference)
            blueprint = step.blueprint
            paid.append(step.how)
        if not paid:
            return change
        if blueprint == self.now:
            return None
        return Change(
            blueprint, f"{change.how}; to keep the budget, {', '.join(paid)}", change.preference / 2 ** len(paid)
        )

    def _choose(self, changes: Sequence[Change]) -> Change:
        weights = [
            change.preference
            * self._allowance.ease(self.now, change.blueprint)
            * (0.2 if any(change.how in words for words in self._disappointing) else 1.0)
            for change in changes
        ]
        return self._rng.choices(changes, weights)[0]


def _settled(change: Change) -> Change:
    """The change without settings that no longer have anything to act on, or would not fit the map any more."""
    blueprint = change.blueprint
    if not any(unit.skip for stage in blueprint.stages for unit in stage.units):
        names = tuple(name for name in blueprint.initializers if name != "small_residual")
        blueprint = replace(blueprint, initializers=names)
    if len(blueprint.stages) == 1:
        blueprint = replace(blueprint, pooling="Max")
    places = max(places for places in grids(blueprint) if places <= blueprint.places)
    blueprint = replace(blueprint, places=places)
    return replace(change, blueprint=blueprint)
