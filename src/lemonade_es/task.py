"""The task specification, Algorithm 1's TS: what a network must take and give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TaskKind = Literal["image", "text"]


@dataclass(frozen=True, slots=True)
class Task:
    """What the network is for.

    Attributes:
        kind: ``image`` networks take float batches ``(N, C, H, W)``; ``text`` networks take integer token
            batches ``(N, L)``. Both return logits ``(N, classes)``.
        data: the name of the data set, for people and prompts.
        input_shape: the shape of one input: ``(C, H, W)`` or ``(L,)``.
        classes: the number of classes.
        vocabulary_size: for ``text``, one more than the largest token; token 0 is padding.
    """

    kind: TaskKind
    data: str
    input_shape: tuple[int, ...]
    classes: int
    vocabulary_size: int | None = None
