"""Train mode and eval mode, whatever a network's own ``train`` returns: many forget that it is the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def in_train_mode(model: nn.Module) -> nn.Module:
    """The network itself, put in train mode."""
    model.train()
    return model


def in_eval_mode(model: nn.Module) -> nn.Module:
    """The network itself, put in eval mode."""
    model.eval()
    return model
