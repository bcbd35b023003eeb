"""When two numbers are equal: results of arithmetic, whose last digits are chance (0.1 + 0.2 is not 0.3)."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence

DIGITS = 31
"""Weights are compared with so many binary digits; equal ones differ by less than a rulebook's tests can see."""

CANCELLED = 40
"""A sum of which so many binary digits cancel out is 0: what is left of 0.1 + 0.2 - 0.3 is chance."""


def total(parts: Sequence[float]) -> float:
    """The sum, one after the other: ``sum`` rounds otherwise from Python 3.12 on. It is 0 if only chance is left of it.

    Args:
        parts: finite, at least one.

    Returns:
        The sum; infinite if it is too large.
    """
    found = functools.reduce(operator.add, parts)
    return 0.0 if abs(found) < math.ldexp(max(map(abs, parts)), -CANCELLED) else found


def level(number: float, digits: int = DIGITS) -> float:
    """What a weight is compared by: two that are equal but for chance have the same level, a heavier one a higher.

    Rounding keeps *equal* transitive, which a distance would not be, so that weights have one order.

    Args:
        number: the weight, or another result of arithmetic.
        digits: binary digits that count.

    Returns:
        Half of the number, rounded: of the largest float the whole could not be computed.
    """
    if math.isinf(number):
        return number
    mantissa, exponent = math.frexp(number)
    return math.ldexp(round(math.ldexp(mantissa, digits)), exponent - digits - 1)
