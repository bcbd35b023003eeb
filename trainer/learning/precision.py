"""Whether training in bfloat16 pays on this machine: a trial, for it may be 3 times faster, or 6 times slower."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional

_ROUNDS = 5
_PAYS = 1.2
"""bfloat16 has fewer digits: it must be faster by this, and not only by the clock's noise."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that a training step of a small network takes, median over rounds in turn."""

    fp32: float
    bf16: float

    @property
    def bf16_pays(self) -> bool:
        """Whether bfloat16 is clearly faster."""
        return self.fp32 > _PAYS * self.bf16


def pace(device: str) -> Pace:
    """Times both, on as many threads as PyTorch has now.

    Args:
        device: ``cpu`` or ``cuda``.
    """
    on_gpu = device == "cuda"
    rows, width = (128, 64) if on_gpu else (64, 32)
    with torch.random.fork_rng(devices=[]):
        network = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, 10),
        )
        network.to(device).to(memory_format=torch.channels_last)
        images = torch.rand(rows, 3, 32, 32).to(device, memory_format=torch.channels_last)
    labels = torch.zeros(rows, dtype=torch.int64, device=device)

    def step(dtype: torch.dtype) -> None:
        network.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=dtype is torch.bfloat16):
            outputs = network(images)
        torch.autograd.backward(functional.cross_entropy(outputs.float(), labels))

    steps: list[Callable[[], object]] = []
    for dtype in (torch.float32, torch.bfloat16):
        once = partial(step, dtype)
        once()  # the first step of a kind prepares the kernels
        steps.append(_recorded(once) if on_gpu else once)
    seconds = [[_timed(once, on_gpu=on_gpu) for once in steps] for _ in range(_ROUNDS)]
    return Pace(*(statistics.median(column) for column in zip(*seconds, strict=True)))


def _recorded(step: Callable[[], object]) -> Callable[[], object]:
    """As trainings on a GPU take their steps: else the time would be the processor's, to start the operations."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _timed(once: Callable[[], object], *, on_gpu: bool) -> float:
    if on_gpu:
        torch.cuda.synchronize()
    started = time.perf_counter()
    once()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - started
