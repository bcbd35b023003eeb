"""Habits of servers that speak OpenAI's protocol and are not OpenAI's, with the real SDK, on the loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lemonade_es.errors import ReplyError
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import ModelExecutor
from lemonade_es.llm.faults import NoAnswerError
from lemonade_es.llm.prices import Price
from lemonade_es.llm.providers.answer import too_long
from lemonade_es.llm.providers.openai import OpenAIClient
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.testing import Act, Fail, ModelServer, Say, Send
from tests.llm.conftest import PATCH, REQUEST

COUNTED = {"prompt_tokens": 1000, "completion_tokens": 200}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789abcdef")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@contextmanager
def served(*script: Act, tries: int = 1) -> Iterator[tuple[ModelExecutor, ModelServer]]:
    with ModelServer(script) as server:
        client = OpenAIClient("gpt-test", base_url=server.url, timeout=5.0)
        prices = {"openai:gpt-test": Price(1.0, 2.0, 0.5)}
        yield ModelExecutor(client, prices, backoff=Backoff(tries=tries, base=0.01)), server


def choice(text: str | None, ended: str = "stop", usage: dict[str, Any] | None = None, **more: Any) -> Send:
    message = {"role": "assistant", "content": text}
    body: dict[str, Any] = {"choices": [{"message": message, "finish_reason": ended, **more}]}
    return Send(json.dumps(body | ({} if usage is None else {"usage": usage})).encode())


@pytest.mark.parametrize(
    "refusal",
    [
        Fail(400, "System role not supported"),
        Fail(400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        Fail(400, "Unsupported value", code="unsupported_value", param="messages[0].role"),
    ],
)
def test_a_model_without_a_system_role_is_told_all_in_the_users_turn(refusal: Fail) -> None:
    with served(refusal, Say("{}"), Say("{}")) as (executor, server):
        first, _ = executor.ask(REQUEST), executor.ask(REQUEST)

    before, after, later = (request.body["messages"] for request in server.requests)
    assert [turn["role"] for turn in after] == ["user"]
    assert after[0]["content"] == f"{before[0]['content']}\n\n{before[1]['content']}"
    assert later == after
    assert "the system's turn left out" in first.notes[0]


def test_an_answer_that_the_server_threw_away_as_no_json_is_asked_for_without_a_form() -> None:
    malformed = Fail(400, "Failed to generate JSON. Please adjust your prompt.", code="json_validate_failed")
    with served(malformed, Say("{}")) as (executor, server):
        reply = executor.ask(REQUEST)

    assert reply.text == "{}"
    assert server.requests[1].body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "The provided JSON schema contains features not supported by xgrammar."),
        (400, "Failed to initialize samplers: failed to parse grammar"),
        (500, "JSON schema conversion failed"),
    ],
)
def test_a_server_that_makes_nothing_of_the_schema_is_asked_for_json_of_any_kind(status: int, said: str) -> None:
    with served(Fail(status, said), Say("{}")) as (executor, server):
        reply = executor.ask(REQUEST)

    assert reply.notes == ("json_schema left out: the server refused it",)
    assert server.requests[1].body["response_format"] == {"type": "json_object"}


def test_a_prompt_that_is_held_for_invalid_counts_as_filtered() -> None:
    with served(Fail(400, "flagged; try again with a different prompt", code="invalid_prompt")) as (executor, _):
        assert executor.ask(REQUEST).finish == "filtered"


def test_the_words_of_the_server_behind_a_gateway_are_heard() -> None:
    wrapped = {"message": "Provider returned error", "code": 400, "metadata": {"raw": "no response_format here"}}
    with served(Send(json.dumps({"error": wrapped}).encode(), status=400), Say("{}")) as (executor, server):
        reply = executor.ask(REQUEST)

    assert reply.notes == ("json_schema left out: the server refused it",)
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [502, "502"])
@pytest.mark.parametrize("text", [None, "", '{"summary": "half of'])
def test_a_failure_behind_a_gateway_is_tried_again_and_what_it_counted_is_paid(text: str | None, code: object) -> None:
    failed = choice(text, "error", COUNTED, error={"code": code, "message": "upstream"})
    with served(failed, choice("{}", usage=COUNTED), tries=2) as (executor, _):
        reply = executor.ask(REQUEST)

    (lost,) = reply.tries
    assert reply.text == "{}"
    assert (lost.code, lost.usage.input_tokens, lost.usage.output_tokens) == ("server_error", 1000, 200)
    assert lost.usage.cost_usd == reply.usage.cost_usd == pytest.approx(1400 / 1e6)


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": 10, "completion_tokens": 0}],
)
def test_a_count_of_zero_beside_words_is_no_count(usage: dict[str, int]) -> None:
    with served(choice("some words", usage=usage)) as (executor, _):
        assert executor.ask(REQUEST).usage.cost_usd is None


def test_more_cached_tokens_than_were_sent_are_no_discount() -> None:
    usage = {**COUNTED, "prompt_tokens_details": {"cached_tokens": 5000}}
    with served(choice("{}", usage=usage)) as (executor, _):
        assert executor.ask(REQUEST).usage.cost_usd == pytest.approx(1400 / 1e6)


def test_cached_tokens_are_counted_under_the_name_that_deepseek_gives_them() -> None:
    with served(choice("{}", usage={**COUNTED, "prompt_cache_hit_tokens": 500})) as (executor, _):
        assert executor.ask(REQUEST).usage.cached_tokens == 500


def test_an_answer_that_reasoning_used_up_names_the_option_that_allows_more() -> None:
    with served(choice("", "length", COUNTED)) as (executor, _), pytest.raises(ReplyError, match="reasoning") as error:
        read_reply(executor.ask(REQUEST))

    assert "--llm-max-tokens" in str(error.value)


def test_an_answer_that_a_limit_cut_off_names_what_sets_it() -> None:
    with served(choice(PATCH[:40], "length", COUNTED)) as (executor, _), pytest.raises(ReplyError) as error:
        read_reply(executor.ask(REQUEST))

    assert "--llm-max-tokens, or the context that the server gives the model" in str(error.value)


def test_json_that_ends_in_the_middle_is_an_answer_cut_off() -> None:
    with served(Send(b'{"choices": [{"mess')) as (executor, _), pytest.raises(NoAnswerError, match="middle") as error:
        executor.ask(REQUEST)

    assert [item.code for item in error.value.tries] == ["cut_off"]


@pytest.mark.parametrize(
    "said",
    [
        "Trying to keep the first 5000 tokens when context the overflows. The model has a context length of only 4096",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        "Input is too long for requested model.",
        "Prompt exceeds max length",
        "Invalid request: Your request exceeded model token limit: 8192",
        "Range of input length should be [1, 30720]",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
    ],
)
def test_servers_say_in_many_words_that_a_prompt_is_too_long(said: str) -> None:
    assert too_long(said)


@pytest.mark.parametrize("said", ["temperature is too high", "input must be a string", "the context is missing"])
def test_other_refusals_do_not_say_so(said: str) -> None:
    assert not too_long(said)
