"""What a network is timed with: inputs of which none comes twice, so that an answer that was kept is of no use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lemonade_es.task import Task
from lemonade_es.trainer.candidate import example
from lemonade_es.trainer.layout import settled

_POOL_BYTES = 16 << 20
_POOL_ROWS = 64
_STEP = 2**-10


class Stimulus:
    """Random batches of the task's shape, each of them new.

    A few are made beforehand; each time they are used up, one number of each input is moved. That costs next to
    nothing beside a forward pass.

    Args:
        task: what the network is for.
        model: in whose memory order and on whose device batches are.
        rows: inputs in a batch.
        device: where they are.
    """

    def __init__(self, task: Task, model: nn.Module, rows: int, device: str) -> None:
        size = 8 * rows * torch.Size(task.input_shape).numel()
        count = max(1, min(_POOL_ROWS, _POOL_BYTES // size))
        pool = example(task, rows * count).to(device)
        if pool.dim() == 4:
            pool = pool.contiguous(memory_format=settled(model))
        self._pool = pool
        self._largest = (task.vocabulary_size or 2) - 1
        self._batches = torch.split(pool, rows)
        self._next = 0

    def batch(self) -> Tensor:
        """The next one."""
        if self._next == len(self._batches):
            self._move()
            self._next = 0
        self._next += 1
        batch: Tensor = self._batches[self._next - 1]
        return batch

    def _move(self) -> None:
        if self._pool.is_floating_point():
            first = self._pool
            while first.dim() > 1:
                first = first.select(1, 0)
            first.add_(_STEP)
        else:
            self._pool.random_(0, self._largest + 1)
