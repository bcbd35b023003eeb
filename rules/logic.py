"""Three-valued (Kleene) logic and arithmetic as closures over a mapping from names to values.

A number is a finite ``float``, or ``None`` for *unknown*; a condition is ``True``, ``False`` or ``None``.
Whatever cannot be computed (a missing or NaN metric, a division by zero, an overflow) is unknown, so that
none of these functions ever raises.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

from lemonade_es.rules.tie import level, total

Values = Mapping[str, float | bool | None]
Number = Callable[[Values], float | None]
Condition = Callable[[Values], bool | None]

ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda first, second: total((first, second)),
    "-": lambda first, second: total((first, -second)),
    "*": operator.mul,
    "/": operator.truediv,
}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
FUNCTIONS: Mapping[str, Callable[[list[float]], float]] = {
    "min": min,
    "max": max,
    "abs": lambda operands: abs(operands[0]),
}

DIGITS = 40
"""Binary digits by which results of arithmetic are compared: twelve decimal ones."""

TRUE_ABOVE = 0.5
"""A flag metric (0 or 1) is true above this."""


def known(value: float | bool | None) -> float | None:
    """The value as a finite float, or ``None``; -0 is 0."""
    return float(value) + 0.0 if value is not None and math.isfinite(value) else None


def constant(value: float) -> Number:
    """A literal number."""
    return lambda _: value


def term(name: str) -> Number:
    """The value of a metric or setting."""
    return lambda values: known(values.get(name))


def negative(operand: Number) -> Number:
    """``-x``."""

    def compute(values: Values) -> float | None:
        value = operand(values)
        return None if value is None else 0.0 - value

    return compute


def arithmetic(symbol: str, left: Number, right: Number) -> Number:
    """``x + y``, ``x - y``, ``x * y``, ``x / y``."""
    operation = ARITHMETIC[symbol]

    def compute(values: Values) -> float | None:
        first, second = left(values), right(values)
        if first is None or second is None or (symbol == "/" and second == 0):
            return None
        return known(operation(first, second))

    return compute


def call(name: str, operands: Sequence[Number]) -> Number:
    """``min(x, y, ...)``, ``max(x, y, ...)``, ``abs(x)``."""
    function = FUNCTIONS[name]

    def compute(values: Values) -> float | None:
        found = [value for operand in operands if (value := operand(values)) is not None]
        return function(found) if len(found) == len(operands) else None

    return compute


def settled(number: float) -> float:
    """What a result of arithmetic is compared by."""
    return level(number, DIGITS)


def comparison(symbol: str, left: Number, right: Number, *, computed: bool = False) -> Condition:
    """``x < y`` and its like.

    Args:
        symbol: of the comparison.
        left: the first number.
        right: the second.
        computed: whether one of them is the result of arithmetic, whose last digits are chance: 0.8 - 0.7 is not 0.1,
            and a gap as wide as a threshold is not above it. Then :func:`settled` numbers are compared.
    """
    operation = COMPARISONS[symbol]

    def decide(values: Values) -> bool | None:
        first, second = left(values), right(values)
        if first is None or second is None:
            return None
        return operation(settled(first), settled(second)) if computed else operation(first, second)

    return decide


def conclusion(name: str) -> Condition:
    """A conclusion drawn by rules."""

    def decide(values: Values) -> bool | None:
        value = values.get(name)
        return None if value is None else bool(value)

    return decide


def negation(operand: Condition) -> Condition:
    """``not p``: unknown stays unknown."""

    def decide(values: Values) -> bool | None:
        value = operand(values)
        return None if value is None else not value

    return decide


def conjunction(operands: Sequence[Condition]) -> Condition:
    """``p and q``: false if one is false, else unknown if one is unknown."""

    def decide(values: Values) -> bool | None:
        truth: bool | None = True
        for operand in operands:
            value = operand(values)
            if value is False:
                return False
            if value is None:
                truth = None
        return truth

    return decide


def disjunction(operands: Sequence[Condition]) -> Condition:
    """``p or q``: true if one is true, else unknown if one is unknown."""

    def decide(values: Values) -> bool | None:
        truth: bool | None = False
        for operand in operands:
            value = operand(values)
            if value is True:
                return True
            if value is None:
                truth = None
        return truth

    return decide
