"""What can go wrong with one call to a model: what another try may mend, and that there was no answer in the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from lemonade_es.errors import CallFaultError, ExecutorError, NoAnswerError
from lemonade_es.llm.executor import Try

__all__ = [
    "DENIED",
    "INTERRUPTED",
    "PERHAPS_PAID",
    "CallFaultError",
    "CallInterrupted",
    "FaultCode",
    "NoAnswerError",
    "Otherwise",
    "asked_wait",
    "passing",
]

FaultCode = Literal["rate_limit", "overloaded", "server_error", "timeout", "connection", "cut_off", "protocol"]

_PASSING: Mapping[int, FaultCode] = {
    408: "timeout",
    409: "server_error",
    425: "server_error",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    524: "timeout",  # Cloudflare's, where the server behind it works too long
    529: "overloaded",
}

DENIED = "denied"
"""The code of a :class:`~lemonade_es.llm.executor.Try` that no other try could have mended."""

INTERRUPTED = "interrupted"
"""The code of a :class:`~lemonade_es.llm.executor.Try` that the user stopped: whether it was paid is not known."""

PERHAPS_PAID = frozenset({"timeout", "cut_off", "protocol", INTERRUPTED})
"""Codes of tries in which the server may have worked, and may charge for it, though no answer came."""


class CallInterrupted(KeyboardInterrupt):
    """The user's Ctrl-C came while a model was asked; :attr:`tries` holds what had become of it until then."""

    def __init__(self, tries: tuple[Try, ...]) -> None:
        super().__init__()
        self.tries = tries


class Otherwise(Exception):  # noqa: N818 - a request, not a failure
    """A client's word to the executor above it: the server would have the prompt otherwise.

    Args:
        wish: ``fenced``: no form of structured output is left; ``brief``: the prompt is too long for the model.
        error: what to raise if it cannot be had otherwise.
    """

    def __init__(self, wish: Literal["fenced", "brief"], error: ExecutorError) -> None:
        super().__init__(wish, error)  # both, so that it can be pickled
        self.wish = wish
        self.error = error


def passing(status: int, headers: Mapping[str, str] | None = None) -> FaultCode | None:
    """The fault that an HTTP status stands for, if it may pass; ``None`` if asking again cannot help.

    Args:
        status: of the answer.
        headers: of the answer; ``x-should-retry: false`` is the server's word that it will not pass.
    """
    if headers is not None and headers.get("x-should-retry") == "false":
        return None
    return _PASSING.get(status, "server_error" if status >= 500 else None)


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, by ``retry-after-ms`` or ``retry-after``; ``None`` if it does not say.

    If it says both, the longer counts.

    A time that is past says nothing: the clock there may be another.

    Args:
        headers: of the answer, found by names in lower case.
    """
    asked = [_seconds(headers.get("retry-after-ms", "")), _seconds(headers.get("retry-after", ""))]
    if asked[0] is not None:
        asked[0] /= 1000
    known = [seconds for seconds in asked if seconds is not None and math.isfinite(seconds) and seconds >= 0]
    return max(known, default=None)


def _seconds(text: str) -> float | None:
    with suppress(ValueError):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return (date - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):  # no date, or an hour or a year that no calendar has
        return None
