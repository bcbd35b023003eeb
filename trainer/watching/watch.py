"""What is kept of a network while it is trained, and what of it is saved."""

from __future__ import annotations

from dataclasses import dataclass, field

import safetensors.torch
from torch import nn

from lemonade_es.trainer.watching.gradients import GradientWatch


@dataclass(slots=True)
class Watch:
    """Watches the training of one network, which comes out as if nobody had.

    Attributes:
        model: the network.
        epochs: numbers of those after which it is kept as it is.
        gradients: the gradients so far.
    """

    model: nn.Module
    epochs: frozenset[int] = frozenset()
    gradients: GradientWatch = field(default_factory=GradientWatch)

    def epoch_ended(self, index: int) -> bytes:
        """What is saved of the network, if it is time; else nothing."""
        return saved(self.model) if index in self.epochs else b""


def saved(model: nn.Module) -> bytes:
    """Parameters and persistent buffers as a safetensors file: all that is left of a network beside its source."""
    # shared tensors cannot be saved as such, and float32 is what the exports start from
    state = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).detach().cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
    }
    return safetensors.torch.save(state)
