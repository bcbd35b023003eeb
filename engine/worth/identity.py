"""Whether rules of the same id in two rulebooks are one rule, so that what became of its advice tells of both."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from typing import Literal

from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import drawers, upstream

Difference = Literal["condition", "instructions", "direction"]


def differences(rule: Rule, rulebook: Rulebook, other: Rulebook, facts: Mapping[str, float | None]) -> list[Difference]:
    """In what a rule differs from the one of its id in another rulebook; how much it weighs is no difference.

    Args:
        rule: of ``rulebook``.
        rulebook: with the rules that draw the conclusions that it reads.
        other: has a rule of that id, which spoke for its instructions.
        facts: of a decision of that one.
    """
    named = next(item for item in other.rules if item.id == rule.id)
    found: list[Difference] = []
    if _condition(rule, rulebook) != _condition(named, other):
        found.append("condition")
    if set(rule.instruct) != set(named.instruct):
        found.append("instructions")
    if _moves(rule, rulebook, named) != _moves(named, other, rule) or _opposes(rule, facts):
        found.append("direction")
    return found


def _condition(rule: Rule, rulebook: Rulebook) -> tuple[str, frozenset[tuple[str | None, str]]]:
    """A condition without its layout, and those that draw the conclusions in it."""
    others = (item for item in upstream((rule,), drawers(rulebook.rules)).values() if item.id != rule.id)
    return _plain(rule.when.tree), frozenset((item.conclude, _plain(item.when.tree)) for item in others)


def _plain(tree: ast.expr) -> str:
    """An expression whose numbers are written alike: 14000 and 14000.0 are one."""
    alike = _Alike().visit(copy.deepcopy(tree))
    return ast.dump(alike)


class _Alike(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        number = node.value
        return ast.Constant(float(number)) if isinstance(number, int) and not isinstance(number, bool) else node


def _moves(rule: Rule, rulebook: Rulebook, other: Rule) -> list[tuple[str | None, str | None]]:
    """What the instructions that two rules share change, and whereto, as one rulebook has them."""
    shared = (rulebook.instructions[name] for name in rule.instruct if name in other.instruct)
    return sorted(((item.changes, item.direction) for item in shared), key=str)


def _opposes(rule: Rule, facts: Mapping[str, float | None]) -> bool:
    weight = rule.weight.number(facts) if rule.weight is not None else None
    return weight is not None and weight < 0
