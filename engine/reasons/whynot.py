"""Why an instruction was not sent, a rule did not fire, or a conclusion was not drawn, and what would change that."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lemonade_es.engine.expert.conflicts import Conflict, givers, resolve, tie_told
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.reasons.answer import Answer, Decision, SubjectKind, readable
from lemonade_es.engine.reasons.derivation import Derivation
from lemonade_es.engine.reasons.flip import Flip, Goal, changed, find_flips
from lemonade_es.engine.reasons.node import Node, blocking
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.tie import level
from lemonade_es.vocabulary import METRICS, TERMS

_TOLD = 2
"""A sentence names so many obstacles."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why something did not come about.

    Attributes:
        answer: one sentence.
        tree: what stood in the way.
        changeable: whether another metric or setting might bring it about.
    """

    answer: str
    tree: Node
    changeable: bool = True


def why_not(advised: Advised, rulebook: Rulebook, subject: str, absent: Mapping[str, str] | None = None) -> Answer:
    """What stood in the way of an instruction, a rule or a conclusion, and the smallest changes that would help.

    Args:
        advised: the decision.
        rulebook: the one that made it.
        subject: an id.
        absent: for unknown metrics, why.

    Returns:
        The tree of what failed, and verified changes of one number; if the subject did come about, that.

    Raises:
        ConfigError: the rulebook has no such thing.
        StoreError: another rulebook made the decision.
    """
    decision = Decision.of(advised, rulebook, absent)
    kind = decision.kind_of(subject)
    derivation = Derivation(rulebook, decision.inference, decision.absent)
    pointer = f"`--why {subject}` derives it"
    if kind == "instruction" and subject in decision.resolution.instructions:
        weight = decision.resolution.instructions[subject]
        tree = derivation.instruction(subject, decision.resolution)
        return Answer("why-not", subject, kind, f"{subject} was sent, with weight {weight:.4g}: {pointer}", tree)
    if kind == "rule" and decision.fired(subject):
        tree = derivation.rule(decision.rule(subject), wanted=True)
        return Answer("why-not", subject, kind, f"{subject} fired: {pointer}", tree)
    if kind == "conclusion" and decision.inference.conclusions[subject]:
        tree = derivation.conclusion(subject, wanted=True)
        return Answer("why-not", subject, kind, f"{subject} was concluded: {pointer}", tree)
    denial = deny(decision, subject, kind)
    if not denial.changeable:
        return Answer("why-not", subject, kind, denial.answer, denial.tree)
    flips = _flips(decision, subject, kind)
    note = "" if flips else "no change of a single metric or setting was found that would change this"
    return Answer("why-not", subject, kind, denial.answer, denial.tree, flips, note)


def deny(decision: Decision, subject: str, kind: SubjectKind) -> Denial:
    """Why something that did not come about did not."""
    derivation = Derivation(decision.rulebook, decision.inference, decision.absent)
    if kind == "instruction":
        return _Unsent(decision, subject, derivation).denial()
    if kind == "rule":
        tree = derivation.rule(decision.rule(subject), wanted=True)
        return Denial(_obstructed(tree), tree)
    tree = derivation.conclusion(subject, wanted=True)
    rules = [rule.id for rule in decision.rulebook.rules if rule.conclude == subject]
    undecided = tree.truth is None
    fate = "cannot be decided" if undecided else "did not fire"
    if len(rules) > 1:
        fate = f"none of the {len(rules)} rules that draw it {'is known to have fired' if undecided else 'fired'}"
    else:
        fate = f"{rules[0]} {fate}"
    return Denial(f"{subject} was not concluded: {fate}", tree)


class _Unsent:
    """An instruction that was not sent."""

    def __init__(self, decision: Decision, name: str, derivation: Derivation) -> None:
        self._decision = decision
        self._name = name
        self._derivation = derivation
        self._weight = decision.inference.weights.get(name)

    def denial(self) -> Denial:
        """The first of these that is so: no weight, a weight of 0 or less, a lost conflict, one too many."""
        if self._weight is None:
            return self._not_given()
        if self._weight <= 0:
            return self._weightless(self._weight)
        for item in self._decision.resolution.decisions:
            if item.loser == self._name:
                return self._beaten(item)
        return self._surplus(self._weight)

    def _not_given(self) -> Denial:
        givers = givers_of(self._decision.rulebook, self._name)
        if not givers:
            answer = f"{self._name} was not sent: no rule of {self._decision.rulebook.name} gives it"
            return Denial(answer, self._tree(), changeable=False)
        nodes = tuple(self._derivation.rule(rule, wanted=True, weighed=self._fired(rule)) for rule in givers)
        weightless = [node for node in nodes if node.truth]
        if weightless:
            why = _weighs_unknown(weightless)
        elif len(givers) == 1:
            why = f"{_obstructed(nodes[0])}; no other rule gives it"
        else:
            why = f"none of the {len(givers)} rules that give it fired"
        if len(nodes) > 1:
            nodes = (Node("any", "any", "one of these", truth=False, children=nodes),)
        return Denial(f"{self._name} was not sent: {why}", self._tree(*nodes))

    def _weightless(self, weight: float) -> Denial:
        nodes = self._contributions(self._name)
        unknown, silent = self._unweighed(), self._silent()
        because = self._opposed() or self._unwished(nodes)
        answer = f"{self._name} was not sent: its weight is {weight:.4g}{because}{_besides(unknown)}"
        if silent:
            others = "another rule that gives it" if len(silent) == 1 else f"{len(silent)} other rules that give it"
            answer += f"; {others} did not fire"
        return Denial(answer, self._tree(*nodes, *unknown, *silent))

    def _silent(self) -> tuple[Node, ...]:
        """The rules that give it, and did not fire."""
        givers = givers_of(self._decision.rulebook, self._name)
        return tuple(self._derivation.rule(rule, wanted=True) for rule in givers if not self._fired(rule))

    def _opposed(self) -> str:
        """Who speaks against it, if somebody does: then that is why, whatever settings are 0."""
        if self._decision.rulebook.combine == "max":  # there the heaviest counts, whoever else speaks
            return ""
        items = self._decision.inference.contributions[self._name]
        against = [f"{item.rule} takes {-item.weight:.4g} from it" for item in items if item.weight < 0]
        return f", because {' and '.join(against)}" if against else ""

    def _unwished(self, nodes: Sequence[Node]) -> str:
        zero = dict.fromkeys(
            leaf.id
            for node in nodes
            for child in node.children
            if child.kind == "weight"
            for leaf in child.children
            if leaf.kind == "setting" and leaf.value == 0
        )
        return f", because {' and '.join(zero)} {'are' if len(zero) > 1 else 'is'} 0" if zero else ""

    def _beaten(self, item: Conflict) -> Denial:
        mine = self._contributions(self._name)
        conflict = Node(
            "conflict",
            item.winner,
            f"lost to {item.winner}, {item.loser_weight:.4g} against {item.winner_weight:.4g}: {item.flip}",
            truth=False,
            value=item.loser_weight,
            threshold=item.winner_weight,
            distance=item.loser_weight - item.winner_weight,
            children=self._contributions(item.winner),
        )
        unknown = self._unweighed()
        tie = "" if item.margin else f", {self._tie(item.winner)}"
        parts, combine = self._decision.inference.contributions, self._decision.rulebook.combine
        ours = givers(parts[item.loser], item.loser_weight, combine)
        theirs = givers(parts[item.winner], item.winner_weight, combine)
        answer = (
            f"{self._name} was not sent: it lost to {item.winner}, {item.loser_weight:.4g} ({ours}) against "
            f"{item.winner_weight:.4g} ({theirs}){tie}"
            f"{_besides(unknown)}"
        )
        return Denial(answer, self._tree(*mine, *unknown, conflict))

    def _surplus(self, weight: float) -> Denial:
        kept = self._decision.resolution.instructions
        sent = ", ".join(f"{name} {number:.4g}" for name, number in kept.items())
        lightest = min(kept.values(), default=0.0)
        limit = Node(
            "limit",
            "max_instructions",
            f"only {len(kept)} are sent: {sent}",
            truth=False,
            value=weight,
            threshold=lightest,
            distance=weight - lightest,
        )
        mine, unknown = self._contributions(self._name), self._unweighed()
        last = list(kept)[-1]
        tied = level(weight) == level(kept[last])
        held = f"is that of {last}, {self._tie(last)}" if tied else "is not among the heaviest"
        answer = (
            f"{self._name} was not sent: the rulebook sends {len(kept)} at most, and its weight {weight:.4g} {held} "
            f"({sent}){_besides(unknown)}"
        )
        return Denial(answer, self._tree(*mine, *unknown, limit))

    def _tie(self, winner: str) -> str:
        return tie_told(winner, self._name, self._decision.inference, self._decision.rulebook)

    def _contributions(self, name: str) -> tuple[Node, ...]:
        parts = self._decision.inference.contributions[name]
        return tuple(self._derivation.rule(self._decision.rule(part.rule), wanted=True, weighed=True) for part in parts)

    def _unweighed(self) -> tuple[Node, ...]:
        """The rules that fired and would give it, had their weight been known."""
        weighed = {part.rule for part in self._decision.inference.contributions[self._name]}
        givers = givers_of(self._decision.rulebook, self._name)
        silent = [rule for rule in givers if self._fired(rule) and rule.id not in weighed]
        return tuple(self._derivation.rule(rule, wanted=True, weighed=True) for rule in silent)

    def _fired(self, rule: Rule) -> bool:
        return self._decision.fired(rule.id)

    def _tree(self, *children: Node) -> Node:
        instruction = self._decision.rulebook.instructions[self._name]
        return Node(
            "instruction",
            self._name,
            f"{instruction.text}: not sent",
            str(instruction.place),
            truth=False,
            value=self._weight,
            children=children,
        )


def givers_of(rulebook: Rulebook, name: str) -> tuple[Rule, ...]:
    """The rules that give an instruction."""
    return tuple(rule for rule in rulebook.rules if name in rule.instruct)


def goal_of(rulebook: Rulebook, subject: str, kind: SubjectKind) -> Goal:
    """That an instruction is sent, a rule fires, a conclusion holds."""
    if kind == "rule":
        rules = tuple(rule for rule in rulebook.rules if rule.id == subject)
        return Goal(lambda inference, _: any(firing.rule == subject for firing in inference.fired), rules)
    if kind == "conclusion":
        rules = tuple(rule for rule in rulebook.rules if rule.conclude == subject)
        return Goal(lambda inference, _: inference.conclusions.get(subject) is True, rules)
    rivals: Collection[str] = rulebook.instructions
    if rulebook.max_instructions is None:
        rival = rulebook.instructions[subject].conflicts_with
        rivals = (subject,) if rival is None else (subject, rival)
    rules = tuple(rule for rule in rulebook.rules if not {*rivals}.isdisjoint(rule.instruct))
    given = tuple(name for name in rivals if givers_of(rulebook, name))
    pairs = (*((name, None) for name in given), *itertools.combinations(given, 2))
    return Goal(lambda _, resolution: subject in resolution.instructions, rules, pairs)


def _flips(decision: Decision, subject: str, kind: SubjectKind) -> tuple[Flip, ...]:
    goal = goal_of(decision.rulebook, subject, kind)
    found = find_flips(decision.rulebook, decision.facts, goal)
    return tuple(replace(flip, text=_told(decision, subject, kind, flip)) for flip in found)


def _told(decision: Decision, subject: str, kind: SubjectKind, flip: Flip) -> str:
    outcome = {"instruction": "be sent", "rule": "fire", "conclusion": "be concluded"}[kind]
    weight = ""
    if kind == "instruction":
        inference = evaluate(decision.rulebook, changed(decision.facts, flip.name, flip.new))
        weight = f", with weight {resolve(inference, decision.rulebook).instructions[subject]:.4g},"
    if flip.old is not None:
        old = float(f"{flip.old:.4g}") if flip.name in METRICS else flip.old  # nobody has typed a measurement
        change = f"were {readable(flip.new)} instead of {readable(flip.old if old == flip.new else old)}"
    else:
        change = f"were {'measured' if flip.name in METRICS else 'set'}, at {readable(flip.new)} for instance"
    return f"{subject} would {outcome}{weight} if {flip.name} {change}"


def _weighs_unknown(nodes: Sequence[Node]) -> str:
    """Rules that fired with a weight that is unknown, in a clause: the first one, and how many more."""
    leaves = [leaf for child in nodes[0].children if child.kind == "weight" for leaf in child.children]
    unknown = [leaf.id if leaf.id in TERMS else leaf.text for leaf in leaves if leaf.kind == "unknown"]
    more = f", and so for {len(nodes) - 1} more" if len(nodes) > 1 else ""
    return f"{nodes[0].id} fired, but its weight is unknown ({', '.join(unknown)}){more}"


def _besides(nodes: Sequence[Node]) -> str:
    return f"; {_weighs_unknown(nodes)}" if nodes else ""


def _obstructed(node: Node) -> str:
    """A rule that did not fire, in a sentence: the first obstacles, and how many more."""
    obstacles = list(dict.fromkeys(_obstacle(child) for child in blocking(node)))
    more = f"; and {len(obstacles) - _TOLD} more" if len(obstacles) > _TOLD else ""
    return f"{node.text}: {'; '.join(obstacles[:_TOLD])}{more}"


def _obstacle(node: Node) -> str:
    if node.truth is None and node.kind == "any":
        return f"none of {len(node.children)} alternatives is known to hold"
    if node.truth is None:
        unknown = dict.fromkeys(leaf.id for leaf in node.walk() if leaf.kind == "unknown")
        return f"{', '.join(unknown)} {'are' if len(unknown) > 1 else 'is'} unknown" if unknown else node.text
    if node.kind in ("any", "all"):
        return f"none of {len(node.children)} alternatives holds" if node.kind == "any" else "a part of it fails"
    return node.text
