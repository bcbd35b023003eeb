"""What an executor was sent, word for word, as the journal holds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lemonade_es.engine.history.events import Asked, Event, Refused, Replied, Requested, Unanswered
from lemonade_es.errors import StoreError


def with_prompt(replied: Replied, asked: Asked | None) -> Replied:
    """An answer with the prompt that it answers, which is recorded before it."""
    if asked is None or replied.reply.prompt is not None:
        return replied
    return replace(replied, reply=replace(replied.reply, prompt=asked.prompt))


def replies(events: Iterable[Event]) -> tuple[Replied, ...]:
    """The answers of a run with their prompts, oldest first."""
    asked: dict[tuple[int, int], Asked] = {}
    found: list[Replied] = []
    for event in events:
        if isinstance(event, Asked):
            asked[event.iteration, event.attempt] = event
        elif isinstance(event, Replied):
            found.append(with_prompt(event, asked.get((event.iteration, event.attempt))))
    return tuple(found)


def prompt_sent(events: Iterable[Event], iteration: int, attempt: int | None = None) -> str:
    """The prompt of one attempt of an iteration, whether it was answered or not.

    Args:
        events: the run's.
        iteration: its number.
        attempt: its number; ``None`` is the first whose prompt is kept.

    Raises:
        StoreError: there is no such iteration or attempt, or no text was sent or kept.
    """
    found = [event for event in events if getattr(event, "iteration", None) == iteration]
    where = f"iteration {iteration}"
    if not any(isinstance(event, Requested) for event in found):
        raise StoreError("there is no such iteration", where=where, hint="`lemonade-es runs show RUN` lists them")
    calls = {event.attempt for event in found if isinstance(event, Asked | Replied | Refused | Unanswered)}
    if not calls:
        raise StoreError("nobody has been asked yet", where=where)
    prompts = {event.attempt: event.prompt for event in found if isinstance(event, Asked)}
    prompts |= {item.attempt: item.reply.prompt for item in replies(found) if item.reply.prompt is not None}
    chosen = attempt if attempt is not None else min(prompts, default=min(calls))
    if chosen in prompts:
        return prompts[chosen]
    where += f", attempt {chosen}"
    if chosen not in calls:
        made = ", ".join(map(str, sorted(calls)))
        raise StoreError("there is no such attempt", where=where, hint=f"attempts of this iteration: {made}")
    for event in found:
        if isinstance(event, Replied) and event.attempt == chosen:
            hint = f"`lemonade-es explain RUN --iteration {iteration} --json` has the request"
            raise StoreError(f"{event.reply.executor} is sent the request itself, and no text", where=where, hint=hint)
    raise StoreError("it was not answered, and its prompt is not kept", where=where)
