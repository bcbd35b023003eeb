"""What each executor did in a run: its calls, faults and refusals, whether it did as told, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lemonade_es.engine.calibration import Calibration, calibrated
from lemonade_es.engine.compliance import FOLLOWED, Verdict
from lemonade_es.engine.history.bill import Answer, Bill
from lemonade_es.engine.history.events import (
    Accepted,
    Asked,
    Event,
    Measured,
    Refused,
    Replied,
    RunInterrupted,
    RunResumed,
    Unanswered,
)
from lemonade_es.engine.loop.ladder import purpose

_NAMES = {"first": "requests", "repair": "repairs", "fresh": "fresh_samples", "fallback": "as_fallback"}


@dataclass(frozen=True, slots=True)
class Compliance:
    """How often each verdict was given, and the share followed of those that could be told; ``None`` of none."""

    counts: Mapping[str, int]

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> Compliance:
        """Count verdicts."""
        found = Counter(verdict.verdict for verdict in verdicts)
        return cls({name: found[name] for name in FOLLOWED})

    @property
    def rate(self) -> float | None:
        """The share of *followed* among all but *cannot tell*."""
        told = sum(self.counts.values()) - self.counts["cannot tell"]
        return self.counts["followed"] / told if told else None

    def to_json(self) -> dict[str, Any]:
        """As JSON data; the names are identifiers."""
        return {name.replace(" ", "_"): number for name, number in self.counts.items()} | {"rate": self.rate}


@dataclass(frozen=True, slots=True)
class Account:
    """What one executor did in a run.

    Attributes:
        executor: its name; for a refusal in an old journal that does not say whose it is, ``?``.
        bill: what its calls came to.
        unanswered: calls without an answer.
        broken_off: calls under way when the process was killed; they may have been paid.
        faults: tries that failed, by the kind of fault.
        purposes: calls by what they were for: ``first``, ``repair``, ``fresh``, ``fallback``.
        refusals: refused replies by their typed reason.
        mended: replies by what had to be mended in them.
        accepted: networks that passed all checks; they are trained next.
        compliance: over all replies that were judged.
        by_instruction: the same for each instruction, by its id.
        calibration: of each predicted metric.
    """

    executor: str
    bill: Bill
    unanswered: int
    broken_off: int
    faults: Mapping[str, int]
    purposes: Mapping[str, int]
    refusals: Mapping[str, int]
    mended: Mapping[str, int]
    accepted: int
    compliance: Compliance
    by_instruction: Mapping[str, Compliance]
    calibration: Mapping[str, Calibration]

    def to_json(self) -> dict[str, Any]:
        """The account as JSON data, with the names that ``runs show --json`` documents."""
        purposes = {name: self.purposes.get(key, 0) for key, name in _NAMES.items()}
        return {
            "executor": self.executor,
            **self.bill.to_json(),
            "seconds": round(self.bill.seconds, 4),
            "unanswered": self.unanswered,
            "broken_off": self.broken_off,
            **purposes,
            "faults": dict(self.faults),
            "refusals": dict(self.refusals),
            "mended": dict(self.mended),
            "accepted": self.accepted,
            "compliance": self.compliance.to_json(),
            "compliance_by_instruction": {name: item.to_json() for name, item in self.by_instruction.items()},
            "calibration": {name: asdict(item) for name, item in self.calibration.items()},
        }


def accounts(events: Iterable[Event], repairs: int) -> tuple[Account, ...]:
    """The account of each executor of a run, in the order in which they were first asked.

    Args:
        events: the run's, in their order.
        repairs: how many repairs the run allows: an attempt's number says what it was for.
    """
    listed = tuple(events)
    whose = {(event.iteration, event.attempt): event.reply.executor for event in listed if isinstance(event, Replied)}
    answers: dict[str, list[Answer]] = {}
    for event in listed:
        if isinstance(event, Replied | Unanswered) or (isinstance(event, Refused) and _key(event) not in whose):
            answers.setdefault(_executor(event), []).append(event)
    broken_off = Counter(_broken_off(listed))
    for name in broken_off:
        answers.setdefault(name, [])
    return tuple(
        _account(name, calls, broken_off[name], [event for event in listed if _belongs(event, name, whose)], repairs)
        for name, calls in answers.items()
    )


def _broken_off(events: Sequence[Event]) -> Iterator[str]:
    """Who was asked when the process was killed, once for each time that the same call was begun again.

    A call that ended the search without an answer is made again by the next resume, and may be killed then.
    """
    pending: str | None = None
    under_way = False
    for event in events:
        if isinstance(event, RunResumed):
            if under_way and pending is not None:
                yield pending
            under_way = pending is not None
        elif isinstance(event, RunInterrupted):
            under_way = False
        else:
            pending = event.executor if isinstance(event, Asked | Unanswered) else None
            under_way = isinstance(event, Asked)


def _key(event: Replied | Refused | Accepted) -> tuple[int, int]:
    return event.iteration, event.attempt


def _executor(answer: Answer) -> str:
    return answer.reply.executor if isinstance(answer, Replied) else answer.executor or "?"


def _belongs(event: Event, name: str, whose: Mapping[tuple[int, int], str]) -> bool:
    """Whether an event tells of this executor; what was measured tells of all."""
    if isinstance(event, Refused):
        return whose.get(_key(event), _executor(event)) == name
    return isinstance(event, Measured) or (isinstance(event, Accepted) and whose.get(_key(event)) == name)


def _account(name: str, answers: Sequence[Answer], broken_off: int, events: Sequence[Event], repairs: int) -> Account:
    refused = [event for event in events if isinstance(event, Refused)]
    accepted = [event for event in events if isinstance(event, Accepted)]
    measured = {event.iteration: event.measurement.metrics for event in events if isinstance(event, Measured)}
    # a reply that was sent back and came to be accepted after all is judged once
    answered: tuple[Refused | Accepted, ...] = (*refused, *accepted)
    judged = {_key(event): event.verdicts for event in answered if event.verdicts}
    verdicts = [verdict for given in judged.values() for verdict in given]
    named = sorted({verdict.instruction for verdict in verdicts})
    return Account(
        executor=name,
        bill=sum(map(Bill.of, answers), Bill()),
        unanswered=sum(isinstance(answer, Unanswered) and not answer.interrupted for answer in answers),
        broken_off=broken_off,
        faults=_counted(item.code for answer in answers for item in _tries(answer)),
        purposes=_counted(purpose(answer.attempt, repairs) for answer in answers if Bill.of(answer).calls),
        refusals=_counted(event.code for event in refused),
        mended=_counted(what for event in accepted for what in event.mended),
        accepted=len(accepted),
        compliance=Compliance.of(verdicts),
        by_instruction={item: Compliance.of(v for v in verdicts if v.instruction == item) for item in named},
        calibration=calibrated((event.predicted, measured.get(event.iteration, {})) for event in accepted),
    )


def _tries(answer: Answer) -> Iterator[Any]:
    if isinstance(answer, Replied):
        yield from answer.reply.tries
    elif isinstance(answer, Unanswered):
        yield from answer.tries


def _counted(names: Iterable[str]) -> dict[str, int]:
    """How often each is there, the most frequent first."""
    found = Counter(names)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
