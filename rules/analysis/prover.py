"""What can be proved of conditions: comparisons that are linear in the metrics, as half-spaces.

A condition becomes a disjunction of conjunctions of half-spaces; conclusions are replaced by the conditions of the
rules that draw them, and settings by their values, or by variables in a range. A comparison that is not linear, or
one too many, restricts nothing, so that *infeasible* is always a proof, and *feasible* only the want of one.

All numbers are fractions, exactly as the rulebook writes them, and feasibility is decided by intervals and
Fourier-Motzkin elimination: a solver with tolerances of 1e-7 could prove nothing about energies of 1e-6 kWh.
All metrics are taken as known. Counts and flags are whole numbers.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from lemonade_es.rules.analysis.linear import (
    Case,
    Cases,
    Form,
    HalfSpace,
    Linear,
    Rows,
    exact,
    sides,
    skips_whole,
    tightest,
    without,
)
from lemonade_es.rules.analysis.pieces import MAX_CASES, Piece, Pieces, called, combined, signed
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.logic import TRUE_ABOVE
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import drawers
from lemonade_es.vocabulary import TERMS

MAX_PAIRS = 256
"""Two conditions with more pairs of alternatives are not compared."""

MAX_ROWS = 200
"""An elimination that needs more half-spaces is given up."""

MAX_LEVELS = 40
"""Conclusions upon conclusions are followed so far; one that rests on more restricts nothing."""

Bounds = Mapping[str, tuple[float, float]]

_ZERO = Fraction(0)
_ANYWHERE: Cases = ((),)
_Key = tuple[str, bool, bool]
"""A name, whether it holds, and whether what holds is asked for in the end: below a ``not`` the two differ."""
_Found = TypeVar("_Found", Cases, tuple[Rows, ...])


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
            name: exact(value) for name, value in settings.items() if value is not None and name not in self._ranges
        }
        self._drawers = drawers(rulebook.rules)
        self._walls: dict[str, tuple[HalfSpace, ...]] = {}
        self._cases: dict[_Key, Cases] = {}
        self._conditions: dict[_Key, tuple[Rows, ...]] = {}
        self._loose: set[_Key] = set()
        self._asked = True
        self._gave_up = False
        self._level = 0

    def never(self, node: ast.expr) -> bool:
        """Whether it is proved that the condition never holds."""
        return not self._where(node, True)

    def always(self, node: ast.expr) -> bool:
        """Whether it is proved that the condition holds wherever it is known; one that divides by 0 never is."""
        return not self._where(node, False)

    def possible(self, rule: Rule) -> bool:
        """Whether it is proved that a rule's condition holds somewhere."""
        self._gave_up = False
        return bool(self._condition(rule, True)) and not self._gave_up

    def implies(self, first: Rule, second: Rule) -> bool | None:
        """Whether the second rule's condition holds wherever the first one's does; ``None`` if neither is proved."""
        return self._never_both(first, True, second, False)

    def exclude(self, first: Rule, second: Rule) -> bool | None:
        """Whether two rules' conditions never hold together; ``None`` if neither is proved."""
        return self._never_both(first, True, second, True)

    def _never_both(self, first: Rule, one_holds: bool, second: Rule, other_holds: bool) -> bool | None:
        self._gave_up = False
        ones, others = self._condition(first, one_holds), self._condition(second, other_holds)
        if len(ones) * len(others) > MAX_PAIRS:
            return None
        if not any(self._meet(one, other) for one, other in itertools.product(ones, others)):
            return True
        return None if self._gave_up else False

    def _meet(self, one: Rows, other: Rows) -> bool:
        """Whether two cases, each with a point of its own, have one in common."""
        tightened = {form: half for form, half in other.items() if half.tighter(one.get(form))}
        return not tightened or self._have_room({**one, **tightened}, tightened)

    def _condition(self, rule: Rule, holds: bool) -> tuple[Rows, ...]:
        """The cases in which a rule's condition holds, or does not, without those that are impossible."""
        key = (rule.id, holds, holds)
        return self._once(self._conditions, key, lambda: self._where(rule.when.tree, holds))

    def _where(self, node: ast.expr, holds: bool) -> tuple[Rows, ...]:
        """The possible cases in which a condition holds, or in which it does not, be it false or unknown."""
        self._asked = holds
        return self._feasible_of(self._of(node, holds))

    def _once(self, memory: dict[_Key, _Found], key: _Key, find: Callable[[], _Found]) -> _Found:
        """Remembers cases, and whether they are more than they should be."""
        if key not in memory:
            before, self._gave_up = self._gave_up, False
            memory[key] = find()
            if self._gave_up:
                self._loose.add(key)
            self._gave_up |= before
        self._gave_up |= key in self._loose
        return memory[key]

    def _feasible_of(self, cases: Cases) -> tuple[Rows, ...]:
        return tuple(rows for case in cases if (rows := self._feasible(case)) is not None)

    def _of(self, node: ast.expr, holds: bool) -> Cases:
        """The cases in which a condition holds, or does not."""
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
            case ast.Name(id=name) if (key := (name, holds, self._asked)) in self._cases or self._level < MAX_LEVELS:
                return self._once(self._cases, key, lambda: self._drawn(name, holds))
        return self._anywhere()

    def _drawn(self, name: str, holds: bool) -> Cases:
        """The cases in which a conclusion is drawn, or is not."""
        self._level += 1
        parts = [self._of(rule.when.tree, holds) for rule in self._drawers.get(name, ())]
        self._level -= 1
        return self._joined(parts, every=not holds)

    def _anywhere(self) -> Cases:
        self._gave_up = True
        return _ANYWHERE

    def _joined(self, parts: Sequence[Cases], *, every: bool) -> Cases:
        """All of the parts, or any of them."""
        if not every:
            cases = tuple(itertools.chain.from_iterable(parts))
            return cases if len(cases) <= MAX_CASES else self._anywhere()
        joined = _ANYWHERE
        for part in parts:
            if len(joined) * len(part) <= MAX_CASES:
                joined = tuple((*one, *other) for one, other in itertools.product(joined, part))
            else:  # one restriction less: what it proves holds with it too
                self._gave_up = True
        return joined

    def _compared(self, op: ast.cmpop, left: ast.expr, right: ast.expr, holds: bool) -> Cases:
        first, second = self._pieces(left), self._pieces(right)
        if () in (first, second):  # it is unknown everywhere
            return () if self._asked else _ANYWHERE
        if first is None or second is None or len(first) * len(second) > MAX_CASES:
            return self._anywhere()
        return tuple(
            (*one.guard, *other.guard, *case)
            for one, other in itertools.product(first, second)
            for case in sides(op, one.value.plus(other.value, -1), holds)
        )

    def _pieces(self, node: ast.expr) -> Pieces | None:
        """A number as linear pieces; none if it divides by 0, ``None`` if it is not linear, or has too many pieces."""
        match node:
            case ast.Constant(value=int() | float() as value):
                return (Piece((), Linear(exact(value), {})),)
            case ast.Name(id=name):
                known = self._values.get(name)
                term = Linear(_ZERO, {name: Fraction(1)}) if known is None else Linear(known, {})
                return (Piece((), term),)
            case ast.UnaryOp(op=minus_or_plus, operand=operand):
                return signed(self._pieces(operand), -1 if isinstance(minus_or_plus, ast.USub) else 1)
            case ast.BinOp(left=left, op=op, right=right):
                return combined(self._pieces(left), op, self._pieces(right))
            case ast.Call(func=ast.Name(id=name), args=operands):
                return called(name, [self._pieces(operand) for operand in operands])
        return None

    def _feasible(self, case: Case) -> Rows | None:
        """A case with the ranges of its variables, of each form the tightest; ``None`` if it has no point."""
        if any(half.impossible for half in case):
            return None
        names = sorted({name for half in case for name, _ in half.form})
        rows = tightest([*case, *itertools.chain.from_iterable(map(self._box, names))])
        return rows if self._have_room(rows, rows) else None

    def _have_room(self, rows: Rows, fresh: Iterable[Form]) -> bool:
        """Whether half-spaces have a point in common, where those that are not fresh are known to have one."""
        for form in fresh:  # most are settled by two that face each other
            half, opposite = rows[form], rows.get(tuple((name, -value) for name, value in form))
            if opposite is not None:
                room = half.bound + opposite.bound
                if room < 0 or (room == 0 and (half.strict or opposite.strict)):
                    return False
        return all(len(form) == 1 for form in rows) or self._eliminated(rows)

    def _eliminated(self, rows: Rows) -> bool:
        """Whether half-spaces have a point in common: Fourier and Motzkin's method, one variable after the other."""
        skipped = False
        while rows:
            signs: dict[str, list[int]] = {}
            for form in rows:
                for name, value in form:
                    signs.setdefault(name, [0, 0])[value > 0] += 1
            chosen = min(sorted(signs), key=lambda name: signs[name][0] * signs[name][1] - sum(signs[name]))
            groups: dict[int, list[HalfSpace]] = {-1: [], 0: [], 1: []}
            for half in rows.values():
                value = dict(half.form).get(chosen, 0)
                groups[(value > 0) - (value < 0)].append(half)
            facing = list(itertools.product(groups[1], groups[-1]))
            skipped = skipped or any(skips_whole(chosen, *pair) for pair in facing)
            met = [without(chosen, *pair) for pair in facing]
            if any(half.impossible for half in met):
                return False
            rows = tightest([*groups[0], *met])
            if len(rows) > MAX_ROWS:
                skipped = True
                break
        self._gave_up |= skipped
        return True

    def _box(self, name: str) -> tuple[HalfSpace, ...]:
        """The range of a variable."""
        if name not in self._walls:
            low, high = self._ranges.get(name) or (TERMS[name].low, TERMS[name].high)
            floor = [HalfSpace.of(((name, -1),), -exact(low), False)] if math.isfinite(low) else []
            ceiling = [HalfSpace.of(((name, 1),), exact(high), False)] if math.isfinite(high) else []
            self._walls[name] = (*floor, *ceiling)
        return self._walls[name]
