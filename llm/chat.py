"""Executors that ask a chat model: one port for the providers, one executor on top of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lemonade_es.errors import ExecutorError, ReplyError
from lemonade_es.llm import schema
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.executor import Finish, Reply, Try, Usage
from lemonade_es.llm.faults import (
    DENIED,
    INTERRUPTED,
    CallFaultError,
    CallInterrupted,
    NoAnswerError,
    Otherwise,
)
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

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None, seed: int = 0) -> Completion:
        """Ask the model once, without trying again.

        Args:
            prompt: what to send.
            answer: the JSON Schema that the answer must match; ``None`` for free text.
            seed: of sampling, for models that take one; another seed asks for another answer.

        Raises:
            CallFaultError: no answer came, and another try may bring one.
            Otherwise: the server would have the prompt otherwise.
            ExecutorError: no answer can be had.
        """


class ModelExecutor:
    """Carries out edit requests by asking a chat model, again if need be.

    Args:
        client: the model.
        prices: by :attr:`ChatClient.name`; the shipped table if ``None``.
        backoff: how often it is asked again, and after which waits.
        clock: seconds, from any beginning.
        sleep: waits for seconds.
        chance: draws from 0 to 1 for the jitter of waits; nothing but waits depends on it.
        server: that the model is asked at, as it may be shown; ``None`` if it is the provider's own.
    """

    foreign = True

    def __init__(
        self,
        client: ChatClient,
        prices: Mapping[str, Price] | None = None,
        *,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        server: str | None = None,
    ) -> None:
        self._client = client
        self._prices = prices
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self.server = server
        self._fenced = False
        self._heard = False
        self._told: Callable[[Try], None] = _unheard

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

    def tell_of_waits(self, told: Callable[[Try], None]) -> None:
        """Have ``told`` called before each wait, with the try that failed and how long the wait will be."""
        self._told = told

    def ask(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> Reply:
        """Ask the model; :func:`lemonade_es.llm.reply.read_reply` makes a patch of the reply.

        Raises:
            NoAnswerError: no answer can be had, or none came by the last try.
            ReplyError: there is an answer, and it is of no use.
            CallInterrupted: the user stopped it.
        """
        start = self._clock()
        call = _Call(request, tuple(feedback))
        completion, tries = self._completion(call)
        seconds = self._clock() - start
        notes = (*completion.notes, *call.notes)
        usage = self._priced(completion.usage)
        if usage is None:
            usage = Usage(cost_usd=None)
            notes = (*notes, "the server did not count tokens")
        return Reply(
            text=_storable(completion.text),
            executor=self.name,
            usage=usage,
            seconds=seconds,
            notes=notes,
            prompt=str(self._prompt(call)),
            finish=completion.finish,
            tries=tries,
        )

    def text(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> str:
        """The prompt that :meth:`ask` will send, unless the server turns out to want it otherwise."""
        return str(self._prompt(_Call(request, tuple(feedback))))

    def _prompt(self, call: _Call) -> Prompt:
        return prompt_for(self._formed(call.request), call.feedback, brief=call.brief)

    def _formed(self, request: EditRequest) -> EditRequest:
        """The request, for a reply in a form that the server can give."""
        if not (self._fenced and request.limits.prefer == "whole_file"):
            return request
        return replace(request, limits=replace(request.limits, prefer="fenced"))

    def _completion(self, call: _Call) -> tuple[Completion, tuple[Try, ...]]:
        """The first completion that comes, and the tries that brought none before it."""
        tries: list[Try] = []
        start = self._clock()
        while True:
            begun = self._clock()
            try:
                completion = self._asked(call)
                self._heard = True
                return completion, tuple(tries)
            except ReplyError:
                raise
            except KeyboardInterrupt:
                stopped = Try(INTERRUPTED, "the user stopped the call", self._clock() - begun)
                raise CallInterrupted((*tries, stopped)) from None
            except ExecutorError as error:
                now = self._clock()
                wait = None
                if isinstance(error, CallFaultError):
                    self._heard |= _is_loading(error)
                    wait = self._backoff.wait(
                        len(tries) + 1, error.retry_after, self._chance(), now - start, heard=self._heard
                    )
                code = error.code if isinstance(error, CallFaultError) else DENIED
                message = _storable(error.message)
                failed = Try(code, message, now - begun, wait or 0.0, self._priced(_counted(error)))
                tries.append(failed)
                if wait is None:
                    raise _gave_up(error, message, tuple(tries)) from None
            waiting = self._clock()
            try:
                self._told(failed)
                self._sleep(wait)
            except KeyboardInterrupt:
                cut = replace(failed, waited=min(wait, self._clock() - waiting))
                raise CallInterrupted((*tries[:-1], cut)) from None

    def _priced(self, usage: Usage | None) -> Usage | None:
        return None if usage is None else replace(usage, cost_usd=cost(usage, self.name, self._prices))

    def _asked(self, call: _Call) -> Completion:
        """One call, in the form that the server wants; what it refuses for its form has cost nothing."""
        while True:
            prompt, limits = self._prompt(call), self._formed(call.request).limits
            # A fenced reply is not JSON as a whole: no schema can be asked of it.
            free = self._fenced or limits.prefer == "fenced"
            try:
                return self._client.complete(prompt, None if free else schema.for_providers(), call.request.seed)
            except Otherwise as other:
                if other.wish == "fenced" and not free:
                    self._fenced = True
                elif other.wish == "brief" and not call.brief and self._prompt(replace(call, brief=True)) != prompt:
                    call.brief = True
                    call.notes = ("told without earlier iterations and refused words: the prompt was too long",)
                else:
                    raise other.error from None


@dataclass(slots=True)
class _Call:
    """What is asked, and how the server has it."""

    request: EditRequest
    feedback: tuple[Feedback, ...]
    brief: bool = False
    notes: tuple[str, ...] = ()


def _unheard(_failed: Try) -> None:
    """Nobody is told of waits."""


def _counted(error: ExecutorError) -> Usage | None:
    """What the server counted for a call that brought no answer."""
    usage = error.usage if isinstance(error, CallFaultError) else None
    return usage if isinstance(usage, Usage) else None


def _is_loading(fault: CallFaultError) -> bool:
    """Whether a server is the right one beyond doubt, and not ready yet, as llama.cpp's and Hugging Face's say it."""
    return fault.code == "overloaded" and "loading" in fault.message.lower()


def _gave_up(error: ExecutorError, message: str, tries: tuple[Try, ...]) -> NoAnswerError:
    counted = f"{message}; {len(tries)} tries" if len(tries) > 1 else message
    return NoAnswerError(counted, tries, where=error.where, hint=error.hint)


def _storable(text: str) -> str:
    """``text`` with halves of surrogate pairs replaced: no file and no database takes them."""
    return text.encode("utf-8", "replace").decode("utf-8")
