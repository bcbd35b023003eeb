"""The same rulebook in CLIPS (through clipspy), for comparison: its rules as defrules, its facts as facts.

A rule of a higher stratum has a lower salience, so that a conclusion is settled before it is read. Only known facts
are compared: CLIPS has no third truth value.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from lemonade_es.engine.expert.inference import conclusions_of
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import strata

_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=", ast.NotEq: "<>"}
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_TEMPLATES = (
    "(deftemplate term (slot name) (slot value))",
    "(deftemplate conclusion (slot name) (slot holds))",
    "(deftemplate advice (slot rule) (slot instruction) (slot weight))",
    "(deftemplate fired (slot rule))",
)


class ClipsRules:
    """A rulebook in a CLIPS environment."""

    def __init__(self, rulebook: Rulebook) -> None:
        import clips

        self._environment: Any = clips.Environment()
        for template in _TEMPLATES:
            self._environment.build(template)
        stratum = strata(rulebook.rules)
        self._conclusions = conclusions_of(rulebook)
        self._combine = rulebook.combine
        for position, rule in enumerate(rulebook.rules):
            order = -1000 * stratum[rule.id] - position
            self._environment.build(_defrule(rule, order, self._conclusions))

    def infer(self, facts: Mapping[str, float | None]) -> tuple[list[str], dict[str, float]]:
        """The rules that fired, in their order, and the weight of each instruction."""
        environment = self._environment
        environment.reset()
        for name, value in facts.items():
            if value is not None:
                environment.assert_string(f"(term (name {name}) (value {float(value)!r}))")
        for name in self._conclusions:
            environment.assert_string(f"(conclusion (name {name}) (holds no))")
        environment.run()
        fired, weights = [], {}
        for fact in environment.facts():
            if fact.template.name == "fired":
                fired.append(str(fact["rule"]))
            elif fact.template.name == "advice":
                name, weight = str(fact["instruction"]), float(fact["weight"])
                before = weights.get(name)
                summed = weight if before is None else before + weight
                weights[name] = summed if self._combine == "sum" or before is None else max(before, weight)
        return fired, weights


def _defrule(rule: Rule, order: int, conclusions: tuple[str, ...]) -> str:
    weight = rule.weight.names if rule.weight is not None else ()
    terms = "".join(f"(term (name {name}) (value ?v_{name}))" for name in dict.fromkeys((*rule.when.names, *weight)))
    read = "".join(f"?f_{name} <- (conclusion (name {name}) (holds ?c_{name}))" for name in rule.when.conclusions)
    actions = [f"(assert (fired (rule {rule.id})))"]
    if rule.weight is not None:
        amount = _expression(rule.weight.tree, conclusions)
        actions += [
            f"(assert (advice (rule {rule.id}) (instruction {name}) (weight {amount})))" for name in rule.instruct
        ]
    if rule.conclude is not None:
        actions.append(f"(do-for-fact ((?c conclusion)) (eq ?c:name {rule.conclude}) (modify ?c (holds yes)))")
    test = _expression(rule.when.tree, conclusions)
    return f"(defrule {rule.id} (declare (salience {order})) {terms}{read}(test {test}) => {' '.join(actions)})"


def _expression(node: ast.expr, conclusions: tuple[str, ...]) -> str:
    def inner(part: ast.expr) -> str:
        return _expression(part, conclusions)

    match node:
        case ast.BoolOp(op=op, values=parts):
            return f"({'and' if isinstance(op, ast.And) else 'or'} {' '.join(map(inner, parts))})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"(not {inner(operand)})"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(- 0 {inner(operand)})"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return f"({_COMPARE[type(op)]} {inner(left)} {inner(right)})"
        case ast.BinOp(left=left, op=op, right=right):
            return f"({_BINARY[type(op)]} {inner(left)} {inner(right)})"
        case ast.Constant(value=value):
            return repr(float(value))
        case ast.Name(id=name) if name in conclusions:
            return f"(eq ?c_{name} yes)"
        case ast.Name(id=name) if name in FLAGS:
            return f"(> ?v_{name} 0.5)"
        case ast.Name(id=name):
            return f"?v_{name}"
        case ast.Call(func=ast.Name(id=name), args=parts):
            return f"({name} {' '.join(map(inner, parts))})"
    raise ValueError(f"not translated: {ast.unparse(node)}")
