"""Whether training in bfloat16 pays on this machine: a trial, for it may be 3 times faster, or 6 times slower."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

_ROUNDS = 5
_ROWS = 64
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
    with torch.random.fork_rng(devices=[]):
        network = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, 10),
        )
        network.to(device).to(memory_format=torch.channels_last)
        images = torch.rand(_ROWS, 3, 32, 32).to(device, memory_format=torch.channels_last)
    labels = torch.zeros(_ROWS, dtype=torch.int64, device=device)

    def step(dtype: torch.dtype) -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=dtype is torch.bfloat16):
            outputs = network(images)
        torch.autograd.backward(functional.cross_entropy(outputs.float(), labels))
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    kinds = (torch.float32, torch.bfloat16)
    for dtype in kinds:  # the first step of a kind prepares the kernels
        step(dtype)
    seconds = [[step(dtype) for dtype in kinds] for _ in range(_ROUNDS)]
    return Pace(*(statistics.median(column) for column in zip(*seconds, strict=True)))
