"""What a source of the corpus is, and what the small ones are made of."""

from __future__ import annotations

from dataclasses import dataclass

from lemonade_es.task import Task

IMAGE = Task("image", "cifar10", (3, 32, 32), 10)
GREY = Task("image", "mnist", (1, 28, 28), 10)
TEXT = Task("text", "imdb", (40,), 2, vocabulary_size=500)

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """One source; ``code`` is ``None`` for a good one, ``says`` is part of the message."""

    name: str
    body: str
    code: str | None = None
    says: str = ""
    line: int | None = None
    task: Task = IMAGE
    net: str = "Net()"
    flags: tuple[str, ...] = ()
    head: str = HEAD

    @property
    def source(self) -> str:
        return self.head + self.body


def network(init: str, forward: str) -> str:
    """A class around a constructor's and a forward's statements."""
    lines = ["class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += [f"        {line}" for line in init.splitlines()] + ["    def forward(self, x):"]
    return "\n".join([*lines, *(f"        {line}" for line in forward.splitlines())]) + "\n"
