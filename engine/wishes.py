"""What may be a target of a search, or required of a network; and what to say of all else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from lemonade_es.vocabulary import COUNTS, METRICS, Term, closest

_OF_NO_NETWORK = ("plateau",)
"""Metrics of the search."""

_OF_FAILURES = ("failed", "nonfinite")
"""Metrics that are 0 for each network that may lead."""

_NEVER_0 = ("P", "M")
"""Metrics of which each network has 1 or more."""

_MAY_BE_0 = ("dead_layers",)
"""Metrics of which a network may well have none."""

_EXAMPLES = "give one that can, for example V_Acc=0.95, F=4000, P=50000 or S=0.1"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a value of the right type cannot be used."""

    option: str
    message: str
    hint: str | None = None


def doubts_of_wish(option: str, name: str, value: float) -> Iterator[Doubt]:
    """What is wrong with one pair of ``target`` or ``require``, if anything is.

    Args:
        option: which of these two.
        name: of a metric, if all is well.
        value: what it is to reach or to keep.
    """
    what = "a target" if option == "target" else "required"
    term = METRICS.get(name)
    if term is None:
        bare = METRICS.get(name.rstrip("<> "))
        near = closest(name, METRICS)
        hint = f"did you mean {near}?" if near else "give for example V_Acc=0.95"
        if bare is not None and _unfit(bare) is None:
            bound = "at least" if bare.better == "higher" else "at most"
            hint = f"write {bare.name}={value:g}; for {bare.name} that means {bound}"
        elif bare is not None:
            hint = f"{bare.name} cannot be {what}: {_unfit(bare)}"
        yield Doubt(option, f"{name!r} is no metric that can be {what}", hint)
    elif unfit := _unfit(term):
        yield Doubt(option, f"{name} cannot be {what}: {unfit}", _EXAMPLES)
    elif not (math.isfinite(value) and term.low <= value <= term.high):
        high = f"to {term.high:g}" if math.isfinite(term.high) else "or more"
        yield Doubt(option, f"{name}={value:g} is out of range", f"give {term.low:g} {high}")
    elif value == term.low and name not in _MAY_BE_0:
        why = "is reached by any network" if term.better == "higher" else "leaves no room"
        yield Doubt(option, f"{name}={value:g} {why}", f"give more than {term.low:g}")
    elif value == term.high and term.better == "lower":
        yield Doubt(option, f"{name}={value:g} is kept by any network", f"give less than {term.high:g}")
    elif name in _NEVER_0 and value < 1:
        yield Doubt(option, f"{name}={value:g} is reached by none", "give 1 or more")
    elif name in COUNTS and not value.is_integer():
        yield Doubt(option, f"{name}={value:g} is no whole number", f"{name} is a count")


def _unfit(term: Term) -> str | None:
    """Why no bound can be put on a metric."""
    if term.name in _OF_NO_NETWORK:
        return "it is of the search, not of a network"
    if term.name in _OF_FAILURES:
        return "a network of which it is not 0 never leads anyway"
    return "neither more nor less of it is better" if term.better is None else None
