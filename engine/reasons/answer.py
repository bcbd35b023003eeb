"""Questions about one recorded decision, and the answer: a sentence, a tree, and what would have changed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lemonade_es.engine.expert.conflicts import Resolution
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import Inference
from lemonade_es.engine.history.events import Advised, Measured
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.reasons.flip import Flip
from lemonade_es.engine.reasons.node import Node
from lemonade_es.errors import ConfigError, StoreError
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.vocabulary import closest

SubjectKind = Literal["instruction", "rule", "conclusion"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to *why* or *why not*.

    Attributes:
        question: which of the two.
        subject: the instruction, rule or conclusion asked about.
        kind: which of these it is.
        answer: one sentence.
        tree: what it rests on.
        flips: changes of one number that would have made it so, the smallest first; only for *why not*.
        note: why there are no flips, where one would look for them.
    """

    question: Literal["why", "why-not"]
    subject: str
    kind: SubjectKind
    answer: str
    tree: Node
    flips: tuple[Flip, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON data."""
        return {
            "question": self.question,
            "subject": self.subject,
            "kind": self.kind,
            "answer": self.answer,
            "tree": self.tree.to_json(),
            "flips": [flip.to_json() for flip in self.flips],
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """One recorded decision with the rulebook that made it.

    Attributes:
        rulebook: the one in force.
        inference: what it made of the facts.
        resolution: what was left after conflicts.
        absent: for unknown metrics, why, where that is known.
    """

    rulebook: Rulebook
    inference: Inference
    resolution: Resolution
    absent: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, advised: Advised, rulebook: Rulebook, absent: Mapping[str, str] | None = None) -> Decision:
        """The decision of an iteration.

        Raises:
            StoreError: another rulebook made it.
        """
        inference = advised.inference
        recorded = {item.rule for item in inference.fired} | {item.rule for item in inference.not_fired}
        other = advised.rulebook and rulebook.digest and advised.rulebook != rulebook.digest
        if other or recorded != {rule.id for rule in rulebook.rules}:
            raise StoreError(
                f"another rulebook than this {rulebook.name} advised", where=f"iteration {advised.iteration}"
            )
        return cls(rulebook, inference, advised.resolution, dict(absent or {}))

    @property
    def facts(self) -> Facts:
        """The recorded facts."""
        return Facts(self.inference.facts, self.absent)

    def rule(self, name: str) -> Rule:
        """A rule by its id."""
        return next(rule for rule in self.rulebook.rules if rule.id == name)

    def fired(self, name: str) -> bool:
        """Whether a rule fired."""
        return any(firing.rule == name for firing in self.inference.fired)

    def kind_of(self, name: str) -> SubjectKind:
        """What a name stands for; a rule comes before a conclusion of the same name.

        Raises:
            ConfigError: for nothing in this rulebook.
        """
        rules = [rule.id for rule in self.rulebook.rules]
        if name in self.rulebook.instructions:
            return "instruction"
        if name in rules:
            return "rule"
        if name in self.inference.conclusions:
            return "conclusion"
        near = closest(name, [*self.rulebook.instructions, *rules, *self.inference.conclusions])
        known = f"instructions: {', '.join(self.rulebook.instructions)}"
        raise ConfigError(
            f"{self.rulebook.name} has no instruction, rule or conclusion {name!r}",
            hint=f"did you mean {near}?" if near else known,
        )


def absences(entries: Sequence[Entry], advised: Advised) -> dict[str, str]:
    """Why metrics of the network that was advised on are missing, as its measurement says."""
    for entry in entries:
        if isinstance(entry.event, Measured) and entry.event.iteration == advised.base:
            return dict(entry.event.measurement.absent)
    return {}


def readable(number: float) -> str:
    """A number as one would type it, exactly: ``0.71``, ``14000``."""
    return repr(number).removesuffix(".0")
