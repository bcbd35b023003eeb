"""What a network is timed with: inputs of which none is like an earlier one, so that a kept answer is of no use."""

from __future__ import annotations

import math
import random
import secrets

import torch
from torch import Tensor, nn

from lemonade_es.task import Task
from lemonade_es.trainer.network.candidate import example
from lemonade_es.trainer.network.layout import settled

_POOL_BYTES = 16 << 20
_POOL_ROWS = 64


class Stimulus:
    """Random batches of the task's shape, each of them new in every number.

    A few are made beforehand; each time they are used up, others are made of them: sums of two, in another pairing and
    with other shares, which are normally distributed as well. That costs next to nothing beside a forward pass, where
    drawing new ones would cost a tenth of it. Nothing is drawn from generators that a network can set back.

    Args:
        task: what the network is for.
        model: in whose memory order and on whose device batches are.
        rows: inputs in a batch.
        device: where they are.
    """

    def __init__(self, task: Task, model: nn.Module, rows: int, device: str) -> None:
        size = 8 * rows * torch.Size(task.input_shape).numel()
        count = max(1, min(_POOL_ROWS, _POOL_BYTES // size))

        def drawn() -> Tensor:
            pool = example(task, rows * count).to(device)
            return pool.contiguous(memory_format=settled(model)) if pool.dim() == 4 else pool

        self._pool, *self._parts = drawn(), drawn(), drawn()
        self._largest = (task.vocabulary_size or 2) - 1
        self._batches = torch.split(self._pool, rows)
        self._next = 0
        self._random = random.Random(secrets.randbits(64))  # noqa: S311  (unforeseen, not secret)
        self._tokens = torch.Generator(device).manual_seed(secrets.randbits(60))

    def batch(self) -> Tensor:
        """The next one."""
        if self._next == len(self._batches):
            self._move()
            self._next = 0
        self._next += 1
        batch: Tensor = self._batches[self._next - 1]
        return batch

    def _move(self) -> None:
        if not self._pool.is_floating_point():
            self._pool.random_(1, self._largest + 1, generator=self._tokens)
            return
        one, other = self._parts
        angle, shift = self._random.uniform(0, math.tau), self._random.randrange(len(one))
        torch.mul(one, math.cos(angle), out=self._pool)
        left = len(one) - shift
        self._pool[:left].add_(other[shift:], alpha=math.sin(angle))
        self._pool[left:].add_(other[:shift], alpha=math.sin(angle))
