from __future__ import annotations

import pytest

from lemonade_es.errors import ExecutorError
from lemonade_es.llm.executor import Executor
from lemonade_es.llm.request import Feedback
from lemonade_es.llm.scripted import ScriptedExecutor
from tests.llm.conftest import REQUEST


def test_replies_come_in_order_and_calls_are_kept() -> None:
    executor: Executor = ScriptedExecutor(["one", "two"], name="demo", foreign=False)
    feedback = [Feedback("NOT_JSON", "no", "one")]

    assert executor.ask(REQUEST).text == "one"
    second = executor.ask(REQUEST, feedback)

    assert (second.text, second.executor, executor.foreign) == ("two", "demo", False)
    assert isinstance(executor, ScriptedExecutor)
    assert executor.asked[1] == (REQUEST, tuple(feedback))


def test_a_function_sees_the_request_and_the_feedback() -> None:
    executor = ScriptedExecutor([lambda request, feedback: f"{request.iteration} {len(feedback)}"])

    assert executor.ask(REQUEST).text == "1 0"


def test_an_exception_in_the_script_is_raised() -> None:
    with pytest.raises(ExecutorError, match="server gone"):
        ScriptedExecutor([ExecutorError("server gone")]).ask(REQUEST)


def test_an_exhausted_script_says_how_long_it_was() -> None:
    executor = ScriptedExecutor(["one"])
    executor.ask(REQUEST)

    with pytest.raises(ExecutorError, match="holds 1 replies, and reply 2 was asked for"):
        executor.ask(REQUEST)
