"""Rectified units that are never active, however the rectifier is written."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from lemonade_es.trainer.watching.activity import activity

BATCH = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Convolution(nn.Module):
    """Eight channels, of which three can never be above zero, then a rectifier."""

    def __init__(self, rectify):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.rectify = rectify
        with torch.no_grad():
            self.conv.bias.fill_(10)
            self.conv.bias[:3] = -10

    def forward(self, x):
        return self.rectify(self.conv(x))


def counted(model, batch=BATCH):
    found = activity(model.eval(), batch)
    return found.units, found.dead_units, found.layers, found.dead_layers


@pytest.mark.parametrize(
    "rectify",
    [
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.ReLU6(),
        nn.ReLU6(inplace=True),
        nn.Hardtanh(0, 6),
        nn.Threshold(0, 0),
        functional.relu,
        functional.relu_,
        functional.relu6,
        torch.relu,
        torch.relu_,
        torch.Tensor.relu,
        torch.Tensor.relu_,
        lambda x: functional.relu(x, inplace=True),
        lambda x: functional.threshold(x, 0.0, 0.0),
        lambda x: x.clamp(min=0),
        lambda x: x.clamp_(0),
        lambda x: torch.clamp(x, min=0.0, max=6.0),
        lambda x: torch.clip(x, 0),
        lambda x: x.clamp_min(0),
    ],
)
def test_every_way_to_write_a_rectifier_is_seen(rectify):
    assert counted(Convolution(rectify)) == (8, 3, 1, 0)


@pytest.mark.parametrize(
    "smooth",
    [nn.LeakyReLU(), nn.PReLU(), nn.ELU(), nn.GELU(), nn.SiLU(), nn.Sigmoid(), nn.Hardtanh(), nn.Identity()],
)
def test_what_is_never_exactly_zero_is_no_rectifier(smooth):
    assert counted(Convolution(smooth)) == (0, 0, 0, 0)


def test_a_clamp_that_guards_a_division_and_a_weight_kept_positive_are_no_rectifiers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(5, 3))

        def forward(self, x):
            return (x.mean((2, 3)) / x.norm(dim=(2, 3)).clamp(min=1e-6)) @ self.scale.relu().T

    assert counted(Net()) == (0, 0, 0, 0)


def test_a_channel_that_is_active_anywhere_is_alive():
    model = Convolution(nn.ReLU())
    bright = torch.full((16, 3, 8, 8), -10.0)
    bright[7, :, 2, 2] = 1000.0
    with torch.no_grad():
        model.conv.weight.fill_(1.0)
    assert counted(model, bright) == (8, 0, 1, 0)


def test_a_layer_is_dead_if_more_than_nine_tenths_of_it_are():
    def layer(dead):
        linear = nn.Linear(20, 20)
        with torch.no_grad():
            linear.bias.fill_(100)
            linear.bias[:dead] = -100
            linear.weight.zero_()
        return [linear, nn.ReLU()]

    model = nn.Sequential(*layer(18), *layer(19), *layer(0))
    assert counted(model, torch.zeros(4, 20)) == (60, 37, 3, 1)


def test_tokens_have_their_features_last_and_series_their_channels_second():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.dense = nn.Embedding(9, 6), nn.Linear(6, 5)

        def forward(self, x):
            return self.dense(self.embed(x)).relu().mean(1)

    class Series(Tokens):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(6, 7, 3)

        def forward(self, x):
            return functional.relu(self.conv(self.embed(x).transpose(1, 2))).mean(2)

    tokens = torch.arange(60).reshape(4, 15) % 9
    assert counted(Tokens(), tokens)[0] == 5
    assert counted(Series(), tokens)[0] == 7


def test_the_feed_forward_part_of_a_transformer_is_seen():
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=12, activation="relu", batch_first=True)
    assert counted(layer, torch.randn(4, 5, 8))[0] == 12


def test_counting_leaves_random_numbers_and_statistics_alone():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            return (self.norm(x) + torch.rand(())).relu()

    model = Noisy()
    before = model.norm.running_mean.clone()
    torch.manual_seed(0)
    expected = torch.rand(())
    torch.manual_seed(0)
    counted(model)
    assert torch.rand(()) == expected
    assert torch.equal(model.norm.running_mean, before)


class Ensemble(nn.Module):
    """Three members of eight units at once; in each of them three can never be above zero."""

    def __init__(self, differentiated=False):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 192, 8))
        self.bias = nn.Parameter(torch.tensor([-1e3] * 3 + [1e3] * 5).repeat(3, 1))
        self.differentiated = differentiated

    def member(self, weight, bias, x):
        return functional.relu(x @ weight + bias).sum()

    def forward(self, x):
        made = torch.func.grad(self.member) if self.differentiated else self.member
        return torch.func.vmap(made, (0, 0, None))(self.weight, self.bias, x.flatten(1))


@pytest.mark.parametrize("differentiated", [False, True])
def test_rectifiers_inside_of_functions_of_torch_func_are_seen(differentiated):
    assert counted(Ensemble(differentiated)) == (24, 9, 1, 0)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_nested_tensors_are_left_out():
    class Nested(nn.Module):
        def forward(self, x):
            rows = torch.nested.as_nested_tensor(list(x.flatten(2).transpose(1, 2)), layout=torch.strided)
            return torch.nested.to_padded_tensor(functional.relu(rows), 0.0).mean(1)

    assert counted(Nested()) == (0, 0, 0, 0)
