"""Why each network is as it is: the events of an iteration, gathered into one record for people and programs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from lemonade_es.engine.expert.conflicts import Resolution
from lemonade_es.engine.expert.inference import Inference
from lemonade_es.engine.history.artifacts import Artifacts
from lemonade_es.engine.history.events import (
    Accepted,
    Advised,
    Asked,
    IterationEnded,
    Measured,
    NoiseEstimated,
    Pruned,
    Refused,
    Repeated,
    Replied,
    Requested,
    Unanswered,
)
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.history.sent import replies
from lemonade_es.engine.record import rulebook_at
from lemonade_es.errors import LemonadeError, StoreError
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.wording import counted


@dataclass(frozen=True, slots=True)
class Explanation:
    """One iteration, from the facts to what they led to.

    Attributes:
        iteration: its number.
        advised: facts, firings in their order, conclusions, contributions, conflicts; ``None`` for a first
            network, about which there are no facts yet.
        request: the edit request as sent.
        asked: the attempts of executors that are sent text, answered or not.
        unanswered: calls that brought no answer, each with its tries.
        replied: the answers, one an attempt.
        refused: the refused attempts with their typed reasons.
        accepted: what the patch said and what the census shows; ``None`` if every attempt was refused.
        measured: what training gave.
        pruned: why its training was stopped, if it was.
        repeated: what training with other seeds gave.
        noise: the noise floor, if it stood from this iteration on.
        ended: the outcome.
        texts: what the instructions of the rulebook in force say, by id; empty for a first network.
        combine: how that rulebook makes one weight of several, ``sum`` or ``max``; ``None`` if it is not known.
        source_before: the source that was edited.
        source_after: the source that was trained.
    """

    iteration: int
    advised: Advised | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    asked: tuple[Asked, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()
    replied: tuple[Replied, ...] = ()
    refused: tuple[Refused, ...] = ()
    accepted: Accepted | None = None
    measured: Measured | None = None
    pruned: Pruned | None = None
    repeated: tuple[Repeated, ...] = ()
    noise: NoiseEstimated | None = None
    ended: IterationEnded | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    combine: str | None = None
    source_before: str | None = None
    source_after: str | None = None

    @property
    def diff(self) -> str:
        """What the patch changed, as a unified diff; empty for a first network."""
        if self.source_before is None or self.source_after is None:
            return ""
        base = self.advised.base if self.advised is not None else 0
        return "".join(
            difflib.unified_diff(
                self.source_before.splitlines(keepends=True),
                self.source_after.splitlines(keepends=True),
                f"iteration {base}",
                f"iteration {self.iteration}",
            )
        )

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON data, with the names that ``lemonade-es explain --json`` documents."""
        data: dict[str, Any] = {"iteration": self.iteration}
        if self.advised is not None:
            data["base"] = self.advised.base
            data["rulebook"] = self.advised.rulebook
            data.update(advice_json(self.advised.inference, self.advised.resolution))
        else:
            data.update(_NO_ADVICE)
        data["request"] = dict(self.request)
        data["unanswered"] = [_plain(lost) for lost in self.unanswered]
        data["replies"] = [_plain(replied) for replied in self.replied]
        data["refused"] = [_plain(refused) for refused in self.refused]
        data["patch"] = None if self.accepted is None else _patch(self.accepted)
        data["changed"] = None if self.accepted is None else self._changed(self.accepted)
        data["measured"] = None if self.measured is None else _plain(self.measured.measurement)
        data["pruned"] = None if self.pruned is None else _plain(self.pruned)
        data["repeated"] = [_plain(again) for again in self.repeated]
        data["noise"] = None if self.noise is None else _plain(self.noise)
        data["outcome"] = None if self.ended is None else _plain(self.ended)
        return data

    def _changed(self, accepted: Accepted) -> dict[str, Any]:
        return {
            "census_before": self.request.get("census"),
            "census_after": _plain(accepted.check)["census"],
            "verdicts": [_plain(verdict) for verdict in accepted.verdicts],
            "diff": self.diff if self.source_after is not None else None,
            "note": accepted.check.message,
        }


