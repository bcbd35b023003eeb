"""The memory order of image networks: channels last, which is faster, where a network can take it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lemonade_es.trainer.network import mode
from lemonade_es.trainer.network.buffers import unmoved

_ONEDNN_BLOCK = 16
"""Input channels that oneDNN's AVX-512 kernels take at once."""


def settle(model: nn.Module, inputs: Tensor) -> None:
    """Put a network's convolutions in channels-last order, if it runs then, and safely.

    A network that flattens feature maps by ``view`` does not run then. What is settled here stays with the
    weights, through ``to(device)`` and ``load_state_dict``. The trial draws no random numbers and moves no
    running statistics.

    Args:
        model: the network, on the device of ``inputs``; left in train mode.
        inputs: a small batch of images ``(N, C, H, W)``.
    """
    takes_it = True
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            # what only runs in channels-last order would run here and nowhere else
            mode.in_eval_mode(model)(inputs)
            model.to(memory_format=torch.channels_last)
            with unmoved(model), _SafeConvolutions():
                for training in (True, False):
                    model.train(training)
                    model(inputs.contiguous(memory_format=torch.channels_last))
    except Exception:  # noqa: BLE001  (if the order is not to blame, the next forward pass raises the same)
        takes_it = False
    if not takes_it:
        model.to(memory_format=torch.contiguous_format)
    model.train()


def settled(model: nn.Module) -> torch.memory_format:
    """The memory order that a network's image batches should have."""
    last = any(
        parameter.dim() == 4
        and parameter.is_contiguous(memory_format=torch.channels_last)
        and not parameter.is_contiguous()
        for parameter in model.parameters()
    )
    return torch.channels_last if last else torch.contiguous_format


class _Unsafe(Exception):  # noqa: N818  (leaves the trial run)
    """A convolution that must not run in channels-last order."""


class _SafeConvolutions(TorchFunctionMode):
    """Refuses strided 1x1 convolutions of few channels.

    In channels-last order, oneDNN's gradient for their weights writes past its workspace: a crash, or silently
    wrong gradients (uxlfoundation/oneDNN#6035, seen with torch 2.14). ResNet shortcuts are such convolutions.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") == "conv2d":
            images, weight = args[0], args[1]
            strided = result.shape[2:] != images.shape[2:]
            if weight.shape[2:] == (1, 1) and strided and weight.shape[1] < _ONEDNN_BLOCK:
                raise _Unsafe
        return result
