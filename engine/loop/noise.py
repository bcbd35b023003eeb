"""How far trainings of one network with different seeds differ: means, spreads, and the noise floor of CM."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lemonade_es.rules.expression import FLAGS
from lemonade_es.vocabulary import COUNTS

ENOUGH = 4
"""Degrees of freedom from which on the noise floor stands: 95 % of such estimates are 0.35 to 1.67 of the true one."""

Metrics = Mapping[str, float | None]


@dataclass(slots=True)
class Noise:
    """Pools the spread of CM within networks until it is known well enough; then it stays as it is.

    Attributes:
        squares: squared differences from the mean CM of each network, summed.
        degrees: degrees of freedom: of each network one less than its trainings.
        networks: the iterations of the networks that were pooled.
    """

    squares: float = 0.0
    degrees: int = 0
    networks: list[int] = field(default_factory=list)

    def heard(self, iteration: int, values: Sequence[float]) -> None:
        """Take the CM of each training of a network in."""
        if len(values) < 2 or self.degrees >= ENOUGH:
            return
        mean = statistics.fmean(values)
        self.squares += math.fsum((value - mean) ** 2 for value in values)
        self.degrees += len(values) - 1
        self.networks.append(iteration)

    @property
    def floor(self) -> float | None:
        """The standard deviation of CM between seeds, or ``None`` before it is known well enough."""
        return math.sqrt(self.squares / self.degrees) if self.degrees >= ENOUGH else None


@dataclass(frozen=True, slots=True)
class Averaged:
    """Several trainings of one network as one.

    Attributes:
        metrics: the mean of each metric over the trainings in which it is known; of one that counts, the median.
        spread: the standard deviation of each metric that differs between them.
    """

    metrics: Metrics
    spread: Mapping[str, float]


def averaged(trainings: Sequence[Metrics]) -> Averaged:
    """The mean and the spread of each metric; flags are those of the first training, and counts stay whole.

    Args:
        trainings: the metrics of each training, the first one's names are taken.
    """
    metrics: dict[str, float | None] = {}
    spread: dict[str, float] = {}
    for name, first in trainings[0].items():
        known = [value for item in trainings if (value := item.get(name)) is not None]
        if name in FLAGS or len(set(known)) < 2:
            metrics[name] = first if name in FLAGS or not known else known[0]
            continue
        metrics[name] = statistics.median_low(known) if name in COUNTS else statistics.fmean(known)
        spread[name] = statistics.stdev(known)
    return Averaged(metrics, spread)
