"""The workshop from the outside: what a good candidate gives, and what is said of one that is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lemonade_es.errors import ConfigError
from lemonade_es.task import Task
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.isolation.child import Child
from lemonade_es.trainer.isolation.protocol import Frame, manifest
from lemonade_es.trainer.measurement import Budget, Epoch, StopTraining
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop

pytestmark = pytest.mark.isolation

EXPLOSIVE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        hidden = [layer for _ in range(8) for layer in (nn.Linear(32, 32), nn.ReLU())]
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), *hidden, nn.Linear(32, 4))
        for parameter in self.layers.parameters():
            parameter.data.mul_(10)

    def forward(self, x):
        return self.layers(x)
"""

COMPILED = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)

    def forward(self, x):
        return torch.compile(self.layer)(x.flatten(1))
"""

# a check makes fewer passes than ten; what is hidden before it ends would be refused by it
HIDING = """
    def __call__(self, *arguments):
        self.passes = getattr(self, "passes", 0) + 1
        return super().__call__(*arguments)

    def state_dict(self, *arguments, **options):
        return {} if self.passes > 10 else super().state_dict(*arguments, **options)
"""

# the weights of a second time could be better ones, for which neither time nor energy was taken
HIDING_ONCE = (
    HIDING.replace("self.passes > 10", "self.first()")
    + """
    hidden = False

    def first(self):
        before, now = self.hidden, self.passes > 10 and not self.training
        self.hidden = before or now
        return now and not before
"""
)


def test_a_good_candidate_is_trained_scored_timed_and_metered(workshop: Workshop, good: str) -> None:
    told: list[tuple[int, Epoch]] = []
    trained = workshop.train(good, seed=1, on_epoch=lambda index, epoch: told.append((index, epoch)))
    measurement = trained.measurement
    metrics = measurement.metrics
    assert measurement.failure is None
    assert measurement.absent == {"loss_noise": "of 2 epochs it cannot be told: it takes 4"}
    assert metrics["grad_low"] == metrics["grad_high"] == metrics["dead_layers"] == 0.0
    assert metrics["dead_units"] in [units / 8 for units in range(8)]
    assert metrics["loss_slope"] == pytest.approx(1 - measurement.epochs[1].loss / measurement.epochs[0].loss)
    assert metrics["best_epoch"] in (0.0, 1.0)
    assert metrics["failed"] == metrics["nonfinite"] == 0.0
    assert metrics["P"] == 3 * 8 * 9 + 8 + 8 * 4 + 4
    assert metrics["M"] == 3 * 8 * 9 * 64 + 8 * 4
    assert 0.25 < metrics["V_Acc"] <= 1
    assert 0 < metrics["V_E"] < metrics["T_E"] < 1e-3
    assert metrics["F"] == pytest.approx(1e3 / metrics["L"])
    assert metrics["L"] == measurement.latency.p50
    assert 0 < measurement.latency.best <= measurement.latency.p10 <= measurement.latency.p99
    assert measurement.latency.windows >= 5  # 20 where the machine is not busy
    assert metrics["W"] > 0
    assert metrics["R"] > 100
    assert [index for index, _ in told] == [0, 1]
    assert [epoch.loss for _, epoch in told] == [epoch.loss for epoch in measurement.epochs]
    assert measurement.epochs[1].V_Acc == metrics["V_Acc"]  # all 40 validation inputs are in the sample
    assert set(measurement.energy) == {"training", "validation", "inference"}
    specs = manifest(trained.weights)
    assert specs["layers.0.weight"].shape == (8, 3, 3, 3)
    assert metrics["S"] == len(trained.weights) / 1e6


def test_gradients_before_a_divergence_are_told(workshop: Workshop) -> None:
    measurement = workshop.train(EXPLOSIVE, seed=1).measurement
    assert measurement.failure is not None
    assert measurement.failure.code == "DIVERGED"
    assert measurement.metrics["grad_high"] == 1.0
    assert measurement.metrics["dead_units"] is None
    assert measurement.absent["best_epoch"] == f"DIVERGED: {measurement.failure.message}"


@pytest.mark.parametrize("hiding", [HIDING, HIDING_ONCE], ids=["always", "once"])
def test_weights_that_are_fewer_than_the_parameters_are_a_breach_of_the_protocol(
    workshop: Workshop, good: str, hiding: str
) -> None:
    failure = workshop.train(good + hiding, seed=1).measurement.failure
    assert failure is not None
    assert failure.code == "PROTOCOL"
    assert "weights of 0 numbers" in failure.message


def test_what_a_candidate_is_asked_does_not_depend_on_the_validation_labels(
    toy: Dataset, quick_recipe: Recipe, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could check its guesses by that."""
    asked: list[tuple[object, ...]] = []
    call = Child.call

    def noted(child: Child, command: str, **options: Any) -> Frame:
        if command not in ("warm", "pass"):  # how often it is timed, chance decides
            timeless = {"deadline", "stall_seconds", "on_progress"}
            asked.append((command, {name: value for name, value in options.items() if name not in timeless}))
        return call(child, command, **options)

    monkeypatch.setattr(Child, "call", noted)
    courses = []
    for labels in (toy.validation_labels, toy.validation_labels[::-1].copy()):
        with Workshop(replace(toy, validation_labels=labels), quick_recipe, device="cpu") as opened:
            assert opened.isolation != "none"  # its canaries are asked before
            asked.clear()
            assert opened.train(good, seed=1).measurement.metrics["V_Acc"] is not None
        courses.append(list(dict.fromkeys(map(repr, asked))))  # so is how often V_E's pass is repeated
    assert courses[0] == courses[1]
    assert any("'predict'" in words for words in courses[0])


