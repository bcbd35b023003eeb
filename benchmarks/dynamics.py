"""What watching a training costs: gradients, answers at checkpoints and dead units, over the same training alone.

Pairs of trainings, one watched and one not, in an order that changes; a ratio is that of two neighbours. Processor time
is told beside wall-clock time, since a busy machine disturbs it less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from benchmarks.isolation import interval
from benchmarks.reference_networks import NETWORKS, TASK
from benchmarks.result import Result
from benchmarks.train_throughput import MEAN, STD, pictures

ABOUT = (
    "What watching costs: the same training with and without a look at the gradients in each epoch, weights that are "
    "kept at checkpoints, their answers to validation inputs after it, and the count of dead units, in pairs of "
    "changing order, one thread. "
    "`digits` is a first network's training on 8x8 images; the others are two of the reference networks on images of "
    "CIFAR-10's shape. The ratio is the median over the pairs, its interval a bootstrap; *in it* is the share of the "
    "watched training's time that passed inside of what watches."
)
FIRST = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(32, 10),
        )

    def forward(self, x):
        return self.body(x)
"""


class Training:
    """A training that can be watched.

    Args:
        source: of the network.
        task: what it is for.
        inputs: training inputs.
        validation: validation inputs.
        labels: of the training inputs.
        epochs: how many.
    """

    def __init__(self, source: str, task: Any, inputs: Any, validation: Any, labels: Any, epochs: int) -> None:
        from lemonade_es.trainer.learning.training import TrainingData
        from lemonade_es.trainer.recipe import Recipe

        mean, std = MEAN[: task.input_shape[0]], STD[: task.input_shape[0]]
        self._source, self._task, self._validation = source, task, validation
        self._data = TrainingData(inputs, labels, mean, std, flip=True)
        self._recipe = Recipe(epochs=epochs)

    def run(self, *, watched: bool) -> tuple[float, float, float]:
        """Seconds of the clock, of the processor, and of the clock inside of what watches."""
        import torch

        from lemonade_es.trainer.learning import training
        from lemonade_es.trainer.network import candidate
        from lemonade_es.trainer.watching.dynamics import checkpoints
        from lemonade_es.trainer.watching.watch import Watch

        torch.manual_seed(0)
        model = candidate.build(self._source, self._task)
        looks = checkpoints(self._recipe.epochs, len(self._data.inputs), len(self._validation))
        data = self._data
        watch = Watch(model, frozenset(looks.epochs))
        kept: list[bytes] = []
        inside = 0.0

        def timed(look: Any, *arguments: Any) -> None:
            nonlocal inside
            started = time.perf_counter()
            look(*arguments)
            inside += time.perf_counter() - started

        started, used = time.perf_counter(), time.process_time()
        training.train(
            model,
            data,
            self._recipe,
            seed=0,
            device="cpu",
            on_epoch=lambda index, _: timed(lambda: kept.append(watch.epoch_ended(index))) if watched else None,
            on_gradients=(lambda network: timed(watch.gradients.look, network)) if watched else None,
        )
        training.prepare(model, "cpu")
        if watched:
            timed(self._look_back, model, list(filter(None, kept)), looks)
        return time.perf_counter() - started, time.process_time() - used, inside

    def _look_back(self, model: Any, kept: list[bytes], looks: Any) -> None:
        """What another process does with what was kept: answers to validation inputs, and dead units."""
        import safetensors.torch
        import torch

        from lemonade_es.trainer.learning.training import Normalisation, predict
        from lemonade_es.trainer.watching.activity import activity

        data = self._data
        for weights in kept:
            model.load_state_dict(safetensors.torch.load(weights))
            predict(model, self._validation[list(looks.rows)], data.mean, data.std, device="cpu")
        normalise = Normalisation(model, data.mean, data.std, torch.device("cpu"))
        activity(model, normalise(self._validation[list(looks.batch)]))


def measure(options: argparse.Namespace) -> Result:
    """Pairs for each network."""
    import torch

    torch.set_num_threads(1)
    pairs = 1 if options.quick else 7
    figures = {name: _ratios(training, pairs) for name, training in _trainings(quick=options.quick).items()}
    lines = [f"{'':8} {'alone':>8} {'watched / alone [95 %]':>26} {'processor time [95 %]':>26} {'in it':>7}"]
    for name, found in figures.items():
        clock, processor = (
            f"{found[key]['ratio']:.3f} [{found[key]['interval_95'][0]:.3f}, {found[key]['interval_95'][1]:.3f}]"
            for key in ("clock", "processor")
        )
        lines.append(f"{name:8} {found['alone_s']:6.1f} s {clock:>26} {processor:>26} {found['inside']:7.2%}")
    return Result("dynamics", ABOUT, "python -m benchmarks dynamics", "\n".join(lines), figures)


def _trainings(*, quick: bool) -> dict[str, Training]:
    import torch
    from sklearn.datasets import load_digits

    from lemonade_es.task import Task

    digits = load_digits()
    scans = torch.tensor(digits.images * 15.9).to(torch.uint8).unsqueeze(1)
    labels = torch.tensor(digits.target)
    small = Task("image", "digits", (1, 8, 8), 10)
    made = {"digits": Training(FIRST, small, scans[:1437], scans[1437:], labels[:1437], 10 if quick else 50)}
    count = 1280 if quick else 2560
    inputs, targets = pictures(count)
    for name in ("small",) if quick else ("small", "medium"):
        made[name] = Training(NETWORKS[name].source, TASK, inputs, pictures(2048)[0], targets, epochs=5)
    return made


def _ratios(training: Training, pairs: int) -> dict[str, Any]:
    training.run(watched=True)
    both = []
    for number in range(pairs):
        order = (True, False) if number % 2 else (False, True)
        found = {watched: training.run(watched=watched) for watched in order}
        both.append((found[True], found[False]))
    told: dict[str, Any] = {}
    for index, name in enumerate(("clock", "processor")):
        ratios = [watched[index] / alone[index] for watched, alone in both]
        told[name] = {"ratio": statistics.median(ratios), "interval_95": interval(ratios), "ratios": ratios}
    told["alone_s"] = statistics.median(alone[0] for _, alone in both)
    told["inside"] = statistics.median(watched[2] / watched[0] for watched, _ in both)
    return told
