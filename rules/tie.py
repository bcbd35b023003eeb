"""When two numbers are equal: results of arithmetic, whose last digits are chance (0.1 + 0.2 is not 0.3)."""

from __future__ import annotations

import math

DIGITS = 31
"""Weights are compared with so many binary digits; equal ones differ by less than a rulebook's tests can see."""


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
