"""The one tree of errors.

::

    LemonadeError
    |-- ConfigError        an option, a configuration file or a --set that cannot be used
    |-- DataError          a data set that is missing, broken or not fit to learn from
    |-- RulebookError      a rulebook file with problems (all of them at once)
    |-- StoreError         the run store cannot be read or written, or a run is not in it
    |-- IsolationError     generated code cannot be run as safely as was asked
    |-- InferenceError     the expert system could not come to an end
    |-- SearchError        a search that had begun cannot go on; it can be resumed when the cause is mended
    `-- ExecutorError      the LLM (or what stands in for it) cannot be asked at all
        |-- ReplyError     it answered, and the answer is of no use
        |-- CallFaultError one call failed in a way that may pass
        `-- NoAnswerError  no answer came, after as many calls as make sense

A candidate network that does not build, train or finish is *not* an error: it is an outcome, recorded as
such, and the search goes on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Self


class LemonadeError(Exception):
    """What went wrong, where, and what to do about it.

    Args:
        message: what is wrong, with the value that is.
        where: the place: ``file:line:col``, an option, a rule's id, an iteration.
        hint: the way out, as an imperative sentence.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    @classmethod
    def of_system(cls, error: OSError) -> Self:
        """What the system refused, without its number, and the file if it names one."""
        name = error.filename
        where = None if name is None else os.fsdecode(name) if isinstance(name, bytes) else str(name)
        return cls(f"the system refused: {error.strerror or error}", where=where)

    def __str__(self) -> str:
        """One line: ``where: message (hint)``."""
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head} ({self.hint})" if self.hint else head


class ConfigError(LemonadeError):
    """An option, a configuration file or a ``--set`` that cannot be used."""

    @classmethod
    def of(cls, problems: Sequence[ConfigError]) -> ConfigError:
        """One error for several, a line each."""
        return problems[0] if len(problems) == 1 else cls("\n".join(map(str, problems)))


class DataError(LemonadeError):
    """A data set that is missing, broken or not fit to learn from."""


class RulebookError(LemonadeError):
    """A rulebook file with problems; :attr:`problems` holds a record for each, which is a line as text."""

    def __init__(self, message: str, problems: tuple[object, ...] = (), *, where: str | None = None) -> None:
        super().__init__(message, where=where)
        self.problems = problems

    def __str__(self) -> str:
        """The problems, a line each; without any, the message."""
        return "\n".join(map(str, self.problems)) if self.problems else super().__str__()


class StoreError(LemonadeError):
    """The run store cannot be read or written, or a run is not in it."""


class IsolationError(LemonadeError):
    """Generated code cannot be run as safely as was asked."""


class InferenceError(LemonadeError):
    """The expert system could not come to an end."""


class SearchError(LemonadeError):
    """A search that had begun cannot go on; ``run`` can be resumed when the cause is mended."""

    def __init__(self, message: str, *, run: str) -> None:
        super().__init__(message)
        self.run = run


class ExecutorError(LemonadeError):
    """The LLM (or what stands in for it) cannot be asked at all."""


class ReplyError(ExecutorError):
    """The executor answered, and the answer is of no use; ``code`` says why in one typed word."""

    def __init__(self, code: str, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.code = code


class CallFaultError(ExecutorError):
    """One call failed in a way that may pass: the caller may try again.

    Whatever no second try can mend (a wrong key, an unknown model, a refused request) is a plain
    :class:`ExecutorError`.

    Args:
        code: the kind of fault, a :data:`lemonade_es.llm.faults.FaultCode`.
        message: what is wrong, without any key.
        retry_after: seconds that the server asks to wait; ``None`` if it does not say.
        usage: the :class:`lemonade_es.llm.executor.Usage` that the server counted all the same, if it did.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        where: str | None = None,
        hint: str | None = None,
        usage: object = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.code = code
        self.retry_after = retry_after
        self.usage = usage


class NoAnswerError(ExecutorError):
    """No answer can be had; :attr:`tries` holds a :class:`lemonade_es.llm.executor.Try` for each call."""

    def __init__(
        self, message: str, tries: tuple[object, ...], *, where: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.tries = tries
