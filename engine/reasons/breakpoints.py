"""Where along one name an expression turns over: the functions whose sign decides it, and their roots."""

from __future__ import annotations

import ast
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lemonade_es.rules.expression import FLAGS, Expression, parse_expression
from lemonade_es.rules.logic import TRUE_ABOVE, Values
from lemonade_es.rules.problem import Place, Problem

_PIECES = 16
_DOUBLINGS = 40
_STEPS = 200
_DIGITS = 17
_NOWHERE = Place("", 1, 1)


@dataclass(frozen=True, slots=True)
class Function:
    """A number that changes its sign where an expression turns over.

    Attributes:
        names: the terms in it.
        constants: the numbers in it.
        at: its value.
    """

    names: tuple[str, ...]
    constants: tuple[float, ...]
    at: Callable[[Values], float | None] = field(compare=False)


def functions_of(expression: Expression) -> tuple[Function, ...]:
    """The functions on whose signs an expression depends, those inside others first.

    They are the differences of each comparison's sides and of the operands of ``min`` and ``max``, what ``abs`` is
    taken of, and what is divided by.
    """
    sources = dict.fromkeys(_sources(expression.tree))
    return tuple(function for source in sources if (function := _function(source)) is not None)


def roots(function: Callable[[float], float | None], points: Sequence[float], *, flat: bool = False) -> list[float]:
    """Where a function of one number changes its sign between neighbours of some ordered points.

    Args:
        function: a number, or ``None`` where it is unknown.
        points: in their order.
        flat: whether it may stay 0 for a while, so that where it becomes 0 is looked for, too.

    Returns:
        The points where it is 0, and for each other change a short number at which it is 0, or both of the floats
        between which it comes about.
    """
    known = list(_approached(function, [(point, function(point)) for point in points]))
    found = [point for point, value in known if value == 0]
    for (low, at_low), (high, at_high) in itertools.pairwise(known):
        if at_low and at_high and (at_low < 0) is not (at_high < 0):
            found += _between(function, low, high, rising=at_low < 0)
        elif flat and (at_low == 0) is not (at_high == 0) and None not in (at_low, at_high):
            found += _shore(function, low, high, dry=at_low != 0)
    return found


def samples(start: float | None, low: float, high: float, near: Iterable[float]) -> list[float]:
    """Points along a name from which roots are looked for: all of its range, coarsely, and numbers that matter.

    Args:
        start: where the name stands.
        low: the lowest value that it can have.
        high: the highest.
        near: numbers that it may be compared with.
    """
    known = {float(number) for number in near if math.isfinite(number)}
    known |= {start} if start is not None else set()
    points = set(known)
    if math.isfinite(low) and math.isfinite(high):
        points |= {low + (high - low) * piece / _PIECES for piece in range(_PIECES)} | {high}
    else:
        scale = max((abs(number) for number in known if number), default=1.0)
        steps = [scale * 2.0**power for power in range(-_DOUBLINGS, _DOUBLINGS)]
        points |= {
            0.0,
            *steps,
            *(-step for step in steps),
            *(number for number in (low, high) if math.isfinite(number)),
        }
    return sorted(point for point in points if low <= point <= high and math.isfinite(point))


def _approached(
    function: Callable[[float], float | None], known: Sequence[tuple[float, float | None]]
) -> Iterator[tuple[float, float | None]]:
    """Points with their values, and more where a function ceases to be known: beside a pole it may change at once."""
    yield from known[:1]
    for (low, at_low), (high, at_high) in itertools.pairwise(known):
        if (at_low is None) is not (at_high is None):
            parts = (2.0**-power for power in range(1, _DOUBLINGS))
            nearer = {low + (high - low) * part if at_low is None else high - (high - low) * part for part in parts}
            yield from ((point, function(point)) for point in sorted(nearer - {low, high}))
        yield high, at_high


def _between(function: Callable[[float], float | None], low: float, high: float, *, rising: bool) -> list[float]:
    for _ in range(_STEPS):
        middle = low + (high - low) / 2
        if middle in (low, high):
            break
        value = function(middle)
        if value == 0:  # as it is around there, where sides are equal but for rounding
            near = (float(f"{middle:.{digits}g}") for digits in range(1, _DIGITS))
            return [next((number for number in near if low < number < high and function(number) == 0), middle)]
        if value is None:
            break
        if (value < 0) is rising:
            low = middle
        else:
            high = middle
    return [low, high]


def _shore(function: Callable[[float], float | None], low: float, high: float, *, dry: bool) -> list[float]:
    """The floats between which a function becomes 0, if it is not 0 (``dry``) at the lower point, or ceases to be."""
    for _ in range(_STEPS):
        middle = low + (high - low) / 2
        if middle in (low, high):
            break
        if (function(middle) != 0) is dry:
            low = middle
        else:
            high = middle
    return [low, high]


def _sources(tree: ast.expr) -> Iterator[str]:
    """The texts of the functions, the innermost first."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.expr):
            yield from _sources(child)
    match tree:
        case ast.Compare(left=left, comparators=comparators):
            for first, second in itertools.pairwise([left, *comparators]):
                yield _difference(first, second)
        case ast.Call(func=ast.Name(id="abs"), args=[operand]):
            yield ast.unparse(operand)
        case ast.Call(args=operands):
            for first, second in itertools.combinations(operands, 2):
                yield _difference(first, second)
        case ast.BinOp(op=ast.Div(), right=divisor):
            yield ast.unparse(divisor)
        case ast.Name(id=name) if name in FLAGS:
            yield f"{name} - {TRUE_ABOVE}"


def _difference(first: ast.expr, second: ast.expr) -> str:
    return f"({ast.unparse(first)}) - ({ast.unparse(second)})"


@functools.lru_cache(maxsize=4096)
def _function(source: str) -> Function | None:
    problems: list[Problem] = []
    expression = parse_expression(source, _NOWHERE, "number", (), problems)
    if expression is None:  # with its parentheses it is too long or too deep; some roots are not found then
        return None
    constants = tuple(
        float(node.value)
        for node in ast.walk(expression.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    )
    return Function(expression.names, constants, expression.number)
