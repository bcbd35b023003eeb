"""Scores of an untrained network on one batch, in the candidate's process: what it might learn, before it has.

From Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (ICLR 2021), and what they cite. None of them is
known to beat the number of parameters everywhere; `python -m benchmarks proxies` says how they do here.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lemonade_es.task import Task
from lemonade_es.trainer.learning.loss import loss
from lemonade_es.trainer.network.candidate import example
from lemonade_es.trainer.network.mode import in_eval_mode, in_train_mode

ROWS = 64
_K = 1e-5
_NO_GRADIENT = "tokens have no gradient"


class Unscored(Exception):  # noqa: N818  (an outcome with a reason, not an error of the program)
    """A score that this network cannot have."""


@dataclass(frozen=True, slots=True)
class ZeroCost:
    """The scores of one network.

    Attributes:
        known: by name.
        absent: for each score that there is not, why.
    """

    known: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)


def scored(model: nn.Module, inputs: Tensor, labels: Tensor, task: Task) -> ZeroCost:
    """All scores; the network is of no use afterwards.

    Args:
        model: untrained, as :func:`~lemonade_es.trainer.network.candidate.build` makes it.
        inputs: a batch as the network takes it.
        labels: of the batch.
        task: what the network is for.
    """
    ways: Mapping[str, Callable[[], float]] = {
        "synflow": lambda: _synflow(model, inputs, task),  # first: the others move the statistics of normalisation
        "jacob_cov": lambda: _jacob_cov(model, inputs),
        "grad_norm": lambda: _grad_norm(model, inputs, labels, task),
    }
    known: dict[str, float] = {}
    absent: dict[str, str] = {}
    for name, way in ways.items():
        try:
            model.zero_grad(set_to_none=True)
            value = way()
        except Unscored as reason:
            absent[name] = str(reason)
        except Exception as error:  # noqa: BLE001  (candidate code may raise anything)
            absent[name] = f"computing it raised {type(error).__name__}"
        else:
            if math.isfinite(value):
                known[name] = value
            else:
                absent[name] = "it is not finite"
    return ZeroCost(known, absent)


def _grad_norm(model: nn.Module, inputs: Tensor, labels: Tensor, task: Task) -> float:
    """The Euclidean norms of the loss's gradients by each parameter tensor, summed."""
    torch.autograd.backward(loss(in_train_mode(model)(inputs), labels, task.objective))
    return float(sum(tensor.grad.norm() for tensor in model.parameters() if tensor.grad is not None))


def _jacob_cov(model: nn.Module, inputs: Tensor) -> float:
    """How little the network's linear maps at different inputs are alike (Mellor et al., 2020); higher is less."""
    if not inputs.is_floating_point():
        raise Unscored(_NO_GRADIENT)
    watched = inputs.clone().requires_grad_()
    outputs = in_train_mode(model)(watched)
    torch.autograd.backward(outputs, torch.ones_like(outputs))
    if watched.grad is None:
        raise Unscored("the output does not depend on the input")
    values = torch.linalg.eigvalsh(torch.corrcoef(watched.grad.flatten(1).double()))
    return float(-(torch.log(values + _K) + 1 / (values + _K)).sum())


def _synflow(model: nn.Module, inputs: Tensor, task: Task) -> float:
    """The decadic logarithm of the summed synaptic saliencies (Tanaka et al., 2020).

    Weights are taken without their sign and the input is all ones, in double precision, for the sum is a product over
    the layers. In eval mode: dropout lets everything pass, normalisation by its first statistics does too.
    """
    network = in_eval_mode(copy.deepcopy(model).double())
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.abs_()
    network.zero_grad(set_to_none=True)
    ones = example(task, 1).to(inputs.device)
    outputs = network(torch.ones_like(ones, dtype=torch.float64) if ones.is_floating_point() else ones)
    torch.autograd.backward(outputs.sum())
    total = sum(
        float((tensor.detach() * tensor.grad).sum()) for tensor in network.parameters() if tensor.grad is not None
    )
    if total <= 0:
        raise Unscored("no signal flows")
    return math.log10(total)
