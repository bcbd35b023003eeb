"""What can be proved of conditions: comparisons that are linear in the metrics, as half-spaces.

A condition becomes a disjunction of conjunctions of half-spaces; conclusions are replaced by the conditions of the
rules that draw them, and settings by their values, or by variables in a range. A comparison that is not linear
restricts nothing, so that *infeasible* is always a proof, and *feasible* only the want of one. All metrics are taken
as known.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.logic import TRUE_ABOVE
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.vocabulary import TERMS

MAX_CASES = 64
"""A condition with more alternatives is given up."""

_TOLERANCE = 1e-9

Bounds = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class HalfSpace:
    """``form . x <= bound``, or ``<`` if strict; the form's first coefficient is 1 or -1."""

    form: tuple[tuple[str, float], ...]
    bound: float
    strict: bool


Case = tuple[HalfSpace, ...]


@dataclass(frozen=True, slots=True)
class _Linear:
    """A linear expression: a constant and a coefficient for each variable."""

    constant: float
    coefficients: Mapping[str, float]

    def plus(self, other: _Linear, factor: float) -> _Linear:
        names = dict.fromkeys((*self.coefficients, *other.coefficients))
        total = {name: self.coefficients.get(name, 0.0) + factor * other.coefficients.get(name, 0.0) for name in names}
        return _Linear(self.constant + factor * other.constant, {name: value for name, value in total.items() if value})

    def times(self, factor: float) -> _Linear:
        return _Linear(0.0, {}).plus(self, factor)


