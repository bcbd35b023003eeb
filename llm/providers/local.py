"""A model in a GGUF file: no key, no network.

llama.cpp has a process of its own: it ends that on what it did not expect, such as too little memory, and leaves a
Ctrl-C waiting while it reads a long prompt.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from lemonade_es.errors import ConfigError, ExecutorError
from lemonade_es.llm.chat import Completion
from lemonade_es.llm.prompt import Prompt
from lemonade_es.llm.providers.bounds import MAX_SECONDS
from lemonade_es.llm.providers.llama import MAX_TOKENS, SHORTEST_ANSWER, Settings
from lemonade_es.llm.providers.service import TEMPERATURE

_MAGIC = b"GGUF"
_PROGRAM = (sys.executable, "-P", "-m", "lemonade_es.llm.providers.llama")
_LAST_SECONDS = 10.0
"""For a process that has hung up to end."""

_WORDS = 200
"""Characters of what it printed last."""

_PORTABLE = (
    "compile it for no particular processor: CMAKE_ARGS=-DGGML_NATIVE=OFF pip install --no-cache-dir --force-reinstall "
    "--no-deps llama-cpp-python"
)
_ADVICE = {
    -signal.SIGKILL: "it was killed, most often because memory ran out: use a smaller model or --llm-context",
    -signal.SIGSEGV: _PORTABLE,
    -signal.SIGILL: _PORTABLE,
}
"""By exit code."""


class LocalClient:
    """One model, in a process that begins with it and ends with it.

    Args:
        file: the GGUF file.
        seconds: for a whole call; what is written until then is a reply that was cut off.
        temperature: of sampling.
        max_tokens: of an answer; :data:`~lemonade_es.llm.providers.llama.MAX_TOKENS` if ``None``.
        context: tokens of prompt and answer together; as many as the model was trained to see, but no more than
            :data:`~lemonade_es.llm.providers.llama.MAX_CONTEXT`, if ``None``.
        threads: for the computation; llama.cpp's choice if ``None``: all cores for the prompt, half of them after it.

    Raises:
        ConfigError: the file is missing or not GGUF, or the context holds no answer.
        ExecutorError: llama-cpp-python is not installed, or cannot load the file.
    """

    def __init__(
        self,
        file: str,
        *,
        seconds: float = MAX_SECONDS,
        temperature: float = TEMPERATURE,
        max_tokens: int | None = None,
        context: int | None = None,
        threads: int | None = None,
    ) -> None:
        _check(file)
        if context is not None and context <= SHORTEST_ANSWER:
            raise ConfigError(f"{context} tokens are no context", where="llm", hint="give some thousands")
        settings = Settings(file, seconds, temperature, max_tokens or MAX_TOKENS, context, threads)
        self.name = settings.name
        self._settings = settings
        self._process = _Process(settings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name.partition(':')[2]!r})"

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None, seed: int = 0) -> Completion:
        """Ask the model once; after a crash, or a call that was interrupted, it is loaded anew.

        Raises:
            Otherwise: the prompt does not fit into the context.
            ExecutorError: llama.cpp failed or crashed.
        """
        if self._process.ended:
            self._process = _Process(self._settings)
        completion: Completion = self._process.ask((prompt, answer, seed))
        return completion


class _Process:
    """A process with a model, in a session of its own: a terminal's Ctrl-C is not meant for it."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.name
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._popen = subprocess.Popen(
                [*_PROGRAM, str(theirs.fileno())],
                env=_environment(),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
            )
            self._connection = Connection(ours.detach())
        self._end = weakref.finalize(self, _end, self._popen, self._connection, self._errors)
        self.ask(settings)

    @property
    def ended(self) -> bool:
        """Whether it has to be replaced."""
        return self._popen.poll() is not None

    def ask(self, question: object) -> Any:
        """What it answers.

        Raises:
            Otherwise, ExecutorError: what it raised, or that it crashed.
        """
        try:
            self._connection.send(question)
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._crash() from None
        except BaseException:  # Ctrl-C: what it would say later is not the answer to the next question
            self._end()
            raise
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _crash(self) -> ExecutorError:
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_LAST_SECONDS)
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        words = next((line.strip() for line in reversed(lines) if line.strip()), "")[:_WORDS]
        self._end()
        code = self._popen.returncode
        how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
        return ExecutorError(
            f"llama.cpp crashed ({how}): {words}" if words else f"llama.cpp crashed ({how})",
            where=self._name,
            hint=_ADVICE.get(code, "give --llm-context a smaller number, or upgrade llama-cpp-python"),
        )


def _end(process: subprocess.Popen[bytes], connection: Connection, errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    connection.close()
    errors.close()


def _environment() -> dict[str, str]:
    return {
        # threads that wait are to sleep: where other work is done too, they would be in its way and in their own
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def _check(file: str) -> None:
    path = Path(file)
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(_MAGIC))
    except (OSError, ValueError) as error:  # a name that no file can have
        said = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{file!r} cannot be read: {said}", where="llm", hint="write local:FILE.gguf with the file's path"
        ) from None
    if magic != _MAGIC:
        raise ConfigError(
            f"{file!r} is no GGUF file", where="llm", hint="give a model in llama.cpp's format, usually FILE.gguf"
        )
