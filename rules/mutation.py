"""Small changes of a rulebook that its tests should notice: an operator, a name, a number, a rule that is gone."""

from __future__ import annotations

import ast
import dataclasses
import functools
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lemonade_es.rules.expression import FLAGS, Expression, Kind, parse_expression
from lemonade_es.rules.problem import Place, Problem
from lemonade_es.rules.rulebook import Rule, Rulebook

Change = Literal[
    "comparison", "connective", "operand", "negation", "name", "constant", "boundary", "weight", "instruction", "rule"
]

STEP = 0.1
"""A number in a condition is moved by this share of itself; 0 by this much."""
SHIFT = 0.03
"""The left side of a comparison is moved by this share of itself: "a few percent"."""

_FACTORS = (0.5, 2.0, 0.0)
_NEVER = "0 > 1"
_SIBLINGS = (
    ("T_Acc", "V_Acc"),
    ("T_E", "V_E"),
    ("T_NE", "V_NE"),
    ("TT_Acc", "TV_Acc"),
    ("TT_E", "TV_E"),
    ("OT", "UT"),
    ("PT_Acc", "PV_Acc"),
    ("PT_E", "PV_E"),
)
_SIBLING = {**dict(_SIBLINGS), **{second: first for first, second in _SIBLINGS}}
_OTHER_OPERATORS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt, ast.GtE),
    ast.Gt: (ast.GtE, ast.LtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt, ast.LtE),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rulebook with one rule changed.

    Attributes:
        id: the rule, the kind of change and its number among them: ``slow/comparison-1``.
        rule: the rule's id.
        place: the place of what is changed: a condition, a weight, or the rule.
        change: its kind.
        sentence: ``slow: `F < TF` becomes `F <= TF```.
        altered: the rule after the change.
    """

    id: str
    rule: str
    place: Place
    change: Change
    sentence: str
    altered: Rule

    def applied(self, rulebook: Rulebook) -> Rulebook:
        """The rulebook with the changed rule in the place of its own."""
        rules = tuple(self.altered if rule.id == self.rule else rule for rule in rulebook.rules)
        return dataclasses.replace(rulebook, rules=rules)


@dataclass(frozen=True, slots=True)
class _Edit:
    """One change of a syntax tree: the part to look at, before and after."""

    change: Change
    tree: ast.expr
    before: ast.expr
    after: ast.expr


def mutants(rulebook: Rulebook) -> Iterator[Mutant]:
    """Every mutant of a rulebook, rule by rule, each once.

    In conditions: comparisons with other operators, ``and`` for ``or``, an operand less, ``not`` dropped or added, a
    name replaced by its sibling, a number moved, a boundary moved. Of the rest of a rule: a half, double or no weight,
    an instruction less, and the rule without effect.
    """
    conclusions = {rule.conclude for rule in rulebook.rules if rule.conclude is not None}
    for rule in rulebook.rules:
        counts: dict[Change, int] = {}
        for change, place, said, altered in _of_rule(rule, conclusions):
            counts[change] = counts.get(change, 0) + 1
            yield Mutant(f"{rule.id}/{change}-{counts[change]}", rule.id, place, change, f"{rule.id}: {said}", altered)


def _of_rule(rule: Rule, conclusions: Collection[str]) -> Iterator[tuple[Change, Place, str, Rule]]:
    seen = {ast.unparse(rule.when.tree)}
    for edit in _condition_edits(rule.when.tree, rule.when.tree, conclusions):
        source = ast.unparse(edit.tree)
        when = None if source in seen else _expression(source, rule.when, "condition", conclusions)
        seen.add(source)
        if when is not None:
            before, after = (ast.unparse(part) for part in (edit.before, edit.after))
            said = f"`{before}` is left out" if edit.change == "operand" else f"`{before}` becomes `{after}`"
            yield edit.change, rule.when.place, said, dataclasses.replace(rule, when=when)
    if rule.weight is not None:
        yield from _weights(rule, rule.weight, conclusions)
    for name in rule.instruct:
        fewer = tuple(other for other in rule.instruct if other != name)
        yield "instruction", rule.place, f"{name} is not given", dataclasses.replace(rule, instruct=fewer)
    never = _expression(_NEVER, rule.when, "condition", conclusions)
    if never is not None:  # a rule that is not there would leave its conclusion unknown, rather than undrawn
        yield "rule", rule.place, "the rule is gone", dataclasses.replace(rule, when=never)


def _weights(rule: Rule, weight: Expression, conclusions: Collection[str]) -> Iterator[tuple[Change, Place, str, Rule]]:
    text = ast.unparse(weight.tree)
    names = (node for node in ast.walk(weight.tree) if isinstance(node, ast.Name))
    others = [
        ("name", ast.unparse(_swapped(weight.tree, node, ast.Name(_SIBLING[node.id]))))
        for node in names
        if node.id in _SIBLING
    ]
    factors = [("weight", ast.unparse(_times(weight.tree, factor)) if factor else "0") for factor in _FACTORS]
    for change, source in (*others, *factors):
        moved = None if source == text else _expression(source, weight, "number", conclusions)
        if moved is not None:
            kind: Change = "name" if change == "name" else "weight"
            said = f"weight `{text}` becomes `{source}`"
            yield kind, weight.place, said, dataclasses.replace(rule, weight=moved)


def _condition_edits(root: ast.expr, node: ast.expr, conclusions: Collection[str]) -> Iterator[_Edit]:
    """The edits of a part of a condition, from the outside inwards."""
    edit = functools.partial(_edit, root)
    match node:
        case ast.BoolOp(op=op, values=parts):
            other: ast.boolop = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield edit("connective", node, ast.BoolOp(other, parts))
            for index in range(len(parts)):
                rest = [*parts[:index], *parts[index + 1 :]]
                less = rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
                yield _Edit("operand", _swapped(root, node, less), parts[index], less)
            for part in parts:
                yield from _condition_edits(root, part, conclusions)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield edit("negation", node, operand)
            if not (isinstance(operand, ast.Name)):  # `not not p` is no more than p again
                yield from _condition_edits(root, operand, conclusions)
        case ast.Compare():
            yield from _comparison_edits(root, node)
        case ast.Name(id=name) if name in FLAGS or name in conclusions:
            yield edit("negation", node, ast.UnaryOp(ast.Not(), node))


def _comparison_edits(root: ast.expr, node: ast.Compare) -> Iterator[_Edit]:
    edit = functools.partial(_edit, root, before=node)
    for index, op in enumerate(node.ops):
        for other in _OTHER_OPERATORS[type(op)]:
            ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            yield edit("comparison", part=node, after=ast.Compare(node.left, ops, node.comparators))
    for part in itertools.chain(*(ast.walk(side) for side in (node.left, *node.comparators))):
        match part:
            case ast.Name(id=name) if name in _SIBLING:
                yield edit("name", part=part, after=ast.Name(_SIBLING[name]))
            case ast.Constant(value=int() | float() as value):
                for moved in (value * (1 - STEP), value * (1 + STEP)) if value else (-STEP, STEP):
                    yield edit("constant", part=part, after=_number(moved))
    if len(node.ops) == 1:  # what is left of a chain is the right side of nothing
        for factor in (1 - SHIFT, 1 + SHIFT):
            yield edit("boundary", part=node.left, after=_times(node.left, factor))


def _edit(root: ast.expr, change: Change, part: ast.expr, after: ast.expr, *, before: ast.expr | None = None) -> _Edit:
    whole = part if before is None else before
    return _Edit(change, _swapped(root, part, after), whole, _swapped(whole, part, after))


def _times(node: ast.expr, factor: float) -> ast.expr:
    return ast.BinOp(node, ast.Mult(), _number(factor))


def _number(value: float) -> ast.expr:
    """A literal; a negative one is a sign before a number, as the parser has it."""
    short = float(f"{abs(value):.12g}")
    literal = ast.Constant(int(short) if short.is_integer() and short < 1e15 else short)
    return ast.UnaryOp(ast.USub(), literal) if value < 0 else literal


def _swapped(node: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """A copy of a tree with one part replaced by another; all other leaves are shared."""
    if node is old:
        return new
    fields: dict[str, Any] = {
        name: [_swapped(item, old, new) if isinstance(item, ast.expr) else item for item in value]
        if isinstance(value, list)
        else _swapped(value, old, new)
        if isinstance(value, ast.expr)
        else value
        for name, value in ast.iter_fields(node)
    }
    return type(node)(**fields)


def _expression(source: str, like: Expression, kind: Kind, conclusions: Collection[str]) -> Expression | None:
    """The compiled expression; ``None`` if the change made it too long or too deep."""
    problems: list[Problem] = []
    return parse_expression(source, like.place, kind, conclusions, problems, exact=False)
