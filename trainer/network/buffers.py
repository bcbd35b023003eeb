"""The buffers of a network, which must not notice that it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def unmoved(model: nn.Module) -> Iterator[None]:
    """Buffers are afterwards what they were, also those that the network has put others in the place of.

    Args:
        model: the network; buffers that it makes meanwhile, or makes larger, stay.
    """
    kept = [
        (part, name, buffer, buffer.clone())
        for part in model.modules()
        for name, buffer in part.named_buffers(recurse=False)
        if buffer.layout is torch.strided
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for part, name, buffer, before in kept:
                if not torch.equal(buffer, before):
                    buffer.copy_(before)
                now = getattr(part, name, None)
                if now is not buffer and getattr(now, "shape", None) == buffer.shape:
                    setattr(part, name, buffer)
