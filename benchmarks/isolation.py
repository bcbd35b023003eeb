"""What isolation costs: fork, lock and validation of a small network, and a short training, at each level.

The levels take turns, so that a change of the machine's load meets all of them alike; a ratio is that of two runs that
followed each other.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.result import Result
from lemonade_es.task import Task
from lemonade_es.trainer.arrays import SharedArrays
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.isolation.level import LevelName, available
from lemonade_es.trainer.isolation.lock import Policy
from lemonade_es.trainer.isolation.nursery import Job
from lemonade_es.trainer.isolation.shelter import Needs, Shelter
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop

LEVELS: tuple[LevelName, ...] = ("none", "medium", "strong")
STEPS, BATCH = 20, 128
RECIPE = Recipe(epochs=1, batch_size=BATCH, rotation=0, crop=False)
SEED = 0
ABOUT = (
    "What isolation costs. *Validation* is what `Workshop.check` takes for a network of three layers: a fork of the "
    "zygote, the lock, the ladder's steps 3 to 6, and the child's end. *Training* is 20 steps of 128 images of 3x32x32 "
    "in a new locked child, from its fork to its end, over the same 20 steps in a plain PyTorch process; both have one "
    "thread. All take turns; a ratio is of two neighbours, and its interval is a bootstrap of the median. `none` has "
    "the fork and no lock."
)
SOURCE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(64, 10),
        )

    def forward(self, x):
        return self.layers(x)
"""


def images() -> Dataset:
    """Noise with labels: enough for the steps of one epoch."""
    generator = np.random.default_rng(SEED)
    labels = (np.arange(STEPS * BATCH) % 10).astype(np.int64)
    pixels = generator.integers(0, 256, (len(labels), 3, 32, 32)).astype(np.uint8)
    return Dataset(
        task=Task("image", "noise", (3, 32, 32), 10),
        train=pixels,
        train_labels=labels,
        validation=pixels[:BATCH],
        validation_labels=labels[:BATCH],
        class_names=tuple("0123456789"),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        flip=False,
        fingerprint="noise",
        test_count=0,
    )


def plain(dataset: Dataset) -> Callable[[], None]:
    """The training without any isolation, in this process."""
    import torch

    from lemonade_es.trainer.learning import training
    from lemonade_es.trainer.network import candidate

    data = training.TrainingData(
        torch.from_numpy(dataset.train), torch.from_numpy(dataset.train_labels), dataset.mean, dataset.std, flip=False
    )
    torch.set_num_threads(1)

    def train() -> None:
        torch.manual_seed(SEED)
        network = candidate.build(SOURCE, dataset.task)
        training.train(network, data, RECIPE, seed=SEED, device="cpu", on_epoch=lambda *_: None)

    return train


def isolated(shelter: Shelter) -> Callable[[], None]:
    """The same training in a child of a shelter."""
    job = Job(Policy(confine=True, memory_bytes=8 << 30, cpu_seconds=600), "cpu", threads=1)

    def train() -> None:
        deadline = time.monotonic() + 600
        with shelter.child(job) as child:
            child.call("build", source=SOURCE, seed=SEED, macs=0, deadline=deadline)
            child.call("train", seed=SEED, deadline=deadline, on_progress=lambda _: None)

    return train


def supplies(dataset: Dataset, arrays: SharedArrays) -> Mapping[str, object]:
    """What a zygote needs for the data set."""
    return {
        "task": asdict(dataset.task),
        "recipe": asdict(RECIPE),
        "arrays": arrays.described(),
        "mean": dataset.mean,
        "std": dataset.std,
        "flip": dataset.flip,
    }


def milliseconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1e3


def interval(values: list[float]) -> tuple[float, float]:
    """Where the median lies, in 95 % of the bootstrap's draws."""
    draw = random.Random(SEED)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[-51]


def validation(levels: list[LevelName], dataset: Dataset, rounds: int) -> dict[str, Any]:
    """Milliseconds of `check` at each level."""
    spent: dict[LevelName, list[float]] = {level: [] for level in levels}
    with ExitStack() as stack:
        shops = {
            level: stack.enter_context(
                Workshop(dataset, RECIPE, device="cpu", isolation=level, unsafe_no_isolation=True)
            )
            for level in levels
        }
        canaries = {level: sum(canary.seconds for canary in shop.canaries) * 1e3 for level, shop in shops.items()}
        for shop in shops.values():
            report = shop.check(SOURCE)
            assert report.ok, report.message
        for _ in range(rounds):
            for level, shop in shops.items():
                spent[level].append(milliseconds(lambda shop=shop: shop.check(SOURCE)))
    return {
        level: {"median_ms": statistics.median(times), "ms": times, "canaries_ms": canaries[level]}
        for level, times in spent.items()
    }


def training(levels: list[LevelName], dataset: Dataset, rounds: int) -> dict[str, Any]:
    """Ratios of trainings at each level to plain ones."""
    with ExitStack() as stack:
        arrays = SharedArrays(dataset)
        stack.callback(arrays.close)
        trainings: dict[LevelName, Callable[[], None]] = {}
        for level in levels:
            needs = Needs(wish=level, unsafe=True)
            shelter = Shelter(needs, supplies(dataset, arrays), arrays.descriptors)
            stack.callback(shelter.close)
            trainings[level] = isolated(shelter)
        baseline = plain(dataset)
        baseline()
        for train in trainings.values():
            train()
        pairs: dict[LevelName, list[tuple[float, float]]] = {level: [] for level in levels}
        for number in range(rounds):
            for level, train in trainings.items():
                if number % 2:
                    bare = milliseconds(baseline)
                    locked = milliseconds(train)
                else:
                    locked = milliseconds(train)
                    bare = milliseconds(baseline)
                pairs[level].append((locked, bare))
    told = {}
    for level, both in pairs.items():
        ratios = [locked / bare for locked, bare in both]
        told[level] = {
            "ratio": statistics.median(ratios),
            "interval_95": interval(ratios),
            "isolated_ms": statistics.median(locked for locked, _ in both),
            "plain_ms": statistics.median(bare for _, bare in both),
            "pairs_ms": both,
        }
    return told


def measure(options: argparse.Namespace) -> Result:
    """All levels that this machine has."""
    levels = [level for level in LEVELS if available(level).available]
    if options.quick:
        levels = levels[-1:]
    dataset = images()
    checks = validation(levels, dataset, 2 if options.quick else 100)
    trainings = training(levels, dataset, 1 if options.quick else 20)
    lines = ["level    validation, median   training of 20 steps   over plain PyTorch [95 %]"]
    for level in levels:
        check, trained = checks[level], trainings[level]
        low, high = trained["interval_95"]
        lines.append(
            f"{level:8} {check['median_ms']:15.0f} ms {trained['isolated_ms']:19.0f} ms   "
            f"{trained['ratio']:.2f} [{low:.2f}, {high:.2f}]"
        )
    lines.append(f"plain {trainings[levels[0]]['plain_ms']:41.0f} ms")
    proofs = ", ".join(f"{level} {checks[level]['canaries_ms']:.0f} ms" for level in levels if level != "none")
    lines.append(f"canaries at the start: {proofs}")
    figures = {"validation": checks, "training": trainings}
    return Result("isolation", ABOUT, "python -m benchmarks isolation", "\n".join(lines), figures)
