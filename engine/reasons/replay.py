"""Doing recorded decisions again: the same facts and rules must give the same record, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pydantic import TypeAdapter

from lemonade_es.engine.expert.conflicts import Resolution, resolve
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import Compiled, Inference, compile_rulebook
from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.record import rulebook_at
from lemonade_es.rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Replayed:
    """A decision, made again from its recorded facts."""

    inference: Inference
    resolution: Resolution

    def to_text(self) -> str:
        """Its record as JSON text, as the journal holds it."""
        return json.dumps(_adapter().dump_python(self, mode="json"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether the decision of an iteration came out the same again.

    Attributes:
        iteration: the one that carried the instructions out.
        same: whether the records are equal byte for byte.
        recorded: the record.
        replayed: what came out this time.
    """

    iteration: int
    same: bool
    recorded: str
    replayed: str


def replay(advised: Advised, rulebook: Rulebook) -> Replayed:
    """Infer again, with Experta, from the recorded facts.

    Args:
        advised: the decision.
        rulebook: the one that was in force.
    """
    return _replayed(advised, rulebook, compile_rulebook(rulebook))


def replay_run(entries: Sequence[Entry]) -> tuple[Comparison, ...]:
    """Make all decisions of a run again, each with the rulebook that was in force.

    Raises:
        StoreError: the run has no first event.
    """
    known = tuple(entries)
    compiled: dict[tuple[str, ...], Compiled] = {}
    comparisons = []
    for entry in known:
        if isinstance(entry.event, Advised):
            advised = entry.event
            rulebook = rulebook_at(known, advised.iteration)
            key = tuple(source.text for source in rulebook.sources)
            if key not in compiled:
                compiled[key] = compile_rulebook(rulebook)
            recorded = Replayed(advised.inference, advised.resolution).to_text()
            again = _replayed(advised, rulebook, compiled[key]).to_text()
            comparisons.append(Comparison(advised.iteration, recorded == again, recorded, again))
    return tuple(comparisons)


def _replayed(advised: Advised, rulebook: Rulebook, compiled: Compiled) -> Replayed:
    inference = compiled.infer(Facts(dict(advised.inference.facts)))
    return Replayed(inference, resolve(inference, rulebook))


@cache
def _adapter() -> TypeAdapter[Replayed]:
    return TypeAdapter(Replayed)
