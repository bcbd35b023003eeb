"""From an edit request to a candidate that may be trained: ask, read, apply, check; refuse with a reason, repair.

Steps 1, 2, 7 and 8 of the validation ladder are decided here, 3 to 6 by the trainer's isolated check.

The attempts of an iteration, by their numbers:

1. the request, then as many repairs as are allowed, each with the reasons of the refusals before it;
2. one fresh sample;
3. one answer of the fallback, if there is one: where the executor cannot be asked, or all of it was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

from lemonade_es.engine.compliance import NOT_FOLLOWED, complaint, ignored, judge
from lemonade_es.engine.history.artifacts import Artifacts
from lemonade_es.engine.history.bill import Answer
from lemonade_es.engine.history.events import Accepted, Asked, Refused, Replied, Unanswered
from lemonade_es.engine.history.sent import with_prompt
from lemonade_es.engine.history.tape import Tape
from lemonade_es.errors import ExecutorError, ReplyError
from lemonade_es.llm.codes import Code
from lemonade_es.llm.executor import Executor, Remembering, Reply, Retrying, Textual, Try
from lemonade_es.llm.faults import CallInterrupted
from lemonade_es.llm.patch import apply_patch
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.request import EditRequest, Feedback
from lemonade_es.source_lines import lines_of
from lemonade_es.trainer.measurement import CheckReport

Check = Callable[[str], CheckReport]
Purpose = Literal["first", "repair", "fresh", "fallback"]


class Answering(Protocol):
    """Is told what came of each call, for the bill."""

    def __call__(self, answer: Answer, *, new: bool) -> None:
        """Take an answer or its absence; ``new`` if it came now and was not read back."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model source that passed the ladder, and the event that says so."""

    source: str
    accepted: Accepted


@dataclass(frozen=True, slots=True)
class _Call:
    """One attempt: who is asked what, after which refusals.

    Attributes:
        strict: whether a heavy instruction that is ignored sends the reply back.
        alone: whether nobody else could be asked.
    """

    executor: Executor
    request: EditRequest
    attempt: int
    feedback: tuple[Feedback, ...] = ()
    strict: bool = False
    alone: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """Iteration and attempt."""
        return self.request.iteration, self.attempt


