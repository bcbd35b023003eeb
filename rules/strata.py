"""Strata: the order in which rules may be decided, so that no conclusion is read before it is settled.

A rule that reads a conclusion stands in a higher stratum than every rule that draws it (stratified negation,
as in Datalog); that is possible exactly if no conclusion depends on itself.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


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
    drawers: dict[str, list[Drawing]] = {}
    for rule in rules:
        if rule.conclude is not None:
            drawers.setdefault(rule.conclude, []).append(rule)

    def stratum(rule: Drawing) -> int:
        return max((level.get(name, -1) + 1 for name in rule.when.conclusions), default=0)

    for name in graphlib.TopologicalSorter(_reads(rules)).static_order():
        level[name] = max((stratum(rule) for rule in drawers.get(name, ())), default=-1)
    return {rule.id: stratum(rule) for rule in rules}


def _reads(rules: Iterable[Drawing]) -> dict[str, set[str]]:
    """For each conclusion, those that it directly depends on."""
    reads: dict[str, set[str]] = {}
    for rule in rules:
        if rule.conclude is not None:
            reads.setdefault(rule.conclude, set()).update(rule.when.conclusions)
    return reads
