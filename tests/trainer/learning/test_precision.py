"""Training in bfloat16, and the trial that says whether it pays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from lemonade_es.trainer.learning.precision import Pace, pace
from lemonade_es.trainer.learning.training import TrainingData, train
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop


class Watched(nn.Module):
    """Keeps the type that its layer computes in."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 2)
        self.types = set()

    def forward(self, x):
        y = self.layer(x)
        self.types.add(y.dtype)
        return y


def trained(precision):
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(256, 3, generator=generator)
    data = TrainingData(rows, (rows[:, 0] > rows[:, 1]).long(), (), (), flip=False)
    losses, model = [], Watched()
    recipe = Recipe(epochs=20, batch_size=32, lr=0.5, rotation=0, crop=False, precision=precision)
    train(model, data, recipe, seed=0, device="cpu", on_epoch=lambda _, epoch: losses.append(epoch.loss))
    return model, losses


def test_bf16_computes_in_it_and_learns_as_well_while_weights_stay_fp32():
    model, losses = trained("bf16")
    plain, reference = trained("fp32")
    assert model.types == {torch.bfloat16}
    assert plain.types == {torch.float32}
    assert model.layer.weight.dtype == torch.float32
    assert losses[-1] == pytest.approx(reference[-1], rel=0.05)
    assert losses[-1] < 0.5 * losses[0]


def test_auto_is_fp32_where_nobody_has_measured():
    assert trained("auto")[0].types == {torch.float32}


def test_bf16_must_be_clearly_faster_to_pay():
    assert Pace(1.3, 1.0).bf16_pays
    assert not Pace(1.1, 1.0).bf16_pays
    assert not Pace(1.0, 6.0).bf16_pays


@pytest.mark.slow
def test_both_are_timed_and_random_numbers_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(())
    torch.manual_seed(0)
    found = pace("cpu")
    assert torch.rand(()) == expected
    assert found.fp32 > 0
    assert found.bf16 > 0


@pytest.mark.slow
@pytest.mark.isolation
def test_a_workshop_settles_the_precision_once_and_the_measurement_tells_it(toy, quick_recipe, good):
    with Workshop(toy, replace(quick_recipe, precision="auto"), device="cpu") as workshop:
        assert workshop.precision in ("fp32", "bf16")
        trained = workshop.train(good, seed=1)
        assert trained.measurement.failure is None
        assert trained.measurement.precision == workshop.precision