_INFERENCE = ("facts", "fired", "not_fired", "conclusions", "contributions", "weights")
_NO_ADVICE: Mapping[str, Any] = {
    "base": None,
    "rulebook": None,
    "facts": {},
    "fired": [],
    "not_fired": [],
    "conclusions": {},
    "contributions": {},
    "weights": {},
    "conflicts": [],
    "dropped": [],
    "surplus": [],
    "instructions": {},
}
_PATCH = ("summary", "applied", "skipped", "predicted", "mended", "attempt")


def advice_json(inference: Inference, resolution: Resolution) -> dict[str, Any]:
    """Facts, rules, conclusions, weights, conflicts and instructions as JSON data."""
    plain, resolved = _plain(inference), _plain(resolution)
    data = {name: plain[name] for name in _INFERENCE}
    kept = {name: resolved[name] for name in ("instructions", "dropped", "surplus")}
    return data | {"conflicts": resolved["decisions"], **kept}


def explain(entries: Sequence[Entry], artifacts: Artifacts) -> tuple[Explanation, ...]:
    """The explanation of each iteration of a run, from its journal; a source that is missing or damaged is left out."""
    gathered: dict[int, dict[str, Any]] = {}
    for entry in entries:
        iteration = getattr(entry.event, "iteration", None)
        slot = _SLOTS.get(type(entry.event))
        if iteration is None or slot is None:
            continue
        found = gathered.setdefault(iteration, dict.fromkeys(_EACH, ()))
        if slot in _EACH:
            found[slot] = (*found[slot], entry.event)
        elif slot == "request":
            found[slot] = entry.event.request  # type: ignore[union-attr]
        else:
            found[slot] = entry.event
    for replied in replies(entry.event for entry in entries):
        gathered[replied.iteration]["replied"] += (replied,)
    for found in gathered.values():
        rulebook = _in_force(tuple(entries), found.get("advised"))
        if rulebook is not None:
            found["texts"] = {one.id: one.text for one in rulebook.instructions.values()}
            found["combine"] = rulebook.combine
    return tuple(_with_sources(number, found, artifacts) for number, found in sorted(gathered.items()))


def one(explanations: Sequence[Explanation], iteration: int, run: str) -> Explanation:
    """The explanation of one iteration.

    Raises:
        StoreError: the run has no such iteration.
    """
    for explanation in explanations:
        if explanation.iteration == iteration:
            return explanation
    raise StoreError(
        f"there is no iteration {iteration}",
        where=f"run {run}",
        hint=f"it has {counted(len(explanations), 'iteration')}",
    )


_SLOTS: Mapping[type[Any], str] = {
    Advised: "advised",
    Requested: "request",
    Asked: "asked",
    Unanswered: "unanswered",
    Refused: "refused",
    Accepted: "accepted",
    Measured: "measured",
    Pruned: "pruned",
    Repeated: "repeated",
    NoiseEstimated: "noise",
    IterationEnded: "ended",
}


_EACH = ("asked", "unanswered", "replied", "refused", "repeated")
"""What an iteration may have several of."""


def _in_force(entries: tuple[Entry, ...], advised: Advised | None) -> Rulebook | None:
    if advised is None:
        return None
    with suppress(LemonadeError):  # an older version took it, and this one does not
        return rulebook_at(entries, advised.iteration)
    return None


def _with_sources(iteration: int, found: Mapping[str, Any], artifacts: Artifacts) -> Explanation:
    accepted: Accepted | None = found.get("accepted")
    after = None
    if accepted is not None:
        with suppress(StoreError):  # all else is in the journal
            after = artifacts.read(accepted.source).decode()
    before = found.get("request", {}).get("model_py")
    return Explanation(iteration=iteration, source_before=before, source_after=after, **found)


def _plain(record: Any) -> dict[str, Any]:
    data: dict[str, Any] = TypeAdapter(type(record)).dump_python(record, mode="json")
    return data


def _patch(accepted: Accepted) -> dict[str, Any]:
    data = _plain(accepted)
    return {name: data[name] for name in _PATCH}
