"""The replies of a recorded run once more: nothing is asked of any model, and nothing is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from lemonade_es.errors import ExecutorError
from lemonade_es.llm.executor import Reply, Usage
from lemonade_es.llm.prompt import prompt_for
from lemonade_es.llm.request import EditRequest, Feedback

MAX_QUOTED = 60
"""Characters of a line that are told."""


class ReplayExecutor:
    """Gives each request the reply that the same request got when the run was recorded.

    Each reply is given once, in the order of the recording; replies to requests that are not made now are passed
    over, and a replay that was interrupted goes on where it was. The same seed, data, rulebook and replies make the
    same requests, unless measured times or energy are part of them.

    Args:
        replies: of the run, oldest first. Those without a prompt, the built-in executor's, are passed over.
        run: its name, for errors.

    Raises:
        ExecutorError: no reply has a prompt.
    """

    foreign = True
    priced = True

    def __init__(self, replies: Sequence[Reply], run: str) -> None:
        self.name = f"replay:{run}"
        self._run = run
        self._replies = tuple(reply for reply in replies if reply.prompt is not None)
        self._next = 0
        if not self._replies:
            raise ExecutorError(
                f"{run} holds no reply of a model" if replies else f"{run} holds no reply",
                where=self.name,
                hint="replay a run that asked a model; builtin answers the same again by itself",
            )

    def ask(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> Reply:
        """The recorded reply to this request.

        Raises:
            ExecutorError: the replies have run out, or the recorded run was asked something else.
        """
        index = self._found(_prompts(request, feedback))
        if index is None:
            raise self._lost(request, self.text(request, feedback))
        self._next = index + 1
        return replace(self._replies[index], executor=self.name, usage=Usage(), seconds=0.0, tries=())

    def text(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> str:
        """The prompt as it was when the run was recorded; the one of now if it was another."""
        index = self._found(_prompts(request, feedback))
        return str(prompt_for(request, feedback)) if index is None else self._replies[index].prompt or ""

    def recall(self, reply: Reply) -> None:
        """Go on after a reply that was given before the replay was resumed."""
        index = self._found((reply.prompt,))
        self._next = self._next if index is None else index + 1

    def _found(self, prompts: Sequence[str | None]) -> int | None:
        """The number of the next reply to one of these prompts."""
        left = range(self._next, len(self._replies))
        return next((index for index in left if self._replies[index].prompt in prompts), None)

    def _lost(self, request: EditRequest, prompt: str) -> ExecutorError:
        where = f"{self.name}, iteration {request.iteration}"
        if self._next >= len(self._replies):
            return ExecutorError(
                f"the replies of {self._run} have run out after {len(self._replies)}",
                where=where,
                hint="ask for fewer iterations, or go on with a model",
            )
        expected = self._replies[self._next].prompt or ""
        return ExecutorError(
            f"the request is not one that {self._run} made: {_difference(expected, prompt)}",
            where=where,
            hint="replay with that run's data, rulebook, seed and options; measured times and energy always differ",
        )


def _prompts(request: EditRequest, feedback: Sequence[Feedback]) -> list[str]:
    """In all the forms in which a server may have wanted it."""
    fenced = replace(request, limits=replace(request.limits, prefer="fenced"))
    return [str(prompt_for(form, feedback, brief=brief)) for brief in (False, True) for form in (request, fenced)]


def _difference(recorded: str, now: str) -> str:
    """The first line in which two texts differ, in words."""
    pairs = zip_longest(recorded.splitlines(), now.splitlines())
    for number, (before, after) in enumerate(pairs, 1):
        if before != after:
            return f"line {number} of its next prompt was {_quoted(before)} and is {_quoted(after)}"
    return "only line breaks differ"


def _quoted(line: str | None) -> str:
    if line is None:
        return "not there"
    return repr(line if len(line) <= MAX_QUOTED else line[:MAX_QUOTED] + "...")
