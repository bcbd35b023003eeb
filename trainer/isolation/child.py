"""The parent's handle on one locked child: commands go out, replies come in, and nothing in them is trusted."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from lemonade_es.defaults import MAX_SOURCE_BYTES
from lemonade_es.errors import IsolationError
from lemonade_es.printable import one_line
from lemonade_es.trainer.isolation.appetite import Excess
from lemonade_es.trainer.isolation.protocol import (
    Channel,
    ChannelClosedError,
    DeadlinePassedError,
    Frame,
    ProtocolError,
)
from lemonade_es.trainer.measurement import Failure

_LAST_SECONDS = 2.0
_TEXT_LIMIT = 2000
_MANY_SECONDS = 999.5


class CandidateFailed(Exception):  # noqa: N818  (an outcome with a reason, not an error of the program)
    """The candidate did not do what was asked of it; :attr:`failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended, as the kernel tells it.

    Attributes:
        status: the exit code, or the negative number of the signal; ``None`` if nobody is left to tell.
        peak_bytes: largest resident memory, Python and torch included.
        cpu_seconds: processor time of all its threads.
        excess: of what it took more than it may, and was ended for; ``None`` if that was not why.
        over_time: whether it took all the processor time that it may.
        killed: whether it went on until it was ended.
    """

    status: int | None
    peak_bytes: int | None = None
    cpu_seconds: float | None = None
    excess: Excess | None = None
    over_time: bool = False
    killed: bool = False


class Child:
    """One locked child, led command by command; leaving the ``with`` block ends it.

    Args:
        pid: its process as seen from here; 0 where it cannot be seen.
        channel: the way to it.
        end: waits for its end, as many seconds as it is given, then ends it, and says how it came.
    """

    def __init__(self, pid: int, channel: Channel, end: Callable[[float], Exit]) -> None:
        self.pid = pid
        self._end = end
        self._channel = channel
        self._commands = 0
        self._born = time.monotonic()
        self._exit: Exit | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def exit(self) -> Exit | None:
        """How the child ended, or ``None`` while it lives."""
        return self._exit

    def await_lock(self, deadline: float) -> None:
        """Passes when the child has locked itself.

        Raises:
            IsolationError: it could not; ``DeadlinePassedError`` is the cause if it was only too slow.
        """
        try:
            said = self._channel.receive(deadline=deadline).message
        except DeadlinePassedError as late:
            self.close()
            raise IsolationError("the child process does not lock itself in time") from late
        except (ChannelClosedError, ProtocolError):
            said = {"unlocked": "it ended before it could"}
        except BaseException:
            self.close()
            raise
        if said.get("locked") is not True:
            self.close()
            raise IsolationError(
                f"the child process cannot be locked: {said.get('unlocked')}",
                hint="run on a kernel with Landlock and seccomp, outside of restricted containers",
            )

    def listen(self, deadline: float) -> Frame:
        """The next frame, of whatever kind.

        Raises:
            CandidateFailed: the child ended, was too slow, or sent what it must not send.
        """
        return self._heard(deadline, math.inf, 0)

    def call(
        self,
        command: str,
        *,
        deadline: float,
        stall_seconds: float = math.inf,
        tensor_limit: int = 0,
        on_progress: Callable[[Frame], None] | None = None,
        tensors: bytes = b"",
        **arguments: object,
    ) -> Frame:
        """Has one command carried out.

        Args:
            command: what to do, as the bench knows it.
            deadline: when it must be done, on :func:`time.monotonic`'s clock.
            stall_seconds: the longest silence on the way.
            tensor_limit: the most bytes of tensors in a message.
            on_progress: takes the messages before the last; without it there must be none.
            tensors: a safetensors file that goes with the command.
            arguments: of the command.

        Returns:
            The reply; its message is what the bench says is done.

        Raises:
            CandidateFailed: the candidate raised, ended, was too slow, or broke the protocol.
        """
        self._commands += 1
        number = self._commands
        try:
            self._channel.send({"do": command, "number": number, **arguments}, tensors, deadline=deadline)
        except ChannelClosedError:
            raise self._gone() from None
        except DeadlinePassedError:
            raise self._too_slow() from None
        while True:
            frame = self._heard(deadline, stall_seconds, tensor_limit)
            message = frame.message
            if message.get("answers") != number:
                raise broken("an answer to a question that was not asked")
            if isinstance(done := message.get("done"), dict):
                return Frame(done, frame.tensors)
            if isinstance(failed := message.get("failed"), dict):
                raise CandidateFailed(_reported(failed))
            if on_progress is None:
                raise broken("an unknown message")
            on_progress(frame)

    def close(self) -> None:
        """Ends the child and waits for it."""
        self._finish(patience=0)

    def _heard(self, deadline: float, stall_seconds: float, tensor_limit: int) -> Frame:
        silent_until = time.monotonic() + stall_seconds
        try:
            return self._channel.receive(deadline=min(deadline, silent_until), tensor_limit=tensor_limit)
        except ProtocolError as error:
            raise broken(str(error)) from None
        except DeadlinePassedError:
            if silent_until < deadline:
                what = f"there was no sign of progress for {stall_seconds:g} s"
                raise CandidateFailed(Failure("TIMED_OUT", what)) from None
            raise self._too_slow() from None
        except ChannelClosedError:
            raise self._gone() from None

    def _gone(self) -> CandidateFailed:
        return CandidateFailed(_obituary(self._finish(patience=_LAST_SECONDS)))

    def _too_slow(self) -> CandidateFailed:
        seconds = time.monotonic() - self._born
        told = f"{seconds:.3g}" if seconds < _MANY_SECONDS else f"{seconds:,.0f}"
        return CandidateFailed(Failure("TIMED_OUT", f"it was not done {told} s after it was started"))

    def _finish(self, *, patience: float) -> Exit:
        if self._exit is None:
            self._exit = Exit(None)  # an interrupt while waiting must not make it wait again
            try:
                self._exit = self._end(patience)
            finally:
                self._channel.close()
        return self._exit


def _obituary(ended: Exit) -> Failure:
    """Why a child that closed its channel was no longer there."""
    status = ended.status
    if ended.killed:
        return broken("nothing more, closed its channel and went on running").failure
    if ended.excess == "memory":
        code, why = "OUT_OF_MEMORY", "the process took more memory than it may and was ended"
    elif ended.excess == "threads":
        code, why = "TOO_MANY_THREADS", "the process started hundreds of threads and was ended: a network starts none"
    elif status is None:
        code, why = "CRASHED", "the isolated process ended, and the candidate's with it"
    elif status == -signal.SIGXCPU or (status == -signal.SIGKILL and ended.over_time):
        code, why = "TIMED_OUT", "the processor time for the whole job is used up"
    elif status == -signal.SIGKILL:
        code, why = "OUT_OF_MEMORY", "the process was killed, most likely by the system for want of memory"
    elif status < 0:
        code, why = "CRASHED", f"the process was ended by {_signal_name(-status)}"
    else:
        code, why = "CRASHED", f"the process left with exit code {status} in the middle of its work"
    return Failure(code, why)


def broken(what: str) -> CandidateFailed:
    """The failure of a candidate whose process sends what it must not send."""
    return CandidateFailed(Failure("PROTOCOL", f"the candidate's process sent {told(what)}"))


def is_code(code: str) -> bool:
    """Whether a reason has the form of one: in capitals, or it could be taken for a good outcome, which is ``ok``."""
    return code.isascii() and code.isidentifier() and code.isupper() and len(code) <= 40


def told(text: str) -> str:
    """Text of a candidate's making, on one line, without control characters, and not too long."""
    return one_line(text[:_TEXT_LIMIT])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _reported(said: Mapping[str, Any]) -> Failure:
    match said:
        case {"code": str(code), "message": str(message), "line": int() | None as line} if is_code(code) and (
            line is None or 1 <= line <= MAX_SOURCE_BYTES + 1
        ):
            return Failure(code, told(message), line)
    return broken("a failure without a reason").failure
