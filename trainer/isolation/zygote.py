"""The zygote: a trusted process that imports torch once and forks a locked child for each job.

It runs no candidate code, starts no thread and touches no GPU, so that a fork of it is whole. It lives as
long as its parent's end of the control socket is open. Run as a module with the socket's descriptor:
``python -P -s -m lemonade_es.trainer.isolation.zygote FD``, or with its path where descriptors cannot be inherited.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch._dynamo  # optimisers import it late, which would cost every child a second
from pydantic import TypeAdapter

from lemonade_es.task import Task
from lemonade_es.trainer.export.stand import Stand
from lemonade_es.trainer.isolation import canary
from lemonade_es.trainer.isolation.appetite import WATCH_SECONDS, Excess, appetite
from lemonade_es.trainer.isolation.bench import Bench, Supplies, probe_cuda, warm_up
from lemonade_es.trainer.isolation.cover import Withheld, cover
from lemonade_es.trainer.isolation.lock import Policy, lock, shared_ruleset
from lemonade_es.trainer.isolation.protocol import MESSAGE_LIMIT, Channel, decode, encode
from lemonade_es.trainer.learning.training import TrainingData
from lemonade_es.trainer.network.blame import FILE_NAME
from lemonade_es.trainer.recipe import Recipe

_POLICY = TypeAdapter(Policy)
_SPARE_THREADS = 256
"""Threads that a child may start beyond four for each that it trains with: the kernel limits them for users alone."""

_MOST_ARRAYS = 16
_CHANNEL, _RULES, _BEYOND = 3, 4, 10


@dataclass(slots=True)
class _Child:
    """A running child.

    Attributes:
        job: its number.
        descriptor: refers to its process.
        cpu_limit: seconds of processor time that it may take.
        resident_limit: bytes of resident memory that it may have; ``None`` where its lock limits memory.
        thread_limit: how many threads it may have.
        excess: of what it had more, and was ended for.
    """

    job: int
    descriptor: int
    cpu_limit: int
    resident_limit: int | None
    thread_limit: int
    excess: Excess | None = None


class Zygote:
    """Answers one parent."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._shared: _Shared | None = None
        self._rules: dict[Policy, int | None] = {}

    def run(self) -> None:
        """Serves until the parent is gone."""
        text, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, _MOST_ARRAYS)
        self._shared = _mapped(decode(text), descriptors)
        warm_up()
        # collections in the children would copy every page that all of them share
        gc.collect()
        gc.freeze()
        self._control.send(encode({"ready": True}))
        self._selector.register(self._control, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select(WATCH_SECONDS if self._children else None):
                if key.data is not None:
                    self._reap(key.data)
                elif not self._obey():
                    self._end_all()
                    return
            self._watch()

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
        policy = _POLICY.validate_python(message["policy"])
        try:
            rules = self._rules_for(policy)
            pid = os.fork()
        except OSError as error:
            os.close(descriptor)
            self._control.send(encode({"refused": job, "why": str(error)}))
            return
        if pid == 0:
            _live(descriptor, rules, policy, message, self._shared, zygote)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # the child does the same: whoever comes first
            os.setpgid(pid, pid)
        child = _Child(
            job=job,
            descriptor=os.pidfd_open(pid),
            cpu_limit=policy.cpu_seconds,
            resident_limit=message["resident_limit"],
            thread_limit=_SPARE_THREADS + 4 * message["threads"],
        )
        self._children[pid] = child
        self._selector.register(child.descriptor, selectors.EVENT_READ, pid)
        # a number in here may be another process out there; a descriptor is not
        socket.send_fds(self._control, [encode({"forked": job})], [child.descriptor])

    def _rules_for(self, policy: Policy) -> int | None:
        """The ruleset for a policy, if children share it: making one takes longer than all the rest of a lock."""
        kind = replace(policy, memory_bytes=None, cpu_seconds=0)
        if kind not in self._rules:
            self._rules[kind] = shared_ruleset(kind)
        return self._rules[kind]

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
            "excess": child.excess,
            "over_time": used.ru_utime + used.ru_stime >= child.cpu_limit,
        }
        with contextlib.suppress(OSError):  # a parent that has gone is noticed at the socket
            self._control.send(encode(said))

    def _watch(self) -> None:
        for pid, child in self._children.items():
            taken = appetite(pid)
            if taken.threads > child.thread_limit:
                child.excess = "threads"
            elif child.resident_limit is not None and taken.resident > child.resident_limit:
                child.excess = "memory"
            else:
                continue
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

    def withhold(self, what: Withheld) -> None:
        """Takes inputs or labels away from this process, for good: zeros are where they were."""
        tensors = {
            "nothing": (),
            "validation": (self.validation,),
            "labels": (self.validation, self.data.labels),
            "training": (self.data.labels, self.data.inputs),
            "everything": (self.validation, self.data.labels, self.data.inputs),
        }
        for tensor in tensors[what]:
            cover(tensor.data_ptr(), tensor.nbytes)


