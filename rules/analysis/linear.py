"""What can be proved of conditions: comparisons that are linear in the metrics, as half-spaces.

A condition becomes a disjunction of conjunctions of half-spaces; conclusions are replaced by the conditions of the
rules that draw them, and settings by their values, or by variables in a range. A comparison that is not linear, or
one too many, restricts nothing, so that *infeasible* is always a proof, and *feasible* only the want of one.

All numbers are fractions, exactly as the rulebook writes them, and feasibility is decided by intervals and
Fourier-Motzkin elimination: a solver with tolerances of 1e-7 could prove nothing about energies of 1e-6 kWh.
All metrics are taken as known.
"""

from __future__ import annotations

import ast
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.logic import TRUE_ABOVE
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.vocabulary import TERMS

MAX_CASES = 64
"""A condition with more alternatives is taken to restrict less than it does."""

MAX_PAIRS = 256
"""Two conditions with more pairs of alternatives are not compared."""

MAX_ROWS = 200
"""An elimination that needs more half-spaces is given up."""

Bounds = Mapping[str, tuple[float, float]]
Form = tuple[tuple[str, int], ...]

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class HalfSpace:
    """``form . x <= bound``, or ``<`` if strict; the form's coefficients are integers without a common divisor."""

    form: Form
    bound: Fraction
    strict: bool

    def tighter(self, other: HalfSpace | None) -> bool:
        """Whether it restricts more than one of the same form."""
        return other is None or (self.bound, not self.strict) < (other.bound, not other.strict)

    @property
    def impossible(self) -> bool:
        """Whether it holds nowhere, having no variables."""
        return not self.form and (self.bound < 0 or (self.strict and self.bound == 0))


Case = tuple[HalfSpace, ...]
Cases = tuple[Case, ...]
Rows = Mapping[Form, HalfSpace]
_Found = TypeVar("_Found", Cases, tuple[Rows, ...])

_ANYWHERE: Cases = ((),)


