"""A model in a GGUF file, run in this process by llama.cpp, with a grammar that only lets a patch pass.

As a program (``python -m``), this is the process of a :class:`~lemonade_es.llm.providers.local.LocalClient`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

from lemonade_es.errors import ExecutorError
from lemonade_es.llm.chat import Completion
from lemonade_es.llm.executor import Usage
from lemonade_es.llm.faults import Otherwise
from lemonade_es.llm.prompt import Prompt
from lemonade_es.llm.providers.ending import ended
from lemonade_es.llm.providers.grammar import grammar

MAX_CONTEXT = 32_768
"""Tokens of prompt and answer, unless the user wants another number; more would take all memory with them."""

MAX_TOKENS = 8_192
"""Of an answer."""

SHORTEST_ANSWER = 512
"""Tokens that a prompt must leave for the answer, unless the answer may not have so many."""

CHARACTERS_PER_TOKEN = 2
"""A low estimate for code and English: what the grammar lets pass then ends before the tokens do."""

REPEAT_PENALTY = 1.1
"""On tokens among the last 64: small models otherwise say one thing for ever."""

_SHARES: Mapping[str, float] = {"model_py": 10.0, "edits": 10.0, "applied": 2.0, "skipped": 2.0}
"""Of the patch's length."""

_EITHER = ("model_py", "edits")

_DATE = "1 January 2026"
"""What chat templates are told that ask for the day: the same request is to give the same answer on any."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is run.

    Attributes:
        file: the GGUF file.
        seconds: for a whole call; what is written until then is a reply that was cut off.
        temperature: of sampling.
        max_tokens: of an answer.
        context: tokens of prompt and answer together; as many as the model was trained to see, but no more than
            :data:`MAX_CONTEXT`, if ``None``.
        threads: for the computation; llama.cpp's choice if ``None``: all cores for the prompt, half of them after it.
    """

    file: str
    seconds: float
    temperature: float
    max_tokens: int
    context: int | None
    threads: int | None

    @property
    def name(self) -> str:
        """As ``--llm`` names the model."""
        return f"local:{self.file}"


