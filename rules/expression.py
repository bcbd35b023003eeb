"""The expressions of a rulebook: ``when: T_Acc - V_Acc > OT``, ``weight: PV_Acc * 0.5``.

Their syntax trees (:mod:`lemonade_es.rules.syntax`) are checked against a list of allowed nodes and compiled once
to closures (:mod:`lemonade_es.rules.logic`); nothing is ever passed to ``eval``. Vocabulary names are numbers,
conclusions are conditions, and the metrics in :data:`FLAGS` may be either.
"""

from __future__ import annotations

import ast
import keyword
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from lemonade_es.rules import logic
from lemonade_es.rules.advice import ALWAYS, ALWAYS_WORDS, JOIN, KNOWING, TRUTHS, UNASKED, UNBRANCHED, for_name
from lemonade_es.rules.logic import Condition, Number, Values
from lemonade_es.rules.problem import Layout, Place, Problem
from lemonade_es.rules.syntax import read_tree
from lemonade_es.vocabulary import TERMS

Kind = Literal["condition", "number"]

FLAGS = frozenset({"failed", "nonfinite"})
"""Metrics that are 0 or 1, and may stand alone as a condition."""

RESERVED = frozenset({*keyword.kwlist, *logic.FUNCTIONS})
"""Names that a conclusion cannot have."""

MAX_HINTS = 100
"""With more problems than this, nobody looks for what was meant: the search compares all names with each other."""

