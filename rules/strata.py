"""Strata: the order in which rules may be decided, so that no conclusion is read before it is settled.

A rule that reads a conclusion stands in a higher stratum than every rule that draws it (stratified negation,
as in Datalog); that is possible exactly if no conclusion depends on itself.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar


class Dependent(Protocol):
    """What strata need to know of a rule's condition."""

    @property
    def conclusions(self) -> tuple[str, ...]:
        """The conclusions that it reads."""


class Drawing(Protocol):
    """What strata need to know of a rule."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def when(self) -> Dependent:
        """Its condition."""

    @property
    def conclude(self) -> str | None:
        """The conclusion that it draws."""


_Rule = TypeVar("_Rule", bound=Drawing)


def find_loops(rules: Iterable[Drawing]) -> tuple[tuple[str, ...], ...]:
    """Loops of conclusions, each as ``(a, b, a)``: *a* depends on *b*, which depends on *a*."""
    reads = _reads(rules)
    loops = []
    while True:
        try:
            graphlib.TopologicalSorter(reads).prepare()
        except graphlib.CycleError as error:
            loop: tuple[str, ...] = tuple(reversed(error.args[1]))
            loops.append(loop)
            reads[loop[0]].discard(loop[1])
        else:
            return tuple(loops)


def strata(rules: Sequence[Drawing]) -> Mapping[str, int]:
    """The stratum of each rule by its id, from 0; the rules must be free of loops."""
    level: dict[str, int] = {}
    drawn = drawers(rules)

    def stratum(rule: Drawing) -> int:
        return max((level.get(name, -1) + 1 for name in rule.when.conclusions), default=0)

    for name in graphlib.TopologicalSorter(_reads(rules)).static_order():
        level[name] = max((stratum(rule) for rule in drawn.get(name, ())), default=-1)
    return {rule.id: stratum(rule) for rule in rules}


def drawers(rules: Iterable[_Rule]) -> dict[str, list[_Rule]]:
    """For each conclusion that is drawn, the rules that draw it, in their order."""
    found: dict[str, list[_Rule]] = {}
    for rule in rules:
        if rule.conclude is not None:
            found.setdefault(rule.conclude, []).append(rule)
    return found


def upstream(rules: Iterable[_Rule], drawn: Mapping[str, Sequence[_Rule]]) -> dict[str, _Rule]:
    """Some rules, and those that draw the conclusions they read, and so on; by id, as they were come upon.

    Args:
        rules: where to begin.
        drawn: what :func:`drawers` says of all rules.
    """
    found: dict[str, _Rule] = {}
    waiting = list(rules)
    while waiting:
        rule = waiting.pop()
        if rule.id not in found:
            found[rule.id] = rule
            waiting += [drawer for name in rule.when.conclusions for drawer in drawn.get(name, ())]
    return found


def _reads(rules: Iterable[Drawing]) -> dict[str, set[str]]:
    """For each conclusion, those that it directly depends on."""
    reads: dict[str, set[str]] = {}
    for rule in rules:
        if rule.conclude is not None:
            reads.setdefault(rule.conclude, set()).update(rule.when.conclusions)
    return reads
