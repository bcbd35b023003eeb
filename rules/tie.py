"""When two weights are equal: sums of a few floats, whose last digits are chance (0.1 + 0.2 is not 0.3)."""

from __future__ import annotations

import math

DIGITS = 31
"""Weights are compared with so many binary digits; equal ones differ by less than a rulebook's tests can see."""


def level(weight: float) -> float:
    """What a weight is compared by: two that are equal but for chance have the same level, a heavier one a higher.

    Rounding keeps *equal* transitive, which a distance would not be, so that weights have one order.

    Returns:
        Half of the weight, rounded: of the largest float the whole could not be computed.
    """
    if math.isinf(weight):
        return weight
    mantissa, exponent = math.frexp(weight)
    return math.ldexp(round(math.ldexp(mantissa, DIGITS)), exponent - DIGITS - 1)
