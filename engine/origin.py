"""The network of a run that a user means: the best, or that of an iteration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lemonade_es.engine.events import Accepted, Advised, IterationEnded, Measured, Replied, RunStarted
from lemonade_es.engine.journal import Entry, started
from lemonade_es.errors import ConfigError

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the network comes from.

    Attributes:
        run: whose it is.
        begun: the run's first event.
        accepted: the network's source and census.
        measured: what its training in the search gave; ``None`` if there was none.
        ended: what came of it in the search; ``None`` if the search was broken off there.
        authors: the executors that wrote it, and the networks that it was edited from; the first one first.
    """

    run: str
    begun: RunStarted
    accepted: Accepted
    measured: Measured | None
    ended: IterationEnded | None
    authors: tuple[str, ...]


def network_of(entries: tuple[Entry, ...], iteration: int | None) -> Origin:
    """The network that is meant.

    Args:
        entries: of the run.
        iteration: whose; ``None`` takes the best.

    Raises:
        ConfigError: there is none.
    """
    run = entries[0].run
    where = f"run {run}"
    accepted = {event.iteration: event for entry in entries if isinstance(event := entry.event, Accepted)}
    measured = {event.iteration: event for entry in entries if isinstance(event := entry.event, Measured)}
    ended = {event.iteration: event for entry in entries if isinstance(event := entry.event, IterationEnded)}
    if iteration is None:
        leaders = [number for number, event in ended.items() if event.is_best]
        if not leaders:
            raise ConfigError(
                "the run has no valid network",
                where=where,
                hint=f"`lemonade-es explain {run}`, with the same --out, tells why; --iteration N takes one",
            )
        iteration = leaders[-1]
    if iteration not in accepted:
        known = ", ".join(map(str, list(accepted)[:_SHOWN])) + (" ..." if len(accepted) > _SHOWN else "")
        hint = f"those with one: {known}" if accepted else "none has one"
        raise ConfigError(f"iteration {iteration} has no network", where=where, hint=hint)
    authors = _authors(entries, accepted, iteration)
    return Origin(run, started(entries), accepted[iteration], measured.get(iteration), ended.get(iteration), authors)


def _authors(entries: tuple[Entry, ...], accepted: Mapping[int, Accepted], iteration: int) -> tuple[str, ...]:
    base = {event.iteration: event.base for entry in entries if isinstance(event := entry.event, Advised)}
    wrote = {
        (event.iteration, event.attempt): event.reply.executor
        for entry in entries
        if isinstance(event := entry.event, Replied)
    }
    found: list[str] = []
    at: int | None = iteration
    while at is not None and at in accepted:
        found.append(wrote[at, accepted[at].attempt])
        at = base.get(at)
    return tuple(dict.fromkeys(reversed(found)))
