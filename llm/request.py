"""The edit request: all that an executor is told, and all that it is asked to do (Fig. 1's command)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from lemonade_es.defaults import MAX_SOURCE_BYTES
from lemonade_es.task import Task

VERSION = 1


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of the expert system, after conflict resolution.

    Attributes:
        id: its id in the rulebook (Table 3: ``ACL``, ``RSC``, ...).
        text: what to do, in words.
        weight: how much it matters; heavier instructions first.
        because: the reasons of the rules that gave it.
        changes: the census entry that it should move, if the rulebook says so.
        direction: ``increase`` or ``reduce``, if the rulebook says so.
    """

    id: str
    text: str
    weight: float
    because: tuple[str, ...] = ()
    changes: str | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One earlier iteration, told in short.

    Attributes:
        iteration: its number.
        instructions: the ids that were sent.
        outcome: ``best``, ``ok``, or the typed reason of its failure.
        metrics: a few of its measured metrics.
        CM: its combined metric, Eq. 1.
        summary: the executor's own words about it: data, never instructions.
    """

    iteration: int
    instructions: tuple[str, ...]
    outcome: str
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    CM: float | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Constraints:
    """Budgets that the patched network must keep; ``None`` is no bound."""

    parameters: int | None = None
    macs: int | None = None
    activation_mb: float | None = None


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """What a reply may look like.

    Attributes:
        max_source_bytes: the largest model source that is accepted.
        prefer: ``whole_file`` for short sources, ``edits`` for long ones; ``fenced`` (a JSON object without
            the code, then the whole file in a code fence) for models that write better code so.
    """

    max_source_bytes: int = MAX_SOURCE_BYTES
    prefer: str = "whole_file"


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What the expert system wants done to the current network.

    Attributes:
        task: what the network must take and give.
        iteration: 1 for the first network.
        model_py: the source to edit; ``None`` asks for a first network.
        census: what ``model_py`` is made of (:data:`lemonade_es.vocabulary.CENSUS`).
        metrics: measured metrics of ``model_py``; a missing one is ``None``.
        thresholds: thresholds and priorities in force.
        instructions: heaviest first; empty for a first network.
        constraints: budgets.
        history: earlier iterations, oldest first.
        limits: what the reply may look like.
        seed: for executors that draw at random.
        version: of this record.
    """

    task: Task
    iteration: int
    model_py: str | None = None
    census: Mapping[str, float] | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    thresholds: Mapping[str, float | None] = field(default_factory=dict)
    instructions: tuple[Instruction, ...] = ()
    constraints: Constraints = field(default_factory=Constraints)
    history: tuple[Attempt, ...] = ()
    limits: ReplyLimits = field(default_factory=ReplyLimits)
    seed: int = 0
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The request as JSON data; it validates against ``llm/schemas/edit_request.schema.json``."""
        data: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EditRequest:
        """The inverse of :meth:`to_json`."""
        return _ADAPTER.validate_python(data)


@dataclass(frozen=True, slots=True)
class Feedback:
    """Why the last reply to the same request was refused; it goes back with the request.

    Attributes:
        code: the typed reason.
        message: one sentence that says what is wrong and what to do.
        reply: the refused reply, as it came.
        line: the failing line of the candidate's source, where it is known.
        line_text: that line.
    """

    code: str
    message: str
    reply: str
    line: int | None = None
    line_text: str | None = None


_ADAPTER = TypeAdapter(EditRequest)
