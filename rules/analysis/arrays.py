"""Expressions over arrays: the same logic as :mod:`lemonade_es.rules.logic`, for many situations at once.

Truth is 1.0 (true), 0.0 (false) or 0.5 (unknown), so that *and* is the minimum, *or* the maximum and *not* the
difference from 1; an unknown number is NaN.
"""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from lemonade_es.rules.expression import FLAGS, has_arithmetic
from lemonade_es.rules.logic import DIGITS, TRUE_ABOVE
from lemonade_es.rules.tie import CANCELLED

Array = npt.NDArray[np.float64]

TRUE, UNKNOWN, FALSE = 1.0, 0.5, 0.0
_MISSING: Array = np.asarray(np.nan)

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Array, Array], npt.NDArray[np.bool_]]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}


def number(node: ast.expr, values: Mapping[str, Array]) -> Array:
    """The values of a number expression; those of the names in it are finite, or NaN."""
    if isinstance(node, ast.Name | ast.Constant):  # most are: there is nothing to compute
        return _number(node, values)
    with np.errstate(all="ignore"):  # what cannot be computed is unknown
        return _number(node, values)


def condition(node: ast.expr, values: Mapping[str, Array]) -> Array:
    """The truth of a condition."""
    match node:
        case ast.BoolOp(op=op, values=parts):
            decided = [condition(part, values) for part in parts]
            return functools.reduce(np.minimum if isinstance(op, ast.And) else np.maximum, decided)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return 1.0 - condition(operand, values)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [(side, number(side, values)) for side in (left, *comparators)]
            decided = [_compared(op, *pair) for op, pair in zip(ops, itertools.pairwise(sides), strict=True)]
            return functools.reduce(np.minimum, decided)
        case ast.Name(id=name) if name in FLAGS:
            return _comparison(ast.Gt(), _column(name, values), np.asarray(TRUE_ABOVE))
        case ast.Name(id=name):
            return values[name]
        case _:
            raise AssertionError(f"not a checked condition: {ast.unparse(node)}")


def _number(node: ast.expr, values: Mapping[str, Array]) -> Array:
    match node:
        case ast.Constant(value=int() | float() as value):
            return np.asarray(float(value))
        case ast.Name(id=name):
            return _column(name, values)
        case ast.UnaryOp(op=sign, operand=operand):
            plus = _number(operand, values)
            return 0.0 - plus if isinstance(sign, ast.USub) else plus
        case ast.BinOp(left=left, op=op, right=right):
            first, second = _number(left, values), _number(right, values)
            found = _ARITHMETIC[type(op)](first, second)
            if isinstance(op, ast.Add | ast.Sub):
                found = cancelled(found, np.maximum(np.abs(first), np.abs(second)))
            return _finite(found)
        case ast.Call(func=ast.Name(id="abs"), args=[operand]):
            return np.abs(_number(operand, values))
        case ast.Call(func=ast.Name(id=name), args=operands):
            numbers = [_number(operand, values) for operand in operands]
            return functools.reduce(np.minimum if name == "min" else np.maximum, numbers)
        case _:
            raise AssertionError(f"not a checked number: {ast.unparse(node)}")


def _column(name: str, values: Mapping[str, Array]) -> Array:
    return values.get(name, _MISSING)


def _finite(found: Array) -> Array:
    finite = np.isfinite(found)
    return (found if finite.all() else np.where(finite, found, np.nan)) + 0.0  # -0 is 0


def _compared(op: ast.cmpop, first: tuple[ast.expr, Array], second: tuple[ast.expr, Array]) -> Array:
    (one, left), (other, right) = first, second
    if has_arithmetic(one) or has_arithmetic(other):
        left, right = rounded(left, DIGITS), rounded(right, DIGITS)  # as rules.logic.settled
    return _comparison(op, left, right)


def cancelled(sums: Array, largest: Array) -> Array:
    """Sums with 0 where only chance is left of them; see :func:`lemonade_es.rules.tie.total`.

    Args:
        sums: of some parts each.
        largest: the largest of these parts, without its sign.
    """
    chance = np.abs(sums) < np.ldexp(largest, -CANCELLED)
    return np.where(chance, 0.0, sums) if chance.any() else sums


def rounded(numbers: Array, digits: int) -> Array:
    """Numbers with so many binary digits; see :func:`lemonade_es.rules.tie.level`."""
    mantissas, exponents = np.frexp(numbers)
    return np.asarray(np.ldexp(np.rint(np.ldexp(mantissas, digits)), exponents - digits - 1))


def _comparison(op: ast.cmpop, left: Array, right: Array) -> Array:
    found = _COMPARISONS[type(op)](left, right).astype(np.float64)
    unknown = np.isnan(left) | np.isnan(right)
    return np.where(unknown, UNKNOWN, found) if unknown.any() else found
