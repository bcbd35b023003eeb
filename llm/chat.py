"""Executors that ask a chat model: one port for the providers, one executor on top of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lemonade_es.llm import schema
from lemonade_es.llm.executor import Finish, Reply, Usage
from lemonade_es.llm.prices import Price, cost
from lemonade_es.llm.prompt import Prompt, prompt_for
from lemonade_es.llm.request import EditRequest, Feedback


@dataclass(frozen=True, slots=True)
class Completion:
    """A chat model's answer.

    Attributes:
        text: the answer, or the words of its refusal.
        finish: how it ended.
        usage: tokens, without their cost; ``None`` if the server did not count them.
        notes: what was done that was not asked for.
    """

    text: str
    finish: Finish = "complete"
    usage: Usage | None = field(default_factory=Usage)
    notes: tuple[str, ...] = ()


class ChatClient(Protocol):
    """A provider of chat models, with one of its models."""

    @property
    def name(self) -> str:
        """Provider and model, as ``--llm`` names them."""

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None) -> Completion:
        """Ask the model.

        Args:
            prompt: what to send.
            answer: the JSON Schema that the answer must match; ``None`` for free text.

        Raises:
            ExecutorError: no answer can be had.
        """


class ModelExecutor:
    """Carries out edit requests by asking a chat model.

    Args:
        client: the model.
        prices: by :attr:`ChatClient.name`; the shipped table if ``None``.
    """

    foreign = True

    def __init__(self, client: ChatClient, prices: Mapping[str, Price] | None = None) -> None:
        self._client = client
        self._prices = prices

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r})"

    @property
    def name(self) -> str:
        """The client's."""
        return self._client.name

    @property
    def priced(self) -> bool:
        """Whether the price table has the client's model."""
        return cost(Usage(), self.name, self._prices) is not None

    def ask(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> Reply:
        """Ask the model; :func:`lemonade_es.llm.reply.read_reply` makes a patch of the reply.

        Raises:
            ExecutorError: no answer can be had.
        """
        prompt = prompt_for(request, feedback)
        # A fenced reply is not JSON as a whole: no schema can be asked of it.
        answer = None if request.limits.prefer == "fenced" else schema.for_providers()
        start = time.monotonic()
        completion = self._client.complete(prompt, answer)
        seconds = time.monotonic() - start
        notes = completion.notes
        if completion.usage is None:
            usage = Usage(cost_usd=None)
            notes = (*notes, "the server did not count tokens")
        else:
            usage = replace(completion.usage, cost_usd=cost(completion.usage, self.name, self._prices))
        return Reply(
            text=completion.text,
            executor=self.name,
            usage=usage,
            seconds=seconds,
            notes=notes,
            prompt=str(prompt),
            finish=completion.finish,
        )
