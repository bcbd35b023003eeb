"""What the checks of a linter look at: one rulebook under one set of settings, in many situations."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lemonade_es.rules.analysis import arrays
from lemonade_es.rules.analysis.arrays import TRUE, Array
from lemonade_es.rules.analysis.points import Points, sample_points
from lemonade_es.rules.analysis.prover import Prover
from lemonade_es.rules.analysis.vector import Outcomes, evaluate_points
from lemonade_es.rules.expression import Expression
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import drawers, upstream
from lemonade_es.vocabulary import METRICS

Mask = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint64]

_LOOKED_AT = 32
_CLOSELY = 1024
_SAMPLE = 256


@dataclass
class Scene:
    """A rulebook under settings, evaluated at many points.

    Attributes:
        rulebook: what is looked at.
        settings: thresholds, priorities and weights in force.
        count: how many points, about.
    """

    rulebook: Rulebook
    settings: Mapping[str, float | None]
    count: int

    @cached_property
    def points(self) -> Points:
        """The situations."""
        return sample_points([self.rulebook], self.settings, count=self.count)

    @cached_property
    def outcomes(self) -> Outcomes:
        """What the rulebook makes of them."""
        return evaluate_points(self.rulebook, self.points)

    @cached_property
    def fired(self) -> Mask:
        """``[points, rules]``."""
        return np.asarray(self.outcomes.truth == TRUE)

    @cached_property
    def bits(self) -> Bits:
        """The same, packed: ``[rules, words]``; a million pairs of rules are compared in moments."""
        return pack(self.fired)

    @cached_property
    def times(self) -> list[int]:
        """At how many points each rule fires."""
        return [int(total) for total in self.fired.sum(axis=0)]

    @cached_property
    def prover(self) -> Prover:
        """Proves things under these settings."""
        return Prover(self.rulebook, self.settings)

    @cached_property
    def givers(self) -> Mapping[str, tuple[int, ...]]:
        """For each instruction the numbers of the rules that give it."""
        found: dict[str, list[int]] = {name: [] for name in self.rulebook.instructions}
        for number, rule in enumerate(self.rulebook.rules):
            for name in rule.instruct:
                found[name].append(number)
        return {name: tuple(numbers) for name, numbers in found.items()}

    @cached_property
    def fixed_weights(self) -> tuple[float | None, ...]:
        """The weight of each rule where it depends on settings alone; else ``None``."""
        rules = self.rulebook.rules
        return tuple(None if rule.weight is None else rule.weight.number(self.settings) for rule in rules)

    @cached_property
    def unweighed(self) -> frozenset[int]:
        """The numbers of the rules whose weight is unknown in each situation looked at, though all settings are set."""
        return frozenset(
            index
            for index, rule in enumerate(self.rulebook.rules)
            if rule.weight is not None
            and self.fixed_weights[index] is None
            and not self.unset(rule.weight.names)
            and np.isnan(self.sampled(rule.weight.tree)).all()
        )

    @cached_property
    def weightless(self) -> frozenset[int]:
        """The numbers of the rules whose weight is 0 under these settings, whatever is measured."""
        return frozenset(
            index
            for index, rule in enumerate(self.rulebook.rules)
            if rule.weight is not None and self._is_zero(index, rule.weight)
        )

    def _is_zero(self, index: int, weight: Expression) -> bool:
        fixed = self.fixed_weights[index]
        if fixed is not None or self.unset(weight.names) or index in self.unweighed:
            return fixed == 0
        return self.prover.always(ast.Compare(weight.tree, [ast.Eq()], [ast.Constant(0)]))

    @cached_property
    def values(self) -> Mapping[str, Array]:
        """The points by the names of their values."""
        return {name: self.points.values[:, index] for index, name in enumerate(self.points.names)}

    def sampled(self, tree: ast.expr) -> Array:
        """The values of a number at some of the points."""
        return arrays.number(tree, self._sample)

    @cached_property
    def _sample(self) -> Mapping[str, Array]:
        rows = self.points.values[:: max(1, len(self.points.values) // _SAMPLE)]
        return {name: rows[:, index] for index, name in enumerate(self.points.names)}

    def closely(self, rules: Sequence[Rule]) -> Scene:
        """A scene of these rules and the drawers of their conclusions alone, whose points crowd around their bounds.

        What was true of them in every situation must be true here as well, before it is told.
        """
        return Scene(self.book_of(rules), self.settings, _CLOSELY)

    def book_of(self, rules: Sequence[Rule]) -> Rulebook:
        """The rulebook with these rules and the drawers of their conclusions alone."""
        return replace(self.rulebook, rules=self._with_drawers(rules))

    def firing_of(self, rule: Rule) -> Mask:
        """Where a rule fires."""
        return np.asarray(self.fired[:, self._position[rule.id]])

    def may_count(self, number: int) -> bool:
        """Whether a rule may have a weight above 0."""
        weight = self.fixed_weights[number]
        return number not in self.unweighed | self.weightless if weight is None else weight > 0

    def at_work(self, names: Iterable[str], point: int) -> list[Rule]:
        """The rules that give one of these instructions at a point."""
        numbers = dict.fromkeys(number for name in names for number in self.givers[name])
        return [
            self.rulebook.rules[number] for number in numbers if self.fired[point, number] and self.may_count(number)
        ]

    def unset(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that are settings without a value."""
        return tuple(name for name in names if name in self.settings and self.settings[name] is None)

    def witness(
        self,
        where: Mask,
        shown: Sequence[Rule],
        holds: Callable[[Outcomes], Mask] | None = None,
        judges: Sequence[Rule] = (),
    ) -> dict[str, float]:
        """An example: values of the metrics that rules read, as short as there are among points.

        What these rules do depends on no other metric. If more than that is exemplified, it is evaluated again
        with these metrics alone; should it then not be the case, the example has all metrics.

        Args:
            where: the points to choose from.
            shown: the rules whose metrics the example should have.
            holds: whether what is exemplified is the case, from the outcomes.
            judges: the rules that are needed to say so.
        """
        numbers = np.flatnonzero(where)
        numbers = numbers[np.linspace(0, len(numbers) - 1, min(_LOOKED_AT, len(numbers))).astype(int)]
        names, values = self.points.names, self.points.values[numbers]
        read = self.read_by(shown)
        known = np.asarray([name in read or name not in METRICS for name in names])
        rows = np.where(known, values, np.nan)
        if holds is not None:
            # with less known, less fires: those that fire nowhere here need no second look
            busy = [rule for rule in judges if self.fired[numbers, self._position[rule.id]].any()]
            book = replace(self.rulebook, rules=self._with_drawers(busy))
            good = holds(evaluate_points(book, Points(names, rows)))
            rows = rows[good] if good.any() else values
        columns = [index for index, name in enumerate(names) if name in METRICS]
        shortest = min(rows[:, columns].tolist(), key=lambda row: len(repr(row)))
        return {names[index]: value for index, value in zip(columns, shortest, strict=True) if not math.isnan(value)}

    def read_by(self, rules: Sequence[Rule]) -> set[str]:
        """The names that rules read, those behind their conclusions included."""
        found: set[str] = set()
        for rule in self._with_drawers(rules):
            found.update(rule.when.names, rule.weight.names if rule.weight is not None else ())
        return found

    def _with_drawers(self, rules: Sequence[Rule]) -> tuple[Rule, ...]:
        """Rules with all that draw conclusions for them, in the order of the rulebook."""
        return tuple(sorted(upstream(rules, self._drawers).values(), key=lambda rule: self._position[rule.id]))

    @cached_property
    def _drawers(self) -> Mapping[str, list[Rule]]:
        return drawers(self.rulebook.rules)

    @cached_property
    def _position(self) -> Mapping[str, int]:
        return {rule.id: number for number, rule in enumerate(self.rulebook.rules)}


def pack(mask: Mask) -> Bits:
    """The columns of a mask, bit by bit: ``[columns, words]``."""
    packed = np.packbits(mask.T, axis=1)
    padded = np.zeros((packed.shape[0], -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def fire_all(rules: Sequence[Rule]) -> Callable[[Outcomes], Mask]:
    """Whether all of these rules fire."""
    ids = {rule.id for rule in rules}

    def holds(outcomes: Outcomes) -> Mask:
        columns = [number for number, name in enumerate(outcomes.rules) if name in ids]
        return np.asarray((outcomes.truth[:, columns] == TRUE).all(axis=1))

    return holds


def given(outcomes: Outcomes, name: str) -> npt.NDArray[np.float64]:
    """The weight of an instruction at each point; 0 where it is not given."""
    return np.nan_to_num(outcomes.weights[:, outcomes.instructions.index(name)], nan=0.0)
