"""Scores of untrained networks: known values, reasons where there are none, and trainings that do not notice."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from lemonade_es.engine.loop.noise import averaged
from lemonade_es.task import Task
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.energy import best_meter
from lemonade_es.trainer.isolation.child import CandidateFailed
from lemonade_es.trainer.isolation.protocol import Frame
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.measurement import ZERO_COST, CheckReport, Failure
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.trials.proxies import scores
from lemonade_es.trainer.trials.questions import Questions
from lemonade_es.trainer.trials.trial import Trial
from lemonade_es.trainer.watching.zero_cost import scored
from lemonade_es.trainer.workshop import Workshop

TABLE = Task("table", "rows", (3,), 2)


def linear(weight, bias=0.0):
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.fill_(weight)
        layer.bias.fill_(bias)
    return layer


def test_synflow_of_two_linear_layers_is_what_it_is_by_hand():
    network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        network[0].weight.fill_(-2.0)
        network[1].weight.fill_(0.5)
    found = scored(network, torch.randn(8, 3), torch.zeros(8, dtype=torch.int64), TABLE)
    # each layer's saliencies sum to the output's sum: 2 outputs x 4 x 0.5 x 3 x 2
    assert found.known["synflow"] == pytest.approx(math.log10(2 * (2 * 4 * 0.5 * 3 * 2)))


def test_the_gradient_norm_of_one_layer_is_what_it_is_by_hand():
    network = linear(0.0)
    inputs = torch.tensor([[1.0, 2.0, 2.0]])
    found = scored(network, inputs, torch.tensor([0]), TABLE)
    # softmax gives 1/2 to each, so the gradients are -+1/2 times the input, and -+1/2
    assert found.known["grad_norm"] == pytest.approx(math.sqrt(2 * 9 / 4) + math.sqrt(2 / 4))


def test_inputs_that_a_network_maps_alike_score_lower():
    torch.manual_seed(0)
    inputs, labels = torch.randn(16, 3), torch.zeros(16, dtype=torch.int64)
    flexible = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 2))
    rigid = nn.Sequential(nn.Linear(3, 64), nn.Linear(64, 2))
    assert (
        scored(flexible, inputs, labels, TABLE).known["jacob_cov"]
        > scored(rigid, inputs, labels, TABLE).known["jacob_cov"]
    )


def test_a_score_that_cannot_be_had_has_a_reason_and_the_others_are_there():
    class Rounds(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Embedding(10, 2)

        def forward(self, x):
            return self.layer(x).sum(1)

    task = Task("text", "words", (5,), 2, 10)
    found = scored(Rounds(), torch.randint(0, 10, (8, 5)), torch.zeros(8, dtype=torch.int64), task)
    assert found.absent["jacob_cov"] == "tokens have no gradient"
    assert set(found.known) == {"synflow", "grad_norm"}


def test_a_network_that_raises_has_no_scores_and_raises_nothing():
    class Sulks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            raise RuntimeError("no")

    found = scored(Sulks(), torch.randn(4, 3), torch.zeros(4, dtype=torch.int64), TABLE)
    assert found.known == {}
    assert set(found.absent) == set(ZERO_COST)
    assert found.absent["synflow"] == "computing it raised RuntimeError"


def test_dead_networks_and_infinite_scores_are_unknown_and_not_0():
    assert scored(linear(0.0), torch.randn(4, 3), torch.tensor([0, 1, 0, 1]), TABLE).absent["synflow"]
    huge = scored(linear(1e38), torch.full((4, 3), 1e10), torch.tensor([0, 1, 0, 1]), TABLE)
    assert huge.absent["grad_norm"] == "it is not finite"


@pytest.mark.slow
@pytest.mark.isolation
def test_scores_are_metrics_and_training_does_not_notice_them(toy: Dataset, quick_recipe: Recipe, good: str) -> None:
    measured = []
    for zero_cost in (False, True):
        with Workshop(toy, quick_recipe, device="cpu", zero_cost=zero_cost) as workshop:
            measured.append(workshop.train(good, seed=1).measurement)
    plain, with_scores = measured
    assert not set(ZERO_COST) & set(plain.metrics)
    assert all(math.isfinite(with_scores.metrics[name]) for name in ZERO_COST)
    losses = [[epoch.loss for epoch in item.epochs] for item in measured]
    assert losses[0] == losses[1]
    assert plain.metrics["V_Acc"] == with_scores.metrics["V_Acc"]


DAWDLES = """
import torch
time = __import__("time")
"""


@pytest.mark.isolation
@pytest.mark.parametrize(
    ("action", "code"),
    [
        pytest.param("time.sleep(60)", "TIMED_OUT", marks=pytest.mark.slow),
        ("__import__('os')._exit(3)", "CRASHED"),
    ],
)
def test_a_network_that_is_never_done_with_its_scores_has_none_and_is_trained(
    toy: Dataset, quick_recipe: Recipe, good: str, action: str, code: str
) -> None:
    """Only scores are worked out in double precision."""
    source = DAWDLES + good.replace("return self", f"if x.dtype == torch.float64: {action}\n        return self")
    limits = Limits(check_seconds=5, train_seconds=60, stall_seconds=20, memory_mb=2000)
    with Workshop(toy, quick_recipe, device="cpu", limits=limits, zero_cost=True) as workshop:
        measurement = workshop.train(source, seed=1).measurement
    assert measurement.failure is None
    assert measurement.metrics["V_Acc"] is not None
    for name in ZERO_COST:
        assert measurement.metrics[name] is None
        assert measurement.absent[name].startswith(code)


@dataclass
class Patient:
    """A child that is slow to score, and fails when it is built; it remembers until when that had to be done."""

    slow: float
    until: dict[str, float] = field(default_factory=dict)
    exit: None = None

    def call(self, command: str, *, deadline: float, **_: object) -> Frame:
        self.until[command] = deadline
        if command == "build":
            raise CandidateFailed(Failure("RAISED", "enough"))
        time.sleep(self.slow)
        return Frame({"known": {}, "absent": {}}, b"")

    def close(self) -> None:
        pass


def test_time_for_scores_is_not_taken_from_the_time_for_checking(toy: Dataset) -> None:
    child, now = Patient(slow=0.3), time.monotonic()
    trial = Trial(
        child=child,
        another=lambda: child,
        heir=lambda _: child,
        hidden=nullcontext,
        dataset=toy,
        meter=best_meter("cpu"),
        epochs=1,
        check_until=now + 5,
        score_seconds=5,
        deadline=now + 60,
        stall_seconds=9,
        weights_limit=0,
        zero_cost=True,
    )
    report = CheckReport(True, "done", parameters=1, macs=1, census={}, architecture="a")
    assert trial.run("", report, seed=0, on_epoch=None).measurement.failure == Failure("RAISED", "enough")
    assert now + 5 <= child.until["score"] < now + 5.3
    assert child.until["build"] >= now + 5.3


@dataclass
class Boastful:
    """A child that tells scores of its own."""

    known: dict[str, object]

    def call(self, *_: object, **__: object) -> Frame:
        return Frame({"known": self.known, "absent": {}}, b"")


@pytest.mark.parametrize("score", [1.7e308, -1.7e308, 1e39])
def test_a_score_that_arithmetic_cannot_take_is_none(score: float) -> None:
    told = {"synflow": score, "jacob_cov": -64e5, "grad_norm": 3e38}
    ask = Questions(Boastful(told), time.monotonic() + 5, 5, 2)
    found = scores(ask, "", seed=0, macs=1, onednn=True)
    assert (found["synflow"].value, found["synflow"].reason) == (None, "it is too large")
    assert [found[name].value for name in ("jacob_cov", "grad_norm")] == [-64e5, 3e38]
    trainings = [
        {name: reading.value for name, reading in found.items()} | {"grad_norm": last} for last in (3e38, 2e38)
    ]
    assert math.isfinite(averaged(trainings).spread["grad_norm"])
