from __future__ import annotations

from dataclasses import replace

import pytest

from lemonade_es.errors import ConfigError, ExecutorError
from lemonade_es.llm import registry
from lemonade_es.llm.executor import Reply, Try, Usage
from lemonade_es.llm.prompt import prompt_for
from lemonade_es.llm.providers.replay import ReplayExecutor
from lemonade_es.llm.request import EditRequest, Feedback
from lemonade_es.task import Task

FIRST = EditRequest(Task("image", "digits", (1, 8, 8), 10), 1)
SECOND = replace(FIRST, iteration=2, model_py="import torch\n", census={}, metrics={"V_Acc": 0.5})
REFUSAL = Feedback("NOT_JSON", "no JSON object was found", "nonsense")


def recorded(text: str, request: EditRequest, *feedback: Feedback) -> Reply:
    usage = Usage(1000, 0, 200, 0, cost_usd=0.01)
    prompt = str(prompt_for(request, feedback))
    tries = (Try("overloaded", "busy", 1.0, 2.0),)
    return Reply(text, "openai:gpt-4o", usage, 3.5, ("temperature left out",), prompt, "complete", tries)


RUN = (recorded("one", FIRST), recorded("two", FIRST, REFUSAL), recorded("three", SECOND))


def test_each_request_gets_the_reply_that_it_got_then_and_costs_nothing() -> None:
    executor = ReplayExecutor(RUN, "r1")

    replies = [executor.ask(FIRST), executor.ask(FIRST, (REFUSAL,)), executor.ask(SECOND)]

    assert [reply.text for reply in replies] == ["one", "two", "three"]
    assert {reply.executor for reply in replies} == {"replay:r1"}
    assert (executor.name, executor.foreign, executor.priced) == ("replay:r1", True, True)
    for then, now in zip(RUN, replies, strict=True):
        assert now == replace(then, executor="replay:r1", usage=Usage(), seconds=0.0, tries=())
        assert now.usage.cost_usd == 0.0


def test_a_reply_that_was_cut_off_is_cut_off_again() -> None:
    executor = ReplayExecutor((replace(RUN[0], finish="length"),), "r1")

    assert executor.ask(FIRST).finish == "length"


def test_the_same_request_twice_gets_its_replies_in_their_order() -> None:
    executor = ReplayExecutor((recorded("one", FIRST), recorded("another", FIRST)), "r1")

    assert [executor.ask(FIRST).text for _ in range(2)] == ["one", "another"]


def test_a_replay_that_was_interrupted_goes_on_where_it_was() -> None:
    assert ReplayExecutor(RUN, "r1").ask(SECOND).text == "three"


def test_replies_that_have_run_out_are_said_with_their_number() -> None:
    executor = ReplayExecutor(RUN[:1], "r1")
    executor.ask(FIRST)

    with pytest.raises(ExecutorError, match="the replies of r1 have run out after 1") as failure:
        executor.ask(SECOND)

    assert failure.value.where == "replay:r1, iteration 2"
    assert "fewer iterations" in (failure.value.hint or "")


def test_another_request_than_the_recorded_one_is_said_with_the_line_that_differs() -> None:
    executor = ReplayExecutor(RUN[2:], "r1")
    changed = replace(SECOND, model_py="import math\n")

    with pytest.raises(ExecutorError) as failure:
        executor.ask(changed)

    line = next(
        number for number, words in enumerate(str(prompt_for(SECOND)).splitlines(), 1) if words == "import torch"
    )
    assert f"line {line} of its next prompt was 'import torch' and is 'import math'" in str(failure.value)
    assert "\n" not in str(failure.value)
    assert executor.ask(SECOND).text == "three"


def test_a_request_that_only_goes_on_longer_is_another_one() -> None:
    with pytest.raises(ExecutorError, match="was not there and is "):
        ReplayExecutor(RUN[:1], "r1").ask(FIRST, (REFUSAL,))


def test_replies_without_a_prompt_are_passed_over() -> None:
    builtin = Reply("{}", "builtin")

    assert ReplayExecutor((builtin, *RUN), "r1").ask(FIRST).text == "one"
    with pytest.raises(ExecutorError, match="r1 holds no reply of a model") as failure:
        ReplayExecutor((builtin,), "r1")
    assert "builtin answers the same again" in (failure.value.hint or "")
    with pytest.raises(ExecutorError, match=r"r1 holds no reply \("):
        ReplayExecutor((), "r1")


def test_the_registry_asks_for_the_replies_of_the_run_that_is_named() -> None:
    asked: list[str] = []

    def replies_of(run: str) -> tuple[Reply, ...]:
        asked.append(run)
        return RUN

    executor = registry.executor("replay:latest", recorded=replies_of)

    assert asked == ["latest"]
    assert executor.ask(FIRST).text == "one"


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("replay", {"recorded": lambda _: RUN}, "replay needs a run"),
        ("replay:r1", {}, "needs the folder"),
        ("replay:r1", {"recorded": lambda _: RUN, "base_url": "http://127.0.0.1:1"}, "replay takes no base URL"),
    ],
)
def test_a_replay_of_nothing_is_refused(spec: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.executor(spec, **options)  # type: ignore[arg-type]