def test_the_same_seed_gives_the_same_weights_and_another_does_not(workshop: Workshop, good: str) -> None:
    first, again, other = (workshop.train(good, seed=seed).weights for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_a_check_keeps_the_budget_and_names_the_line(workshop: Workshop, good: str) -> None:
    assert workshop.check(good).ok
    assert workshop.check(good, Budget(parameters=10)).code == "OVER_BUDGET_PARAMS"
    report = workshop.check(good.replace("nn.Linear(8, 4)", "nn.Linear(9, 4)"))
    assert (report.stage, report.code) == ("forward", "SHAPE_MISMATCH")
    assert report.line == 12


def test_what_the_check_refuses_is_not_trained(workshop: Workshop) -> None:
    measurement = workshop.train("import os\nos.listdir()\n", seed=1).measurement
    assert measurement.failure is not None
    assert measurement.failure.code == "FORBIDDEN_IMPORT"
    assert measurement.failure.line == 2
    assert measurement.epochs == ()


def test_a_source_that_reads_its_arguments_finds_none(workshop: Workshop, good: str) -> None:
    parser = "import argparse\nparser = argparse.ArgumentParser()\nARGUMENTS = parser.parse_args()\n"
    report = workshop.check(parser + good, Budget())
    assert report.ok, report.message


def test_a_source_that_is_too_large_is_refused_as_such(workshop: Workshop, good: str) -> None:
    report = workshop.check(good + "#" + "\u4e00" * 2_000_000)
    assert report.code == "SOURCE_TOO_LARGE"


def test_a_text_candidate_is_trained_on_tokens(quick_recipe: Recipe) -> None:
    labels = np.arange(80, dtype=np.int64) % 2
    tokens = np.where(np.arange(6) < 3, labels[:, None] + 1, 0).astype(np.int32)
    texts = Dataset(
        task=Task("text", "toy texts", (6,), 2, vocabulary_size=5),
        train=tokens[:64],
        train_labels=labels[:64],
        validation=tokens[64:],
        validation_labels=labels[64:],
        class_names=("bad", "good"),
        mean=(),
        std=(),
        flip=False,
        fingerprint="texts",
        test_count=0,
    )
    source = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 8)
        self.output = nn.Linear(8, 2)

    def forward(self, tokens):
        return self.output(self.embedding(tokens).mean(dim=1))
