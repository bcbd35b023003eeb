"""The body of a server's answer, before anything in it is trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_TOO_LONG = re.compile(
    r"context_length_exceeded|maximum (context|prompt) length|context size|context window|context length"
    r"|(prompt|input) is too long|input token count.{0,200}exceeds|too many (input )?tokens|exceeded model token limit"
    r"|range of input length|prompt exceeds max|inputs.{0,20}tokens.{0,40}max_new_tokens",
    re.IGNORECASE,
)

_STREAMED = re.compile(r"\s*+(?:(?:event|id|retry)?:[^\n]*+\s++)*+data:")
"""How a stream of server-sent events begins; a line that begins with a colon is a comment in it.

Without a way back: a row of colons could be divided into comments in so many ways that it would take for ever."""

MOST_TOKENS = 2 * 10**7
"""A server that counts more in one call counts wrongly: no model reads or writes so many."""

MOST_DIGITS = 100
"""Python refuses to read integers of some thousands."""


def too_long(said: str) -> bool:
    """Whether a server's refusal says that the prompt does not fit into the model's context."""
    return _TOO_LONG.search(said) is not None


def is_streamed(body: str) -> bool:
    """Whether a body is a stream of server-sent events."""
    return _STREAMED.match(body) is not None


def is_cut_off(body: str) -> bool:
    """Whether a body is the beginning of a JSON object."""
    try:
        parsed(body)
    except json.JSONDecodeError as error:
        return body.lstrip().startswith("{") and (error.pos >= len(body.rstrip()) or "Unterminated" in error.msg)
    except RecursionError:
        pass
    return False


def parsed(body: str) -> Any:
    """The JSON of an answer, perhaps behind a byte order mark; a number of absurd length is infinite.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deep.
    """
    return json.loads(body.removeprefix("\ufeff"), parse_int=_integer)


def counted(counts: object, name: str) -> int | None:
    """A number of tokens in a server's ``counts``; ``None`` if there is none, or none that can be."""
    value = counts.get(name) if isinstance(counts, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value) if value == int(value) else None


def count(counts: object, name: str) -> int:
    """Likewise, of what servers leave out where it is 0."""
    return counted(counts, name) or 0


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= MOST_DIGITS else float("inf")
