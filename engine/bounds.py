"""Bounds: what a network must keep to be of use, whatever its combined metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from lemonade_es.trainer.measurement import Budget
from lemonade_es.vocabulary import METRICS, SETTABLE

Bounds = Mapping[str, float]
"""The least of what is better higher, the most of what is better lower, by metric."""

_BYTES_OF_A_WEIGHT = 4
_SHARE_OF_WEIGHTS = 0.97
"""Of what is saved; the rest are running statistics of normalisations."""

_THOUSAND = 1000
_DIGITS = 15
"""All that a number was typed with."""

_NAMES_AND_SHAPES = 4000
"""Bytes of them in the file of a small network."""


def excess(bounds: Bounds, metrics: Mapping[str, float | None]) -> float:
    """How far a network is beyond its bounds: by which share of each, summed; 0 where all are kept.

    The comparison of networks by it, before all else, is the constraint domination of Deb et al. (2002, NSGA-II).

    Args:
        bounds: above 0; beyond one of 0, which counts may have, each is as much as a bound of 1 is.
        metrics: of the network; a bound on one that is unknown is broken without end.
    """
    return math.fsum(_share(name, bound, metrics.get(name)) for name, bound in bounds.items())


def breaches(bounds: Bounds, metrics: Mapping[str, float | None]) -> Iterator[str]:
    """Each bound that a network breaks, in words."""
    for name, bound in bounds.items():
        value = metrics.get(name)
        if value is None:
            yield f"{name} is unknown"
        elif _share(name, bound, value):
            beyond = "more" if METRICS[name].better == "lower" else "less"
            yield f"{name} {_apart(value, bound)} is {beyond} than {_plain(bound, _DIGITS)}"


def thresholds(bounds: Bounds) -> dict[str, float]:
    """The rulebook's thresholds that mean the same: rules shall steer to where the bounds are."""
    return {f"T{name}": bound for name, bound in bounds.items() if f"T{name}" in SETTABLE}


def budget(bounds: Bounds, parameters: int | None, macs: int | None, *, likely: bool = False) -> Budget:
    """What no candidate may exceed, as it could not keep the bounds: told by its source, before it is trained.

    Args:
        bounds: ``P``, ``M`` and ``S`` count; saved, a weight takes 4 bytes.
        parameters: that no network may have more than anyway.
        macs: likewise.
        likely: so that who keeps the budget most likely keeps the bounds: what else is saved has its room.
    """
    size = bounds.get("S", math.inf) * 1e6
    weights = (_SHARE_OF_WEIGHTS * (size - _NAMES_AND_SHAPES) if likely else size) / _BYTES_OF_A_WEIGHT
    return Budget(
        parameters=_least(parameters, bounds.get("P"), max(1.0, weights)),
        macs=_least(macs, bounds.get("M")),
    )


def _share(name: str, bound: float, value: float | None) -> float:
    if value is None or math.isnan(value):
        return math.inf
    beyond = value - bound if METRICS[name].better == "lower" else bound - value
    return max(0.0, beyond / (bound or 1.0))


def _apart(number: float, other: float) -> str:
    """A number with as many digits as it takes to tell it from another one, four at least."""
    return _plain(number, next(digits for digits in range(4, 18) if f"{number:.{digits}g}" != f"{other:.{digits}g}"))


def _plain(number: float, digits: int) -> str:
    text = f"{number:.{digits}g}"
    return f"{float(text):,.0f}" if abs(number) >= _THOUSAND and float(text).is_integer() else text


def _least(*bounds: float | None) -> int | None:
    return min((int(bound) for bound in bounds if bound is not None and math.isfinite(bound)), default=None)
