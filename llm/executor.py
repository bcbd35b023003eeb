"""The port behind which every executor stands: LLM providers, the built-in executor, scripted doubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from lemonade_es.llm.request import EditRequest, Feedback

Finish = Literal["complete", "length", "refused", "filtered"]
"""How a reply ended: by itself, cut off at a limit, by the model's refusal, by a content filter."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, and what they cost.

    Attributes:
        input_tokens: sent.
        cached_tokens: of them, read from the provider's prompt cache.
        output_tokens: received.
        reasoning_tokens: of them, the model's reasoning.
        cost_usd: US dollars; ``None`` if the price is not known.
        cache_write_tokens: of the input tokens, written to the cache.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = 0.0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Try:
    """A call that brought no answer.

    Attributes:
        code: a :data:`lemonade_es.llm.faults.FaultCode`; ``denied`` where no other try could have helped,
            ``interrupted`` where the user stopped it.
        message: what was wrong.
        seconds: how long the call took.
        waited: seconds from its end to the next try; 0 if there was none.
        usage: what the server counted for it all the same; ``None`` if nothing.
    """

    code: str
    message: str
    seconds: float
    waited: float = 0.0
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What an executor answered, before anything is made of it; the journal stores it first.

    Attributes:
        text: the reply as it came: a patch as JSON, perhaps wrapped in prose.
        executor: who answered: ``builtin``, ``openai:gpt-4o``, ...
        usage: tokens and cost.
        seconds: how long the answer took, with the tries before it and the waiting between them.
        notes: what was done that was not asked for (a parameter the model refused was left out, ...).
        prompt: what was sent, for those that send text.
        finish: how it ended; :func:`lemonade_es.llm.reply.read_reply` refuses all but ``complete``.
        tries: the calls before this one that brought no answer, oldest first.
    """

    text: str
    executor: str
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    prompt: str | None = None
    finish: Finish = "complete"
    tries: tuple[Try, ...] = ()


class Executor(Protocol):
    """Carries out edit requests.

    One may also have the methods of :class:`Textual`, of :class:`Remembering` and of :class:`Retrying`.
    """

    @property
    def name(self) -> str:
        """Who this is, as ``--llm`` names it."""

    @property
    def foreign(self) -> bool:
        """Whether it returns source that we did not write, and that must only run isolated."""

    @property
    def priced(self) -> bool:
        """Whether what its calls cost is known, so that a budget can be kept."""

    def ask(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> Reply:
        """Answer a request.

        Args:
            request: what is wanted.
            feedback: for each refused reply to the same request, oldest first, why it was refused.

        Raises:
            ExecutorError: no answer can be had (wrong key, server gone, time-outs past all retries).
        """


@runtime_checkable
class Textual(Protocol):
    """An executor that sends text, and can say beforehand which."""

    def text(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> str:
        """What :meth:`Executor.ask` will send; :attr:`Reply.prompt` says so if in the end it was another text."""


@runtime_checkable
class Served(Protocol):
    """An executor that asks a server."""

    @property
    def server(self) -> str | None:
        """Its base URL without credentials; ``None`` if it is the provider's own."""


@runtime_checkable
class Retrying(Protocol):
    """An executor that waits, and tries again, where no answer comes."""

    def tell_of_waits(self, told: Callable[[Try], None]) -> None:
        """Have ``told`` called before each wait, with the try that failed and how long the wait will be."""


@runtime_checkable
class Remembering(Protocol):
    """An executor whose next answer depends on what it has answered before."""

    def recall(self, reply: Reply) -> None:
        """Take an answer for given: it was, before the run was resumed."""


def at_server(executor: Executor) -> str:
    """An executor's name, and its server, if that is not its provider's own."""
    server = executor.server if isinstance(executor, Served) else None
    return executor.name if server is None else f"{executor.name} at {server}"
