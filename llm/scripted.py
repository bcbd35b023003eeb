"""An executor whose replies are written beforehand, for tests and demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lemonade_es.errors import ExecutorError
from lemonade_es.llm.executor import Reply
from lemonade_es.llm.request import EditRequest, Feedback

Scripted = str | Exception | Callable[[EditRequest, Sequence[Feedback]], str]
"""A reply as text, an exception to raise, or a function of request and feedback that gives a reply."""


class ScriptedExecutor:
    """Gives one scripted reply for each call, in order.

    Args:
        replies: the script.
        name: who it says it is.
        foreign: whether its replies must only run isolated.
    """

    def __init__(self, replies: Sequence[Scripted], name: str = "scripted", foreign: bool = True) -> None:
        self.name = name
        self.foreign = foreign
        self.priced = True
        self.asked: list[tuple[EditRequest, tuple[Feedback, ...]]] = []
        self._replies = tuple(replies)

    def ask(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> Reply:
        """The next reply of the script; the call is kept in :attr:`asked`.

        Raises:
            ExecutorError: the script is exhausted.
            Exception: the exception that the script holds here.
        """
        number = len(self.asked)
        self.asked.append((request, tuple(feedback)))
        if number >= len(self._replies):
            raise ExecutorError(
                f"the script holds {len(self._replies)} replies, and reply {number + 1} was asked for",
                where=f"iteration {request.iteration}",
                hint="write a longer script, or ask for fewer iterations",
            )
        scripted = self._replies[number]
        if isinstance(scripted, Exception):
            raise scripted
        text = scripted if isinstance(scripted, str) else scripted(request, feedback)
        return Reply(text=text, executor=self.name)
