"""How fast candidates are trained: images a second, beside the loop that one would write with torchvision.

The plain loop is torchvision's usual one: a `Dataset` of PIL images, transforms for each, a `DataLoader` with two
workers, SGD as it comes. Ours is what the isolated child runs, in that child's environment. Both train the same
network on the same images by the same recipe, in turn; data and first epoch are ready before the clock starts.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from benchmarks.reference_networks import CLASSES, NETWORKS, TASK
from benchmarks.result import Result
from lemonade_es.trainer.isolation.housing import clean_environment

ABOUT = (
    "Images a second in training, fp32 on all cores, three sizes of network, images of CIFAR-10's shape, batch 128, "
    "SGD, rotation, flip and crop: ours (as the isolated child does it) beside a plain torchvision `Dataset` + "
    "`DataLoader(num_workers=2)` + PIL transforms loop, in turn. The ratio is the median over the rounds. Then two "
    "one-thread workers at once beside one, and beside one of all cores."
)
COUNTS = {"small": 7_680, "medium": 3_840, "large": 1_920}
"""Images in an epoch."""
_GPU_LOADERS = 8
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Worker:
    """A process that trains on demand.

    Args:
        loop: ``ours`` or ``plain``.
    """

    def __init__(self, loop: str) -> None:
        environment = clean_environment() if loop == "ours" else dict(os.environ)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.train_throughput", loop],
            cwd=Path(__file__).parents[1],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, network: str, count: int, threads: int, device: str = "cpu") -> None:
        """Begin a measurement: threads 0 leaves their number to the loop."""
        assert self._process.stdin is not None
        print(json.dumps([network, count, threads, device]), file=self._process.stdin, flush=True)

    def rate(self) -> float:
        """The result in images a second, when it is there."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended before its time")
        return float(line)

    def measured(self, network: str, count: int, threads: int = 0, device: str = "cpu") -> float:
        """Begin and wait."""
        self.start(network, count, threads, device)
        return self.rate()


def measure(options: argparse.Namespace) -> Result:
    """Rounds of both loops in turn, then of one and two workers."""
    rounds = 1 if options.quick else 3
    counts = {"small": 256} if options.quick else COUNTS
    figures: dict[str, Any] = {name: {"ours": [], "plain": [], "one": [], "two": []} for name in counts}
    with contextlib.ExitStack() as stack:
        ours, other, plain = (stack.enter_context(Worker(loop)) for loop in ("ours", "ours", "plain"))
        for number, (name, count) in itertools.product(range(rounds), counts.items()):
            found = figures[name]
            loops = [("plain", plain), ("ours", ours)]
            for loop, worker in loops if number % 2 else reversed(loops):
                found[loop].append(worker.measured(name, count))
            found["one"].append(ours.measured(name, count, 1))
            for worker in (ours, other):
                worker.start(name, count, 1)
            found["two"].append(ours.rate() + other.rate())
    lines = [f"{'':8} {'plain':>8} {'ours':>8} {'ratio':>7}   {'1 thread':>8} {'2 workers':>9} {'ratio':>7}  to ours"]
    for name, found in figures.items():
        found["ratio"] = statistics.median(map(_divide, found["ours"], found["plain"]))
        found["two_to_one"] = statistics.median(map(_divide, found["two"], found["one"]))
        found["two_to_ours"] = statistics.median(map(_divide, found["two"], found["ours"]))
        median = {key: statistics.median(found[key]) for key in ("plain", "ours", "one", "two")}
        lines.append(
            f"{name:8} {median['plain']:8.0f} {median['ours']:8.0f} {found['ratio']:7.2f}   "
            f"{median['one']:8.0f} {median['two']:9.0f} {found['two_to_one']:7.2f}  {found['two_to_ours']:7.2f}"
        )
    mean = math.exp(statistics.fmean(math.log(found["ratio"]) for found in figures.values()))
    lines.append(f"geometric mean of the ratios ours / plain: {mean:.2f}")
    figures["geometric_mean"] = mean
    return Result("train_throughput", ABOUT, "python -m benchmarks train_throughput", "\n".join(lines), figures)


def _divide(one: float, other: float) -> float:
    return one / other


def pictures(count: int) -> Any:
    """Smooth random pictures and labels."""
    import torch
    from torch.nn.functional import interpolate

    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    inputs = interpolate(coarse, size=TASK.input_shape[1:], mode="bilinear").mul_(255).to(torch.uint8)
    return inputs, torch.randint(0, CLASSES, (count,), generator=generator)


def _ours(network: str, count: int, threads: int, device: str) -> float:
    """Images a second of the child's loop, in the second epoch."""
    import torch

    from lemonade_es.trainer.learning import training
    from lemonade_es.trainer.network import candidate
    from lemonade_es.trainer.recipe import Recipe
    from lemonade_es.trainer.threads import threads_for
    from lemonade_es.trainer.watching.gradients import GradientWatch

    recipe = Recipe(epochs=2, precision="fp32" if device == "cpu" else "bf16")
    inputs, labels = pictures(count)
    torch.manual_seed(0)
    model = candidate.build(NETWORKS[network].source, TASK)
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads or threads_for(NETWORKS[network].macs, recipe.batch_size, cores))
    seconds: list[float] = []
    data = training.TrainingData(inputs, labels, MEAN, STD, flip=True)
    training.train(
        model,
        data,
        recipe,
        seed=0,
        device=device,
        on_epoch=lambda _, epoch: seconds.append(epoch.seconds),
        on_gradients=GradientWatch().look,
    )
    return count / seconds[-1]


def _plain(network: str, count: int, threads: int, device: str) -> float:
    """Images a second of the usual torchvision loop, in the second epoch, with workers that wait for it."""
    import torch
    from torch import nn

    from lemonade_es.trainer.network import candidate

    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    inputs, labels = pictures(count)
    torch.manual_seed(0)
    model = candidate.construct(NETWORKS[network].source, TASK).to(device)
    loader = _loader(inputs, labels, device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2)
    criterion = nn.CrossEntropyLoss()
    started = 0.0
    for _ in range(2):
        started = time.perf_counter()
        for images, targets in loader:
            optimizer.zero_grad()
            with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
                outputs = model(images.to(device, non_blocking=True))
                loss = criterion(outputs, targets.to(device, non_blocking=True))
            loss.backward()
            optimizer.step()
        schedule.step()
        loss.item()
    return count / (time.perf_counter() - started)


def _loader(inputs: Any, labels: Any, device: str) -> Any:
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    augment = transforms.Compose(
        [
            transforms.RandomRotation(10),
            transforms.RandomHorizontalFlip(),
            transforms.RandomCrop(32, padding=4),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    pictures = inputs.permute(0, 2, 3, 1).contiguous().numpy()

    class Pictures(Dataset[Any]):
        def __len__(self) -> int:
            return len(pictures)

        def __getitem__(self, index: int) -> Any:
            return augment(Image.fromarray(pictures[index])), int(labels[index])

    return DataLoader(
        Pictures(),
        batch_size=128,
        shuffle=True,
        num_workers=2 if device == "cpu" else min(_GPU_LOADERS, len(os.sched_getaffinity(0))),
        persistent_workers=True,
        pin_memory=device != "cpu",
    )


def _requests() -> Iterator[tuple[str, int, int, str]]:
    for line in sys.stdin:
        network, count, threads, device = json.loads(line)
        yield network, count, threads, device


if __name__ == "__main__":
    work = {"ours": _ours, "plain": _plain}[sys.argv[1]]
    for request in _requests():
        print(work(*request), flush=True)