@dataclass(frozen=True, slots=True)
class _Linear:
    """A linear expression: a constant and a coefficient, not 0, for each variable."""

    constant: Fraction
    coefficients: Mapping[str, Fraction]

    def plus(self, other: _Linear, sign: int) -> _Linear:
        total = dict(self.coefficients)
        for name, value in other.coefficients.items():
            signed = value if sign == 1 else -value
            total[name] = total[name] + signed if name in total else signed
        kept = {name: value for name, value in total.items() if value}
        constant = self.constant + other.constant if sign == 1 else self.constant - other.constant
        return _Linear(constant, kept)

    def times(self, factor: Fraction) -> _Linear:
        kept = {name: factor * value for name, value in self.coefficients.items() if factor}
        return _Linear(factor * self.constant, kept)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What an expression is where its guard holds; the guards of an expression's pieces cover everything."""

    guard: Case
    value: _Linear


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
            name: _exact(value) for name, value in settings.items() if value is not None and name not in self._ranges
        }
        self._drawers: dict[str, list[Rule]] = {}
        for rule in rulebook.rules:
            if rule.conclude is not None:
                self._drawers.setdefault(rule.conclude, []).append(rule)
        self._walls: dict[str, tuple[HalfSpace, ...]] = {}
        self._cases: dict[tuple[str, bool], Cases] = {}
        self._conditions: dict[tuple[str, bool], tuple[Rows, ...]] = {}
        self._loose: set[tuple[str, bool]] = set()
        self._gave_up = False

    def never(self, node: ast.expr) -> bool:
        """Whether it is proved that the condition never holds."""
        return not self._feasible_of(self._of(node, True))

    def always(self, node: ast.expr) -> bool:
        """Whether it is proved that the condition holds wherever it is known."""
        return not self._feasible_of(self._of(node, False))

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
        return self._once(self._conditions, rule.id, holds, lambda: self._feasible_of(self._of(rule.when.tree, holds)))

    def _once(
        self, memory: dict[tuple[str, bool], _Found], name: str, holds: bool, find: Callable[[], _Found]
    ) -> _Found:
        """Remembers cases, and whether they are more than they should be."""
        key = (name, holds)
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
            case ast.Name(id=name):
                return self._once(self._cases, name, holds, lambda: self._drawn(name, holds))
        return self._anywhere()

    def _drawn(self, name: str, holds: bool) -> Cases:
        """The cases in which a conclusion is drawn, or is not."""
        return self._joined([self._of(rule.when.tree, holds) for rule in self._drawers.get(name, ())], every=not holds)

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
        if first is None or second is None or len(first) * len(second) > MAX_CASES:
            return self._anywhere()
        return tuple(
            (*one.guard, *other.guard, *case)
            for one, other in itertools.product(first, second)
            for case in _sides(op, one.value.plus(other.value, -1), holds)
        )

    def _pieces(self, node: ast.expr) -> tuple[_Piece, ...] | None:
        """A number as linear pieces; ``None`` if it is not linear, or has too many pieces."""
        match node:
            case ast.Constant(value=int() | float() as value):
                return (_Piece((), _Linear(_exact(value), {})),)
            case ast.Name(id=name):
                known = self._values.get(name)
                term = _Linear(_ZERO, {name: Fraction(1)}) if known is None else _Linear(known, {})
                return (_Piece((), term),)
            case ast.UnaryOp(op=minus_or_plus, operand=operand):
                return _signed(self._pieces(operand), -1 if isinstance(minus_or_plus, ast.USub) else 1)
            case ast.BinOp(left=left, op=op, right=right):
                return _combined(self._pieces(left), op, self._pieces(right))
            case ast.Call(func=ast.Name(id=name), args=operands):
                return _called(name, [self._pieces(operand) for operand in operands])
        return None

    def _feasible(self, case: Case) -> Rows | None:
        """A case with the ranges of its variables, of each form the tightest; ``None`` if it has no point."""
        if any(half.impossible for half in case):
            return None
        names = sorted({name for half in case for name, _ in half.form})
        rows = _tightest([*case, *itertools.chain.from_iterable(map(self._box, names))])
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
            met = [_without(chosen, upper, lower) for upper, lower in itertools.product(groups[1], groups[-1])]
            if any(half.impossible for half in met):
                return False
            rows = _tightest([*groups[0], *met])
            if len(rows) > MAX_ROWS:
                self._gave_up = True
                return True
        return True

    def _box(self, name: str) -> tuple[HalfSpace, ...]:
        """The range of a variable."""
        if name not in self._walls:
            low, high = self._ranges.get(name) or (TERMS[name].low, TERMS[name].high)
            floor = [HalfSpace(((name, -1),), -_exact(low), False)] if math.isfinite(low) else []
            ceiling = [HalfSpace(((name, 1),), _exact(high), False)] if math.isfinite(high) else []
            self._walls[name] = (*floor, *ceiling)
        return self._walls[name]


@functools.lru_cache(maxsize=4096)
def _exact(value: float) -> Fraction:
    """The number that was written: 0.1 is a tenth."""
    return Fraction(repr(float(value)))


def _sides(op: ast.cmpop, gap: _Linear, holds: bool) -> Cases:
    """Where ``gap <op> 0`` holds, or does not."""
    match op:
        case ast.Lt():
            return ((_half(gap, 1, strict=True) if holds else _half(gap, -1, strict=False),),)
        case ast.LtE():
            return ((_half(gap, 1, strict=False) if holds else _half(gap, -1, strict=True),),)
        case ast.Gt():
            return ((_half(gap, -1, strict=True) if holds else _half(gap, 1, strict=False),),)
        case ast.GtE():
            return ((_half(gap, -1, strict=False) if holds else _half(gap, 1, strict=True),),)
    if isinstance(op, ast.Eq) is holds:
        return ((_half(gap, 1, strict=False), _half(gap, -1, strict=False)),)
    return ((_half(gap, 1, strict=True),), (_half(gap, -1, strict=True),))


