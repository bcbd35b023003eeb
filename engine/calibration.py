"""How well executors foresee what their networks will measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from lemonade_es.llm.patch import Predicted

FORESEEN = tuple(item.name for item in fields(Predicted))
"""The metrics that a patch predicts."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Predictions of one metric against what was measured, in the metric's unit.

    Attributes:
        count: networks with both a prediction and a measurement.
        mean_error: of predicted minus measured; above 0 is too hopeful for accuracies.
        mean_absolute_error: of the same, without its sign.
    """

    count: int
    mean_error: float | None
    mean_absolute_error: float | None

    @classmethod
    def of(cls, errors: Iterable[float]) -> Calibration:
        """The calibration from each network's error; without any, the means are not known."""
        listed = list(errors)
        if not listed:
            return cls(0, None, None)
        return cls(len(listed), sum(listed) / len(listed), sum(map(abs, listed)) / len(listed))


def calibrated(
    pairs: Iterable[tuple[Predicted | None, Mapping[str, float | None]]],
) -> dict[str, Calibration]:
    """The calibration of each metric that a patch predicts.

    Args:
        pairs: for each network what was predicted, and what was measured.
    """
    errors: dict[str, list[float]] = {name: [] for name in FORESEEN}
    for predicted, measured in pairs:
        for name, found in errors.items():
            hoped, known = getattr(predicted, name, None), measured.get(name)
            if hoped is not None and known is not None:
                found.append(hoped - known)
    return {name: Calibration.of(found) for name, found in errors.items()}
