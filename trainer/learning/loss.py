"""What training makes small: cross-entropy for classes, the mean squared error for numbers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lemonade_es.task import Objective, Task


def loss(outputs: Tensor, labels: Tensor, objective: Objective) -> Tensor:
    """The mean loss of a batch.

    Args:
        outputs: logits ``(N, classes)``, or for regression predictions ``(N, 1)``.
        labels: class indices ``(N,)``, or for regression float targets ``(N,)``.
        objective: which of the two.
    """
    if objective == "regression":
        return functional.mse_loss(outputs.squeeze(1), labels)
    return functional.cross_entropy(outputs, labels)


def example_labels(task: Task, rows: int) -> Tensor:
    """Labels for a batch of examples: every class in turn, or for regression random targets ``(rows,)``."""
    return torch.randn(rows) if task.objective == "regression" else torch.arange(rows) % task.classes
