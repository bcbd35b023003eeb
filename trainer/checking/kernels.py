"""oneDNN, which computes convolutions on a CPU, held against PyTorch's own kernels.

Some of its kernels give wrong gradients: with AVX-512, those of weights that are 14 to 19 wide and as wide as their
input of three channels or fewer, for which they read memory that nobody wrote (seen with torch 2.14). Networks that
slide over texts are made so (Kim, *Convolutional Neural Networks for Sentence Classification*, 2014).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lemonade_es.trainer.network.buffers import unmoved

MOST_MACS = 20_000_000
"""Of one input, up to which networks are tried: without oneDNN large ones would take seconds."""

_TOLERANCE = 0.05
_NEGLIGIBLE = 1e-3


@contextlib.contextmanager
def without_onednn(*, wanted: bool = True) -> Iterator[None]:
    """Convolutions by PyTorch's own kernels meanwhile.

    Args:
        wanted: false leaves all as it is.
    """
    flags: Any = torch.backends.mkldnn
    before = flags.enabled
    flags.enabled = before and not wanted
    try:
        yield
    finally:
        flags.enabled = before


def misled(model: nn.Module, step: Callable[[], None]) -> bool:
    """Whether oneDNN gives a network other gradients than PyTorch's own kernels, which agree with themselves.

    Args:
        model: the network.
        step: gives it the gradients of a batch, the same batch and the same random numbers each time.
    """
    fast = _gradients(model, step)
    with without_onednn():
        own = _gradients(model, step)
        return not _alike(own, fast) and _alike(own, _gradients(model, step))


def _gradients(model: nn.Module, step: Callable[[], None]) -> dict[str, Tensor]:
    with unmoved(model):  # what moves in training, a spectral norm's vectors say, changes the gradients too
        step()
    return {
        name: parameter.grad.detach().clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.layout is torch.strided
    }


def _alike(known: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    """Whether gradients differ by rounding alone: that of a weight without influence is nothing else."""
    if not all(bool(gradient.isfinite().all()) for gradient in known.values()):
        return True  # which is the network's own fault
    largest = max((float(gradient.norm()) for gradient in known.values()), default=0.0)
    for name, gradient in known.items():
        bound = _TOLERANCE * float(gradient.norm()) + _NEGLIGIBLE * largest
        if name in others and not float((others[name] - gradient).norm()) <= bound:
            return False
    return True
