"""From an edit request to a candidate that may be trained: ask, read, apply, check; refuse with a reason, repair.

Steps 1, 2 and 8 of the validation ladder are decided here; 3 to 6 by the trainer's isolated check; 7, the
compliance, is judged and recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lemonade_es.engine.artifacts import Artifacts
from lemonade_es.engine.compliance import judge
from lemonade_es.engine.events import Accepted, Refused, Replied
from lemonade_es.engine.tape import Tape
from lemonade_es.errors import ReplyError
from lemonade_es.llm.executor import Executor, Reply
from lemonade_es.llm.patch import Patch, apply_patch
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.request import EditRequest, Feedback
from lemonade_es.trainer.measurement import CheckReport

Check = Callable[[str], CheckReport]


class Replying(Protocol):
    """Is told each answer, for the bill."""

    def __call__(self, reply: Reply, *, new: bool) -> None:
        """Take an answer; ``new`` if it was given now and not read back."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model source that passed the ladder, and the event that says so."""

    source: str
    accepted: Accepted


class Ladder:
    """Climbs with one request until a candidate passes or all attempts are spent.

    Args:
        executor: who answers.
        check: steps 3 to 6 on a source.
        tape: where each reply and each verdict is recorded before it is used.
        artifacts: where accepted sources go.
        repairs: refused replies that go back with their reason; after them one fresh sample is asked for.
        replied: told each answer, new or read back.
        watch: told what is being done, in a word.
    """

    def __init__(
        self,
        executor: Executor,
        check: Check,
        tape: Tape,
        artifacts: Artifacts,
        *,
        repairs: int,
        replied: Replying,
        watch: Callable[[str], None],
    ) -> None:
        self._executor = executor
        self._check = check
        self._tape = tape
        self._artifacts = artifacts
        self._repairs = repairs
        self._replied = replied
        self._watch = watch

    def climb(self, request: EditRequest, known: Mapping[str, int]) -> Candidate | Refused:
        """The first candidate that passes, or the last refusal.

        Args:
            request: what is wanted.
            known: the architectures seen so far, and in which iteration.

        Raises:
            ExecutorError: the executor cannot be asked at all.
        """
        feedback: list[Feedback] = []
        repairs_and_one = self._repairs + 1
        for attempt in range(1, repairs_and_one + 1):
            reply, outcome = self._attempt(request, attempt, feedback, known)
            if isinstance(outcome, Accepted):
                return self._candidate(outcome)
            feedback.append(Feedback(outcome.code, outcome.message, reply, outcome.line, outcome.line_text))
        _, outcome = self._attempt(_fresh(request), repairs_and_one + 1, (), known)
        return self._candidate(outcome) if isinstance(outcome, Accepted) else outcome

    def _candidate(self, accepted: Accepted) -> Candidate:
        return Candidate(self._artifacts.read(accepted.source).decode(), accepted)

    def _attempt(
        self, request: EditRequest, attempt: int, feedback: Sequence[Feedback], known: Mapping[str, int]
    ) -> tuple[str, Accepted | Refused]:
        iteration = request.iteration
        refused = self._tape.recall(Refused)
        if refused is not None:  # there was no reply to store
            return "", refused
        replied = self._tape.recall(Replied)
        if replied is None:
            self._watch(f"asking {self._executor.name}")
            try:
                reply = self._executor.ask(request, tuple(feedback))
            except ReplyError as error:
                return "", self._tape.record(Refused(iteration, attempt, "reply", error.code, str(error)))
            replied = self._tape.record(Replied(iteration, attempt, reply))
            self._replied(replied.reply, new=True)
        else:
            self._replied(replied.reply, new=False)
        outcome = self._tape.recall(Accepted) or self._tape.recall(Refused)
        if outcome is None:
            self._watch("checking")
            outcome = self._tape.record(self._verdict(request, attempt, replied.reply, known))
        return replied.reply.text, outcome

    def _verdict(
        self, request: EditRequest, attempt: int, reply: Reply, known: Mapping[str, int]
    ) -> Accepted | Refused:
        iteration = request.iteration
        try:
            read = read_reply(reply, request.limits)
            source = apply_patch(read.patch, request.model_py, request.limits)
        except ReplyError as error:
            return Refused(iteration, attempt, "reply", error.code, str(error))
        report = self._check(source)
        if not report.ok:
            return Refused(
                iteration,
                attempt,
                report.stage,
                report.code or "REFUSED",
                report.message or "the check gave no reason",
                report.line,
                _line(source, report.line),
            )
        twin = known.get(report.architecture or "")
        if twin is not None:
            return Refused(
                iteration,
                attempt,
                "duplicate",
                "DUPLICATE",
                f"this network is the same as that of iteration {twin}; change its structure",
            )
        return self._accepted(request, attempt, read.patch, read.mended, report, source)

    def _accepted(
        self,
        request: EditRequest,
        attempt: int,
        patch: Patch,
        mended: tuple[str, ...],
        report: CheckReport,
        source: str,
    ) -> Accepted:
        return Accepted(
            iteration=request.iteration,
            attempt=attempt,
            source=self._artifacts.put(source.encode(), ".py"),
            check=report,
            verdicts=judge(request.instructions, request.census, report.census),
            summary=patch.summary,
            applied=patch.applied,
            skipped=patch.skipped,
            predicted=patch.predicted,
            mended=mended,
        )


def _fresh(request: EditRequest) -> EditRequest:
    """The same request without the refused replies; another seed, so that the answer can be another one."""
    return replace(request, seed=request.seed + 1)


def _line(source: str, number: int | None) -> str | None:
    lines = source.splitlines()
    return lines[number - 1] if number is not None and 1 <= number <= len(lines) else None
