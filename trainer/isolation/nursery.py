"""The nursery: the parent's side of the zygote. It starts it, asks it for children, and learns of their ends."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation.child import Child, Exit
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
        probe: only ask whether CUDA works.
    """

    policy: Policy
    device: str
    threads: int
    resident_limit: int | None = None
    probe: bool = False


class Nursery:
    """A zygote that is started once, and again if it dies.

    Args:
        supplies: what the zygote hands to every child: task, recipe, and the arrays' types and shapes.
        descriptors: gives the arrays' files; it is asked while the zygote imports torch.
    """

    def __init__(self, supplies: Mapping[str, object], descriptors: Callable[[], Sequence[int]]) -> None:
        self._supplies = supplies
        self._descriptors = descriptors
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._errors: IO[bytes] | None = None
        self._ready = False
        self._jobs = 0

    def start(self) -> None:
        """Starts the zygote and returns at once; it needs some seconds to import torch.

        Raises:
            IsolationError: no process can be started.
        """
        if self._process is not None:
            return
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except (OSError, AttributeError) as error:
            raise IsolationError(f"the isolated process needs Linux: {error}") from None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        with theirs:
            # -P and -s keep foreign directories off the path as -I would, but let the hash seed be fixed
            command = [sys.executable, "-P", "-s", "-m", "lemonade_es.trainer.isolation.zygote"]
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                env=_clean_environment(),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
            )
        self._control = ours
        try:
            descriptors = self._descriptors()
        except BaseException:
            self.close()
            raise
        with contextlib.suppress(OSError):  # a zygote that is dead already is noticed when it should be ready
            socket.send_fds(ours, [encode(self._supplies)], descriptors)

    def child(self, job: Job) -> Child:
        """A new locked child.

        Raises:
            IsolationError: the zygote cannot be started, or the child cannot be forked or locked.
        """
        for last in (False, True):
            self._wait_until_ready()
            try:
                return self._forked(job)
            except ConnectionError:  # the zygote died since the last job: once more with a new one
                self.close()
                if last:
                    raise IsolationError("the isolated process dies whenever it is asked for a child") from None
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Ends the zygote and with it every child."""
        if self._process is None:
            return
        if self._control is not None:
            self._control.close()  # the zygote ends its children and itself
        if not self._ready:
            self._process.kill()  # it is still importing torch, and there is nothing to end
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._errors is not None:
            self._errors.close()
        self._process = self._control = self._errors = None
        self._ready = False

    def _end(self, number: int, patience: float) -> Exit:
        """Waits for a child's end and says how it came; its number is not known any more then.

        Args:
            number: the child's.
            patience: seconds in which it may end by itself before it is ended.
        """
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
        return Exit(said["status"], said["peak_bytes"], said["cpu_seconds"], said["over_memory"], killed)

    def _wait_until_ready(self) -> None:
        self.start()
        if self._ready:
            return
        try:
            self._hear(time.monotonic() + _START_SECONDS)
        except (ConnectionError, DeadlinePassedError):
            said = self._last_words()
            self.close()
            raise IsolationError(
                f"the isolated process does not start: {said or 'it says nothing'}",
                hint="try whether torch can be imported: python -c 'import torch'",
            ) from None
        self._ready = True

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
                    break
            child = Child(said["pid"], Channel(ours.detach()), functools.partial(self._end, number))
        except DeadlinePassedError:
            self.close()
            raise IsolationError(f"the isolated process forks no child within {_FORK_SECONDS:.0f} s") from None
        finally:
            ours.close()
        child.await_lock(deadline)
        return child

    def _hear_end(self, number: int, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (said := self._hear(deadline)).get("ended") != number:
            pass
        return said

    def _tell(self, message: Mapping[str, object], *descriptors: int) -> None:
        if self._control is None:
            raise ConnectionResetError
        socket.send_fds(self._control, [encode(message)], descriptors)

    def _hear(self, deadline: float) -> dict[str, Any]:
        if self._control is None:
            raise ConnectionResetError
        left = max(0.0, deadline - time.monotonic())
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if not poll.poll(math.ceil(left * 1000)):
            raise DeadlinePassedError
        text = self._control.recv(MESSAGE_LIMIT)
        if not text:
            raise ConnectionResetError
        return decode(text)

    def _last_words(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return " ".join(lines[-1:])[:_TEXT_LIMIT]


def _clean_environment() -> dict[str, str]:
    """What the zygote needs, and nothing else of ours: the environment holds keys and tokens."""
    kept = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_LIBRARY_PATH")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUDA_CACHE_DISABLE": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
