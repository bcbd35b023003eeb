"""What a model server does with a request: answers, faults, and what is neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Say:
    """Answer.

    Attributes:
        text: the model's words; ``None`` for none at all.
        finish: ``stop``, ``length`` or ``content_filter``, which each wire says in its own words, or another
            word, which is sent as it is.
        refusal: the words of a refusal; where a provider has no refusals, those of a blocked prompt.
        input_tokens: counted as sent, cached ones among them; ``None`` leaves out the count of tokens.
        cached_tokens: of them, read from the provider's cache.
        cache_write_tokens: of them, written to it.
        output_tokens: counted as received, reasoning among them.
        reasoning_tokens: of them, not shown.
        delay: seconds to wait before answering.
    """

    text: str | None
    finish: str = "stop"
    refusal: str | None = None
    input_tokens: int | None = 1000
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 200
    reasoning_tokens: int = 0
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an error of the provider.

    Attributes:
        status: of HTTP.
        message: the provider's words.
        code: the provider's typed reason.
        param: the parameter that the provider names, if it names them apart from its words.
        headers: to send, ``Retry-After`` for instance.
    """

    status: int
    message: str = "scripted failure"
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Send:
    """Answer with these bytes, whatever they are.

    Attributes:
        body: the bytes.
        status: of HTTP.
        content_type: what they are said to be.
        cut: how many bytes more are announced than sent, before the connection is closed.
        headers: to send besides.
    """

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    cut: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trickle:
    """Answer without end, until the client or the test has had enough.

    Attributes:
        piece: the bytes that are sent again and again.
        pause: seconds between them.
    """

    piece: bytes = b" "
    pause: float = 0.05


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer."""


Act = Say | Fail | Send | Trickle | Drop
