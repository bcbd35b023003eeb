"""The network of a run that a user means: the best, or that of an iteration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lemonade_es.engine.history.events import Accepted, Advised, IterationEnded, Measured, Replied, RunStarted
from lemonade_es.engine.history.journal import Entry, started
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
        rulebooks: SHA-256 of those that advised on it and on these, likewise; a watched one may have changed.
    """

    run: str
    begun: RunStarted
    accepted: Accepted
    measured: Measured | None
    ended: IterationEnded | None
    authors: tuple[str, ...]
    rulebooks: tuple[str, ...]


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
    begun = started(entries)
    authors, rulebooks = _line(entries, accepted, iteration)
    return Origin(
        run,
        begun,
        accepted[iteration],
        measured.get(iteration),
        ended.get(iteration),
        authors,
        rulebooks or (begun.rulebook_digest,),
    )


def _line(
    entries: tuple[Entry, ...], accepted: Mapping[int, Accepted], iteration: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who wrote the network and those that it was edited from, and the rulebooks that advised."""
    advised = {event.iteration: event for entry in entries if isinstance(event := entry.event, Advised)}
    wrote = {
        (event.iteration, event.attempt): event.reply.executor
        for entry in entries
        if isinstance(event := entry.event, Replied)
    }
    authors: list[str] = []
    rulebooks: list[str] = []
    at: int | None = iteration
    while at is not None and at in accepted:
        authors.append(wrote[at, accepted[at].attempt])
        advice = advised.get(at)
        if advice is not None and advice.rulebook:  # journals of old do not say
            rulebooks.append(advice.rulebook)
        at = None if advice is None else advice.base
    return tuple(dict.fromkeys(reversed(authors))), tuple(dict.fromkeys(reversed(rulebooks)))
