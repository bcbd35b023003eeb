"""The work of one ATen operation: convolutions and matrix products, a lower bound of what is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

OF_VECTORS = (torch.ops.aten.mv, torch.ops.aten.addmv, torch.ops.aten.dot)
"""Products that count for a network only if they take what comes from the input: norms of weights are made of them."""


def flops(operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    """Floating-point operations of a convolution or a matrix product; 0 for all else.

    Args:
        operation: the packet of overloads that was called.
        args: what it was called with.
        kwargs: likewise.
        result: what it gave.
    """
    if operation in _MORE_WORK:
        return 2 * _MORE_WORK[operation](*args)
    count = flop_registry.get(operation)
    return 0 if count is None else int(count(*args, **kwargs, out_val=result))


def _trilinear_macs(one: Tensor, two: Tensor, three: Tensor, *expanded: Any) -> int:
    shapes = []
    for tensor, axes in zip((one, two, three), expanded, strict=False):
        shape = list(tensor.shape)
        for axis in sorted(axes):
            shape.insert(axis, 1)
        shapes.append(shape)
    return math.prod(max(sizes) for sizes in zip(*shapes, strict=True))


def _attention_macs(query: Tensor, key: Tensor, value: Tensor, *_: Any) -> int:
    return query.shape[:-1].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


# in multiply-accumulates: what torch's own table of FLOPs leaves out
_MORE_WORK: dict[Any, Callable[..., int]] = {
    torch.ops.aten.mv: lambda matrix, _vector: matrix.numel(),
    torch.ops.aten.addmv: lambda _bias, matrix, _vector: matrix.numel(),
    torch.ops.aten.dot: lambda one, _two: one.numel(),
    torch.ops.aten._trilinear: _trilinear_macs,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_macs,
}
