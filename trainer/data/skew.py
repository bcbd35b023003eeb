"""Skewed numbers (incomes, populations, prices): their logarithms, which are spread more evenly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lemonade_es.trainer.data.traits import Log

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_KURTOSIS = 6.0
"""Excess kurtosis above which numbers are skewed, or have heavy tails: that of an exponential distribution."""

_LEAST_DIFFERENT = 10
"""Different values: fewer are counts or grades."""

_GAIN = 4.0
"""By so much a logarithm must be nearer to a normal distribution than the numbers are."""

_BEGINNINGS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles of the magnitudes above 0: where a logarithm may begin."""


def log_of(values: NDArray[np.float64]) -> Log | None:
    """The logarithm that is nearest to a normal distribution; ``None`` of numbers that need none.

    Args:
        values: of the training split, ``(N,)``, finite.
    """
    import numpy as np

    if len(np.unique(values)) < _LEAST_DIFFERENT:
        return None
    skewness, kurtosis = _shape(values)
    if not kurtosis > _LEAST_KURTOSIS:
        return None
    found = [float(scale) for scale in np.quantile(np.abs(values[values != 0]), _BEGINNINGS, method="lower")]
    distance, scale = min((_distance(*_shape(logarithms(values, scale))), scale) for scale in found)
    if not math.isfinite(distance) or _GAIN * distance > _distance(skewness, kurtosis):
        return None
    logs = logarithms(values, scale)
    return Log(scale, float(logs.mean()), float(logs.std()))


def logarithms(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """``sign(v) log(1 + |v| / scale)`` of numbers, ``(N,)``."""
    import numpy as np

    with np.errstate(over="ignore"):  # what overflows is refused later, with its file
        found: NDArray[np.float64] = np.sign(values) * np.log1p(np.abs(values) / scale)
    return found


def _shape(values: NDArray[np.float64]) -> tuple[float, float]:
    """Skewness and excess kurtosis; infinite if they cannot be computed."""
    import numpy as np

    with np.errstate(all="ignore"):
        scaled = values / np.abs(values).max()  # their powers do not overflow
        apart = scaled - scaled.mean()
        spread = float((apart**2).mean())
        if not spread > 0 or not math.isfinite(spread):
            return math.inf, math.inf
        skewness = float(((apart / math.sqrt(spread)) ** 3).mean())
        kurtosis = float(((apart / math.sqrt(spread)) ** 4).mean()) - 3
    return skewness, kurtosis


def _distance(skewness: float, kurtosis: float) -> float:
    """From a normal distribution, as Jarque and Bera weigh it."""
    return skewness**2 + kurtosis**2 / 4