class Ladder:
    """Climbs with one request until a candidate passes or all attempts are spent.

    Args:
        executor: who answers.
        fallback: who answers once where ``executor`` cannot, or does not to any use.
        check: steps 3 to 6 on a source.
        tape: where each reply and each verdict is recorded before it is used.
        artifacts: where accepted sources go.
        repairs: refused replies that go back with their reason; after them one fresh sample is asked for.
        answered: told what came of each call, new or read back.
        watch: told what is being done, in a word.
        waiting: told of an executor that got no answer and waits before it asks again.
    """

    def __init__(
        self,
        executor: Executor,
        check: Check,
        tape: Tape,
        artifacts: Artifacts,
        *,
        repairs: int,
        answered: Answering,
        watch: Callable[[str], None],
        waiting: Callable[[str, Try], None],
        fallback: Executor | None = None,
    ) -> None:
        self._executor = executor
        self._fallback = fallback
        self._check = check
        self._tape = tape
        self._artifacts = artifacts
        self._repairs = repairs
        self._answered = answered
        self._watch = watch
        self._asked: dict[tuple[int, int], Asked] = {}  # by iteration and attempt
        for one in (executor,) if fallback is None else (executor, fallback):
            if isinstance(one, Retrying):
                one.tell_of_waits(partial(waiting, one.name))

    def climb(self, request: EditRequest, known: Mapping[str, int]) -> Candidate | Refused:
        """The first candidate that passes, or the last refusal.

        Args:
            request: what is wanted.
            known: the architectures seen so far, and in which iteration.

        Raises:
            ExecutorError: neither the executor nor a fallback can be asked.
        """
        reserve: tuple[_Call, Reply] | None = None
        outcome: Accepted | Refused | None = None
        answer: Replied | Refused | None = None
        feedback: list[Feedback] = []
        for attempt in range(1, self._repairs + 3):
            call = self._call(request, attempt, feedback, strict=reserve is None)
            answer = self._reply(call)
            if answer is None:  # the fallback's turn
                break
            outcome = answer if isinstance(answer, Refused) else self._verdict(call, answer.reply, known)
            if isinstance(outcome, Accepted):
                return self._candidate(outcome)
            if outcome.stage == "compliance" and isinstance(answer, Replied):
                reserve = replace(call, strict=False), answer.reply
            if reserve is not None and attempt > self._repairs:
                break
            text = answer.reply.text if isinstance(answer, Replied) else ""
            feedback.append(Feedback(outcome.code, outcome.message, text, outcome.line, outcome.line_text))
        if reserve is not None:  # nothing better came of it: the network is sound, and is judged as it is
            outcome = self._verdict(*reserve, known)
        elif self._fallback is not None and self._falls_back():
            outcome = self._fall_back(self._fallback, request, known, alone=answer is None)
        assert outcome is not None  # noqa: S101  (without a fallback, an unanswered call raises)
        return self._candidate(outcome) if isinstance(outcome, Accepted) else outcome

    def _call(self, request: EditRequest, attempt: int, feedback: Sequence[Feedback], *, strict: bool) -> _Call:
        if attempt > self._repairs + 1:
            return _Call(self._executor, _fresh(request), attempt)
        strict = strict and self._executor.foreign and attempt <= self._repairs
        return _Call(self._executor, request, attempt, tuple(feedback), strict)

    def _fall_back(
        self, fallback: Executor, request: EditRequest, known: Mapping[str, int], *, alone: bool
    ) -> Accepted | Refused:
        call = _Call(fallback, request, self._repairs + 3, alone=alone)
        answer = self._reply(call)
        assert answer is not None  # noqa: S101  (nobody comes after the fallback)
        return answer if isinstance(answer, Refused) else self._verdict(call, answer.reply, known)

    def _falls_back(self) -> bool:
        """Whether it is the fallback's turn: not in what was recorded before there was one, and went on without it."""
        coming = self._tape.coming
        return coming is None or getattr(coming, "attempt", None) == self._repairs + 3

    def _candidate(self, accepted: Accepted) -> Candidate:
        return Candidate(self._artifacts.read(accepted.source).decode(), accepted)

    def _reply(self, call: _Call) -> Replied | Refused | None:
        """The answer to a call, from the tape or asked for now; ``None`` if it is the fallback's turn.

        Raises:
            ExecutorError: nobody can be asked; a resume asks again.
        """
        replaceable = self._fallback is not None and call.attempt < self._repairs + 3
        lost = self._recall_unanswered()
        if replaceable and lost is not None and lost.attempt == call.attempt and self._falls_back():
            return None
        recorded = self._tape.recall(Refused) or self._tape.recall(Replied)
        if recorded is not None:
            self._answered(recorded, new=False)
            if isinstance(recorded, Replied) and isinstance(call.executor, Remembering):
                call.executor.recall(with_prompt(recorded, self._asked.get(call.key)).reply)
            return recorded
        asked = self._tell(call)
        self._watch(f"asking {call.executor.name}")
        try:
            reply = call.executor.ask(call.request, call.feedback)
        except ReplyError as error:  # there is no reply to store
            if call.alone and error.code == Code.FOREIGN_SOURCE:  # nor would there be one in the next iteration
                self._lost(call, str(error), ())
                raise ExecutorError(
                    f"{call.executor.name} cannot stand in: {error.message}",
                    where=f"iteration {call.request.iteration}",
                    hint=f"mend what keeps {self._executor.name} from answering",
                ) from error
            answer: Replied | Refused = self._tape.record(_refusal(call, "reply", error))
        except CallInterrupted as stop:
            self._lost(call, "the user stopped the call", stop.tries, interrupted=True)
            raise
        except ExecutorError as error:
            self._lost(call, str(error), getattr(error, "tries", ()))
            if replaceable:
                return None
            raise
        else:
            known = asked is not None and reply.prompt == asked.prompt
            answer = self._tape.record(Replied(*call.key, replace(reply, prompt=None) if known else reply))
        self._answered(answer, new=True)
        return answer

    def _tell(self, call: _Call) -> Asked | None:
        """Record what is about to be sent, once for an attempt; ``None`` for executors that send no text."""
        if call.key not in self._asked and isinstance(call.executor, Textual):
            prompt = call.executor.text(call.request, call.feedback)
            self._asked[call.key] = self._tape.record(Asked(*call.key, call.executor.name, prompt))
        return self._asked.get(call.key)

    def _lost(self, call: _Call, message: str, tries: tuple[Try, ...], *, interrupted: bool = False) -> None:
        lost = Unanswered(*call.key, call.executor.name, message, tries, interrupted)
        self._answered(self._tape.record(lost), new=True)

    def _recall_unanswered(self) -> Unanswered | None:
        """Read back what was sent and what was not answered, up to the next answer or the end of the tape.

        Each prompt is kept for its attempt, each absence goes on the bill. Where the fallback could not be asked
        either, the search stopped, and a resume began the call again.

        Returns:
            The last call that nobody answered; ``None`` if there is none but those that the user stopped.
        """
        last: Unanswered | None = None
        while (event := self._tape.recall(Asked) or self._tape.recall(Unanswered)) is not None:
            if isinstance(event, Asked):
                self._asked[event.iteration, event.attempt] = event
                continue
            self._answered(event, new=False)
            last = last if event.interrupted else event
        return last

    def _verdict(self, call: _Call, reply: Reply, known: Mapping[str, int]) -> Accepted | Refused:
        """What the ladder says of a reply, from the tape or found out now."""
        recorded = self._tape.recall(Accepted) or self._tape.recall(Refused)
        if recorded is not None:
            return recorded
        self._watch("checking")
        return self._tape.record(self._judged(call, reply, known))

    def _judged(self, call: _Call, reply: Reply, known: Mapping[str, int]) -> Accepted | Refused:
        request = call.request
        try:
            read = read_reply(reply, request.limits)
            source = apply_patch(read.patch, request.model_py, request.limits)
        except ReplyError as error:
            return _refusal(call, "reply", error)
        report = self._check(source)
        if not report.ok:
            code, message = report.code or "REFUSED", report.message or "the check gave no reason"
            refused = _refused(call, report.stage, code, message)
            return replace(refused, line=report.line, line_text=_line(source, report.line))
        twin = known.get(report.architecture or "")
        if twin is not None:
            message = f"this network is the same as that of iteration {twin}; change its structure"
            return _refused(call, "duplicate", "DUPLICATE", message)
        patch = read.patch
        verdicts = judge(request.instructions, request.census, report.census, patch.skipped)
        disobeyed = ignored(request.instructions, verdicts, patch.skipped) if call.strict else ()
        if disobeyed:
            refused = _refused(call, "compliance", NOT_FOLLOWED, complaint(request.instructions, disobeyed))
            return replace(refused, verdicts=verdicts)
        return Accepted(
            iteration=request.iteration,
            attempt=call.attempt,
            source=self._artifacts.put(source.encode(), ".py"),
            check=report,
            verdicts=verdicts,
            summary=patch.summary,
            applied=patch.applied,
            skipped=patch.skipped,
            predicted=patch.predicted,
            mended=read.mended,
        )


def purpose(attempt: int, repairs: int) -> Purpose:
    """What an attempt was for, by its number."""
    if attempt == 1:
        return "first"
    if attempt <= repairs + 1:
        return "repair"
    return "fresh" if attempt == repairs + 2 else "fallback"


def _fresh(request: EditRequest) -> EditRequest:
    """The same request without the refused replies; another seed, so that the answer can be another one."""
    return replace(request, seed=request.seed + 1)


def _refusal(call: _Call, stage: str, error: ReplyError) -> Refused:
    return _refused(call, stage, error.code, str(error))


def _refused(call: _Call, stage: str, code: str, message: str) -> Refused:
    return Refused(call.request.iteration, call.attempt, stage, code, message, executor=call.executor.name)


def _line(source: str, number: int | None) -> str | None:
    lines = lines_of(source)
    return lines[number - 1] if number is not None and 1 <= number <= len(lines) else None