_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True, slots=True)
class Atom:
    """One comparison, flag or conclusion of a condition, evaluated.

    Attributes:
        text: as the rulebook writes it.
        truth: ``None`` is unknown.
        wanted: the truth that helps the whole condition to hold; ``False`` below an odd number of ``not``.
        left: the left side of a comparison, or the value of a flag; ``None`` if unknown or a conclusion.
        right: the right side of a comparison, or the value above which a flag is true.
        distance: ``left - right``; ``None`` if either is unknown.
        unknown: the names in it that have no value.
    """

    text: str
    truth: bool | None
    wanted: bool
    left: float | None
    right: float | None
    distance: float | None
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _AtomForm:
    text: str
    wanted: bool
    decide: Condition
    left: Number | None
    right: Number | None
    names: tuple[str, ...]
    computed: bool = False

    def evaluate(self, values: Values) -> Atom:
        left = self.left(values) if self.left else None
        right = self.right(values) if self.right else None
        distance = self._distance(left, right)
        unknown = tuple(name for name in self.names if (value := values.get(name)) is None or not math.isfinite(value))
        return Atom(self.text, self.decide(values), self.wanted, left, right, distance, unknown)

    def _distance(self, left: float | None, right: float | None) -> float | None:
        if left is None or right is None:
            return None
        if self.computed and logic.settled(left) == logic.settled(right):
            return 0.0
        return logic.known(left - right)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked and compiled expression.

    Attributes:
        source: its text.
        place: where its first character stands.
        kind: whether it is a condition (``when``) or a number (``weight``).
        names: the vocabulary terms in it, in the order of their first use.
        conclusions: the conclusions in it, likewise.
        tree: its checked syntax tree, for those who analyse or alter rules; it is never evaluated as Python.
        layout: where its characters stand.
    """

    source: str
    place: Place
    kind: Kind
    names: tuple[str, ...]
    conclusions: tuple[str, ...]
    tree: ast.expr = field(repr=False, compare=False)
    layout: Layout = field(repr=False, compare=False)
    _condition: Condition | None = field(repr=False, compare=False)
    _number: Number | None = field(repr=False, compare=False)
    _atoms: tuple[_AtomForm, ...] = field(repr=False, compare=False)

    def truth(self, values: Values) -> bool | None:
        """Whether the condition holds; ``None`` is unknown. A name that is missing in ``values`` is unknown."""
        return self._condition(values) if self._condition else None

    def number(self, values: Values) -> float | None:
        """The value of a number expression; ``None`` is unknown."""
        return self._number(values) if self._number else None

    def atoms(self, values: Values) -> tuple[Atom, ...]:
        """Each comparison, flag and conclusion by itself, from left to right."""
        return tuple(form.evaluate(values) for form in self._atoms)


def has_arithmetic(node: ast.AST) -> bool:
    """Whether something is added, subtracted, multiplied or divided in an expression."""
    return any(isinstance(part, ast.BinOp) for part in ast.walk(node))


def parse_expression(
    source: str,
    place: Place | Layout,
    kind: Kind,
    conclusions: Collection[str],
    problems: list[Problem],
    *,
    exact: bool = True,
) -> Expression | None:
    """Parse, check and compile an expression.

    Args:
        source: its text.
        place: where its first character stands, or where each of them does.
        kind: what it must be.
        conclusions: the conclusions that rules draw.
        problems: receives what is wrong.
        exact: whether the text stands in one row, character by character; without effect if a layout is given.

    Returns:
        The expression, or ``None`` if there was any problem.
    """
    text = source.strip()
    whole = Layout(place, ((0, place),) if exact else ()) if isinstance(place, Place) else place
    layout = whole.behind(source.index(text))
    compares = kind == "condition"
    parser = _Parser(text, layout, conclusions, problems, compares)
    tree = read_tree(text, parser.note, compares=compares)
    if tree is None:
        return None
    before = len(problems)
    condition = parser.condition(tree) if compares else None
    number = parser.number(tree) if kind == "number" else None
    if len(problems) > before:
        return None
    return Expression(
        text,
        layout.place,
        kind,
        tuple(parser.names),
        tuple(parser.drawn),
        tree,
        layout,
        condition,
        number,
        tuple(parser.atoms),
    )


class _Unfit(Exception):  # noqa: N818 - control flow inside this module: the problem is already noted
    """A part of the expression that cannot be compiled."""


class _Parser:
    """One pass over one expression; methods return closures, or raise :class:`_Unfit` after noting a problem."""

    def __init__(
        self, source: str, layout: Layout, conclusions: Collection[str], problems: list[Problem], compares: bool
    ) -> None:
        self.source = source
        self.compares = compares
        self.layout = layout
        self.conclusions = conclusions
        self.problems = problems
        self.names: dict[str, None] = {}
        self.drawn: dict[str, None] = {}
        self.atoms: list[_AtomForm] = []

    def note(self, offset: int, code: str, message: str) -> None:
        if not self.layout.rows:
            message = f"{message} (at character {offset + 1} of the expression)"
        self.problems.append(Problem(self.layout.at(offset), code, message))

    def condition(self, node: ast.expr, wanted: bool = True) -> Condition | None:
        """A condition; ``None`` after noting a problem, so that the other parts are looked at too."""
        try:
            return self._condition(node, wanted)
        except _Unfit:
            return None

    def number(self, node: ast.expr) -> Number | None:
        """A number; ``None`` after noting a problem."""
        try:
            return self._number(node)
        except _Unfit:
            return None

    def _condition(self, node: ast.expr, wanted: bool) -> Condition:
        match node:
            case ast.BoolOp(op=op, values=parts):
                decided = [self.condition(part, wanted) for part in parts]
                operands = [part for part in decided if part is not None]
                if len(operands) < len(parts):
                    raise _Unfit
                return (logic.conjunction if isinstance(op, ast.And) else logic.disjunction)(operands)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return logic.negation(self._condition(operand, not wanted))
            case ast.Compare():
                return self._comparison(node, wanted)
            case ast.Name(id=name) if name in FLAGS:
                flag = self._number(node)
                limit = logic.constant(logic.TRUE_ABOVE)
                decide = logic.comparison(">", flag, limit)
                self.atoms.append(_AtomForm(name, wanted, decide, flag, limit, (name,)))
                return decide
            case ast.Name(id=name) if name in self.conclusions:
                self.drawn.setdefault(name)
                decide = logic.conclusion(name)
                self.atoms.append(_AtomForm(name, wanted, decide, None, None, (name,)))
                return decide
            case _:
                self._number(node)  # notes what is wrong inside, if anything is
                text = self._text(node)
                raise self._unfit(node, "NOT_A_CONDITION", f"{text!r} is a number; compare it, such as {text} > 0")

    def _comparison(self, node: ast.Compare, wanted: bool) -> Condition:
        sides = [node.left, *node.comparators]
        for side in sides:
            if self._asks(side):
                code = "UNKNOWN_NAME" if isinstance(side, ast.Name) else "NOT_ALLOWED"
                raise self._unfit(side, code, f"{self._text(side)!r} is no value here; {UNASKED}")
        numbers = [self.number(side) for side in sides]
        pairs: list[Condition] = []
        for index, op in enumerate(node.ops):
            symbol = _COMPARE.get(type(op))
            if symbol is None:
                raise self._unfit(node, "NOT_ALLOWED", "compare with < <= > >= == !=, not with `is` or `in`")
            left, right = numbers[index], numbers[index + 1]
            if left is None or right is None:
                raise _Unfit
            pair = ast.Compare(sides[index], [op], [sides[index + 1]])
            text = self._text(node) if len(node.ops) == 1 else ast.unparse(pair)
            names = dict.fromkeys(part.id for part in ast.walk(pair) if isinstance(part, ast.Name))
            computed = has_arithmetic(pair)
            decide = logic.comparison(symbol, left, right, computed=computed)
            used = tuple(name for name in names if name in TERMS)
            self.atoms.append(_AtomForm(text, wanted, decide, left, right, used, computed))
            pairs.append(decide)
        return pairs[0] if len(pairs) == 1 else logic.conjunction(pairs)

    def _number(self, node: ast.expr) -> Number:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return logic.constant(float(value))
            case ast.Name(id=name):
                return self._term(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return logic.negative(self._number(operand))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._number(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                first, second = self.number(left), self.number(right)
                if first is None or second is None:
                    raise _Unfit
                return logic.arithmetic(_BINARY[type(op)], first, second)
            case ast.Call(func=func, args=args):
                return self._call(node, func, args)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp():
                raise self._unfit(node, "NOT_A_NUMBER", f"{self._text(node)!r} is a condition where a number is wanted")
            case ast.Tuple(elts=parts):
                raise self._unfit(
                    node, "NOT_ALLOWED", f"{self._text(node)!r} are several values; {self._uncommaed(parts)}"
                )
            case ast.Constant(value=bool() as value):
                raise self._truth(node, str(value))
            case _:
                cure = f"; {UNBRANCHED}" if isinstance(node, ast.IfExp) else ""
                raise self._unfit(node, "NOT_ALLOWED", f"{self._text(node)!r} cannot be used in an expression{cure}")

    def _uncommaed(self, parts: list[ast.expr]) -> str:
        """What to write instead of a comma, which mostly is that of a number."""
        torn = any(self._text(part)[:1].isdigit() for part in parts[1:])
        if parts and isinstance(parts[0], ast.Compare | ast.BoolOp) and not torn:
            return JOIN
        return "write numbers with a point and without commas, as 0.5"

    def _term(self, node: ast.expr, name: str) -> Number:
        if name in TERMS:
            self.names.setdefault(name)
            return logic.term(name)
        if name in self.conclusions:
            said = f"{name} is a conclusion, which is true or false, no number"
            alone = f"; it stands alone: `{name}`, `not {name}`" if self.compares else ""
            raise self._unfit(node, "NOT_A_NUMBER", f"{said}{alone}")
        if name.lower() in (TRUTHS | ALWAYS_WORDS if name == self.source else TRUTHS):
            raise self._truth(node, name)
        known = [*TERMS, *self.conclusions]
        hint = for_name(name, self.source, known, compares=self.compares) if len(self.problems) < MAX_HINTS else ""
        raise self._unfit(
            node, "UNKNOWN_NAME", f"{name!r} is neither in the vocabulary nor a conclusion of any rule{hint}"
        )

    def _asks(self, node: ast.expr) -> bool:
        """Whether a word stands for a value that is known or not, as ``None`` and ``unknown`` do."""
        if isinstance(node, ast.Name):
            return node.id.lower() in KNOWING and node.id not in self.conclusions
        return isinstance(node, ast.Constant) and node.value is None

    def _truth(self, node: ast.expr, name: str) -> _Unfit:
        said = f"{name!r} is no value here; what is true or false stands alone: `failed`, `not failed`"
        if self.source.lower() in ALWAYS_WORDS and self.compares:
            said = f"{name!r} is no value here; a rule that always fires has `{ALWAYS}`"
        return self._unfit(node, "NOT_ALLOWED", said)

    def _call(self, node: ast.Call, func: ast.expr, args: list[ast.expr]) -> Number:
        if not isinstance(func, ast.Name) or func.id not in logic.FUNCTIONS:
            said = f"{self._text(func)!r} is no function; "
            said += UNASKED if self._asks(func) else "use min, max or abs"
            raise self._unfit(node, "UNKNOWN_FUNCTION", said)
        wanted = 1 if func.id == "abs" else 2
        if node.keywords or (len(args) != 1 if wanted == 1 else len(args) < wanted):
            needs = "one number" if wanted == 1 else "two numbers or more"
            raise self._unfit(node, "WRONG_ARGUMENTS", f"{func.id} takes {needs}, found {len(args)}")
        numbers = [self.number(arg) for arg in args]
        operands = [operand for operand in numbers if operand is not None]
        if len(operands) < len(args):
            raise _Unfit
        return logic.call(func.id, operands)

    def _unfit(self, node: ast.expr, code: str, message: str) -> _Unfit:
        self.note(node.col_offset, code, message)
        return _Unfit()

    def _text(self, node: ast.expr) -> str:
        return " ".join(self.source[node.col_offset : node.end_col_offset].split())