class LocalModel:
    """One model in this process.

    The same prompt with the same seed gives the same answer. The system text, which stays the same for a run, is
    evaluated once.

    Raises:
        ExecutorError: llama-cpp-python is not installed, or cannot load the file.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = settings.name
        try:
            llama_cpp = import_module("llama_cpp")
        except ImportError:
            raise ExecutorError(
                "the package llama-cpp-python is not installed",
                where=self.name,
                hint="pip install 'lemonade-es[local]', which compiles it: some minutes, with a C++ compiler and CMake",
            ) from None
        self._evaluated: list[int] = []
        self._llama_cpp = llama_cpp
        try:
            self._llama: Any = llama_cpp.Llama(
                model_path=settings.file,
                n_ctx=_context(llama_cpp, settings.file, settings.context),
                n_threads=settings.threads,
                n_threads_batch=settings.threads,
                verbose=False,
            )
        except (ValueError, OSError) as error:
            raise ExecutorError(
                f"llama.cpp cannot load the file: {error}", where=self.name, hint="download it again, or upgrade"
            ) from None
        template = self._llama.metadata.get("tokenizer.chat_template")
        if not template:
            raise ExecutorError(
                "the file holds no chat template", where=self.name, hint="use a model that was tuned to follow orders"
            )
        self._format = self._formatter(template)

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None, seed: int = 0) -> Completion:
        """Ask the model once.

        An answer that is stopped at a limit is closed as the grammar would have closed it.

        Raises:
            Otherwise: the prompt does not fit into the context.
        """
        parts = self._parts(prompt)
        tokens = [token for part in parts for token in part]
        room = self._llama.n_ctx() - len(tokens)
        if room < min(SHORTEST_ANSWER, self._settings.max_tokens):
            failure = ExecutorError(
                f"the prompt has {len(tokens)} tokens, and the context holds {self._llama.n_ctx()} with the answer",
                where=self.name,
                hint="give --llm-context a larger number, or use a model with a longer context",
            )
            raise Otherwise("brief", failure)
        until = time.monotonic() + self._settings.seconds
        longest = min(self._settings.max_tokens, room)
        guide = None if answer is None else self._grammar(answer, longest)
        try:
            self._begin(parts[0])
            pieces = self._llama.create_completion(
                prompt=tokens,
                max_tokens=longest,
                temperature=self._settings.temperature,
                repeat_penalty=REPEAT_PENALTY,
                seed=seed % 2**31,
                grammar=guide,
                stop=[self._end_of_turn],
                stream=True,
            )
            return self._collected(pieces, len(tokens), answer, until)
        except (RuntimeError, ValueError) as error:  # llama.cpp's own: no memory, for instance
            self._evaluated = []
            raise ExecutorError(
                f"llama.cpp failed: {error}", where=self.name, hint="give --llm-context a smaller number, and resume"
            ) from None

    def _begin(self, tokens: list[int]) -> None:
        """Bring the model to where all prompts of a run have come after the same tokens.

        Whatever is left of an earlier prompt, or evaluated together with other tokens than the last time, would
        change the last bits of the numbers.
        """
        if self._evaluated != tokens:
            self._llama.reset()
            self._evaluated = []
            self._llama.eval(tokens)
            self._evaluated = tokens
        self._llama.n_tokens = len(tokens)

    def _collected(
        self, pieces: Iterator[Mapping[str, Any]], sent: int, answer: Mapping[str, Any] | None, until: float
    ) -> Completion:
        text, reason = "", None
        notes: tuple[str, ...] = ()
        for piece in pieces:
            choice = piece["choices"][0]
            text += choice["text"]
            reason = choice["finish_reason"] or reason
            if reason is None and time.monotonic() > until:
                reason, notes = "length", (f"the model was stopped after {self._settings.seconds:g} s",)
                break
        written = max(0, self._llama.n_tokens - sent)
        usage = Usage(input_tokens=sent, output_tokens=written, cost_usd=None)
        if answer is None or reason != "length":
            return Completion(text, "length" if reason == "length" else "complete", usage, notes)
        text, missing = ended(text, answer)
        notes = (*notes, f"the answer was ended after {written} tokens, in {missing[0]}") if missing else notes
        return Completion(text, "length" if {*_EITHER} & {*missing} else "complete", usage, notes)

    def _parts(self, prompt: Prompt) -> list[list[int]]:
        """The prompt as the model's chat template frames it: up to the end of the system text, then the rest.

        Only the frame may hold the model's special tokens.
        """
        texts = [prompt.system, *(message.text for message in prompt.messages)]
        marks = [f"\x02{number}\x03" for number in range(len(texts))]
        roles = ["system", *(message.role for message in prompt.messages)]
        turns = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
        framed = self._framed(turns)
        parts: list[list[int]] = []
        for mark, text in zip(marks, texts, strict=True):
            frame, found, framed = framed.partition(mark)
            if not found:
                raise ExecutorError(
                    "the model's chat template does not take a system text and a request",
                    where=self.name,
                    hint="use another model",
                )
            parts.append(self._tokenised(frame, special=True) + self._tokenised(text, special=False))
        return [*parts, self._tokenised(framed, special=True)]

    def _framed(self, turns: list[dict[str, str]]) -> str:
        """The turns in the model's template; where it knows no system text, that begins the first request."""
        system, first, *rest = turns
        together = {**first, "content": f"{system['content']}\n\n{first['content']}"}
        failure: Exception | None = None
        for way in (turns, [together, *rest]):
            try:
                framed: str = self._format(messages=way).prompt
            except Exception as error:  # noqa: BLE001  (the template raises what it likes)
                failure = error
            else:
                return framed
        raise ExecutorError(
            f"the model's chat template refuses the prompt: {failure}", where=self.name, hint="use another model"
        )

    def _tokenised(self, text: str, *, special: bool) -> list[int]:
        tokens: list[int] = self._llama.tokenize(text.encode(), add_bos=False, special=special) if text else []
        return tokens

    def _grammar(self, answer: Mapping[str, Any], tokens: int) -> Any:
        text = grammar(answer, tokens * CHARACTERS_PER_TOKEN, _SHARES, _EITHER)
        return self._llama_cpp.LlamaGrammar.from_string(text, verbose=False)

    def _formatter(self, template: str) -> Any:
        vocabulary = {name: self._text_of(getattr(self._llama, f"token_{name}")()) for name in ("bos", "eos")}
        self._end_of_turn = vocabulary["eos"]
        formatter = import_module("llama_cpp.llama_chat_format").Jinja2ChatFormatter(
            template=template, eos_token=vocabulary["eos"], bos_token=vocabulary["bos"]
        )
        formatter.strftime_now = lambda _: _DATE
        return formatter

    def _text_of(self, token: int) -> str:
        if token < 0:
            return ""
        text: bytes = self._llama.detokenize([token], special=True)
        return text.decode("utf-8", "replace")


def _context(llama_cpp: Any, file: str, wanted: int | None) -> int:
    """Tokens that the model was trained to see, or as many as are wanted; llama.cpp's choice if it is not said."""
    model = llama_cpp.Llama(model_path=file, n_ctx=1, verbose=False)
    try:
        trained = model.metadata.get(f"{model.metadata.get('general.architecture')}.context_length", "0")
    finally:
        model.close()
    known, bound = int(trained), wanted or MAX_CONTEXT
    return min(known, bound) if known else wanted or 0


def main() -> None:
    """Load the model that the process at the other end of the socket names, then answer its calls."""
    client = Connection(int(sys.argv[1]))
    asked: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_receive, args=(client, asked), daemon=True).start()
    try:
        model = LocalModel(asked.get())
    except ExecutorError as error:
        client.send(error)
        return
    client.send(None)
    while True:
        call = asked.get()
        try:
            client.send(model.complete(*call))
        except (ExecutorError, Otherwise) as error:
            client.send(error)


def _receive(client: Connection, asked: SimpleQueue[Any]) -> None:
    """End this process as soon as the other has gone, whatever llama.cpp is doing."""
    with suppress(EOFError, OSError):
        while True:
            asked.put(client.recv())
    os._exit(0)


if __name__ == "__main__":
    main()
