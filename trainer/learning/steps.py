"""A training step, from the rows of a batch to new weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lemonade_es.task import Objective
from lemonade_es.trainer.learning.augmentation import Augmentation
from lemonade_es.trainer.learning.loss import loss
from lemonade_es.trainer.recipe import Recipe

Look = Callable[[nn.Module], None]
"""Told of the network between the backward pass and the optimizer's step."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Takes the steps of one training.

    Attributes:
        model: the network, in train mode on its device.
        inputs: the training inputs ``(N, ...)``, on that device.
        labels: theirs, likewise.
        augment: of image batches, if there is any.
        normalise: what the network takes for a batch.
        optimizer: of the network.
        generator: of the augmentation.
        recipe: how to train.
        objective: what the labels are.
        total: the sum of the losses of all samples since it was last set to 0, a scalar on the device.
    """

    model: nn.Module
    inputs: Tensor
    labels: Tensor
    augment: Augmentation | None
    normalise: Callable[[Tensor], Tensor]
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    recipe: Recipe
    objective: Objective
    total: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", torch.zeros((), device=self.inputs.device))

    def take(self, rows: Tensor, look: Look | None = None, watch: AbstractContextManager[object] | None = None) -> None:
        """One step.

        Args:
            rows: of the batch, ``(B,)``, on the device.
            look: told of the gradients.
            watch: entered around the forward and the backward pass.
        """
        batch = self.inputs[rows]
        if self.augment is not None and self.augment.changes_anything:
            batch = self.augment.apply(batch, self.augment.draw(len(batch), self.generator))
        prepared, labels = self.normalise(batch), self.labels[rows]
        self.optimizer.zero_grad(set_to_none=True)
        with watch or nullcontext():
            with torch.autocast(prepared.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
                outputs = self.model(prepared)
            mean = loss(outputs.float(), labels, self.objective)
            torch.autograd.backward(mean)
        if look is not None:
            look(self.model)
        self.optimizer.step()
        self.total.add_(mean.detach() * len(rows))

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next step."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)  # in place: what was recorded reads it there
            else:
                group["lr"] = rate


def optimizer_for(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer for a network that is on its device already.

    Args:
        model: the network.
        recipe: names the optimizer.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    on_gpu = any(parameter.is_cuda for parameter in parameters)
    # on a GPU a tensor, which a recorded step reads anew each time
    rate = torch.tensor(recipe.lr, device=parameters[0].device) if on_gpu else recipe.lr
    # one kernel for all tensors: on small networks the step costs as much as the backward pass without it
    fused = all(parameter.is_floating_point() for parameter in parameters)  # there is none for complex ones
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=recipe.weight_decay, fused=fused, capturable=on_gpu)
    return torch.optim.SGD(parameters, lr=rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=fused)
