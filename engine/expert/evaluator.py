"""A plain evaluator of the same rulebooks: no Experta, one pass over the rules in their firing order.

It is the oracle against which the Experta engine is tested, and fast enough to ask "what if" many times.
"""

from __future__ import annotations

from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import Advice, Decided, Inference, conclusions_of, names_of, record
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.strata import strata


def evaluate(rulebook: Rulebook, facts: Facts) -> Inference:
    """What the rules make of the facts; the same as :meth:`lemonade_es.engine.expert.inference.Compiled.infer`."""
    stratum = strata(rulebook.rules)
    values: dict[str, float | bool | None] = {**facts, **dict.fromkeys(conclusions_of(rulebook), False)}
    fired: list[tuple[Rule, dict[str, float | bool | None]]] = []
    advice: list[Advice] = []
    for rule in sorted(rulebook.rules, key=lambda rule: (stratum[rule.id], -rule.salience)):
        truth = rule.when.truth(values)
        if truth is True:
            fired.append((rule, {name: values[name] for name in names_of(rule)}))
            weight = rule.weight.number(values) if rule.weight is not None else None
            if weight is not None:
                advice.extend(Advice(rule.id, name, weight) for name in rule.instruct)
        if rule.conclude is not None and truth is not False and values[rule.conclude] is not True:
            values[rule.conclude] = truth
    conclusions = {name: _settled(values[name]) for name in conclusions_of(rulebook)}
    return record(rulebook, facts, Decided(fired, advice, conclusions))


def _settled(value: float | bool | None) -> bool | None:
    return None if value is None else bool(value)
