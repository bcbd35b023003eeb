"""Networks whose passes differ from each other in a way of their own, and a plain one."""

from __future__ import annotations

import itertools
import random

import torch
from torch import Tensor, nn


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.output = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.body(x).mean((2, 3)))


class Dropping(Plain):
    """Draws on its own device."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(x), 0.2, training=self.training)


class Scaling(Plain):
    scales = iter(range(1, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * next(self.scales)


class Counting(Plain):
    """Will do something else after a thousand passes, which no look at two of them can show."""

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return super().forward(x) if self.passes < 1000 else x


class Building(Plain):
    where: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.where is None:
            self.where = torch.zeros(1, device=x.device)
        return super().forward(x + self.where)


class Shuffling(Plain):
    """Has a generator of its own, which it may heed later."""

    def __init__(self) -> None:
        super().__init__()
        self.chance = random.Random(0)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.chance.random() < 0.9999 else x


class Shaking(Plain):
    """Draws in its backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        outputs = super().forward(x)
        outputs.register_hook(lambda gradient: gradient * random.gauss(1, 0))
        return outputs


class Remembering(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.mean().detach())
        return super().forward(x)


class Late(Plain):
    """Changes its way after some passes, and keeps nothing that shows it."""

    passes = itertools.count()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if next(Late.passes) < 9 else super().forward(x).relu()


class Dicing(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + random.gauss(0, 0)


class Waiting(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.mean().item() > -1e9 else x


class Selecting(Plain):
    def forward(self, x: Tensor) -> Tensor:
        x[x > 1e9] = 0
        return super().forward(x)


class Replacing(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("drift", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.drift = self.drift * 0.9 + x.mean()
        return super().forward(x)
