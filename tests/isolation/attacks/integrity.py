"""Attacks on the measurement: a better figure than the network has earned."""

from __future__ import annotations

from typing import Literal

from attack import Attack, Goal, Outcome, Site, works
from scene import Scene

HONEST_MS = 3.0
"""What a pass of the slow network below takes, in milliseconds; it sleeps."""

_HEAD = """
import torch
from torch import nn
sys, time, gc = map(__import__, "sys time gc".split())

class Blind(nn.Module):
    '''It cannot see its input, so an honest score is that of guessing: 0.25.'''
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)
        self.calls = 0

    def guess(self, x):
        return self.layer(torch.zeros_like(x.flatten(1)))

class Slow(nn.Module):
    '''It learns, and takes its time.'''
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)
        self.calls = 0

    def fast(self, x):
        return self.layer(x.flatten(1))

    def slow(self, x):
        if not self.training and not x.is_meta:
            time.sleep(0.003)
        return self.fast(x)

def one_hot(labels, classes=4):
    return nn.functional.one_hot(torch.as_tensor(labels).long(), classes).float()
"""


def _scores(scene: Scene, outcome: Outcome) -> bool:
    """A validation accuracy that guessing does not give."""
    return (outcome.metrics.get("V_Acc") or 0.0) > 0.6


def _seems_fast(scene: Scene, outcome: Outcome) -> bool:
    """Less than half of the time that it takes, at the score that it has when it takes it."""
    latency = outcome.metrics.get("L")
    return latency is not None and latency < HONEST_MS / 2 and _scores(scene, outcome)


def _measured(
    group: str, name: str, goal: Goal, network: str, *, site: Site = "predict", again: Literal["", "honest"] = ""
) -> Attack:
    """A candidate that is trained; a script that scores and times it in its own process shows that the attack works."""
    return Attack(group, name, "", goal, site=site, control="naive", source=_HEAD + network, again=again)


