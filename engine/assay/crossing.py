"""One comparison of a rule: where its two sides are nearly equal, and where it alone decides whether the rule fires."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lemonade_es.engine.assay.situations import COLUMNS
from lemonade_es.rules.analysis.arrays import FALSE, TRUE, condition, number
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import drawers, strata, upstream
from lemonade_es.vocabulary import COUNTS, TERMS

Side = Literal["under", "at", "over"]
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SIDES: tuple[Side, ...] = ("under", "at", "over")

STEP = 0.01
"""A point just beside a boundary is so far from it, as a share of what is compared."""
NEAR = 0.03
"""A point of a test is just beside a boundary if it is no farther; where counts are compared, one more or less is."""
ON = 1e-6
"""It is on the boundary if it is no farther."""

_ATOM = " the comparison"  # a name that no expression can have
_PIECES = 32
_HALVINGS = 60
_FEWEST_DIGITS, _MOST_DIGITS = 2, 12
_TRUE_BESIDE: Mapping[type[ast.cmpop], tuple[Side, ...]] = {
    ast.Lt: ("under",),
    ast.LtE: ("under", "at"),
    ast.Gt: ("over",),
    ast.GtE: ("at", "over"),
    ast.Eq: ("at",),
    ast.NotEq: ("under", "over"),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of two numbers in a condition.

    Attributes:
        index: its number among the condition's atoms.
        node: where it stands.
        left: its left side.
        op: its operator.
        right: its right side.
        around: the condition, with a name of its own in the place of the comparison.
    """

    index: int
    node: ast.expr
    left: ast.expr
    op: ast.cmpop
    right: ast.expr
    around: ast.expr


def truth_beside(op: ast.cmpop, side: Side) -> bool:
    """Whether a comparison holds there."""
    return side in _TRUE_BESIDE[type(op)]


def comparisons(tree: ast.expr) -> Iterator[Comparison]:
    """The comparisons of a condition, from left to right; a chain is one for each pair."""
    counter = itertools.count()
    yield from _comparisons(tree, lambda part: part, counter)


def _comparisons(
    node: ast.expr, around: Callable[[ast.expr], ast.expr], counter: Iterator[int]
) -> Iterator[Comparison]:
    match node:
        case ast.BoolOp(op=connective, values=parts):
            for index, part in enumerate(parts):
                yield from _comparisons(part, _beside(around, connective, parts[:index], parts[index + 1 :]), counter)
        case ast.UnaryOp(operand=operand):
            yield from _comparisons(operand, lambda new: around(ast.UnaryOp(ast.Not(), new)), counter)
        case ast.Compare(left=first, ops=ops, comparators=comparators):
            pairs = list(itertools.pairwise((first, *comparators)))
            for index, (op, (left, right)) in enumerate(zip(ops, pairs, strict=True)):
                parts = [
                    ast.Name(_ATOM) if other == index else ast.Compare(pair[0], [ops[other]], [pair[1]])
                    for other, pair in enumerate(pairs)
                ]
                whole = parts[0] if len(parts) == 1 else ast.BoolOp(ast.And(), parts)
                here = node if len(parts) == 1 else left
                yield Comparison(next(counter), here, left, op, right, around(whole))
        case _:
            next(counter)


def _beside(
    around: Callable[[ast.expr], ast.expr], connective: ast.boolop, before: list[ast.expr], after: list[ast.expr]
) -> Callable[[ast.expr], ast.expr]:
    return lambda part: around(ast.BoolOp(connective, [*before, part, *after]))


