"""A oneDNN that computes wrong gradients: it is noticed, and networks are trained without it."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lemonade_es.trainer.checking import check, kernels
from lemonade_es.trainer.checking.kernels import misled, without_onednn
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.measurement import ZERO_COST, Budget
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop

MISLED = """
import torch
from torch import nn

class Kernel(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (-1 if torch.backends.mkldnn.enabled else 1)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU())
        self.last = nn.Linear(16, 4)

    def forward(self, x):
        assert len(x) <= 4 or not self.training or not torch.backends.mkldnn.enabled, "trained with oneDNN"
        return self.last(Kernel.apply(self.first(x)))
"""


class Turned(torch.autograd.Function):
    """Another gradient where oneDNN computes it."""

    @staticmethod
    def forward(ctx, inputs: Tensor) -> Tensor:
        return inputs.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return -gradient if torch.backends.mkldnn.enabled else gradient


class Drawn(torch.autograd.Function):
    """Another gradient each time."""

    generator = torch.Generator().manual_seed(0)

    @staticmethod
    def forward(ctx, inputs: Tensor) -> Tensor:
        return inputs.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return torch.randn(gradient.shape, generator=Drawn.generator)


class Chain(nn.Module):
    """A convolution whose bias is without influence, dropout, and what comes after them."""

    def __init__(self, between: type[torch.autograd.Function] | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())
        self.last = nn.Linear(8 * 6 * 6, 4)
        self.between = between

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.layers(inputs)
        return self.last(features if self.between is None else self.between.apply(features))


def is_misled(model: nn.Module) -> bool:
    def step() -> None:
        torch.manual_seed(0)
        model.zero_grad()
        torch.autograd.backward(model(torch.randn(4, 3, 8, 8)).square().sum())

    return misled(model, step)


def test_a_network_whose_gradients_are_others_without_onednn_is_misled():
    assert is_misled(Chain(Turned))


@pytest.mark.parametrize("model", [Chain(), Chain(Drawn)], ids=["sound", "restless"])
def test_one_that_is_sound_or_restless_is_not(model):
    assert not is_misled(model)


class Follows(nn.Module):
    """Holds a mean that it follows in training: the first step moves it most."""

    def __init__(self, *, anew: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(192, 4)
        self.anew = anew
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.anew:
            self.mean = 0.01 * self.mean + 0.99
        else:
            self.mean.mul_(0.01).add_(0.99)
        return self.layer(inputs.flatten(1)) * self.mean


@pytest.mark.parametrize("anew", [False, True], ids=["in place", "anew"])
def test_one_whose_buffers_move_in_training_is_not_misled_and_does_not_notice(anew):
    model = Follows(anew=anew)
    model.mean.fill_(0.1)
    assert not is_misled(model)
    assert model.mean.item() == pytest.approx(0.1)


def test_gradients_without_end_are_the_network_s_own():
    model = Chain(Turned)
    with torch.no_grad():
        model.last.weight.fill_(1e38)
    assert not is_misled(model)


def test_onednn_is_left_as_it_was():
    for before in (True, False):
        with without_onednn(wanted=not before):
            with without_onednn():
                assert not torch.backends.mkldnn.enabled
            assert torch.backends.mkldnn.enabled is before
    assert torch.backends.mkldnn.enabled


def test_the_check_says_so_and_the_training_goes_without(workshop):
    report = workshop.check(MISLED)
    assert report.ok
    assert not report.onednn
    assert "trained without" in report.message
    assert workshop.train(MISLED, report, seed=0).measurement.failure is None
    with_it = workshop.train(MISLED, replace(report, onednn=True), seed=0).measurement
    assert "trained with oneDNN" in with_it.failure.message


DROPS_A_LAYER = """
import random
import numpy as np
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(192, 16)
        self.blocks = nn.ModuleList(nn.Linear(16, 16) for _ in range(2))
        self.last = nn.Linear(16, 4)

    def forward(self, x):
        x = self.first(x.flatten(1))
        for block, draw in zip(self.blocks, (random.random, np.random.rand)):
            if not self.training or draw() < 0.5:
                x = x + 9 * block(x)
        return self.last(x)
"""


def test_one_that_draws_random_numbers_of_python_and_numpy_is_not_misled(workshop: Workshop):
    for seed in range(8):
        random.seed(seed)
        np.random.seed(seed)
        report = check.check(DROPS_A_LAYER, workshop._dataset.task, Budget(), workshop._recipe, seed=0)
        assert report.ok, report.message
        assert report.onednn, seed


def test_scores_before_a_training_go_without_it_too(toy: Dataset, quick_recipe: Recipe):
    with Workshop(toy, quick_recipe, device="cpu", zero_cost=True) as workshop:
        measurement = workshop.train(MISLED, seed=0).measurement
    assert {name: measurement.absent.get(name) for name in ZERO_COST} == dict.fromkeys(ZERO_COST)
    assert all(measurement.metrics[name] is not None for name in ZERO_COST)


def test_a_large_network_is_not_tried(workshop: Workshop, monkeypatch):
    def never(*_: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(kernels, "misled", never)
    monkeypatch.setattr(kernels, "MOST_MACS", 0)
    report = check.check(MISLED, workshop._dataset.task, Budget(), workshop._recipe, seed=0)
    assert report.ok, report.message
    assert report.onednn
