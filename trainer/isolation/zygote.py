"""The zygote: a trusted process that imports torch once and forks a locked child for each job.

It runs no candidate code, starts no thread and touches no GPU, so that a fork of it is whole. It lives as
long as its parent's end of the control socket is open. Run as a module with the socket's descriptor:
``python -P -s -m lemonade_es.trainer.isolation.zygote FD``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # optimisers import it late, which would cost every child a second
from pydantic import TypeAdapter

from lemonade_es.task import Task
from lemonade_es.trainer.isolation.bench import Bench, Supplies, probe_cuda
from lemonade_es.trainer.isolation.lock import Policy, lock
from lemonade_es.trainer.isolation.protocol import MESSAGE_LIMIT, Channel, decode, encode
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.training import TrainingData

_POLICY = TypeAdapter(Policy)
_WATCH_SECONDS = 0.2
_MOST_ARRAYS = 16


@dataclass(slots=True)
class _Child:
    """A running child: its number, and the resident memory that it may have (CUDA only)."""

    job: int
    descriptor: int
    resident_limit: int | None
    over_memory: bool = False


class Zygote:
    """Answers one parent."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._shared: _Shared | None = None

    def run(self) -> None:
        """Serves until the parent is gone."""
        text, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, _MOST_ARRAYS)
        self._shared = _mapped(decode(text), descriptors)
        # collections in the children would copy every page that all of them share
        gc.collect()
        gc.freeze()
        self._control.send(encode({"ready": True}))
        self._selector.register(self._control, selectors.EVENT_READ)
        while True:
            watched = any(child.resident_limit is not None for child in self._children.values())
            for key, _ in self._selector.select(_WATCH_SECONDS if watched else None):
                if key.data is not None:
                    self._reap(key.data)
                elif not self._obey():
                    self._end_all()
                    return
            self._watch_memory()

    def _obey(self) -> bool:
        """One message of the parent; false when it has gone."""
        text, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, 1)
        if not text:
            return False
        message = decode(text)
        if "end" in message:
            for pid, child in self._children.items():
                if child.job == message["end"]:
                    _kill(pid)
        else:
            self._fork(message, descriptors[0])
        return True

    def _fork(self, message: Mapping[str, Any], descriptor: int) -> None:
        job = message["job"]
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(descriptor)
            self._control.send(encode({"refused": job, "why": str(error)}))
            return
        if pid == 0:
            _live(descriptor, message, self._shared, zygote)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # the child does the same: whoever comes first
            os.setpgid(pid, pid)
        child = _Child(job, os.pidfd_open(pid), message["resident_limit"])
        self._children[pid] = child
        self._selector.register(child.descriptor, selectors.EVENT_READ, pid)
        self._control.send(encode({"forked": job, "pid": pid}))

    def _reap(self, pid: int) -> None:
        child = self._children.pop(pid)
        self._selector.unregister(child.descriptor)
        os.close(child.descriptor)
        _, status, used = os.wait4(pid, 0)
        said = {
            "ended": child.job,
            "status": os.waitstatus_to_exitcode(status),
            "peak_bytes": used.ru_maxrss * 1024,
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "over_memory": child.over_memory,
        }
        with contextlib.suppress(OSError):  # a parent that has gone is noticed at the socket
            self._control.send(encode(said))

    def _watch_memory(self) -> None:
        for pid, child in self._children.items():
            if child.resident_limit is not None and _resident(pid) > child.resident_limit:
                child.over_memory = True
                _kill(pid)

    def _end_all(self) -> None:
        for pid in self._children:
            _kill(pid)
            os.waitpid(pid, 0)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the parent handed over once: everything but the device."""

    task: Task
    recipe: Recipe
    data: TrainingData
    validation: torch.Tensor


def _mapped(message: Mapping[str, Any], descriptors: Sequence[int]) -> _Shared:
    """Maps the arrays privately: children share the pages, and what they write stays their own."""
    tensors = {}
    for entry, descriptor in zip(message["arrays"], descriptors, strict=True):
        with os.fdopen(descriptor, "rb") as file:
            array = np.memmap(file, entry["dtype"], "c", shape=tuple(entry["shape"]))
        tensors[entry["name"]] = torch.from_numpy(array)
    return _Shared(
        task=TypeAdapter(Task).validate_python(message["task"]),
        recipe=TypeAdapter(Recipe).validate_python(message["recipe"]),
        data=TrainingData(tensors["train"], tensors["train_labels"], message["mean"], message["std"], message["flip"]),
        validation=tensors["validation"],
    )


def _live(descriptor: int, message: Mapping[str, Any], shared: _Shared | None, zygote: int) -> None:
    """The child's whole life; it does not return."""
    code = 1
    try:
        if descriptor != 3:
            os.dup2(descriptor, 3)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        os.close(nowhere)
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        channel = Channel(3)
        try:
            lock(_POLICY.validate_python(message["policy"]), parent=zygote)
        except (OSError, ValueError) as error:
            channel.send({"unlocked": str(error)})
            os._exit(1)
        channel.send({"locked": True})
        if message["probe"]:
            channel.send(probe_cuda())
        elif shared is not None:
            supplies = Supplies(
                task=shared.task,
                recipe=shared.recipe,
                data=shared.data,
                validation=shared.validation,
                device=message["device"],
                threads=message["threads"],
            )
            Bench(supplies, channel).serve()
        code = 0
    finally:
        os._exit(code)


def _kill(pid: int) -> None:
    """Ends a child that has not been reaped yet, and whatever it may have started without isolation."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


if __name__ == "__main__":
    Zygote(socket.socket(fileno=int(sys.argv[1]))).run()
    os._exit(0)  # tidying up torch takes a third of a second