def _mapped(message: Mapping[str, Any], descriptors: Sequence[int]) -> _Shared | None:
    """Maps the arrays privately: children share the pages, and what they write stays their own."""
    if not message:
        return None
    tensors = {}
    for entry, descriptor in zip(message["arrays"], descriptors, strict=True):
        with os.fdopen(descriptor, "rb") as file:
            array = np.memmap(file, entry["dtype"], "c", shape=tuple(entry["shape"]))
        tensors[entry["name"]] = torch.from_numpy(array)
    task = TypeAdapter(Task).validate_python(message["task"])
    return _Shared(
        task=task,
        recipe=TypeAdapter(Recipe).validate_python(message["recipe"]),
        data=TrainingData(
            tensors["train"],
            tensors["train_labels"],
            message["mean"],
            message["std"],
            message["flip"],
            task.objective,
        ),
        validation=tensors["validation"],
    )


def _live(
    descriptor: int,
    rules: int | None,
    policy: Policy,
    message: Mapping[str, Any],
    shared: _Shared | None,
    zygote: int,
) -> None:
    """The child's whole life; it does not return."""
    code = 1
    try:
        _keep_only(descriptor, rules)
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        channel = Channel(_CHANNEL)
        try:
            if shared is not None:
                shared.withhold(message["withheld"])
            lock(policy, parent=zygote, rules=None if rules is None else _RULES)
        except (OSError, ValueError) as error:
            channel.send({"unlocked": str(error)})
            os._exit(1)
        channel.send({"locked": True})
        if message["work"] == "cuda":
            channel.send(probe_cuda())
        elif message["work"] == "canary":
            canary.serve(channel)
        elif shared is not None:
            supplies = Supplies(
                task=shared.task,
                recipe=shared.recipe,
                data=shared.data,
                validation=shared.validation,
                device=message["device"],
                threads=message["threads"],
            )
            worker = Stand if message["work"] == "stand" else Bench
            worker(supplies, channel).serve()
        code = 0
    finally:
        os._exit(code)


def _keep_only(descriptor: int, rules: int | None) -> None:
    """Leaves the channel and the ruleset open, under the numbers that the child knows, and nothing else."""
    # beyond the numbers that they will have, so that neither lands on the other
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD, _BEYOND) for number in (descriptor, rules) if number is not None]
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  (numbers, not paths)
        if number not in moved:
            with contextlib.suppress(OSError):  # the listing's own is closed already
                os.close(number)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)
    for number, kept in zip(moved, (_CHANNEL, _RULES), strict=False):
        os.dup2(number, kept)
        os.close(number)


def _kill(pid: int) -> None:
    """Ends a child that has not been reaped yet, and whatever it may have started without isolation."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def _control(where: str) -> socket.socket:
    """The control socket: a descriptor's number, or a path to connect to."""
    if where.isdecimal():
        return socket.socket(fileno=int(where))
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(where)
    return control


if __name__ == "__main__":
    control = _control(sys.argv[1])
    sys.argv[:] = [FILE_NAME]  # a source that reads its arguments finds none
    Zygote(control).run()
    os._exit(0)  # tidying up torch takes a third of a second