def _half(gap: _Linear, sign: int, *, strict: bool) -> HalfSpace:
    """``sign * gap <= 0``, in the one way of writing it."""
    return _scaled(((name, sign * value) for name, value in gap.coefficients.items()), -sign * gap.constant, strict)


def _scaled(items: Iterable[tuple[str, Fraction]], bound: Fraction, strict: bool) -> HalfSpace:
    ordered = sorted(items)
    if not ordered:
        return HalfSpace((), bound, strict)
    if len(ordered) == 1:
        ((name, value),) = ordered
        return HalfSpace(((name, 1 if value > 0 else -1),), bound / abs(value), strict)
    scale = math.lcm(*(value.denominator for _, value in ordered))
    whole = [(name, value.numerator * (scale // value.denominator)) for name, value in ordered]
    divisor = math.gcd(*(value for _, value in whole))
    form = tuple((name, value // divisor) for name, value in whole)
    return HalfSpace(form, bound * scale / divisor, strict)


def _signed(pieces: tuple[_Piece, ...] | None, sign: int) -> tuple[_Piece, ...] | None:
    if pieces is None or sign == 1:
        return pieces
    return tuple(_Piece(piece.guard, piece.value.times(Fraction(sign))) for piece in pieces)


def _called(name: str, operands: Sequence[tuple[_Piece, ...] | None]) -> tuple[_Piece, ...] | None:
    """``abs(x)``, ``min(x, y, ...)`` and ``max(x, y, ...)`` as the largest of several."""
    if name == "abs":
        return _largest(operands[0], _signed(operands[0], -1))
    sign = 1 if name == "max" else -1
    return _signed(functools.reduce(_largest, [_signed(operand, sign) for operand in operands]), sign)


def _combined(
    first: tuple[_Piece, ...] | None, op: ast.operator, second: tuple[_Piece, ...] | None
) -> tuple[_Piece, ...] | None:
    if first is None or second is None or len(first) * len(second) > MAX_CASES:
        return None
    found = []
    for one, other in itertools.product(first, second):
        value = _operated(one.value, op, other.value)
        if value is None:
            return None
        found.append(_Piece((*one.guard, *other.guard), value))
    return tuple(found)


def _operated(first: _Linear, op: ast.operator, second: _Linear) -> _Linear | None:
    match op:
        case ast.Add() | ast.Sub():
            return first.plus(second, 1 if isinstance(op, ast.Add) else -1)
        case ast.Mult() if not first.coefficients:
            return second.times(first.constant)
        case ast.Mult() if not second.coefficients:
            return first.times(second.constant)
        case ast.Div() if not second.coefficients and second.constant:
            return first.times(1 / second.constant)
    return None


def _largest(first: tuple[_Piece, ...] | None, second: tuple[_Piece, ...] | None) -> tuple[_Piece, ...] | None:
    if first is None or second is None or 2 * len(first) * len(second) > MAX_CASES:
        return None
    found = []
    for one, other in itertools.product(first, second):
        gap = one.value.plus(other.value, -1)
        guard = (*one.guard, *other.guard)
        found.append(_Piece((*guard, _half(gap, -1, strict=False)), one.value))
        found.append(_Piece((*guard, _half(gap, 1, strict=True)), other.value))
    return tuple(found)


def _tightest(halves: Iterable[HalfSpace]) -> dict[Form, HalfSpace]:
    """For each form the half-space that restricts most; those that hold everywhere are left out."""
    found: dict[Form, HalfSpace] = {}
    for half in halves:
        if (half.form or half.impossible) and half.tighter(found.get(half.form)):
            found[half.form] = half
    return found


def _without(name: str, upper: HalfSpace, lower: HalfSpace) -> HalfSpace:
    """What two half-spaces together say of the other variables."""
    above, below = dict(upper.form), dict(lower.form)
    up, down = -below[name], above[name]
    total = {
        key: Fraction(up * above.get(key, 0) + down * below.get(key, 0)) for key in dict.fromkeys((*above, *below))
    }
    left = ((key, value) for key, value in total.items() if value)
    return _scaled(left, up * upper.bound + down * lower.bound, upper.strict or lower.strict)