class Prover:
    """Proves things about the conditions of one rulebook.

    Args:
        rulebook: its rules, for the conclusions.
        settings: the values of thresholds and priorities; one without a value is a variable.
        ranges: settings that are variables, with the lowest and the highest value.
    """

    def __init__(self, rulebook: Rulebook, settings: Mapping[str, float | None], ranges: Bounds | None = None) -> None:
        self._ranges = dict(ranges or {})
        self._values = {
            name: value for name, value in settings.items() if value is not None and name not in self._ranges
        }
        self._drawers: dict[str, list[Rule]] = {}
        for rule in rulebook.rules:
            if rule.conclude is not None:
                self._drawers.setdefault(rule.conclude, []).append(rule)
        self._cases: dict[tuple[int, bool], tuple[ast.expr, tuple[Case, ...] | None]] = {}

    def never(self, node: ast.expr) -> bool:
        """Whether it is proved that the condition never holds."""
        return self._none_feasible(self._of(node, True))

    def always(self, node: ast.expr) -> bool:
        """Whether it is proved that the condition always holds."""
        return self._none_feasible(self._of(node, False))

    def implies(self, first: Rule, second: Rule) -> bool:
        """Whether it is proved that the second rule's condition holds wherever the first one's does."""
        return self._never_both(self._of(first.when.tree, True), self._of(second.when.tree, False))

    def exclude(self, first: Rule, second: Rule) -> bool:
        """Whether it is proved that two rules' conditions never hold together."""
        return self._never_both(self._of(first.when.tree, True), self._of(second.when.tree, True))

    def _never_both(self, first: tuple[Case, ...] | None, second: tuple[Case, ...] | None) -> bool:
        if first is None or second is None or len(first) * len(second) > MAX_CASES:
            return False
        return self._none_feasible(tuple((*one, *other) for one, other in itertools.product(first, second)))

    def _none_feasible(self, cases: tuple[Case, ...] | None) -> bool:
        return cases is not None and not any(self._feasible(case) for case in cases)

    def _of(self, node: ast.expr, holds: bool) -> tuple[Case, ...] | None:
        """The cases in which a condition holds, or does not; ``None`` if there are too many."""
        key = (id(node), holds)  # the node is kept with its cases, so that no other gets its id
        if key not in self._cases:
            self._cases[key] = (node, self._expanded(node, holds))
        return self._cases[key][1]

    def _expanded(self, node: ast.expr, holds: bool) -> tuple[Case, ...] | None:
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._of(operand, not holds)
            case ast.BoolOp(op=op, values=parts):
                every = isinstance(op, ast.And) is holds
                return self._joined([self._of(part, holds) for part in parts], every=every)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                pairs = zip(ops, itertools.pairwise((left, *comparators)), strict=True)
                return self._joined([self._compared(op, *pair, holds) for op, pair in pairs], every=holds)
            case ast.Name(id=name) if name in FLAGS:
                return self._compared(ast.Gt(), node, ast.Constant(TRUE_ABOVE), holds)
            case ast.Name(id=name):
                drawn = [self._of(rule.when.tree, holds) for rule in self._drawers.get(name, ())]
                return self._joined(drawn, every=not holds)
            case _:
                return ((),)

    def _joined(self, parts: Sequence[tuple[Case, ...] | None], *, every: bool) -> tuple[Case, ...] | None:
        """All of the parts, or any of them."""
        if not every:
            known = [part for part in parts if part is not None]
            cases = tuple(itertools.chain.from_iterable(known))
            return None if len(known) < len(parts) or len(cases) > MAX_CASES else cases
        joined: tuple[Case, ...] = ((),)
        for part in parts:
            if part is None or len(joined) * len(part) > MAX_CASES:
                continue  # one restriction less: what is infeasible without it is infeasible with it
            joined = tuple((*one, *other) for one, other in itertools.product(joined, part))
        return joined

    def _compared(self, op: ast.cmpop, left: ast.expr, right: ast.expr, holds: bool) -> tuple[Case, ...]:
        first, second = self._linear(left), self._linear(right)
        if first is None or second is None:
            return ((),)
        gap = first.plus(second, -1.0)
        if isinstance(op, ast.Eq | ast.NotEq):
            equal = isinstance(op, ast.Eq) is holds
            below, above = _half(gap, 1.0, strict=not equal), _half(gap, -1.0, strict=not equal)
            return ((below, above),) if equal else ((below,), (above,))
        less = isinstance(op, ast.Lt | ast.LtE) is holds
        strict = isinstance(op, ast.Lt | ast.Gt) is holds
        return ((_half(gap, 1.0 if less else -1.0, strict=strict),),)

    def _linear(self, node: ast.expr) -> _Linear | None:
        match node:
            case ast.Constant(value=int() | float() as value):
                return _Linear(float(value), {})
            case ast.Name(id=name):
                known = self._values.get(name)
                return _Linear(0.0, {name: 1.0}) if known is None else _Linear(known, {})
            case ast.UnaryOp(op=sign, operand=operand):
                found = self._linear(operand)
                return None if found is None else found.times(-1.0 if isinstance(sign, ast.USub) else 1.0)
            case ast.BinOp(left=left, op=op, right=right):
                return _combined(self._linear(left), op, self._linear(right))
        return None

    def _bounds(self, name: str) -> tuple[float, float]:
        return self._ranges.get(name) or (TERMS[name].low, TERMS[name].high)

    def _feasible(self, case: Case) -> bool:
        """Whether half-spaces have a point in common, within the ranges of their variables."""
        upper: dict[tuple[tuple[str, float], ...], HalfSpace] = {}
        for half in case:
            if not half.form:
                if half.bound < 0 or (half.strict and half.bound <= 0):
                    return False
                continue
            tightest = upper.get(half.form)
            if tightest is None or (half.bound, not half.strict) < (tightest.bound, not tightest.strict):
                upper[half.form] = half
        for half in upper.values():
            opposite = upper.get(tuple((name, -value) for name, value in half.form))
            lowest = sum(value * self._bounds(name)[value < 0] for name, value in half.form)
            for least, strict in (
                (lowest, half.strict),
                *(((-opposite.bound, half.strict or opposite.strict),) if opposite else ()),
            ):
                if least > half.bound + _TOLERANCE or (strict and least >= half.bound - _TOLERANCE):
                    return False
        joint = [half for half in upper.values() if len(half.form) > 1]
        return not joint or len(upper) == 1 or self._solvable(list(upper.values()))

    def _solvable(self, halves: Sequence[HalfSpace]) -> bool:
        """The same by linear programming: the largest slack that all strict ones can have together."""
        from scipy.optimize import linprog  # noqa: PLC0415  (seldom needed, and slow to import)

        names = sorted({name for half in halves for name, _ in half.form})
        rows = np.zeros((len(halves), len(names) + 1))
        for row, half in zip(rows, halves, strict=True):
            for name, value in half.form:
                row[names.index(name)] = value
            row[-1] = float(half.strict)
        limits = [half.bound for half in halves]
        box = [tuple(None if math.isinf(side) else side for side in self._bounds(name)) for name in names]
        aim = np.zeros(len(names) + 1)
        aim[-1] = -1.0
        found = linprog(aim, A_ub=rows, b_ub=limits, bounds=[*box, (0.0, 1.0)], method="highs")
        if found.status == 2:  # infeasible
            return False
        strict = any(half.strict for half in halves)
        return not (found.status == 0 and strict and found.x[-1] <= _TOLERANCE)


def _combined(first: _Linear | None, op: ast.operator, second: _Linear | None) -> _Linear | None:
    if first is None or second is None:
        return None
    match op:
        case ast.Add() | ast.Sub():
            return first.plus(second, 1.0 if isinstance(op, ast.Add) else -1.0)
        case ast.Mult() if not first.coefficients:
            return second.times(first.constant)
        case ast.Mult() if not second.coefficients:
            return first.times(second.constant)
        case ast.Div() if not second.coefficients and second.constant:
            return first.times(1.0 / second.constant)
    return None


def _half(gap: _Linear, sign: float, *, strict: bool) -> HalfSpace:
    """``sign * gap <= 0``, with a first coefficient of 1 or -1, so that equal forms are seen to be equal."""
    items = sorted(gap.coefficients.items())
    scale = sign / abs(items[0][1]) if items else sign
    return HalfSpace(tuple((name, value * scale) for name, value in items), -gap.constant * scale, strict)
