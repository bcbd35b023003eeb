"""Numbers of a rulebook as linear pieces: ``min``, ``max`` and ``abs`` have several, each with a guard."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from lemonade_es.rules.analysis.linear import Case, Linear, half

MAX_CASES = 64
"""A condition with more alternatives is taken to restrict less than it does; a number with more is not linear."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What an expression is where its guard holds; the guards of an expression's pieces cover everything."""

    guard: Case
    value: Linear


Pieces = tuple[Piece, ...]
"""A number; one without pieces divides by 0 everywhere. In the functions below ``None`` is one that is not linear, or
has too many pieces."""


def signed(pieces: Pieces | None, sign: int) -> Pieces | None:
    """The number, or its negative for a sign of -1."""
    if pieces is None or sign == 1:
        return pieces
    return tuple(Piece(piece.guard, piece.value.times(Fraction(sign))) for piece in pieces)


def called(name: str, operands: Sequence[Pieces | None]) -> Pieces | None:
    """``abs(x)``, ``min(x, y, ...)`` and ``max(x, y, ...)`` as the largest of several."""
    if name == "abs":
        return _largest(operands[0], signed(operands[0], -1))
    sign = 1 if name == "max" else -1
    return signed(functools.reduce(_largest, [signed(operand, sign) for operand in operands]), sign)


def combined(first: Pieces | None, op: ast.operator, second: Pieces | None) -> Pieces | None:
    """``x + y``, ``x - y``, and ``x * y`` and ``x / y`` where that is linear, or 0 times anything or by any but 0."""
    if () in (first, second) or (isinstance(op, ast.Div) and _zero(second)):
        return ()
    if (isinstance(op, ast.Mult | ast.Div) and _zero(first)) or (isinstance(op, ast.Mult) and _zero(second)):
        return (Piece((), Linear(Fraction(0), {})),)
    if first is None or second is None or len(first) * len(second) > MAX_CASES:
        return None
    found = []
    for one, other in itertools.product(first, second):
        value = _operated(one.value, op, other.value)
        if value is None:
            return None
        found.append(Piece((*one.guard, *other.guard), value))
    return tuple(found)


def _zero(pieces: Pieces | None) -> bool:
    """Whether a number is 0 everywhere."""
    return pieces is not None and not any(piece.value.constant or piece.value.coefficients for piece in pieces)


def _operated(first: Linear, op: ast.operator, second: Linear) -> Linear | None:
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


def _largest(first: Pieces | None, second: Pieces | None) -> Pieces | None:
    if first is None or second is None or 2 * len(first) * len(second) > MAX_CASES:
        return None
    found = []
    for one, other in itertools.product(first, second):
        gap = one.value.plus(other.value, -1)
        guard = (*one.guard, *other.guard)
        found.append(Piece((*guard, half(gap, -1, strict=False)), one.value))
        found.append(Piece((*guard, half(gap, 1, strict=True)), other.value))
    return tuple(found)
