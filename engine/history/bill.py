"""What the calls of executors come to: how many, in how many tries, with how many tokens, for how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from lemonade_es.engine.history.events import Refused, Replied, Unanswered
from lemonade_es.llm.executor import Try, Usage
from lemonade_es.llm.faults import PERHAPS_PAID

Answer = Replied | Refused | Unanswered
"""What comes of a call: a reply, a refusal by the executor itself, or nothing."""


@dataclass(frozen=True, slots=True)
class Bill:
    """The sum over calls.

    Attributes:
        calls: requests to an executor, each with all its tries; one that the user stopped is counted when it is
            made again.
        tries: how often a server was asked, the tries that failed among them.
        input_tokens: tokens sent.
        cached_tokens: those of them that the provider had cached.
        cache_write_tokens: those of them that it wrote to its cache.
        output_tokens: tokens received.
        reasoning_tokens: those of them that the model thought with.
        known_usd: US dollars paid for the calls whose price is known.
        unpriced: calls, and tries that brought no answer but a count of tokens, whose price is not known.
        perhaps_paid: tries that brought nothing at all, and that the server may charge for: they are in no other sum.
        seconds: waited for the executor.
    """

    calls: int = 0
    tries: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    known_usd: float = 0.0
    unpriced: int = 0
    perhaps_paid: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, answer: Answer) -> Bill:
        """The bill for one call."""
        if isinstance(answer, Refused):
            return cls(calls=1, tries=1)
        if isinstance(answer, Unanswered):
            waited = sum(item.seconds + item.waited for item in answer.tries)
            called = cls(calls=int(not answer.interrupted), tries=max(1, len(answer.tries)), seconds=waited)
            return called + cls._of_tries(answer.tries)
        reply = answer.reply
        called = cls(calls=1, tries=len(reply.tries) + 1, seconds=reply.seconds)
        return called + cls._of_usage(reply.usage) + cls._of_tries(reply.tries)

    @classmethod
    def _of_usage(cls, usage: Usage) -> Bill:
        return cls(
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            known_usd=usage.cost_usd or 0.0,
            unpriced=int(usage.cost_usd is None),
        )

    @classmethod
    def _of_tries(cls, tries: Sequence[Try]) -> Bill:
        counted = [cls._of_usage(item.usage) for item in tries if item.usage is not None]
        silent = sum(item.usage is None and item.code in PERHAPS_PAID for item in tries)
        return sum(counted, cls(perhaps_paid=silent))

    def __add__(self, other: Bill) -> Bill:
        return Bill(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(Bill)))

    @property
    def cost_usd(self) -> float | None:
        """US dollars paid; ``None`` if the price of a call is not known."""
        return None if self.unpriced else self.known_usd

    def to_json(self) -> dict[str, Any]:
        """The bill as JSON data, with the names that ``run --json`` documents under ``llm``."""
        counts = tuple(item.name for item in fields(Bill) if item.name not in ("known_usd", "unpriced", "seconds"))
        return {name: getattr(self, name) for name in (*counts, "cost_usd")}
