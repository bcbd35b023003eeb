"""The derivation of a decision, as a tree: from an instruction or a rule down to measured numbers and settings.

Each node says what is wanted of it, and whether it is so: for *why*, all that led there; for *why not*, all that
stood in the way. Below a ``not`` the wanted truth is turned round, so that the tree has no ``not`` of its own:
``not (a and b)`` wants one of ``not a``, ``not b``.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from lemonade_es.engine.expert.conflicts import Resolution, givers, margin_told
from lemonade_es.engine.expert.facts import NOT_MEASURED, NOT_SET
from lemonade_es.engine.expert.inference import Inference, names_of
from lemonade_es.engine.reasons.node import Kind, Node, Sides, compared
from lemonade_es.rules.expression import Atom, Expression, parse_expression
from lemonade_es.rules.problem import Place
from lemonade_es.rules.reason import render_reason
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import drawers
from lemonade_es.vocabulary import METRICS

MAX_LEVELS = 40
"""Conclusions upon conclusions are followed so far."""

_NOWHERE = Place("", 1, 1)
_SYMBOLS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "=",
    ast.NotEq: "!=",
}


class Derivation:
    """Builds the nodes of one tree; what was explained once is not explained again.

    Args:
        rulebook: the one that decided.
        inference: what it made of the facts.
        absent: for unknown metrics, why.
    """

    def __init__(self, rulebook: Rulebook, inference: Inference, absent: Mapping[str, str]) -> None:
        self._rulebook = rulebook
        self._inference = inference
        self._absent = absent
        self._values: dict[str, float | bool | None] = {**inference.facts, **inference.conclusions}
        self._drawers = drawers(rulebook.rules)
        self._seen: set[tuple[str, str, bool, bool]] = set()
        self._level = 0

    def instruction(self, name: str, resolution: Resolution) -> Node:
        """An instruction that was sent: the rules behind it, and the conflict that it won."""
        instruction = self._rulebook.instructions[name]
        rules = {rule.id: rule for rule in self._rulebook.rules}
        parts = self._inference.contributions[name]
        children = [self.rule(rules[part.rule], wanted=True, weighed=True) for part in parts]
        children += [
            Node(
                "conflict",
                item.loser,
                f"beat {item.loser} ({item.loser_weight:.4g}, {self._givers(item.loser, item.loser_weight)})"
                f"{margin_told(item, self._inference, self._rulebook)}",
                truth=True,
                value=item.winner_weight,
                threshold=item.loser_weight,
                distance=item.margin,
            )
            for item in resolution.decisions
            if item.winner == name
        ]
        weight = self._inference.weights[name]
        text = f"{instruction.text}: weight {weight:.4g}"
        if len(parts) > 1:
            text += f", {'the sum' if self._rulebook.combine == 'sum' else 'the largest'} of {len(parts)} rules"
        return Node("instruction", name, text, str(instruction.place), True, True, weight, children=tuple(children))

    def _givers(self, name: str, weight: float) -> str:
        return givers(self._inference.contributions[name], weight, self._rulebook.combine)

    def rule(self, rule: Rule, *, wanted: bool, weighed: bool = False) -> Node:
        """A rule that should fire (or should not), and why it does or does not.

        Args:
            rule: one of the rulebook's.
            wanted: whether it should fire.
            weighed: also derive the weight that it gives.
        """
        truth = rule.when.truth(self._values)
        held = _as_wanted(truth, wanted)
        weight = self._weight(rule) if weighed else ()
        text = self._said(rule, truth, wanted)
        if weighed and truth and rule.weight is not None:
            number = rule.weight.number(self._values)
            text = f"{text}; weight {'unknown' if number is None else f'{number:.4g}'}"
        value = weight[0].value if weight else None
        node = Node("rule", rule.id, text, str(rule.place), wanted, held, value)
        return self._once(node, weighed, lambda: (*self._condition(rule.when, wanted), *weight))

    def conclusion(self, name: str, *, wanted: bool) -> Node:
        """A conclusion that should hold (or should not), and the rules that draw it."""
        truth = self._inference.conclusions[name]
        held = _as_wanted(truth, wanted)
        said = {True: "was concluded", False: "was not concluded", None: "cannot be decided"}[truth]
        must_not = " (it must not hold)" if held is None and not wanted else ""
        node = Node("conclusion", name, f"{name} {said}{must_not}", wanted=wanted, truth=held)

        def below() -> tuple[Node, ...]:
            rules = self._drawers[name]
            if wanted and held:
                rules = [rule for rule in rules if rule.when.truth(self._values)]
            nodes = tuple(self.rule(rule, wanted=wanted) for rule in rules)
            one_will_do = wanted and not held and len(nodes) > 1
            return (Node("any", "any", "one of these", truth=held, children=nodes),) if one_will_do else nodes

        return self._once(node, False, below)

    def term(self, name: str) -> Node:
        """A metric or a setting: where a derivation ends."""
        value = self._inference.facts.get(name)
        measured = name in METRICS
        if value is None:
            why = self._absent.get(name, NOT_MEASURED if measured else NOT_SET)
            return Node("unknown", name, f"{name} is unknown: {why}")
        if measured:
            return Node("metric", name, f"{name} = {value:.6g}, measured", value=value)
        return Node("setting", name, f"{name} = {value:.6g}, set", value=value)

    def _once(self, node: Node, weighed: bool, below: Callable[[], tuple[Node, ...]]) -> Node:
        key = (node.kind, node.id, node.wanted, weighed)
        if key in self._seen:
            return replace(node, text=f"{node.text} (see above)", repeated=True)
        if self._level >= MAX_LEVELS:
            return replace(node, text=f"{node.text} (not followed further)", repeated=True)
        self._seen.add(key)
        self._level += 1
        children = below()
        self._level -= 1
        return replace(node, children=children)

    def _said(self, rule: Rule, truth: bool | None, wanted: bool) -> str:
        if truth is None:
            return f"{rule.id} cannot be decided{'' if wanted else ' (it must not fire)'}"
        if not truth:
            return f"{rule.id} did not fire"
        because = render_reason(rule.because, {name: self._values.get(name) for name in names_of(rule)})
        return f"{rule.id} fired: {because}" if because else f"{rule.id} fired"

    def _weight(self, rule: Rule) -> tuple[Node, ...]:
        if rule.weight is None:
            return ()
        number = rule.weight.number(self._values)
        source = rule.weight.source
        text = f"weight {source} {'unknown' if number is None else f'= {number:.4g}'}"
        terms = tuple(self.term(name) for name in rule.weight.names)
        if number is None and not any(term.kind == "unknown" for term in terms):
            terms = (*terms, self._incomputable(source, source))
        return (Node("weight", source, text, str(rule.weight.place), value=number, children=terms),)

    def _condition(self, when: Expression, wanted: bool) -> tuple[Node, ...]:
        """What a rule's condition rests on; where all of it must hold, the rule itself stands for the *all*."""
        atoms = iter(when.atoms(self._values))
        node = self._expanded(self._part(when.tree, wanted, atoms))
        return node.children if node.kind == "all" else (node,)

    def _expanded(self, node: Node) -> Node:
        """The shape of a condition with its conclusions derived: only now, when it is known which are told of."""
        if node.kind == "conclusion":
            return self.conclusion(node.id, wanted=node.wanted)
        if node.kind in ("all", "any"):
            return replace(node, children=tuple(self._expanded(child) for child in node.children))
        return node

    def _part(self, tree: ast.expr, wanted: bool, atoms: Iterator[Atom]) -> Node:
        match tree:
            case ast.BoolOp(op=op, values=parts):
                nodes = [self._part(part, wanted, atoms) for part in parts]
                return _joined(isinstance(op, ast.And) is wanted, nodes)
            case ast.UnaryOp(operand=operand):
                return self._part(operand, not wanted, atoms)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                pairs = itertools.pairwise([left, *comparators])
                nodes = [
                    self._comparison(next(atoms), wanted, ast.unparse(first), _SYMBOLS[type(op)], ast.unparse(second))
                    for op, (first, second) in zip(ops, pairs, strict=True)
                ]
                return nodes[0] if len(nodes) == 1 else _joined(wanted, nodes)
            case _:
                atom = next(atoms)
                if atom.text in self._inference.conclusions:
                    held = _as_wanted(atom.truth, wanted)
                    return Node("conclusion", atom.text, "", wanted=wanted, truth=held)
                return self._flag(atom, wanted)

    def _comparison(self, atom: Atom, wanted: bool, left: str, relation: str, right: str) -> Node:
        names = tuple(dict.fromkeys(_names(left) + _names(right)))
        sides = Sides(left, relation, right, names)
        terms = tuple(self.term(name) for name in names)
        if atom.truth is None and not any(term.kind == "unknown" for term in terms):
            terms = (*terms, self._incomputable(atom.text, left, right))
        held = _as_wanted(atom.truth, wanted)
        node = Node(
            "atom",
            atom.text if wanted else f"not ({atom.text})",
            "",
            wanted=wanted,
            truth=held,
            value=atom.left,
            threshold=atom.right,
            distance=atom.distance,
            sides=sides,
            children=terms,
        )
        return replace(node, text=compared(node, lambda _, number: f"{number:.6g}"))

    def _flag(self, atom: Atom, wanted: bool) -> Node:
        name = atom.text if wanted else f"not {atom.text}"
        held = _as_wanted(atom.truth, wanted)
        text = f"{name} is unknown" if held is None else name if held else f"{name} does not hold"
        return Node(
            "atom",
            name,
            text,
            wanted=wanted,
            truth=held,
            value=atom.left,
            threshold=atom.right,
            distance=atom.distance,
            children=(self.term(atom.text),),
        )

    def _incomputable(self, name: str, *sides: str) -> Node:
        """Why numbers cannot be computed, though all names in them are known."""
        for side in sides:
            for part in ast.walk(ast.parse(side, mode="eval")):
                if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div) and self._is_zero(part.right):
                    divisor = ast.unparse(part.right)
                    which = f", {divisor} is 0" if _names(divisor) else ""
                    return Node("unknown", name, f"division by zero{which}")
        return Node("unknown", name, "too large a number")

    def _is_zero(self, tree: ast.expr) -> bool:
        expression = parse_expression(ast.unparse(tree), _NOWHERE, "number", (), [])
        return expression is not None and expression.number(self._values) == 0


def _names(side: str) -> tuple[str, ...]:
    parts = (part for part in ast.walk(ast.parse(side, mode="eval")))
    found = [part for part in parts if isinstance(part, ast.Name) and part.id not in ("min", "max", "abs")]
    return tuple(part.id for part in sorted(found, key=lambda part: part.col_offset))


def _as_wanted(truth: bool | None, wanted: bool) -> bool | None:
    return None if truth is None else truth is wanted


def _joined(every: bool, nodes: list[Node]) -> Node:
    """All or any of some parts; of an *any* that holds, only the parts that make it hold are told."""
    kind: Kind = "all" if every else "any"
    nodes = [part for node in nodes for part in (node.children if node.kind == kind else (node,))]
    truths = [node.truth for node in nodes]
    if (not every) in truths:
        truth: bool | None = not every
    else:
        truth = None if None in truths else every
    if not every and truth:
        nodes = [node for node in nodes if node.truth]
        if len(nodes) == 1:
            return nodes[0]
    return Node(kind, kind, "all of these" if every else "one of these", truth=truth, children=tuple(nodes))
