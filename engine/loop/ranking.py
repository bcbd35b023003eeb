"""Which of two networks leads: by the bounds, then by CM, and where that does not tell them apart, by size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lemonade_es.engine.bounds import Bounds, breaches
from lemonade_es.engine.loop.state import Network, SearchState
from lemonade_es.engine.metric import missing, normalised
from lemonade_es.trainer.measurement import Measurement

_ENERGIES = frozenset(("T_E", "V_E", "T_NE", "V_NE"))


@dataclass(frozen=True, slots=True)
class Rank:
    """A network beside the leader.

    Attributes:
        leads: whether it takes the lead.
        tie: the iteration of the leader that CM does not tell it from, if so.
        note: why it was not ranked, or what a tie was decided by.
    """

    leads: bool
    tie: int | None = None
    note: str | None = None


def ranked(network: Network | None, state: SearchState, settings: Mapping[str, float | None]) -> Rank:
    """Where a network stands: it leads with a higher CM, or with fewer parameters where CM does not tell.

    Before that, the total violation of the required bounds is compared: the smaller one leads, whatever its CM.
    CM does not tell two networks apart if they differ by less than the noise floor, where that is known. So that
    a row of ties does not lead downwards, a tie is won only by a network that also ties with the highest CM so far.
    Where energy counts or is bound, a measured figure is never ranked against an estimated one.
    """
    best = state.best
    if network is None or network.CM is None or network.broken:
        return Rank(False, note=_unranked(network, settings))
    if best is None or best.CM is None:
        return Rank(True, note=_broken_bounds(network, state))
    if (unlike := incomparable(network, best, state.bounds, settings)) is not None:
        return Rank(False, note=unlike)
    mine, theirs = state.excess(network), state.excess(best)
    if mine != theirs:
        return Rank(mine < theirs, note=_broken_bounds(network, state))
    if not _tied(network.CM, best.CM, state.floor):
        return Rank(network.CM > best.CM, note=_broken_bounds(network, state))
    smaller = (network.metrics.get("P") or 0.0) < (best.metrics.get("P") or 0.0)
    peak = best.CM if state.peak is None else state.peak
    near = peak <= network.CM or _tied(network.CM, peak, state.floor)
    return Rank(smaller and near, best.iteration, _decided(network.CM - best.CM, best, state, smaller, near))


def challenges(network: Network, state: SearchState, settings: Mapping[str, float | None]) -> bool:
    """Whether a network, trained once, may lead: its CM is above the leader's, or less than a noise floor below.

    While the noise floor is not known, every network with a CM is, if it violates the required bounds as little as the
    leader: its trainings tell the noise. With a smaller violation it may lead in any case, with a larger one in none.
    """
    if network.CM is None:
        return False
    best = state.best
    if best is None or best.CM is None:
        return True
    alike = incomparable(network, best, state.bounds, settings) is None
    mine, theirs = state.excess(network), state.excess(best)
    if mine != theirs:
        return alike and mine < theirs
    if state.floor is None:
        return True
    return alike and (network.CM > best.CM or _tied(network.CM, best.CM, state.floor))


def incomparable(network: Network, best: Network, bounds: Bounds, settings: Mapping[str, float | None]) -> str | None:
    """Why two networks must not be ranked against each other, if so."""
    if not settings.get("WE") and not _ENERGIES & bounds.keys():
        return None
    mine, theirs = _provenance(network.measurement), _provenance(best.measurement)
    return None if mine == theirs else f"its energy is {mine}, that of the best is {theirs}: not comparable"


def _unranked(network: Network | None, settings: Mapping[str, float | None]) -> str | None:
    if network is None or network.failed:
        return None
    if network.pruned is not None:
        return network.pruned.reason
    if network.broken:
        return f"{network.broken} of its {len(network.all)} trainings failed"
    for number, training in enumerate(network.all, 1):
        metrics = {**training.metrics, **normalised(training.metrics, settings)}
        if gone := missing(metrics, settings):
            which = f" of training {number}" if network.repeats else ""
            return f"it has no CM: {' and '.join(gone)}{which} {'is' if len(gone) == 1 else 'are'} not known"
    return "it has no CM"


def _broken_bounds(network: Network, state: SearchState) -> str | None:
    return ", ".join(breaches(state.bounds, network.metrics)) or None


def _tied(one: float, other: float, floor: float | None) -> bool:
    return one == other or (floor is not None and abs(one - other) < floor)


def _decided(difference: float, best: Network, state: SearchState, smaller: bool, near: bool) -> str | None:
    if state.floor is None:
        return None
    tie = (
        f"a tie with iteration {best.iteration}: CM differs by {difference:+.4f}, the noise floor is {state.floor:.4f}"
    )
    if not smaller:
        return f"{tie}, and it is not smaller"
    return f"{tie}, and it is smaller" if near else f"{tie}; it is smaller, but the highest CM so far is not within it"


def _provenance(measurement: Measurement) -> str:
    phases = ("training", "validation")  # those that CM counts
    return "/".join(sorted({measurement.energy[phase].provenance for phase in phases if phase in measurement.energy}))
