"""The command that measures a network on the user's device: found before the search, run for each candidate."""

from __future__ import annotations

import importlib.util
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lemonade_es.errors import ConfigError
from lemonade_es.trainer.device.report import DeviceReport, ReportError, read_report
from lemonade_es.trainer.measurement import Failure
from lemonade_es.vocabulary import closest

SECONDS = 120.0
"""How long a measuring may take, unless the user says otherwise."""

VOCABULARY_VARIABLE = "LEMONADE_DEVICE_VOCABULARY"
"""Of the command's environment, where inputs are tokens: how many there are."""

_PLACEHOLDERS = ("model", "input_shape")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_LOOK_SECONDS = 0.1
_STRAGGLING_SECONDS = 1.0
"""For what is on its way when the command itself has ended."""

_STDOUT_LIMIT = 64 * 1024
_STDERR_KEPT = 2000
# what programs, ssh and Python need; keys, tokens and database URLs stay here
_PASSED = re.compile(
    r"(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TERM|TMPDIR|SSH_AUTH_SOCK|LD_LIBRARY_PATH|VIRTUAL_ENV|LEMONADE_DEVICE_\w+)"
)


@dataclass(frozen=True, slots=True)
class DeviceCommand:
    """A command that can be run.

    Attributes:
        text: as the user gave it.
        words: what is run; ``{model}`` and ``{input_shape}`` in them are filled in for each network.
        seconds: how long it may take.
    """

    text: str
    words: tuple[str, ...]
    seconds: float

    def run(
        self, model: bytes, input_shape: Sequence[int], vocabulary_size: int | None = None
    ) -> DeviceReport | Failure:
        """Has one network measured; whatever goes wrong is the outcome.

        Args:
            model: as ONNX.
            input_shape: of one batch of one input.
            vocabulary_size: where inputs are tokens, one more than the largest; it goes into the command's environment.
        """
        environment = passed_environment(os.environ)
        if vocabulary_size is not None:
            environment[VOCABULARY_VARIABLE] = str(vocabulary_size)
        try:
            with tempfile.TemporaryDirectory(prefix="lemonade-") as folder:
                file = Path(folder) / "model.onnx"
                file.write_bytes(model)
                values = {"model": str(file), "input_shape": ",".join(map(str, input_shape))}
                program, *rest = self.words  # its folder may be called like a placeholder
                words = [program, *(_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in rest)]
                said = self._asked(words, environment)
        except OSError as error:
            return Failure("DEVICE_FAILED", f"no file can be handed over: {error.strerror or error}")
        if isinstance(said, Failure):
            return said
        try:
            return read_report(said)
        except ReportError as error:
            return Failure("DEVICE_BABBLED", str(error))

    def _asked(self, words: Sequence[str], environment: Mapping[str, str]) -> bytes | Failure:
        try:
            return _spoken(words, environment, self.seconds)
        except OSError as error:
            return Failure("DEVICE_FAILED", f"{words[0]} cannot be run: {error.strerror or error}")


def device_command(text: str, seconds: float = SECONDS) -> DeviceCommand:
    """A measuring command from its text; it is split as a shell would, and no shell runs it.

    Without ``{model}`` in it the path of the network becomes its last word. Who wants a shell writes
    ``sh -c '...'``.

    Args:
        text: the command.
        seconds: how long it may take.

    Raises:
        ConfigError: it cannot be split, there is no such program, a placeholder is unknown, or the ``onnx`` package is
            missing.
    """
    where = "--measure-with"
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError("networks cannot be exported", where=where, hint="pip install 'lemonade-es[onnx]'")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} cannot be read: {str(error).lower()}", where=where) from None
    if not words:
        raise ConfigError("the command is empty", where=where, hint="name a program")
    for word in words:
        for name in _PLACEHOLDER.findall(word):
            if name not in _PLACEHOLDERS:
                near = closest(name, _PLACEHOLDERS)
                hint = f"did you mean {{{near}}}?" if near else "there are {model} and {input_shape}"
                raise ConfigError(f"there is no placeholder {{{name}}}", where=where, hint=hint)
    program = shutil.which(words[0])
    if program is None:
        hint = "give its path, and make it executable with chmod +x"
        if os.sep in words[0] and not Path(words[0]).is_absolute():
            hint += "; a run with it is resumed in the folder that it was started in"
        raise ConfigError(f"there is no program {words[0]!r} that can be run", where=where, hint=hint)
    if not any("{model}" in word for word in words):
        words.append("{model}")
    # the working directory may not be the command's
    return DeviceCommand(text, (str(Path(program).absolute()), *words[1:]), seconds)


def demand_command(text: str | None, seconds: float | None) -> None:
    """That a time is given only where there is a command that may take it.

    Raises:
        ConfigError: there is none.
    """
    if text is None and seconds is not None:
        raise ConfigError(
            "there is no command that may take so long",
            where="--measure-seconds",
            hint="give --measure-with as well, or leave it out",
        )


def passed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a measuring command sees of an environment: nothing that may be a key."""
    return {name: value for name, value in environment.items() if _PASSED.fullmatch(name)}


def _spoken(words: Sequence[str], environment: Mapping[str, str], seconds: float) -> bytes | Failure:
    """What a command printed on stdout, if it ended well and in time."""
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            return _heard(process, time.monotonic() + seconds, seconds)
        finally:
            # it may have left others behind, which hold the pipes
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _heard(process: subprocess.Popen[bytes], deadline: float, seconds: float) -> bytes | Failure:
    assert process.stdout is not None  # noqa: S101  (pipes were asked for)
    assert process.stderr is not None  # noqa: S101
    spoken, complained = bytearray(), bytearray()
    late = Failure("DEVICE_TIMED_OUT", f"it was not done within {seconds:g} s")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, spoken)
        selector.register(process.stderr, selectors.EVENT_READ, complained)
        ended: float | None = None
        while selector.get_map():
            ready = selector.select(max(0.0, min(_LOOK_SECONDS, deadline - time.monotonic())))
            if time.monotonic() >= deadline:
                return late
            if not ready and ended is not None and time.monotonic() >= ended + _STRAGGLING_SECONDS:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, _STDOUT_LIMIT)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            if ended is None and process.poll() is not None:
                ended = time.monotonic()  # what it left behind may hold the pipes for ever
            if len(spoken) > _STDOUT_LIMIT:
                return Failure("DEVICE_BABBLED", f"it printed more than {_STDOUT_LIMIT} bytes on stdout")
            del complained[:-_STDERR_KEPT]
    try:
        code = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return late
    if code != 0:
        return Failure("DEVICE_FAILED", f"it ended with {_ending(code)}{_last_words(bytes(complained))}")
    return bytes(spoken)


def _ending(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"


def _last_words(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    text = "".join(letter for letter in lines[-1] if letter.isprintable())[:200] if lines else ""
    return f": {text}" if text else ""
