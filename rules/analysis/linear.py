"""Linear expressions and half-spaces, exactly: all numbers are fractions, as the rulebook writes them."""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from lemonade_es.rules.expression import FLAGS
from lemonade_es.vocabulary import COUNTS

WHOLE = COUNTS | FLAGS
"""Variables that are whole numbers: ``2 < plateau < 4`` is ``plateau = 3``, and ``2 < plateau < 3`` is nowhere."""

Form = tuple[tuple[str, int], ...]
"""Variables with their coefficients: integers without a common divisor, in the order of the names."""


@dataclass(frozen=True, slots=True)
class HalfSpace:
    """``form . x <= bound``, or ``<`` if strict; the form's coefficients are integers without a common divisor.

    A form of whole variables alone has a whole bound, and is not strict.
    """

    form: Form
    bound: Fraction
    strict: bool

    @classmethod
    def of(cls, form: Form, bound: Fraction, strict: bool) -> HalfSpace:
        """The half-space, rounded to whole numbers where its form has no others."""
        if form and all(name in WHOLE for name, _ in form):
            return cls(form, Fraction(math.ceil(bound) - 1 if strict else math.floor(bound)), False)
        return cls(form, bound, strict)

    def tighter(self, other: HalfSpace | None) -> bool:
        """Whether it restricts more than one of the same form."""
        return other is None or (self.bound, not self.strict) < (other.bound, not other.strict)

    @property
    def impossible(self) -> bool:
        """Whether it holds nowhere, having no variables."""
        return not self.form and (self.bound < 0 or (self.strict and self.bound == 0))


Case = tuple[HalfSpace, ...]
"""Where all of its half-spaces hold."""

Cases = tuple[Case, ...]
"""Where any of its cases holds."""

Rows = Mapping[Form, HalfSpace]
"""Half-spaces of which each form has one."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear expression: a constant and a coefficient, not 0, for each variable."""

    constant: Fraction
    coefficients: Mapping[str, Fraction]

    def plus(self, other: Linear, sign: int) -> Linear:
        """The sum for a sign of 1, the difference for -1."""
        total = dict(self.coefficients)
        for name, value in other.coefficients.items():
            signed = value if sign == 1 else -value
            total[name] = total[name] + signed if name in total else signed
        kept = {name: value for name, value in total.items() if value}
        constant = self.constant + other.constant if sign == 1 else self.constant - other.constant
        return Linear(constant, kept)

    def times(self, factor: Fraction) -> Linear:
        """The product with a number."""
        kept = {name: factor * value for name, value in self.coefficients.items() if factor}
        return Linear(factor * self.constant, kept)


@functools.lru_cache(maxsize=4096)
def exact(value: float) -> Fraction:
    """The number that was written: 0.1 is a tenth."""
    return Fraction(repr(float(value)))


def sides(op: ast.cmpop, gap: Linear, holds: bool) -> Cases:
    """Where ``gap <op> 0`` holds, or does not."""
    match op:
        case ast.Lt():
            return ((half(gap, 1, strict=True) if holds else half(gap, -1, strict=False),),)
        case ast.LtE():
            return ((half(gap, 1, strict=False) if holds else half(gap, -1, strict=True),),)
        case ast.Gt():
            return ((half(gap, -1, strict=True) if holds else half(gap, 1, strict=False),),)
        case ast.GtE():
            return ((half(gap, -1, strict=False) if holds else half(gap, 1, strict=True),),)
    if isinstance(op, ast.Eq) is holds:
        return ((half(gap, 1, strict=False), half(gap, -1, strict=False)),)
    return ((half(gap, 1, strict=True),), (half(gap, -1, strict=True),))


def half(gap: Linear, sign: int, *, strict: bool) -> HalfSpace:
    """``sign * gap <= 0``, in the one way of writing it."""
    return _scaled(((name, sign * value) for name, value in gap.coefficients.items()), -sign * gap.constant, strict)


def _scaled(items: Iterable[tuple[str, Fraction]], bound: Fraction, strict: bool) -> HalfSpace:
    ordered = sorted(items)
    if not ordered:
        return HalfSpace((), bound, strict)
    if len(ordered) == 1:
        ((name, value),) = ordered
        return HalfSpace.of(((name, 1 if value > 0 else -1),), bound / abs(value), strict)
    scale = math.lcm(*(value.denominator for _, value in ordered))
    whole = [(name, value.numerator * (scale // value.denominator)) for name, value in ordered]
    divisor = math.gcd(*(value for _, value in whole))
    form = tuple((name, value // divisor) for name, value in whole)
    return HalfSpace.of(form, bound * scale / divisor, strict)


def tightest(halves: Iterable[HalfSpace]) -> dict[Form, HalfSpace]:
    """For each form the half-space that restricts most; those that hold everywhere are left out."""
    found: dict[Form, HalfSpace] = {}
    for half in halves:
        if (half.form or half.impossible) and half.tighter(found.get(half.form)):
            found[half.form] = half
    return found


def skips_whole(name: str, upper: HalfSpace, lower: HalfSpace) -> bool:
    """Whether two half-spaces may leave room for a whole variable in which there is no whole number."""
    if name not in WHOLE:
        return False
    forms = (dict(upper.form), dict(lower.form))
    if any(other not in WHOLE for form in forms for other in form):
        return True
    return all(abs(form[name]) != 1 for form in forms)


def without(name: str, upper: HalfSpace, lower: HalfSpace) -> HalfSpace:
    """What two half-spaces together say of the other variables."""
    above, below = dict(upper.form), dict(lower.form)
    up, down = -below[name], above[name]
    total = {
        key: Fraction(up * above.get(key, 0) + down * below.get(key, 0)) for key in dict.fromkeys((*above, *below))
    }
    left = ((key, value) for key, value in total.items() if value)
    return _scaled(left, up * upper.bound + down * lower.bound, upper.strict or lower.strict)
