"""Networks to measure training with: a plain one as searches begin with, residual ones, and a ResNet-18 for GPUs."""

from __future__ import annotations

from dataclasses import dataclass

from lemonade_es.task import Task

CLASSES = 10
TASK = Task("image", "photographs", (3, 32, 32), CLASSES)
_PLAIN = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers, channels = [], 3
        for width in (16, 32, 64):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64 * 4 * 4, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x):
        return self.head(self.features(x))
"""
_RESIDUAL = """
from torch import nn

class Block(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
        )
        self.skip = nn.Identity()
        if stride != 1 or channels != width:
            self.skip = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        self.end = nn.ReLU()

    def forward(self, x):
        return self.end(self.body(x) + self.skip(x))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        channels = STAGES[0][0]
        layers = [nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        for width, stride in STAGES:
            for number in range(BLOCKS):
                layers.append(Block(channels, width, stride if number == 0 else 1))
                channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, 10)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
"""
_THREE_STAGES = "((16, 1), (32, 2), (64, 2))"
_FOUR_STAGES = "((64, 1), (128, 2), (256, 2), (512, 2))"


@dataclass(frozen=True)
class ReferenceNetwork:
    """A network as candidate source, and the multiply-accumulates of one input."""

    source: str
    macs: int


def _residual(stages: str, blocks: int) -> str:
    return _RESIDUAL.replace("STAGES", stages).replace("BLOCKS", str(blocks))


NETWORKS = {
    "small": ReferenceNetwork(_PLAIN, 2_900_000),
    "medium": ReferenceNetwork(_residual(_THREE_STAGES, 1), 12_500_000),
    "large": ReferenceNetwork(_residual(_THREE_STAGES, 3), 41_000_000),
    "resnet18": ReferenceNetwork(_residual(_FOUR_STAGES, 2), 556_000_000),
}
"""The last one is a ResNet-18 as it is usual for 32x32 images, and too large to train on a few cores."""
