"""What the candidate's process looks at while a network is trained, and right after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lemonade_es.trainer.activity import Activity, activity
from lemonade_es.trainer.gradients import GradientWatch
from lemonade_es.trainer.training import Normalisation, predict, prepare


@dataclass(slots=True)
class Watch:
    """Watches the training of one network, which comes out as if nobody had.

    Attributes:
        model: the network.
        validation: inputs of the validation set, as the data set has them.
        mean: of each channel.
        std: likewise.
        device: where the network is.
        epochs: numbers of those after which validation inputs are answered.
        rows: which inputs these are.
        gradients: the gradients so far.
    """

    model: nn.Module
    validation: Tensor
    mean: Sequence[float]
    std: Sequence[float]
    device: str
    epochs: frozenset[int] = frozenset()
    rows: Sequence[int] = ()
    gradients: GradientWatch = field(default_factory=GradientWatch)
    _outputs: list[Tensor] = field(default_factory=list)

    def epoch_ended(self, index: int) -> None:
        """Answers the validation inputs, if it is time."""
        if index not in self.epochs:
            return
        # a network may draw random numbers even in eval mode
        with torch.random.fork_rng(devices=[]):
            prepare(self.model, self.device)
            inputs = self.validation[list(self.rows)]
            self._outputs.append(predict(self.model, inputs, self.mean, self.std, device=self.device))
        self.model.train()

    def outputs(self) -> Tensor:
        """The outputs of all epochs that were looked at, one after the other, ``(epochs x rows, classes)``."""
        return torch.cat(self._outputs)

    def activity(self, rows: Sequence[int]) -> Activity:
        """What some validation inputs stir in the trained network."""
        normalise = Normalisation(self.model, self.mean, self.std, torch.device(self.device))
        return activity(self.model, normalise(self.validation[list(rows)].to(self.device)))
