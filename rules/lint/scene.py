"""What the checks of a linter look at: one rulebook under one set of settings, in many situations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lemonade_es.rules.analysis.arrays import TRUE
from lemonade_es.rules.analysis.linear import Prover
from lemonade_es.rules.analysis.points import Points, sample_points
from lemonade_es.rules.analysis.vector import Outcomes, evaluate_points
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.vocabulary import METRICS

Mask = npt.NDArray[np.bool_]

_LOOKED_AT = 64


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
    count: int = 4096

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
        return tuple(self._fixed(rule) for rule in self.rulebook.rules)

    def _fixed(self, rule: Rule) -> float | None:
        return None if rule.weight is None else rule.weight.number(self.settings)

    def unset(self, rule: Rule) -> tuple[str, ...]:
        """The settings in a rule's condition that have no value, so that it is unknown."""
        return tuple(name for name in rule.when.names if name in self.settings and self.settings[name] is None)

    def witness(self, where: Mask, rules: tuple[Rule, ...]) -> dict[str, float]:
        """Of the points where the mask is true, the one that is told shortest: the metrics that rules read."""
        read = self._read_by(rules)
        columns = [index for index, name in enumerate(self.points.names) if name in read and name in METRICS]
        names = [self.points.names[index] for index in columns]
        rows = self.points.values[np.flatnonzero(where)[:_LOOKED_AT]][:, columns].tolist()
        return dict(zip(names, min(rows, key=lambda row: len(repr(row))), strict=True))

    def _read_by(self, rules: tuple[Rule, ...]) -> set[str]:
        """The metrics that rules read, those behind their conclusions included; all, if no rule is named."""
        waiting = list(rules or self.rulebook.rules)
        seen: set[str] = set()
        names: set[str] = set()
        while waiting:
            rule = waiting.pop()
            if rule.id in seen:
                continue
            seen.add(rule.id)
            names.update(rule.when.names)
            names.update(rule.weight.names if rule.weight is not None else ())
            if rule.when.conclusions:
                waiting += [other for other in self.rulebook.rules if other.conclude in rule.when.conclusions]
        return names


def told(witness: Mapping[str, float]) -> str:
    """``T_Acc = 0.6, V_Acc = 0.5``."""
    return ", ".join(f"{name} = {value:.10g}" for name, value in witness.items()) or "whatever is measured"
