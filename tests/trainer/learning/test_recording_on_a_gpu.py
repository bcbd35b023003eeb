"""Trainings whose steps are recorded on a GPU."""

from __future__ import annotations

import pytest
import torch

from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.learning.training import TrainingData, rehearse, train
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop
from tests.trainer.learning.restless import Dropping, Plain, Waiting

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def data(rows: int = 600) -> TrainingData:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (rows, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return TrainingData(images, (images[:, 0, 0, 0] > 127).long(), (0.5,), (0.25,), flip=True)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_that_is_recorded_ends_as_one_that_is_not(optimizer: str, precision: str) -> None:
    recipe = Recipe(epochs=4, batch_size=32, optimizer=optimizer, precision=precision, lr=0.01)
    courses = []
    for record in (True, False):
        torch.manual_seed(0)
        losses: list[float] = []
        model = Dropping()
        train(
            model,
            data(),
            recipe,
            seed=3,
            device="cuda",
            on_epoch=lambda _, epoch, losses=losses: losses.append(epoch.loss),
            record=record,
        )
        weights = torch.cat([parameter.detach().flatten().cpu() for parameter in model.parameters()])
        courses.append((torch.tensor(losses), weights))
    (losses, weights), (plain_losses, plain_weights) = courses
    assert torch.allclose(losses, plain_losses, rtol=1e-3)
    assert torch.allclose(weights, plain_weights, atol=2e-3)


def test_a_rehearsal_says_what_stands_against_recording() -> None:
    recipe = Recipe(batch_size=32)
    assert rehearse(Plain(), data(), recipe, device="cuda") is None
    assert rehearse(Waiting(), data(), recipe, device="cuda") is not None


SOURCE = """
import torch
from torch import nn

class Passed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        BACKWARD
        return gradient

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Dropout(0.1))
        self.output = nn.Linear(8, 4)

    def forward(self, x):
        return Passed.apply(self.output(self.body(x).mean((2, 3))))
"""


@pytest.mark.isolation
@pytest.mark.parametrize(
    ("backward", "why"),
    [("pass", None), ("gradient.sum().item()", "waits for the result"), ("torch.cuda.synchronize()", "captur")],
)
def test_a_locked_candidate_is_trained_on_a_gpu(toy: Dataset, backward: str, why: str | None) -> None:
    """The second one is not recorded; the third one fails while it is, as no operation foretells."""
    recipe = Recipe(epochs=20, batch_size=16, lr=0.1, rotation=0, crop=False)
    with Workshop(toy, recipe, device="cuda") as workshop:
        measurement = workshop.train(SOURCE.replace("BACKWARD", backward), seed=1).measurement
    assert measurement.failure is None
    assert len(measurement.epochs) == 20
    assert measurement.metrics["V_Acc"] is not None
    assert measurement.metrics["V_Acc"] > 0.5
    assert (measurement.unrecorded is None) if why is None else (why in (measurement.unrecorded or ""))
