"""Gradients beside the weights that they move, looked at now and then while a network is trained."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

LOW, HIGH = 1e-6, 1.0
"""Ratios of gradient to weight below and above which a gradient does nothing, or tears the weight down."""


@dataclass(slots=True)
class GradientWatch:
    """Looks at the ratio of gradient norm to weight norm, for each weight tensor of two or more dimensions.

    Biases and the scales of normalisation are left out: they start at 0 or 1, and a bias before a normalisation never
    has a gradient, in the soundest of networks. So is a tensor that is all zeros, which has no scale.
    """

    _low: list[float] = field(default_factory=list)
    _high: list[float] = field(default_factory=list)

    def look(self, model: nn.Module) -> None:
        """Takes a sample, between the backward pass and the step."""
        weights = [weight for weight in model.parameters() if weight.requires_grad and weight.dim() >= 2]
        if not weights:
            return
        with torch.no_grad():
            norms = torch.stack([_norm(weight) for weight in weights])
            gradients = torch.stack(
                [norms.new_zeros(()) if weight.grad is None else _norm(weight.grad) for weight in weights]
            )
            ratios = (gradients / norms)[norms != 0]
            # what is not finite is above every bound
            counts = torch.stack([(ratios < LOW).sum(), (~(ratios <= HIGH)).sum()]).tolist()
        if len(ratios):
            self._low.append(counts[0] / len(ratios))
            self._high.append(counts[1] / len(ratios))

    @property
    def low(self) -> float | None:
        """The share of weight tensors with a ratio below 1e-6, as the median of the samples: vanishing lasts."""
        return statistics.median(self._low) if self._low else None

    @property
    def high(self) -> float | None:
        """The share with a ratio above 1, as the largest of the samples: an explosion is an event."""
        return max(self._high, default=None)


def _norm(tensor: Tensor) -> Tensor:
    """In 32 bits, of weights of any kind."""
    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    norm: Tensor = torch.linalg.vector_norm(real.detach().float())
    return norm
