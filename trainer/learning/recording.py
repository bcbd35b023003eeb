"""Training steps on a GPU, recorded once as a CUDA graph and replayed: no Python work for each operation.

A small network's step is a few hundred operations, each of which takes the processor longer to start than the GPU
to do. A graph starts them all at once. What is recorded is what one pass forward and back did; so a network is recorded
only if its passes are alike, which is looked at in the first steps, and again in the first step of each epoch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lemonade_es.trainer.learning.steps import Look, Steps

_ALIKE = 2
"""Passes that must have done the same before it is recorded."""

_WORTH = 20
"""Steps that must be left: recording takes as long as a few."""

REHEARSAL = 1 + _ALIKE + _WORTH + 1
"""Steps that a recorder must expect to record the first of them that it can."""

_WAITING = frozenset(
    {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount"}
)
"""Operations whose result decides a size or a branch: the processor waits for it."""

_ATTENTION = ("_scaled_dot_product_", "_flash_attention_", "_efficient_attention_")
"""Their seeds lie on the processor where nothing is recorded, and on the GPU where it is."""

_INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_"})


Replay = Callable[[], object]
"""Does once more what was recorded."""


class RecordingFailed(Exception):  # noqa: N818  (an outcome with a reason, not an error of the program)
    """A step could not be recorded; the process's generators may be spoilt, so another one must train."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def cuda_graph(steps: Steps, rows: Tensor) -> Replay:
    """A step as a CUDA graph; recording it computes nothing.

    Args:
        steps: takes it.
        rows: of its batch; a replay takes those that are in this tensor then.

    Raises:
        RecordingFailed: this process cannot go on.
    """
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(steps.generator)
    steps.optimizer.zero_grad(set_to_none=True)
    try:
        with torch.cuda.graph(graph):
            steps.take(rows)
    except Exception as error:  # noqa: BLE001  (candidate code may raise anything)
        raise RecordingFailed(f"{type(error).__name__}: {error}") from None
    return graph.replay


class Recorder:
    """Takes steps as they come until they can be recorded, then replays the record.

    Args:
        steps: takes them.
        batch_size: rows of the steps that are recorded; others are taken as they come.
        count: of steps that are to be taken in all.
        record: makes the record.
    """

    def __init__(
        self, steps: Steps, batch_size: int, count: int, record: Callable[[Steps, Tensor], Replay] = cuda_graph
    ) -> None:
        self._steps = steps
        self._rows = torch.zeros(batch_size, dtype=torch.int64, device=steps.inputs.device)
        self._left = count
        self._record = record
        self._footprint: list[object] = []
        self._kept: list[tuple[str, object]] = []
        self._watched = -1  # the first pass may build what the others find
        self._replay: Replay | None = None
        self.obstacle: str | None = None
        """What in the network stands against recording it, if anything does."""

    @property
    def replays(self) -> bool:
        """Whether there is a record."""
        return self._replay is not None

    def take(self, rows: Tensor, look: Look | None = None) -> None:
        """One step.

        Args:
            rows: of the batch, ``(B,)``, on the device.
            look: told of the gradients.

        Raises:
            RecordingFailed: this process cannot go on.
        """
        self._left -= 1
        if self.obstacle is not None or len(rows) != len(self._rows):
            self._steps.take(rows, look)
        elif look is not None or self._watched < _ALIKE:
            self._take_watched(rows, look)
        elif self._replay is None and self._left < _WORTH:
            self._steps.take(rows)
        else:
            self._rows.copy_(rows)
            if self._replay is None:
                self._replay = self._record(self._steps, self._rows)
            self._replay()

    def _take_watched(self, rows: Tensor, look: Look | None) -> None:
        self._watched += 1
        if self._watched == 0:
            self._steps.take(rows, look)
            self._kept = _kept(self._steps.model)
            return
        watch = Watcher(rows.device.type)
        chance = _chance()
        self._steps.take(rows, look, watch)
        self.obstacle = watch.obstacle
        if self.obstacle is None and _chance() != chance:
            self.obstacle = "it draws random numbers on the processor"
        if self.obstacle is None and _kept(self._steps.model) != self._kept:
            self.obstacle = "a pass changes what it keeps beside the values of its tensors"
        if self.obstacle is None and self._watched > 1 and watch.footprint != self._footprint:
            self.obstacle = "it does not do the same in each pass"
        if self.obstacle is not None:
            self._replay = None
        self._footprint = watch.footprint


class Watcher(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What a pass forward and back does: its operations with the shapes and numbers that go into them and come out.

    Args:
        device: the kind of device that all of it must stay on.
    """

    def __init__(self, device: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device = device
        self.footprint: list[object] = []
        self.obstacle: str | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Does an operation and notes it."""
        result = func(*args, **(kwargs or {}))
        if func.namespace == "profiler":
            return result
        leaves = tree_leaves((args, kwargs, result))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        name = func.overloadpacket.__name__
        if name in _WAITING or (name in _INDEXING and any(tensor.dtype is torch.bool for tensor in tensors)):
            self.obstacle = f"the processor waits for the result of {name}"
        elif not name.startswith(_ATTENTION) and any(tensor.device.type != self._device for tensor in tensors):
            self.obstacle = f"{name} works on a tensor of another device"
        self.footprint.append((str(func), [_described(leaf) for leaf in leaves]))
        return result


def _described(leaf: object) -> object:
    return (leaf.dtype, leaf.shape, leaf.stride()) if isinstance(leaf, Tensor) else repr(leaf)


def _kept(model: nn.Module) -> list[tuple[str, object]]:
    """What a network keeps beside the values of its tensors: where these are, numbers, words, and generators."""
    kept: list[tuple[str, object]] = []
    for name, module in model.named_modules():
        for key, value in (*vars(module).items(), *vars(type(module)).items()):
            for leaf in tree_leaves(value):
                if isinstance(leaf, Tensor):
                    where = leaf.data_ptr() if leaf.layout is torch.strided else id(leaf)
                    kept.append((f"{name}.{key}", where))
                elif isinstance(leaf, int | float | str):
                    kept.append((f"{name}.{key}", leaf))
                elif isinstance(leaf, random.Random):
                    kept.append((f"{name}.{key}", leaf.getstate()))
                elif isinstance(leaf, np.random.Generator):
                    kept.append((f"{name}.{key}", repr(leaf.bit_generator.state)))
    return kept


def _chance() -> tuple[object, ...]:
    """Where the generators stand that are not the GPU's."""
    _, keys, position, has_gauss, cached = np.random.get_state()
    numpy = (np.asarray(keys).tobytes(), position, has_gauss, cached)
    return random.getstate(), numpy, torch.get_rng_state().numpy().tobytes()
