"""The proof of a level: canaries sent out from the zygote that will serve, and what became of each."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation.child import CandidateFailed, Child
from lemonade_es.trainer.isolation.level import LevelName
from lemonade_es.trainer.isolation.lock import Policy
from lemonade_es.trainer.isolation.nursery import Job, Nursery
from lemonade_es.trainer.isolation.protocol import DeadlinePassedError

_SECONDS = 10.0
_MEMORY_BYTES = 256 << 20
_CPU_SECONDS = 60
_ALWAYS = ("read", "environment", "write", "connect", "fork", "memory", "execute")


@dataclass(frozen=True, slots=True)
class Canary:
    """One forbidden thing that a locked child tried.

    Attributes:
        name: what it tried.
        held: whether it was kept from it.
        said: the system's refusal, or what it got.
        seconds: that it took.
    """

    name: str
    held: bool
    said: str
    seconds: float


def demands(level: LevelName, *, landlock: bool) -> tuple[str, ...]:
    """What must be refused at a level.

    Args:
        level: the level.
        landlock: whether the lock uses Landlock.
    """
    walled = ("stat",) if level in ("strong", "container") else ()
    return (*walled, *(("read program",) if landlock else ()), *_ALWAYS)


def prove(
    nursery: Nursery, names: Sequence[str], *, confine: bool = True, landlock: bool = True, cuda: bool = False
) -> tuple[Canary, ...]:
    """Sends out canaries; nothing but their verdicts is left of them.

    Args:
        nursery: whose children are to try.
        names: what they are to try.
        confine: whether their lock confines them, as in :class:`Policy`; without, canaries get through.
        landlock: whether their lock uses Landlock.
        cuda: whether it leaves the way to the GPU open; the lock of other children lets nothing more through.

    Raises:
        IsolationError: no locked child can be had, or a canary is not back in time, which proves nothing;
            ``DeadlinePassedError`` is the cause where something was only too slow.
    """
    memory = _MEMORY_BYTES if confine else None
    policy = Policy(confine=confine, landlock=landlock, cuda=cuda, memory_bytes=memory, cpu_seconds=_CPU_SECONDS)
    job = Job(policy, "cpu", threads=1, work="canary")
    with _planted() as bait, contextlib.ExitStack() as children:
        child: Child | None = None
        verdicts: list[Canary] = []
        for name in names:
            if child is None or child.exit is not None:
                child = children.enter_context(nursery.child(job))
            verdicts.append(_tried(child, name, bait))
        return tuple(verdicts)


@dataclass(frozen=True, slots=True)
class _Bait:
    """What the canaries are set on: a secret in a file, and a door on the loopback device.

    Attributes:
        secret: the file.
        token: what stands in it.
        port: where the parent listens.
        touched: whether anyone wrote beside the secret, or knocked.
    """

    secret: Path
    token: str
    port: int
    touched: Callable[[], bool]


@contextlib.contextmanager
def _planted() -> Iterator[_Bait]:
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="lemonade-") as folder, socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)
        secret = Path(folder, "secret")
        secret.write_text(token, encoding="ascii")

        def touched() -> bool:
            with contextlib.suppress(BlockingIOError):
                door.accept()[0].close()
                return True
            return secret.read_text(encoding="ascii") != token or set(Path(folder).iterdir()) != {secret}

        yield _Bait(secret, token, door.getsockname()[1], touched)


def _tried(child: Child, name: str, bait: _Bait) -> Canary:
    started = time.monotonic()
    try:
        reply = child.call(
            name,
            deadline=started + _SECONDS,
            secret=str(bait.secret),
            port=bait.port,
            pid=os.getpid(),
            bytes=2 * _MEMORY_BYTES,
        )
        blocked = reply.message.get("blocked")
        held, said = blocked is not None, str(blocked or reply.message.get("worked"))
    except CandidateFailed as failed:
        if failed.failure.code == "TIMED_OUT" and child.exit is None:
            raise IsolationError(f"the canary {name!r} is not back within {_SECONDS:.0f} s") from DeadlinePassedError()
        # a signal of the kernel's filter holds as well; whoever became another program left in peace
        status = child.exit.status if child.exit is not None else None
        held, said = status is not None and status < 0, failed.failure.message
    if bait.touched():
        held, said = False, f"it left a trace, whatever it says: {said}"
    return Canary(name, held, said.replace(bait.token, "the secret"), time.monotonic() - started)
