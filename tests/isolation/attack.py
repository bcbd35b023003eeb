"""What an attack is: what the candidate does, what it wants, and how it shows that it got it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from scene import Scene

Site = Literal["import", "init", "forward", "train", "predict"]
Control = Literal["none", "bare", "contained", "heir", "pipe", "naive", "own"]

LIMIT_BYTES = 500_000_000
"""Memory that a candidate may add at the levels; without isolation it is eight times as much."""

PATIENCE = 3.0
"""Seconds that a check may take at the levels."""

GOOD = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
        )

    def forward(self, x):
        return self.layers(x)
"""

_TOOLS = """
os, sys, ctypes, socket, signal, time, struct, json, resource, threading, subprocess, mmap, errno, fcntl, gc = map(
    __import__,
    "os sys ctypes socket signal time struct json resource threading subprocess mmap errno fcntl gc".split(),
)
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def call(*arguments):
    result = libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

NR = {
    "x86_64": dict(
        socket=41, connect=42, mkdirat=258, bpf=321, perf_event_open=298, add_key=248, keyctl=250, userfaultfd=323,
        process_vm_readv=310, process_vm_writev=311, prlimit64=302, memfd_create=319, execveat=322, kill=62,
        rt_sigqueueinfo=129, tkill=200,
    ),
    "aarch64": dict(
        socket=198, connect=203, mkdirat=34, bpf=280, perf_event_open=241, add_key=217, keyctl=219, userfaultfd=282,
        process_vm_readv=270, process_vm_writev=271, prlimit64=261, memfd_create=279, execveat=281, kill=129,
        rt_sigqueueinfo=138, tkill=130,
    ),
}[os.uname().machine] | dict(
    io_uring_setup=425, io_uring_enter=426, openat2=437, pidfd_open=434, pidfd_getfd=438, pidfd_send_signal=424
)

def frame(message, tensors=b"", claimed=None):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack("<IQ", len(text), len(tensors) if claimed is None else claimed) + text + tensors

def send(data):
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(3, view):]
        except BlockingIOError:
            time.sleep(0.001)

def first(*attempts):
    '''The first answer that one of the ways gives.'''
    for attempt in attempts:
        try:
            answer = attempt()
        except (OSError, ValueError, RuntimeError, ImportError, AttributeError):
            continue
        if answer:
            return str(answer)

def all_of(**attempts):
    '''The names of the ways that work.'''
    worked = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except (OSError, ValueError, RuntimeError, ImportError, AttributeError, subprocess.SubprocessError):
            continue
        worked.append(name)
    return "worked: " + " ".join(worked) if worked else None

def act():
    libc.prctl(15, @MARKER@.encode(), 0, 0, 0)
{action}
"""

_NETWORK = """
import torch
from torch import nn
{tools}
done = []

def at(site):
    if site != {site!r}:
        return
    if not done:
        done.append(None)
        done[0] = act()
    if done[0]:  # each time: what is raised on the meta device is tried on the processor too
        raise RuntimeError(done[0])

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)
        self.calls = self.steps = 0
        at("init")

    def forward(self, x):
        self.calls += 1
        y = self.layer(x.flatten(1))
        at("forward")
        if self.training and x.requires_grad is False and torch.is_grad_enabled() and not x.is_meta:
            self.steps += 1
            if self.steps == 6:
                at("train")
        elif self.steps >= 6:
            at("predict")
        return y

at("import")
"""

# what a process that is not isolated at all is bounded by, for the good of the machine
_BARE = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
resource.setrlimit(resource.RLIMIT_FSIZE, (128 << 20, 128 << 20))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if sys.argv[1] != "-":
    os.dup2(int(sys.argv[1]), 3)
{tools}
said = act()
print(said, flush=True)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attack, as far as it can be seen from outside.

    Attributes:
        said: all text that came back.
        code: the typed reason of the outcome; ``None`` if all went well.
        seconds: until it was over.
        status: exit code of a bare process; ``None`` where there is none, or it had to be ended.
        metrics: what was measured, after a training.
        weights: after a training.
        processes: the most processes of the attack that were seen at once.
        threads: the most threads in one of them.
        resident: the most resident memory of one of them, in bytes.
        left: processes of the attack that were there when it was over.
        restarted: whether the zygote had to be started anew, or is gone.
        grown: bytes by which this process has grown.
        frames: what a naive reader took from a bare process.
    """

    said: str
    code: str | None
    seconds: float
    status: int | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    weights: bytes | None = None
    processes: int = 0
    threads: int = 0
    resident: int = 0
    left: int = 0
    restarted: bool = False
    grown: int = 0
    frames: tuple[tuple[object, bytes], ...] = ()


Goal = Callable[[Scene, Outcome], bool]


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to do harm.

    Attributes:
        group: of :data:`groups.GROUPS`.
        name: unique in its group.
        action: body of a function in the candidate; what it returns is raised as text. ``@NAME@`` is a place of
            the scene.
        goal: whether it got what it wants, judged from outside as far as that is possible.
        site: where in its life the candidate acts; in ``train`` and ``predict`` it is trained.
        control: what shows that the attack works: ``none`` is the same source in the same kind of child without
            confinement; ``bare`` the action in a process of its own, ``contained`` the same in a PID namespace,
            ``heir`` with a descriptor of the secret, ``pipe`` with a naive reader of what it sends; ``naive`` a
            training script that scores and times in the candidate's own process; ``own`` a test of its own.
        source: a whole candidate instead of an action.
        known: level and documented weakness: there the goal is expected to be reached.
        again: who comes next, and is what the goal looks at: the ``same`` candidate, or an ``honest`` one, whose
            training accuracy is then the metric ``next``.
        lacks: what a machine may lack for the attack to work without isolation: its control may be skipped.
        slow: whether it takes more than about three seconds.
        bare_seconds: that a process of its own is given.
    """

    group: str
    name: str
    action: str
    goal: Goal
    site: Site = "import"
    control: Control = "none"
    source: str | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    again: Literal["", "same", "honest"] = ""
    lacks: str = ""
    slow: bool = False
    bare_seconds: float = 2 * PATIENCE

    @property
    def trains(self) -> bool:
        return self.site in ("train", "predict")

    def candidate(self, scene: Scene) -> str:
        """The source of the candidate."""
        if self.source is not None:
            return scene.filled(self.source)
        return _NETWORK.format(tools=self._tools(scene), site=self.site)

    def script(self, scene: Scene) -> str:
        """The action as a program."""
        return _BARE.format(tools=self._tools(scene))

    def _tools(self, scene: Scene) -> str:
        body = textwrap.indent(textwrap.dedent(self.action).strip("\n") or "pass", "    ")
        return scene.filled(_TOOLS.replace("{action}", body))


def leaks(scene: Scene, outcome: Outcome) -> bool:
    """The secret has come out."""
    return scene.leaked(outcome.said, *(tensors.decode(errors="replace") for _, tensors in outcome.frames))


def writes(scene: Scene, outcome: Outcome) -> bool:
    """Something lies in the output folder, or the secret's file is not as it was."""
    return bool(scene.written()) or scene.touched()


def connects(scene: Scene, outcome: Outcome) -> bool:
    """A listener was reached."""
    return scene.contacts() > 0


def works(scene: Scene, outcome: Outcome) -> bool:
    """One of the ways worked, by the candidate's own account: where nothing can be seen from outside."""
    return "worked" in outcome.said


def outlives(scene: Scene, outcome: Outcome) -> bool:
    """It went on for longer than it may, or after its end."""
    return outcome.seconds > PATIENCE + 2.5 or outcome.left > 0
