"""The task specification, Algorithm 1's TS: what a network must take and give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

TaskKind = Literal["image", "text", "table"]
Objective = Literal["classification", "regression"]

SHORT_R2 = "R2, clipped at 0"
"""What accuracy means for a regression, where there is little room."""

ACCURACY: Mapping[Objective, str] = MappingProxyType(
    {
        "classification": "share of right answers",
        "regression": "R2 (share of the target's variance that is explained), clipped at 0",
    }
)
"""What accuracy (``T_Acc``, ``V_Acc``) means."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the network is for.

    Attributes:
        kind: ``image`` networks take float batches ``(N, C, H, W)``; ``text`` networks take integer token
            batches ``(N, L)``; ``table`` networks take float batches ``(N, F)``. All return ``(N, classes)``.
        data: the name of the data set, for people and prompts.
        input_shape: the shape of one input: ``(C, H, W)``, ``(L,)`` or ``(F,)``.
        classes: the number of classes; 1 for regression: the one number that is predicted.
        vocabulary_size: for ``text``, one more than the largest token; token 0 is padding.
        objective: a ``classification`` network returns a logit for each class, a ``regression`` network the
            target in standard deviations from its mean, both taken over the training split.
    """

    kind: TaskKind
    data: str
    input_shape: tuple[int, ...]
    classes: int
    vocabulary_size: int | None = None
    objective: Objective = "classification"

    @property
    def answer(self) -> str:
        """What a network tells of an input, in words."""
        return "a number" if self.objective == "regression" else f"{self.classes} classes"

    @property
    def accuracy(self) -> str:
        """What accuracy (``T_Acc``, ``V_Acc``) means for this task, in words."""
        return ACCURACY[self.objective]
