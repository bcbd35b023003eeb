"""Forward chaining in Experta over a compiled rulebook, and the record of what fired and why.

One fact for each term and each conclusion; one Experta rule for each rule, whose patterns bind the terms that it
uses and whose test is its compiled condition. Rules fire by stratum, then salience, then the rulebook's order,
so that the same facts always give the same trace.

A rule that draws a conclusion has a twin that fires if its condition is *unknown* and makes the conclusion
unknown too (unless another rule draws it), so that ``not overfitting`` is never silently true.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lemonade_es.engine import _experta
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.errors import InferenceError
from lemonade_es.rules.expression import Atom
from lemonade_es.rules.reason import reason_names, render_reason
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import strata
from lemonade_es.rules.tie import total
from lemonade_es.vocabulary import METRICS


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule that fired.

    Attributes:
        order: 1 for the first.
        rule: its id.
        place: ``file:line:col``.
        values: the facts that it matched, by name.
        atoms: its condition, comparison by comparison.
        weight: of the instructions it gave; ``None`` if unknown (then it gave none) or not asked for.
        instruct: the instructions it gives.
        conclude: the conclusion it drew.
        because: its reason, with values.
    """

    order: int
    rule: str
    place: str
    values: Mapping[str, float | bool | None]
    atoms: tuple[Atom, ...]
    weight: float | None
    instruct: tuple[str, ...]
    conclude: str | None
    because: str


@dataclass(frozen=True, slots=True)
class NotFired:
    """A rule that did not fire.

    Attributes:
        rule: its id.
        place: ``file:line:col``.
        truth: ``False``, or ``None`` if its condition is unknown.
        atoms: its condition; those with ``truth != wanted`` held it back.
    """

    rule: str
    place: str
    truth: bool | None
    atoms: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one rule adds to the weight of one instruction."""

    rule: str
    weight: float
    because: str


@dataclass(frozen=True, slots=True)
class Inference:
    """What the rules made of the facts.

    Attributes:
        facts: every term of the vocabulary; ``None`` is unknown.
        fired: the rules that fired, in their order.
        not_fired: the others, in the rulebook's order.
        conclusions: every conclusion; ``None`` is unknown.
        contributions: for each instruction given, what made its weight, in the order of firing.
        weights: for each instruction given, its weight before conflicts are resolved.
    """

    facts: Mapping[str, float | None]
    fired: tuple[Firing, ...]
    not_fired: tuple[NotFired, ...]
    conclusions: Mapping[str, bool | None]
    contributions: Mapping[str, tuple[Contribution, ...]]
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Advice:
    """A weighted instruction, given by a rule."""

    rule: str
    instruction: str
    weight: float


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about a rulebook, by whatever means; all else in an :class:`Inference` follows from it.

    Attributes:
        fired: the rules that fired, in their order, each with the values that it matched.
        advice: in the order in which it was given.
        conclusions: how they ended.
    """

    fired: Sequence[tuple[Rule, Mapping[str, float | bool | None]]]
    advice: Sequence[Advice]
    conclusions: Mapping[str, bool | None]


def names_of(rule: Rule) -> tuple[str, ...]:
    """The names that a rule matches: those of its condition, its weight and its reason."""
    weight = rule.weight.names if rule.weight is not None else ()
    return tuple(dict.fromkeys((*rule.when.names, *rule.when.conclusions, *weight, *reason_names(rule.because))))


def conclusions_of(rulebook: Rulebook) -> tuple[str, ...]:
    """The conclusions of a rulebook, in the order of the rules that draw them."""
    return tuple(dict.fromkeys(rule.conclude for rule in rulebook.rules if rule.conclude is not None))


def record(rulebook: Rulebook, facts: Facts, decided: Decided) -> Inference:
    """The full record of a decision.

    Raises:
        InferenceError: the weight of an instruction is not finite.
    """
    values: dict[str, float | bool | None] = {**facts, **decided.conclusions}
    fired = {}
    for order, (rule, matched) in enumerate(decided.fired, 1):
        fired[rule.id] = Firing(
            order=order,
            rule=rule.id,
            place=str(rule.place),
            values=matched,
            atoms=rule.when.atoms(matched),
            weight=rule.weight.number(matched) if rule.weight is not None else None,
            instruct=rule.instruct,
            conclude=rule.conclude,
            because=render_reason(rule.because, matched),
        )
    contributions: dict[str, tuple[Contribution, ...]] = {}
    for name in rulebook.instructions:
        given = [item for item in decided.advice if item.instruction == name]
        if given:
            contributions[name] = tuple(
                Contribution(item.rule, item.weight, fired[item.rule].because) for item in given
            )
    return Inference(
        facts=dict(facts),
        fired=tuple(fired.values()),
        not_fired=tuple(
            NotFired(rule.id, str(rule.place), rule.when.truth(values), rule.when.atoms(values))
            for rule in rulebook.rules
            if rule.id not in fired
        ),
        conclusions=dict(decided.conclusions),
        contributions=contributions,
        weights=_combined(rulebook, contributions),
    )


