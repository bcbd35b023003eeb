"""The combined metric CM (Eq. 1), what it is normalised by, and which of two candidates is better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lemonade_es.vocabulary import NORMALISED

Values = Mapping[str, float | None]


def normalised(metrics: Values, settings: Values) -> dict[str, float | None]:
    """``NF``, ``T_NE`` and ``V_NE``: x / (x + threshold).

    The paper does not say how it normalises. This is bounded (0..1), monotone, one half at the threshold,
    and does not depend on other candidates, so that a CM once given stays.
    """
    return {name: _saturate(metrics.get(raw), settings.get(at)) for name, (raw, at) in NORMALISED.items()}


def _saturate(value: float | None, threshold: float | None) -> float | None:
    if value is None or threshold is None or value < 0:
        return None
    total = value + threshold
    return value / total if total > 0 else None


_TERMS = (("WA", ("T_Acc", "V_Acc"), 1.0), ("WF", ("NF",), 1.0), ("WE", ("T_NE", "V_NE"), -1.0))
"""Of Eq. 1: the weight, the metrics that it is for, and their sign."""


def combined_metric(metrics: Values, settings: Values) -> float | None:
    """CM = WA (T_Acc + V_Acc) + WF NF - WE (T_NE + V_NE), Eq. 1.

    Returns:
        ``None`` if a metric with a weight other than 0 is missing: such a candidate cannot be ranked.
    """
    total = 0.0
    for name, factor in _factors(settings):
        value = metrics.get(name)
        if value is None:
            return None
        total += factor * value
    return total


def missing(metrics: Values, settings: Values) -> tuple[str, ...]:
    """The metrics that CM wants and that are not known; of normalised ones, what was to be measured for them."""
    gone = [name for name, _ in _factors(settings) if metrics.get(name) is None]
    return tuple(NORMALISED[name][0] if name in NORMALISED else name for name in gone)


def _factors(settings: Values) -> Iterator[tuple[str, float]]:
    """Each metric that counts, and what it is multiplied by."""
    for setting, names, sign in _TERMS:
        if weight := settings.get(setting):
            yield from ((name, sign * weight) for name in names)


def reached(targets: Mapping[str, float], metrics: Values, *, lower_is_better: frozenset[str]) -> bool:
    """Whether every target holds: at least the wanted value, or at most, where lower is better."""
    if not targets:
        return False
    for name, wanted in targets.items():
        value = metrics.get(name)
        if value is None or (value > wanted if name in lower_is_better else value < wanted):
            return False
    return True
