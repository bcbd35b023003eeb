"""The nursery: the parent's side of the zygote. It starts it, asks it for children, and learns of their ends."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation.child import Child, Exit
from lemonade_es.trainer.isolation.cover import Withheld
from lemonade_es.trainer.isolation.housing import Housing, Launch, ended
from lemonade_es.trainer.isolation.lock import Policy
from lemonade_es.trainer.isolation.protocol import (
    MESSAGE_LIMIT,
    Channel,
    DeadlinePassedError,
    decode,
    encode,
)

_START_SECONDS = 120.0
_FORK_SECONDS = 30.0
_END_SECONDS = 10.0
_TEXT_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Job:
    """What a child is forked for.

    Attributes:
        policy: its lock.
        device: ``cpu`` or ``cuda``.
        threads: for training and evaluating.
        resident_limit: bytes of resident memory above which it is ended; ``None`` where the lock limits it.
        work: lead a candidate (``bench``), run exported files (``stand``), ask whether CUDA works, or try what is
            forbidden (``canary``).
        withheld: what of the data set it is kept from; it needs no more of that than the shapes.
    """

    policy: Policy
    device: str
    threads: int
    resident_limit: int | None = None
    work: Literal["bench", "stand", "cuda", "canary"] = "bench"
    withheld: Withheld = "nothing"


class Nursery:
    """A zygote that is started once, and again if it dies.

    It is used from one thread at a time, but for :meth:`abort`.

    Args:
        supplies: what the zygote hands to every child: task, recipe, and the arrays' types and shapes; if it is
            empty, its children can do no ``bench`` work.
        descriptors: gives the arrays' files; it is asked while the zygote imports torch.
        housing: where the zygote lives.
    """

    def __init__(
        self, supplies: Mapping[str, object], descriptors: Callable[[], Sequence[int]], housing: Housing
    ) -> None:
        self._supplies = supplies
        self._descriptors = descriptors
        self._housing = housing
        self._launch: Launch | None = None
        self._control: socket.socket | None = None
        self._errors: IO[bytes] | None = None
        self._ready = False
        self._aborted = False
        self._starting = threading.Lock()
        self._jobs = 0
        self._ends: dict[int, dict[str, Any] | None] = {}
        self._latest = 0

    def start(self) -> None:
        """Starts the zygote and returns at once; it needs some seconds to import torch.

        Raises:
            IsolationError: no process can be started.
        """
        if self._launch is not None:
            return
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        try:
            self._move_in(self._errors)
            self._descriptors()
            with contextlib.suppress(ConnectionError, DeadlinePassedError):  # that is noticed when it should be ready
                self._greet(time.monotonic())
        except OSError as error:
            self.close()
            raise IsolationError(f"the isolated process cannot be started: {error}") from None
        except BaseException:
            self.close()
            raise

    def wait(self) -> None:
        """Starts the zygote and returns when it is ready for jobs.

        Raises:
            IsolationError: it cannot be started; ``DeadlinePassedError`` is the cause if it is only too slow.
        """
        self.start()
        if self._ready:
            return
        deadline = time.monotonic() + _START_SECONDS
        try:
            self._greet(deadline)
            self._hear(deadline)
        except DeadlinePassedError as late:
            said = self._last_words()
            self.close()
            raise IsolationError(
                f"the isolated process is not ready within {_START_SECONDS:.0f} s: {said or 'it says nothing'}"
            ) from late
        except ConnectionError:
            said = self._last_words()
            self.close()
            raise IsolationError(
                f"the isolated process does not start: {said or 'it says nothing'}",
                hint="try whether torch can be imported: python -c 'import torch'",
            ) from None
        self._ready = True

    def child(self, job: Job) -> Child:
        """A new locked child.

        Raises:
            IsolationError: the zygote cannot be started, or the child cannot be forked or locked;
                ``DeadlinePassedError`` is the cause if it is only too slow.
        """
        for last in (False, True):
            self.wait()
            try:
                return self._forked(job)
            except ConnectionError:  # the zygote died since the last job: once more with a new one
                self.close()
                if last:
                    raise IsolationError("the isolated process dies whenever it is asked for a child") from None
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Ends the zygote and with it every child."""
        launch = self._launch
        if self._control is not None:
            self._control.close()  # the zygote ends its children and itself
        if launch is not None:
            if not self._ready:
                ended(launch.process)  # it is still importing torch, and there is nothing to end
            with contextlib.suppress(subprocess.TimeoutExpired):
                launch.process.wait(timeout=2)
            launch.leave()
            ended(launch.process)
            launch.process.wait()
        if self._errors is not None:
            self._errors.close()
        self._launch = self._control = self._errors = None
        self._ready = False
        self._ends.clear()

    def abort(self) -> None:
        """Ends the zygote at once, from any thread, and lets none be started again.

        Whoever waits for a child meanwhile is told of its end; :meth:`close` is still to be called.
        """
        with self._starting:
            self._aborted = True
            launch, control = self._launch, self._control
        if launch is not None:
            ended(launch.process)
        if control is not None:  # the process may only be what stands between
            with contextlib.suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)

    def _end(self, number: int, patience: float) -> Exit:
        """Waits for a child's end and says how it came; its number is not known any more then.

        Args:
            number: the child's.
            patience: seconds in which it may end by itself before it is ended.
        """
        if number not in self._ends:  # its zygote has ended, and there may be a new one
            return Exit(None)
        killed = False
        try:
            try:
                said = self._hear_end(number, patience)
            except DeadlinePassedError:
                killed = True
                self._tell({"end": number})
                said = self._hear_end(number, _END_SECONDS)
        except (ConnectionError, DeadlinePassedError):
            self.close()  # its children die with it
            return Exit(None)
        del self._ends[number]
        return Exit(
            status=said["status"],
            peak_bytes=said["peak_bytes"],
            cpu_seconds=said["cpu_seconds"],
            excess=said["excess"],
            over_time=said["over_time"],
            killed=killed,
        )

    def _move_in(self, errors: IO[bytes]) -> None:
        with self._starting:
            if self._aborted:
                raise IsolationError("the isolated process was ended for good while it was in use")
            self._launch = self._housing(errors)

    def _greet(self, deadline: float) -> None:
        """Hands the supplies over, if that is still to be done."""
        if self._control is None and self._launch is not None:
            self._control = self._launch.reach(deadline)
            socket.send_fds(self._control, [encode(self._supplies)], self._descriptors())

    def _forked(self, job: Job) -> Child:
        self._jobs += 1
        number = self._jobs
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                self._tell({"job": number, **asdict(job)}, theirs.fileno())
            deadline = time.monotonic() + _FORK_SECONDS
            while True:
                said = self._hear(deadline)
                if said.get("refused") == number:
                    raise IsolationError(f"no process can be forked: {said['why']}")
                if said.get("forked") == number:
                    self._ends[number] = None
                    break
            child = Child(self._latest, Channel(ours.detach()), functools.partial(self._end, number))
        except DeadlinePassedError as late:
            self.close()
            raise IsolationError(f"the isolated process forks no child within {_FORK_SECONDS:.0f} s") from late
        finally:
            ours.close()
        child.await_lock(deadline)
        return child

    def _hear_end(self, number: int, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (said := self._ends[number]) is None:
            self._hear(deadline)
        return said

    def _tell(self, message: Mapping[str, object], *descriptors: int) -> None:
        if self._control is None:
            raise ConnectionResetError
        socket.send_fds(self._control, [encode(message)], descriptors)

    def _hear(self, deadline: float) -> dict[str, Any]:
        """The zygote's next message; the end of a child is kept for whoever asks for it, now or later."""
        if self._control is None:
            raise ConnectionResetError
        left = max(0.0, deadline - time.monotonic())
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if not poll.poll(math.ceil(left * 1000)):
            raise DeadlinePassedError
        text, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, 1)
        for descriptor in descriptors:
            self._latest = _named(descriptor)
            os.close(descriptor)
        if not text:
            raise ConnectionResetError
        said = decode(text)
        if (child := said.get("ended")) in self._ends:
            self._ends[child] = said
        return said

    def _last_words(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return " ".join(lines[-1:])[:_TEXT_LIMIT]


def _named(descriptor: int) -> int:
    """The pid, as seen from here, of the process that a descriptor refers to; 0 if it is gone or out of sight."""
    for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == "Pid":
            return max(0, int(value))
    return 0