def _combined(rulebook: Rulebook, contributions: Mapping[str, tuple[Contribution, ...]]) -> dict[str, float]:
    """The weight of each instruction, of all rules that give it."""
    combine = total if rulebook.combine == "sum" else max
    weights = {name: combine([part.weight for part in parts]) for name, parts in contributions.items()}
    for name, weight in weights.items():
        if not math.isfinite(weight):
            rules = ", ".join(part.rule for part in contributions[name])
            raise InferenceError(
                f"the weight of {name} is too large to compute", where=f"rules {rules}", hint="lower their weights"
            )
    return weights


class Compiled:
    """A rulebook as an Experta engine, to be asked as often as one likes; each call starts afresh."""

    def __init__(self, rulebook: Rulebook, *, max_steps: int | None = None) -> None:
        self._rulebook = rulebook
        self._experta = _experta.load()
        self._conclusions = conclusions_of(rulebook)
        self._names = tuple(dict.fromkeys(name for rule in rulebook.rules for name in names_of(rule)))
        stratum = strata(rulebook.rules)
        rules = []
        for position, rule in enumerate(rulebook.rules):
            key = (-stratum[rule.id], rule.salience, -position)
            rules.append(self._rule(rule, key))
            if rule.conclude is not None:
                rules.append(self._twin(rule, rule.conclude, key))
        # Strata settle each conclusion before it is read, so that no rule and no twin fires twice.
        self._max_steps = len(rules) if max_steps is None else max_steps
        self._engine = _experta.make_engine("CompiledRulebook", rules)

    def infer(self, facts: Facts) -> Inference:
        """Run the rules to their end.

        Raises:
            InferenceError: they did not come to an end within the step limit.
        """
        engine = self._engine
        engine.reset()
        engine.fired = []
        engine.standing = {name: self._experta.Conclusion(name=name, holds=False) for name in self._conclusions}
        terms = [self._term(name)(name=name, value=facts[name]) for name in self._names if name in facts]
        engine.declare(*terms, *engine.standing.values())
        engine.run(self._max_steps)
        engine.strategy.update_agenda(engine.agenda, *engine.get_activations())
        if engine.agenda.activations:
            waiting = engine.agenda.activations[-1].rule.__name__
            raise InferenceError(
                f"the rules did not come to an end within {self._max_steps} steps; {waiting} would be next",
                where=f"rulebook {self._rulebook.name}",
            )
        advice = [
            Advice(fact["rule"], fact["instruction"], fact["weight"])
            for fact in engine.facts.values()
            if isinstance(fact, self._experta.Advice)
        ]
        conclusions = {name: fact["holds"] for name, fact in engine.standing.items()}
        return record(self._rulebook, facts, Decided(engine.fired, advice, conclusions))

    def _rule(self, rule: Rule, key: tuple[int, int, int]) -> Any:
        def test(values: _experta.Values) -> bool:
            return rule.when.truth(values) is True

        def act(engine: Any, values: _experta.Values) -> None:
            engine.fired.append((rule, values))
            weight = rule.weight.number(values) if rule.weight is not None else None
            if weight is not None:
                for name in rule.instruct:
                    engine.declare(self._experta.Advice(rule=rule.id, instruction=name, weight=weight))
            if rule.conclude is not None:
                _settle(engine, rule.conclude, True)

        return _experta.make_rule(rule.id, self._terms(rule), test, act, key)

    def _twin(self, rule: Rule, conclusion: str, key: tuple[int, int, int]) -> Any:
        def test(values: _experta.Values) -> bool:
            return rule.when.truth(values) is None

        def act(engine: Any, _values: _experta.Values) -> None:
            _settle(engine, conclusion, None)

        return _experta.make_rule(f"{rule.id} (unknown)", self._terms(rule), test, act, key)

    def _terms(self, rule: Rule) -> dict[str, type[Any]]:
        return {name: self._term(name) for name in names_of(rule)}

    def _term(self, name: str) -> type[Any]:
        if name in self._conclusions:
            return self._experta.Conclusion
        return self._experta.Metric if name in METRICS else self._experta.Setting


def compile_rulebook(rulebook: Rulebook, *, max_steps: int | None = None) -> Compiled:
    """Build the Experta engine of a rulebook.

    Args:
        rulebook: loaded and checked.
        max_steps: how many activations may fire; by default as many as there can be.
    """
    return Compiled(rulebook, max_steps=max_steps)


def _settle(engine: Any, conclusion: str, holds: bool | None) -> None:
    standing = engine.standing[conclusion]
    if standing["holds"] is not True:
        engine.standing[conclusion] = engine.modify(standing, holds=holds)
