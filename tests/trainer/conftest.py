"""A tiny data set that a tiny network learns in a second, and workshops around it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from lemonade_es.task import Task
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop

_TRAIN, _VALIDATION, _CLASSES = 160, 40, 4


def brightness() -> Dataset:
    """Images whose class is their brightness, in an order that gives their class away."""
    generator = np.random.default_rng(0)
    labels = (np.arange(_TRAIN + _VALIDATION) % _CLASSES).astype(np.int64)
    noise = generator.integers(0, 60, (len(labels), 3, 8, 8))
    images = (noise + 60 * labels[:, None, None, None]).astype(np.uint8)
    return Dataset(
        task=Task("image", "toy", (3, 8, 8), _CLASSES),
        train=images[:_TRAIN],
        train_labels=labels[:_TRAIN],
        validation=images[_TRAIN:],
        validation_labels=labels[_TRAIN:],
        class_names=("night", "dusk", "dawn", "day"),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        flip=True,
        fingerprint="toy",
        test_count=0,
    )


@pytest.fixture(scope="session")
def toy() -> Dataset:
    return brightness()


@pytest.fixture(scope="session")
def quick_recipe() -> Recipe:
    return Recipe(epochs=2, batch_size=32, lr=0.1, rotation=0, crop=False)


@pytest.fixture(scope="session")
def workshop(toy: Dataset, quick_recipe: Recipe) -> Iterator[Workshop]:
    """A workshop that loses its patience soon."""
    limits = Limits(check_seconds=5, train_seconds=20, stall_seconds=2, memory_mb=2000)
    with Workshop(toy, quick_recipe, device="cpu", limits=limits) as opened:
        yield opened


@pytest.fixture(scope="session")
def good() -> str:
    """A candidate that behaves."""
    return """
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


def zygotes() -> list[psutil.Process]:
    """The zygotes of this process themselves, whatever stands between."""
    return [child for child in psutil.Process().children(recursive=True) if is_zygote(child)]


def is_zygote(process: psutil.Process) -> bool:
    try:
        command = process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended, and nobody has asked for its exit code
        return False
    return "lemonade_es.trainer.isolation.zygote" in command and Path(sys.executable).name in command[0]
