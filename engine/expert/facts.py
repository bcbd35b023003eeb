"""What is known when the rules are asked: one value, or none, for each term of the vocabulary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lemonade_es.errors import ConfigError
from lemonade_es.vocabulary import METRICS, SETTABLE, TERMS, closest

NOT_MEASURED = "it was not measured"
NOT_SET = "it is not set"


@dataclass(frozen=True, slots=True)
class Facts(Mapping[str, float | None]):
    """An immutable mapping from every term of the vocabulary, in its order, to its value or ``None``.

    Attributes:
        known: the values; finite numbers or ``None``.
        absent: for each term without a value, why.
    """

    known: Mapping[str, float | None]
    absent: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        metrics: Mapping[str, float | None],
        settings: Mapping[str, float | None],
        absent: Mapping[str, str] | None = None,
    ) -> Facts:
        """Facts of one network under the user's settings.

        Args:
            metrics: measured values by name; what is missing, ``None``, infinite or NaN is unknown.
            settings: thresholds, priorities and weights, as :func:`lemonade_es.vocabulary.settings` gives them.
            absent: for missing metrics, why, where that is known.

        Raises:
            ConfigError: a name is not in the vocabulary.
        """
        _check(metrics, METRICS, "metric")
        _check(settings, SETTABLE, "threshold, priority or weight")
        given = {**metrics, **settings}
        known: dict[str, float | None] = {}
        reasons: dict[str, str] = {}
        for name in TERMS:
            value = given.get(name)
            if value is not None and math.isfinite(value):
                known[name] = float(value)
                continue
            known[name] = None
            why = f"it is {value}" if value is not None else NOT_MEASURED if name in METRICS else NOT_SET
            reasons[name] = (absent or {}).get(name, why)
        return cls(known, reasons)

    def __getitem__(self, name: str) -> float | None:
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def _check(given: Mapping[str, float | None], terms: Mapping[str, object], what: str) -> None:
    for name in given:
        if name not in terms:
            near = closest(name, terms)
            raise ConfigError(f"no {what} is called {name!r}", hint=f"did you mean {near}?" if near else None)