"""
    with Workshop(texts, Recipe(epochs=4, batch_size=8, optimizer="adam", lr=0.05), device="cpu") as opened:
        measurement = opened.train(source, seed=1).measurement
    assert measurement.failure is None
    assert measurement.metrics["V_Acc"] == 1.0
    assert measurement.metrics["L"] > 0


def test_a_gpu_that_is_not_there_is_a_mistake_of_the_user(toy: Dataset, quick_recipe: Recipe) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("there is a GPU")
    assert Workshop(toy, quick_recipe, device="auto").device == "cpu"
    with pytest.raises(ConfigError, match="cuda cannot be used"):
        _ = Workshop(toy, quick_recipe, device="cuda").device


def test_a_training_that_is_stopped_leaves_what_is_known_and_no_process(workshop: Workshop, good: str) -> None:
    def stop(_: int, __: Epoch) -> None:
        raise StopTraining

    trained = workshop.train(good, seed=1, on_epoch=stop)
    measurement = trained.measurement
    assert (measurement.stopped, measurement.failure, trained.weights) == (1, None, None)
    assert len(measurement.epochs) == 1
    assert measurement.metrics["P"] == 8 * 28 + 9 * 4
    assert {name for name, value in measurement.metrics.items() if value is not None} == {
        "P",
        "M",
        "failed",
        "nonfinite",
    }
    assert measurement.absent["V_Acc"] == "the training was stopped after 1 of 2 epochs"
    assert measurement.energy["training"].joules is not None
    again = workshop.train(good, seed=1)
    assert again.measurement.stopped is None
    assert again.measurement.epochs[0].loss == measurement.epochs[0].loss


WIDE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(192, 4, dtype={kind}) * 0.01)

    def forward(self, x):
        return (x.flatten(1).to({kind}) @ self.weight).real.float()
"""


@pytest.mark.parametrize("kind", ["torch.float64", "torch.complex64"])
def test_weights_of_other_kinds_of_numbers_are_trained_and_saved(workshop: Workshop, kind: str) -> None:
    trained = workshop.train(WIDE.format(kind=kind), seed=1)
    assert trained.measurement.failure is None
    assert trained.measurement.metrics["V_Acc"] is not None
    assert trained.measurement.metrics["grad_low"] == 0.0


MASKED = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(24))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        rows = x.flatten(1, 2)
        return self.head(self.attention(rows, rows, rows, attn_mask=self.mask)[0].mean(1))
"""


def test_a_mask_of_minus_infinity_is_no_divergence(workshop: Workshop) -> None:
    measurement = workshop.train(MASKED, seed=1).measurement
    assert measurement.failure is None
    assert measurement.metrics["nonfinite"] == 0.0


WORKS_OUT_GRADIENTS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(192, 16)
        self.head = nn.Linear(192, 4)

    def energy(self, x):
        return self.inner(x).tanh().square().sum()

    def forward(self, x):
        x = x.flatten(1)
        {step}
        return self.head(x - 0.1 * step)
"""


@pytest.mark.parametrize(
    "step",
    [
        """with torch.enable_grad():
            z = x.detach().requires_grad_()
            (step,) = torch.autograd.grad(self.energy(z), z, create_graph=self.training)""",
        "step = torch.func.vmap(torch.func.grad(self.energy))(x)",
    ],
    ids=["autograd", "func"],
)
def test_a_network_that_works_out_gradients_in_forward_is_trained_and_timed(workshop: Workshop, step: str) -> None:
    source = WORKS_OUT_GRADIENTS.format(step=step)
    report = workshop.check(source)
    assert report.ok, report.message
    assert report.activation_mb > 0
    measurement = workshop.train(source, report, seed=1).measurement
    assert measurement.failure is None
    assert measurement.metrics["F"] > 0
    assert measurement.metrics["B"] > 0


def test_a_compiler_in_forward_is_named(workshop: Workshop) -> None:
    report = workshop.check(COMPILED)
    assert (report.code, report.line) == ("NOT_PERMITTED", 11)
    assert report.message.endswith("leave it out of forward; it changes no result.")