class Crossing:
    """One comparison of one rule, over many situations at once; these have a column for each term.

    Args:
        rulebook: the rule's; other rules draw the conclusions that it reads.
        rule: the comparison's.
        comparison: one of the rule's condition.

    Attributes:
        names: the terms in the comparison, without flags.
        behind: the rules behind the conclusions that the rule reads, in their firing order.
    """

    def __init__(self, rulebook: Rulebook, rule: Rule, comparison: Comparison) -> None:
        self.comparison = comparison
        parts = itertools.chain(ast.walk(comparison.left), ast.walk(comparison.right))
        used = dict.fromkeys(part.id for part in parts if isinstance(part, ast.Name) and part.id in TERMS)
        self.names = tuple(name for name in used if name not in FLAGS)
        self.behind = _behind(rulebook, rule)
        self._least = 1.0 if COUNTS.intersection(self.names) else 0.0

    def gap(self, rows: Array) -> Array:
        """The left side minus the right, in each situation; NaN is unknown."""
        return self._sides(rows)[0]

    def _sides(self, rows: Array) -> tuple[Array, Array]:
        """The gap, and how large what is compared is: 1 where one side is 0."""
        values = _columns(rows)
        left = np.broadcast_to(number(self.comparison.left, values), len(rows))
        right = np.broadcast_to(number(self.comparison.right, values), len(rows))
        size = np.maximum(np.abs(left), np.abs(right))
        with np.errstate(over="ignore"):
            return left - right, np.where((left == 0) | (right == 0), 1.0, size)

    def fires(self, rows: Array, *, atom: bool) -> Mask:
        """Whether the rule fires in each situation if the comparison holds, or does not, whatever its sides are."""
        values = _columns(rows)
        for rule in self.behind:
            held = np.broadcast_to(condition(rule.when.tree, values), len(rows))
            drawn = rule.conclude or ""
            values[drawn] = np.maximum(values.get(drawn, np.zeros(len(rows))), held)
        values[_ATOM] = np.full(len(rows), TRUE if atom else FALSE)
        return np.asarray(condition(self.comparison.around, values) == TRUE)

    def decides(self, rows: Array) -> Mask:
        """Whether in each situation the rule fires or not as the comparison holds or not."""
        known = np.isfinite(self.gap(rows))
        return np.asarray(known & (self.fires(rows, atom=True) != self.fires(rows, atom=False)))

    def hold(self, rows: Array, sides: Sequence[Side], *, on: float = ON) -> Mask:
        """Whether each situation is at its side of the boundary, and the comparison decides there.

        Args:
            rows: the situations.
            sides: as many.
            on: how far from the boundary the comparison may be to be on it, as a share of what is compared.
        """
        gap, size = self._sides(rows)
        with np.errstate(invalid="ignore"):
            share = gap / size
            near = np.maximum(NEAR, self._least / size)
        there = [
            abs(found) <= on if side == "at" else ON < (found if side == "over" else -found) <= most
            for side, found, most in zip(sides, share.tolist(), near.tolist(), strict=True)
        ]
        return np.asarray(there, dtype=np.bool_) & self.decides(rows)

    def edge(self, contexts: Array, name: str) -> Array:
        """The value of one term at which both sides are equal, in each situation; NaN where its range has none."""
        found = self._solved(contexts, COLUMNS.index(name), np.zeros(len(contexts)))
        return np.where((found >= TERMS[name].low) & (found <= TERMS[name].high), found, np.nan)

    def around(self, contexts: Array, name: str) -> tuple[Array, Mask]:
        """Situations like others, but with one value moved under, onto and over the boundary.

        Returns:
            The situations ``[3, contexts, columns]``, and whether each is there and the comparison decides in it.
        """
        column = COLUMNS.index(name)
        edge = self._solved(contexts, column, np.zeros(len(contexts)))
        _, size = self._sides(_moved(contexts, column, edge))
        found = np.stack([contexts] * len(SIDES))
        valid = np.zeros(found.shape[:2], dtype=np.bool_)
        for number_of, side in enumerate(SIDES):
            aim = (number_of - 1) * STEP * size
            exact = edge if side == "at" else self._solved(contexts, column, aim)
            value = self._short(contexts, column, exact, side)
            if name in COUNTS:
                value = np.where(value == np.round(value), value, self._counted(contexts, column, edge, side))
            found[number_of] = _moved(contexts, column, value)
            known = np.isfinite(value) & (value >= TERMS[name].low) & (value <= TERMS[name].high)
            valid[number_of] = known & self.hold(found[number_of], [side] * len(contexts), on=0.0)
        return found, valid

    def _counted(self, contexts: Array, column: int, exact: Array, side: Side) -> Array:
        """The whole number next to the value, at its side; NaN where there is none."""
        found = np.full(len(exact), np.nan)
        for value in (np.floor(exact), np.ceil(exact), np.floor(exact) - 1, np.ceil(exact) + 1):
            gap, _ = self._sides(_moved(contexts, column, value))
            fits = {"under": gap < 0, "at": gap == 0, "over": gap > 0}[side]
            found = np.where(np.isnan(found) & fits, value, found)
        return found

    def _short(self, contexts: Array, column: int, exact: Array, side: Side) -> Array:
        """The value with as few digits as there can be; NaN where none is at its side."""
        short = np.full(len(exact), np.nan)
        for digits in range(_FEWEST_DIGITS, _MOST_DIGITS + 1):
            waiting = np.isnan(short) & np.isfinite(exact)
            if not waiting.any():
                break
            value = np.asarray([float(f"{item:.{digits}g}") for item in exact[waiting]])
            gap, size = self._sides(_moved(contexts[waiting], column, value))
            share = (gap if side == "over" else -gap) / size
            fits = gap == 0 if side == "at" else (share >= STEP / 4) & (share <= 2 * STEP)
            short[waiting] = np.where(fits, value, np.nan)
        return short

    def _solved(self, contexts: Array, column: int, aim: Array) -> Array:
        """The value of one term at which the gap is as wanted, or NaN."""

        def off(value: Array) -> Array:
            return self.gap(_moved(contexts, column, value)) - aim

        size = np.maximum(np.abs(aim), self._sides(contexts)[1])
        size = np.where(np.isfinite(size), size, 1.0)
        with np.errstate(all="ignore"):
            at_zero = off(np.zeros(len(contexts)))
            found = at_zero / (at_zero - off(np.ones(len(contexts))))  # a secant meets a straight line
            found = np.where(np.abs(off(found)) <= 1e-9 * size, found, np.nan)
        bent = np.isnan(found)
        if bent.any():
            found[bent] = self._bisected(contexts[bent], column, aim[bent])
        return found

    def _bisected(self, contexts: Array, column: int, aim: Array) -> Array:
        """The same where the gap is no straight line: in the first of some pieces in which its sign changes."""
        low, high = TERMS[COLUMNS[column]].low, TERMS[COLUMNS[column]].high

        def off(value: Array) -> Array:
            return self.gap(_moved(contexts, column, value)) - aim

        if math.isfinite(low) and math.isfinite(high):
            grid = np.linspace(low, high, _PIECES + 1)
        else:
            powers = 10.0 ** np.linspace(-6, 9, _PIECES)
            grid = np.concatenate([-powers[::-1] if low < 0 else powers[:0], [0.0], powers])
            grid = grid[(grid >= low) & (grid <= high)]
        signs = np.sign(np.stack([off(np.full(len(contexts), value)) for value in grid]))
        changes = signs[:-1] * signs[1:] < 0
        first = changes.argmax(axis=0)
        below, above = grid[first], grid[np.minimum(first + 1, len(grid) - 1)]
        rising = signs[first, np.arange(len(contexts))] < 0
        for _ in range(_HALVINGS):
            middle = (below + above) / 2
            lower = (off(middle) < 0) == rising
            below, above = np.where(lower, middle, below), np.where(lower, above, middle)
        return np.where(changes.any(axis=0), above, np.nan)


def _behind(rulebook: Rulebook, rule: Rule) -> tuple[Rule, ...]:
    found = upstream((rule,), drawers(rulebook.rules))
    del found[rule.id]
    position = {other.id: index for index, other in enumerate(rulebook.rules)}
    stratum = strata(rulebook.rules) if found else {}
    return tuple(sorted(found.values(), key=lambda other: (stratum[other.id], -other.salience, position[other.id])))


def _columns(rows: Array) -> dict[str, Array]:
    return {name: rows[:, index] for index, name in enumerate(COLUMNS)}


def _moved(rows: Array, column: int, value: Array) -> Array:
    moved = rows.copy()
    moved[:, column] = value
    return moved
