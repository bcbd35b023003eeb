"""Why an instruction was sent, a rule fired, or a conclusion holds."""

from __future__ import annotations

from collections.abc import Mapping

from lemonade_es.engine.expert.conflicts import margin_told
from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.reasons.answer import Answer, Decision
from lemonade_es.engine.reasons.derivation import Derivation
from lemonade_es.engine.reasons.whynot import deny
from lemonade_es.rules.rulebook import Rulebook


def why(advised: Advised, rulebook: Rulebook, subject: str, absent: Mapping[str, str] | None = None) -> Answer:
    """The derivation of an instruction, a rule or a conclusion.

    Args:
        advised: the decision.
        rulebook: the one that made it.
        subject: an id.
        absent: for unknown metrics, why.

    Returns:
        The tree down to metrics and settings; if the subject did not come about, why it did not.

    Raises:
        ConfigError: the rulebook has no such thing.
        StoreError: another rulebook made the decision.
    """
    decision = Decision.of(advised, rulebook, absent)
    kind = decision.kind_of(subject)
    derivation = Derivation(rulebook, decision.inference, decision.absent)
    if kind == "instruction" and subject in decision.resolution.instructions:
        tree = derivation.instruction(subject, decision.resolution)
        return Answer("why", subject, kind, _sent(decision, subject), tree)
    if kind == "rule" and decision.fired(subject):
        rule = decision.rule(subject)
        tree = derivation.rule(rule, wanted=True, weighed=bool(rule.instruct))
        return Answer("why", subject, kind, tree.text, tree)
    if kind == "conclusion" and decision.inference.conclusions[subject]:
        tree = derivation.conclusion(subject, wanted=True)
        drawn = ", ".join(node.id for node in tree.children)
        return Answer("why", subject, kind, f"{subject} was concluded by {drawn}", tree)
    denial = deny(decision, subject, kind)
    note = "`--why-not` says what would have changed it" if denial.changeable else ""
    return Answer("why", subject, kind, denial.answer, denial.tree, note=note)


def _sent(decision: Decision, name: str) -> str:
    inference = decision.inference
    parts = [f"{part.rule} ({part.weight:.4g})" for part in inference.contributions[name]]
    joined = " + ".join(parts) if decision.rulebook.combine == "sum" else f"the largest of {', '.join(parts)}"
    origin = joined if len(parts) > 1 else inference.contributions[name][0].rule
    won = [
        f"; it beat {item.loser} ({item.loser_weight:.4g}){margin_told(item, inference, decision.rulebook)}"
        for item in decision.resolution.decisions
        if item.winner == name
    ]
    return f"{name} was sent with weight {inference.weights[name]:.4g}, from {origin}{''.join(won)}"
