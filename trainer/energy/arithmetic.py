"""Sums and shares of energies, the paper's unit, and grams of CO2e.

An unknown energy is ``None`` with its reason. A total is measured only if every term of it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from lemonade_es.trainer.energy.counter import Scope
from lemonade_es.trainer.measurement import Energy, EnergyPart, Provenance

PUE = 1.58
"""Power usage effectiveness of Eq. 4: what a data centre draws for each unit of energy that computing takes."""

GRID_GCO2E_PER_KWH = 436.0
"""Grams of CO2e for a kWh: the world's average in 2022 (Ember, Global Electricity Review 2023)."""

_JOULES_PER_KWH = 3.6e6
_MORE = ", and so on for the windows that followed"


def kwh_pue(joules: float) -> float:
    """Eq. 4 for counted energy: ``1.58 * joules / 3.6e6``, in kWh-PUE."""
    return PUE * joules / _JOULES_PER_KWH


def grams_co2e(kwh: float, grid: float = GRID_GCO2E_PER_KWH) -> float:
    """Grams of CO2e of an energy.

    Args:
        kwh: the energy; in kWh-PUE if the data centre's overhead shall count.
        grid: grams for a kWh of the grid that it came from.
    """
    return kwh * grid


def summed(parts: Sequence[EnergyPart], seconds: float, method: str) -> Energy:
    """The energy of a window from its parts: unknown if one is, measured only if every one is.

    Args:
        parts: one for each domain; at least one.
        seconds: the length of the window.
        method: what gave them, in words.
    """
    scope: Scope = "machine" if any(part.scope == "machine" for part in parts) else parts[0].scope
    missing = [f"{part.method}: {part.reason}" for part in parts if part.joules is None]
    if missing:
        return unavailable(seconds, method, scope, "; ".join(missing), parts)
    joules = math.fsum(part.joules or 0.0 for part in parts)
    spread = math.fsum((part.joules or 0.0) * (part.rel_uncertainty or 0.0) for part in parts)
    idle = [part.idle_joules for part in parts if part.idle_joules is not None]
    provenances: set[Provenance] = {part.provenance for part in parts}
    return Energy(
        joules=joules,
        seconds=seconds,
        provenance=provenances.pop() if len(provenances) == 1 else "mixed",
        method=method,
        scope=scope,
        rel_uncertainty=spread / joules if joules else None,
        idle_joules=math.fsum(idle) if len(idle) == len(parts) else None,
        domains=tuple(parts),
    )


def total(terms: Sequence[Energy]) -> Energy:
    """The sum over the same window of energies that overlap nowhere; the rules are those of :func:`summed`."""
    parts = [part for term in terms for part in term.domains or (_whole(term),)]
    return summed(parts, max(term.seconds for term in terms), " + ".join(term.method for term in terms))


def in_turn(terms: Sequence[Energy]) -> Energy:
    """The sum over windows that follow each other; the rules are those of :func:`summed`.

    Args:
        terms: energies of the same domains, at least one; where the domains differ, each window is one part.
    """
    seconds = math.fsum(term.seconds for term in terms)
    method = _methods([term.method for term in terms])
    named = [tuple(part.domain for part in term.domains) for term in terms]
    if len(set(named)) == 1 and named[0]:
        columns: list[tuple[EnergyPart, ...]] = list(zip(*(term.domains for term in terms), strict=True))
        return summed([_lengthened(column) for column in columns], seconds, method)
    return replace(summed([_whole(term) for term in terms], seconds, method), reason=_first_reason(terms))


def share(energy: Energy, count: int) -> Energy:
    """One of several equal shares of a window, one pass of many; its methods say so: some name the window's figures."""
    if count == 1:
        return energy

    def shared(joules: float | None) -> float | None:
        return None if joules is None else joules / count

    def said(method: str) -> str:
        return f"1/{count:,} of " + (f"({method})" if " + " in method else method)

    return replace(
        energy,
        joules=shared(energy.joules),
        seconds=energy.seconds / count,
        method=said(energy.method),
        idle_joules=shared(energy.idle_joules),
        domains=tuple(
            replace(
                part,
                joules=shared(part.joules),
                method=said(part.method),
                idle_joules=shared(part.idle_joules),
                resolution_joules=part.resolution_joules / count,
            )
            for part in energy.domains
        ),
    )


def unavailable(seconds: float, method: str, scope: Scope, reason: str, domains: Sequence[EnergyPart] = ()) -> Energy:
    """An energy that nobody can tell, with what is known of its parts."""
    return Energy(None, seconds, "unavailable", method, scope, reason=reason, domains=tuple(domains))


def _whole(term: Energy) -> EnergyPart:
    return EnergyPart(
        domain=term.method,
        joules=term.joules,
        provenance=term.provenance,
        method=term.method,
        scope=term.scope,
        rel_uncertainty=term.rel_uncertainty,
        idle_joules=term.idle_joules,
        reason=term.reason,
    )


def _lengthened(parts: Sequence[EnergyPart]) -> EnergyPart:
    """One domain over windows that follow each other."""
    energy = summed(parts, 0.0, "")
    return replace(
        parts[0],
        joules=energy.joules,
        provenance=energy.provenance,
        method=_methods([part.method for part in parts]),
        rel_uncertainty=energy.rel_uncertainty,
        resolution_joules=math.fsum(part.resolution_joules for part in parts),
        idle_joules=energy.idle_joules,
        reason=_first_reason(parts),
    )


def _first_reason(terms: Sequence[Energy | EnergyPart]) -> str | None:
    """Why the first of the windows is unknown that is: one is enough, and there may be hundreds."""
    return next((term.reason for term in terms if term.joules is None), None)


def _methods(methods: Sequence[str]) -> str:
    """Each method once, and no more than two of them: estimates name the figures of their window."""
    known = list(dict.fromkeys(method.removesuffix(_MORE) for method in methods))
    return " + ".join(known) if len(known) == 1 else f"{known[0]}{_MORE}"
