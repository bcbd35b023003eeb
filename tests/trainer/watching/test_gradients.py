"""Gradients beside their weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lemonade_es.trainer.watching.gradients import GradientWatch


def network(*ratios):
    """Linear layers whose weights have gradients of these ratios; ``None`` is no gradient."""
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in ratios))
    for layer, ratio in zip(model, ratios, strict=True):
        layer.weight.grad = None if ratio is None else layer.weight.detach() * ratio
    return model


def test_shares_of_small_and_large_gradients_are_counted_by_weight_tensor():
    watch = GradientWatch()
    watch.look(network(0.9e-6, 1.1e-6, 0.9, 1.1))
    assert watch.low == watch.high == 0.25


def test_a_weight_without_a_gradient_has_a_small_one_and_one_that_is_not_finite_a_large_one():
    watch = GradientWatch()
    watch.look(network(None, float("nan"), float("inf"), 0.1))
    assert (watch.low, watch.high) == (0.25, 0.5)


def test_vanishing_lasts_and_an_explosion_is_an_event():
    watch = GradientWatch()
    for ratios in ((0.0, 0.1), (0.1, 0.1), (0.1, 5.0), (0.1, 0.1)):
        watch.look(network(*ratios))
    assert (watch.low, watch.high) == (0.0, 0.5)


def test_biases_normalisation_frozen_weights_and_zeros_do_not_count():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 4), nn.Linear(4, 2))
    with torch.no_grad():
        model[4].weight.zero_()
    model[3].weight.requires_grad_(False)
    model(torch.randn(8, 1, 4, 4)).logsumexp(1).sum().backward()
    assert model[0].bias.grad.norm() < 1e-4  # the normalisation takes it out again: a low one, if it counted
    watch = GradientWatch()
    watch.look(model)
    assert watch.low in (0.0, 1.0)  # one tensor is left


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64, torch.complex64])
def test_weights_of_other_kinds_are_looked_at_too(kind):
    watch = GradientWatch()
    watch.look(network(0.9e-6, 0.1, 0.9, 1.1).to(kind) if kind.is_floating_point else complex_network(1.1, 0.9))
    assert watch.high == (0.25 if kind.is_floating_point else 0.5)


def complex_network(*ratios):
    model = nn.Module()
    for number, ratio in enumerate(ratios):
        weight = nn.Parameter(torch.randn(4, 4, dtype=torch.complex64))
        weight.grad = (weight.detach() * ratio).conj()
        model.register_parameter(f"weight{number}", weight)
    return model


@pytest.mark.parametrize("model", [nn.BatchNorm1d(3), nn.Flatten()])
def test_a_network_without_weights_has_no_shares(model):
    watch = GradientWatch()
    watch.look(model)
    assert watch.low is None
    assert watch.high is None