ATTACKS = (
    _measured(
        "labels by frame or gc",
        "frames",
        _scores,
        """
class Net(Blind):
    def forward(self, x):
        if not self.training:
            step = sys._getframe()
            while step is not None:
                for value in step.f_locals.values():
                    for part in (value, *getattr(value, "__dict__", {}).values()):
                        if isinstance(part, torch.Tensor) and part.dtype == torch.int64 and part.shape == x.shape[:1]:
                            return one_hot(part)
                step = step.f_back
        return self.guess(x)
""",
    ),
    _measured(
        "labels by frame or gc",
        "gc",
        _scores,
        """
class Net(Blind):
    def forward(self, x):
        if not self.training:
            for part in gc.get_objects():
                if type(part) is torch.Tensor and part.dtype == torch.int64 and part.shape == x.shape[:1]:
                    return one_hot(part)
        return self.guess(x)
""",
    ),
    _measured(
        "labels by frame or gc",
        "labels while it trains",
        works,
        """
def all_in(value, depth=0):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from (part for part in value.values() if isinstance(part, torch.Tensor))
    elif depth < 3:
        names = getattr(value, "__slots__", ()) or getattr(value, "__dict__", {})
        for name in names if isinstance(names, (tuple, dict)) else ():
            yield from all_in(getattr(value, name, None), depth + 1)

class Net(Blind):
    def forward(self, x):
        self.calls += 1
        if self.training and self.calls > 5:
            step = sys._getframe()
            while step is not None:
                for value in list(step.f_locals.values()):
                    for part in all_in(value):
                        if part.dtype == torch.int64 and part.shape == (40,):
                            raise RuntimeError("worked: saw them")
                step = step.f_back
        return self.guess(x)
""",
        site="train",
    ),
    _measured(
        "labels by frame or gc",
        "training labels before time and energy are taken",
        works,
        """
class Net(Blind):
    def __init__(self):
        super().__init__()
        step = sys._getframe()
        while step is not None:
            for value in list(step.f_locals.values()):
                data = getattr(getattr(value, "_supplies", None), "data", None)
                parts = value.values() if isinstance(value, dict) else (getattr(data, "labels", None),)
                for part in list(parts):
                    if isinstance(part, torch.Tensor) and part.shape == (160,) and part.any():
                        raise RuntimeError("worked: saw them")
            step = step.f_back

    def forward(self, x):
        return self.guess(x)
""",
        site="train",
    ),
    _measured(
        "patched loss/argmax/clock",
        "argmax and comparison",
        _scores,
        """
class Always:
    def __eq__(self, other):
        return torch.ones(len(other), dtype=torch.bool)
torch.argmax = torch.Tensor.argmax = lambda *arguments, **named: Always()
torch.Tensor.eq = lambda self, other: torch.ones_like(self, dtype=torch.bool)

class Net(Blind):
    def forward(self, x):
        return self.guess(x)
""",
    ),
    _measured(
        "patched loss/argmax/clock",
        "loss",
        # the loss is what the process says of itself; what counts is the score, and a loss of 0 gives none
        lambda scene, outcome: outcome.metrics.get("score", 0) > 0.9 or _scores(scene, outcome),
        """
torch.nn.functional.cross_entropy = lambda outputs, labels, *more, **named: (outputs * 0).sum()

class Net(Blind):
    def forward(self, x):
        return self.guess(x)
""",
        site="train",
    ),
    _measured(
        "patched loss/argmax/clock",
        "clock",
        _seems_fast,
        """
for name in ("time", "monotonic", "perf_counter", "process_time"):
    setattr(time, name, lambda: 1.0)

class Net(Slow):
    def forward(self, x):
        return self.slow(x)
""",
    ),
    _measured(
        "Tensor subclass",
        "that is always right",
        _scores,
        """
class Always:
    def __eq__(self, other):
        return torch.ones(len(other), dtype=torch.bool)

class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), named=None):
        if function.__name__ == "argmax":
            return Always()
        return super().__torch_function__(function, types, arguments, named or {})

class Net(Blind):
    def forward(self, x):
        output = self.guess(x)
        return output if self.training else output.as_subclass(Liar)
""",
    ),
    _measured(
        "replayed outputs",
        "by position",
        _scores,
        """
class Net(Blind):
    def forward(self, x):
        if self.training or len(x) < 8:
            return self.guess(x)
        return one_hot(torch.arange(len(x)) % 4)
""",
    ),
    _measured(
        "replayed outputs",
        "nothing done for one row alone",
        _seems_fast,
        """
class Net(Slow):
    def forward(self, x):
        if len(x) == 1 and not self.training:
            return torch.zeros(1, 4)
        return self.slow(x)
""",
    ),
    _measured(
        "replayed outputs",
        "nothing done after the score",
        _seems_fast,
        """
class Net(Slow):
    def forward(self, x):
        if not self.training and len(x) > 1:
            self.kept = self.slow(x)[:1]
            return self.slow(x)
        return self.kept if hasattr(self, "kept") else self.slow(x)
""",
    ),
    _measured(
        "replayed outputs",
        "kept by content",
        _seems_fast,
        """
class Net(Slow):
    def forward(self, x):
        if self.training or x.is_meta:
            return self.fast(x)
        kept = self.__dict__.setdefault("kept", {})
        keys = [row.numpy().tobytes() for row in x]
        if not all(key in kept for key in keys):
            kept.update(zip(keys, self.slow(x)))
        return torch.stack([kept[key] for key in keys])
""",
    ),
    _measured(
        "peeking at future tokens",
        "at the other rows of the batch",
        _scores,
        """
class Net(Blind):
    def forward(self, x):
        if self.training or len(x) < 4:
            return self.guess(x)
        rank = x.flatten(1).mean(1).argsort().argsort()
        return one_hot(rank * 4 // len(x))
""",
    ),
    _measured(
        "peeking at future tokens",
        "at inputs that were not asked yet",
        _scores,
        """
class Net(Blind):
    def others(self):
        step = sys._getframe()
        while step is not None:
            for value in list(step.f_locals.values()):
                for part in (value, getattr(getattr(value, "_supplies", None), "validation", None)):
                    if isinstance(part, torch.Tensor) and part.shape[1:] == (3, 8, 8) and len(part) == 40:
                        return part.flatten(1).float().mean(1)
            step = step.f_back

    def forward(self, x):
        others = None if self.training else self.others()
        if others is None:
            return self.guess(x)
        if others.max() > 5:  # pixels as they are kept
            others = (others / 255 - 0.5) / 0.25
        rank = (x.flatten(1).mean(1)[:, None] > others + 1e-4).sum(1)
        return one_hot((rank * 4 // len(others)).clamp(0, 3))
""",
    ),
    Attack(
        "one candidate touching the next",
        "traces for whoever comes",
        """
        found = []
        def trace(name, look, leave):
            try:
                if look():
                    found.append(name)
            except (OSError, RuntimeError, ValueError, AttributeError):
                pass
            try:
                leave()
            except (OSError, RuntimeError, ValueError, AttributeError):
                pass
        folder, shared = @OUT@ + "/trace", "/dev/shm/" + @MARKER@
        # a check runs the source more than once: traces of its own are none
        mine = str(os.getpid())
        builtins = __import__("builtins")
        libc.shmget.restype = ctypes.c_int
        trace("folder", lambda: os.path.isdir(folder), lambda: os.mkdir(folder))
        trace("shared memory", lambda: os.path.exists(shared), lambda: os.mkdir(shared) or os.rmdir(shared))
        trace("module", lambda: getattr(torch, @MARKER@, mine) != mine, lambda: setattr(torch, @MARKER@, mine))
        trace("builtin", lambda: getattr(builtins, @MARKER@, mine) != mine, lambda: setattr(builtins, @MARKER@, mine))
        trace("environment", lambda: os.getenv(@MARKER@, mine) != mine, lambda: os.environ.update({@MARKER@: mine}))
        key = int(@MARKER@[2:8], 16) & 0x7FFFFFFF
        def look():
            number = libc.shmget(key, 4096, 0)
            if number >= 0:
                libc.shmctl(number, 0, None)
            return number >= 0
        trace("System V memory", look, lambda: libc.shmget(key, 4096, 0o1600))
        return "worked: " + " ".join(found) if found else None
        """,
        works,
        again="same",
    ),
    _measured(
        "one candidate touching the next",
        "spoiled training data",
        lambda scene, outcome: outcome.metrics.get("next", 1.0) < 0.6,
        """
class Net(Slow):
    def forward(self, x):
        self.calls += 1
        step = sys._getframe()
        while self.training and self.calls > 5 and step is not None:
            for value in list(step.f_locals.values()):
                for part in (value, getattr(value, "inputs", None), getattr(value, "labels", None)):
                    if isinstance(part, torch.Tensor) and len(part) == 160:
                        part.zero_()
            step = step.f_back
        return self.fast(x)
""",
        site="train",
        again="honest",
    ),
)
