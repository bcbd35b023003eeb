"""What an executor was sent, word for word, as the journal holds it."""

from __future__ import annotations

from collections.abc import Iterable

from lemonade_es.engine.events import Event, Refused, Replied, Requested, Unanswered
from lemonade_es.errors import StoreError


def prompt_sent(events: Iterable[Event], iteration: int, attempt: int | None = None) -> str:
    """The prompt of one attempt of an iteration.

    Args:
        events: the run's.
        iteration: its number.
        attempt: its number; ``None`` is the first that was answered.

    Raises:
        StoreError: there is no such iteration or attempt, or no text was sent or kept.
    """
    found = [event for event in events if getattr(event, "iteration", None) == iteration]
    where = f"iteration {iteration}"
    if not any(isinstance(event, Requested) for event in found):
        raise StoreError("there is no such iteration", where=where, hint="`lemonade-es runs show RUN` lists them")
    calls = [event for event in found if isinstance(event, Replied | Refused | Unanswered)]
    replies = {event.attempt: event.reply for event in calls if isinstance(event, Replied)}
    if not calls:
        raise StoreError("nobody has been asked yet", where=where)
    chosen = attempt if attempt is not None else min(replies, default=calls[0].attempt)
    where += f", attempt {chosen}"
    if all(event.attempt != chosen for event in calls):
        made = ", ".join(str(number) for number in sorted({event.attempt for event in calls}))
        raise StoreError("there is no such attempt", where=where, hint=f"there are {made}")
    if chosen not in replies:
        raise StoreError("it was not answered, and its prompt is not kept", where=where)
    reply = replies[chosen]
    if reply.prompt is None:
        hint = f"`lemonade-es explain RUN --iteration {iteration} --json` has the request"
        raise StoreError(f"{reply.executor} is sent the request itself, and no text", where=where, hint=hint)
    return reply.prompt
