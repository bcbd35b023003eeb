"""How well executors foresee what their networks will measure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from lemonade_es.llm.patch import Predicted
from lemonade_es.vocabulary import METRICS, Term

FORESEEN = tuple(item.name for item in fields(Predicted))
"""The metrics that a patch predicts."""

_ABSURD = 1e6
"""So many times what was measured is no prediction, of metrics whose range has no end."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Predictions of one metric against what was measured, in the metric's unit.

    Attributes:
        count: networks with both a prediction and a measurement.
        mean_error: of predicted minus measured; above 0 is too hopeful for accuracies.
        mean_absolute_error: of the same, without its sign.
        out_of_range: networks whose prediction cannot be meant, and is left out: outside the metric's range, or
            far beyond all that such networks do.
    """

    count: int
    mean_error: float | None
    mean_absolute_error: float | None
    out_of_range: int = 0

    @classmethod
    def of(cls, errors: Iterable[float], out_of_range: int = 0) -> Calibration:
        """The calibration from each network's error; without any, the means are not known."""
        listed = list(errors)
        if not listed:
            return cls(0, None, None, out_of_range)
        return cls(len(listed), sum(listed) / len(listed), sum(map(abs, listed)) / len(listed), out_of_range)


def calibrated(
    pairs: Iterable[tuple[Predicted | None, Mapping[str, float | None]]],
) -> dict[str, Calibration]:
    """The calibration of each metric that a patch predicts.

    Args:
        pairs: for each network what was predicted, and what was measured.
    """
    errors: dict[str, list[float]] = {name: [] for name in FORESEEN}
    odd = dict.fromkeys(FORESEEN, 0)
    for predicted, measured in pairs:
        for name, found in errors.items():
            hoped, known = getattr(predicted, name, None), measured.get(name)
            if hoped is None or known is None:
                continue
            if _meant(METRICS[name], hoped, known):
                found.append(hoped - known)
            else:
                odd[name] += 1
    return {name: Calibration.of(found, odd[name]) for name, found in errors.items()}


def _meant(term: Term, hoped: float, known: float) -> bool:
    """Whether a prediction lies where the metric can."""
    high = term.high if math.isfinite(term.high) else _ABSURD * max(known, 1.0)
    return term.low <= hoped <= high
