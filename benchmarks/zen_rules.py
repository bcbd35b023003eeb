"""The same rulebook in ZEN (GoRules' engine, through zen-engine), for comparison: a decision table that collects.

A row is a rule: its condition, its id, and the weight that it gives. Conclusions are written out as the conditions
they stand for, since the rows of a table do not see one another. Only known facts are compared.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from lemonade_es.engine.expert.inference import conclusions_of
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import strata

_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class ZenRules:
    """A rulebook as a compiled ZEN decision."""

    def __init__(self, rulebook: Rulebook) -> None:
        import zen

        self._combine = rulebook.combine
        self._instruct = {rule.id: rule.instruct for rule in rulebook.rules}
        stratum = strata(rulebook.rules)
        ordered = sorted(enumerate(rulebook.rules), key=lambda item: (stratum[item[1].id], -item[1].salience, item[0]))
        meant = _conclusions(rulebook)
        rows = [_row(number, rule, meant) for number, (_, rule) in enumerate(ordered)]
        self._decision: Any = zen.ZenEngine().create_decision(json.dumps(_decision(rows)))

    def infer(self, facts: Mapping[str, float | None]) -> tuple[list[str], dict[str, float]]:
        """The rules that fired, in their order, and the weight of each instruction."""
        known = {name: value for name, value in facts.items() if value is not None}
        fired, weights = [], {}
        for row in self._decision.evaluate(known)["result"]:
            fired.append(str(row["rule"]))
            for name in self._instruct[fired[-1]] if row.get("weight") is not None else ():
                before, weight = weights.get(name), float(row["weight"])
                summed = weight if before is None else before + weight
                weights[name] = summed if self._combine == "sum" or before is None else max(before, weight)
        return fired, weights


def _conclusions(rulebook: Rulebook) -> dict[str, str]:
    """What each conclusion stands for; those that it rests on are written out in it."""
    meant: dict[str, str] = {}
    stratum = strata(rulebook.rules)
    names = sorted(
        conclusions_of(rulebook),
        key=lambda name: max(stratum[rule.id] for rule in rulebook.rules if rule.conclude == name),
    )
    for name in names:
        drawers = [rule for rule in rulebook.rules if rule.conclude == name]
        meant[name] = "(" + " or ".join(_expression(rule.when.tree, meant) for rule in drawers) + ")"
    return meant


def _row(number: int, rule: Rule, meant: Mapping[str, str]) -> dict[str, str]:
    weight = "null" if rule.weight is None else _expression(rule.weight.tree, meant)
    return {"_id": str(number), "when": _expression(rule.when.tree, meant), "rule": f'"{rule.id}"', "weight": weight}


def _decision(rows: list[dict[str, str]]) -> dict[str, Any]:
    table = {
        "hitPolicy": "collect",
        "inputs": [{"id": "when", "name": "when"}],
        "outputs": [
            {"id": "rule", "name": "rule", "field": "rule"},
            {"id": "weight", "name": "weight", "field": "weight"},
        ],
        "rules": rows,
    }
    return {
        "nodes": [
            {"id": "facts", "name": "facts", "type": "inputNode"},
            {"id": "rules", "name": "rules", "type": "decisionTableNode", "content": table},
            {"id": "advice", "name": "advice", "type": "outputNode"},
        ],
        "edges": [
            {"id": "in", "type": "edge", "sourceId": "facts", "targetId": "rules"},
            {"id": "out", "type": "edge", "sourceId": "rules", "targetId": "advice"},
        ],
    }


def _expression(node: ast.expr, meant: Mapping[str, str]) -> str:
    def inner(part: ast.expr) -> str:
        return _expression(part, meant)

    match node:
        case ast.BoolOp(op=op, values=parts):
            return "(" + (" and " if isinstance(op, ast.And) else " or ").join(map(inner, parts)) + ")"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"not ({inner(operand)})"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(0 - {inner(operand)})"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return f"({inner(left)} {_COMPARE[type(op)]} {inner(right)})"
        case ast.BinOp(left=left, op=op, right=right):
            return f"({inner(left)} {_BINARY[type(op)]} {inner(right)})"
        case ast.Constant(value=value):
            return repr(value)
        case ast.Name(id=name) if name in meant:
            return meant[name]
        case ast.Name(id=name) if name in FLAGS:
            return f"({name} > 0.5)"
        case ast.Name(id=name):
            return name
        case ast.Call(func=ast.Name(id="abs"), args=[operand]):
            return f"abs({inner(operand)})"
        case ast.Call(func=ast.Name(id=name), args=parts):
            return f"{name}([{', '.join(map(inner, parts))}])"
    raise ValueError(f"not translated: {ast.unparse(node)}")
