"""The OpenAI client with the real SDK, against a server on the loopback."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lemonade_es.errors import ExecutorError, ReplyError
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import ModelExecutor
from lemonade_es.llm.codes import Code
from lemonade_es.llm.faults import NoAnswerError
from lemonade_es.llm.prices import Price
from lemonade_es.llm.providers.openai import OpenAIClient
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.request import EditRequest, Feedback, ReplyLimits
from lemonade_es.llm.testing import Act, Drop, Fail, ModelServer, Say, Send
from tests.llm.conftest import FENCED, PATCH, REQUEST, TRIED

KEY = "sk-canary-0123456789abcdef"
NO_TEMPERATURE = Fail(
    400,
    "Unsupported value: 'temperature' does not support 0.5 with this model.",
    code="unsupported_value",
    param="temperature",
)
NO_SCHEMA = Fail(400, "This server cannot do response_format json_schema")
NO_JSON = Fail(400, "This server cannot do response_format json_object")
LLAMA_CPP = Fail(500, 'response_format type must be one of "text" or "json_object", but got: json_schema')
VLLM = Fail(
    400,
    "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
    "'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}]",
)
NO_LIMIT = Fail(
    400,
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    code="unsupported_parameter",
    param="max_tokens",
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@contextmanager
def served(
    *script: Act, tries: int = 1, timeout: float = 5.0, max_tokens: int | None = None
) -> Iterator[tuple[ModelExecutor, ModelServer]]:
    with ModelServer(script) as server:
        client = OpenAIClient("gpt-test", base_url=server.url, timeout=timeout, max_tokens=max_tokens)
        prices = {"openai:gpt-test": Price(1.0, 2.0, 0.5)}
        yield ModelExecutor(client, prices, backoff=Backoff(tries=tries, base=0.01)), server


def failure_of(*script: Act, **options: Any) -> NoAnswerError:
    with served(*script, **options) as (executor, _), pytest.raises(NoAnswerError) as failure:
        executor.ask(REQUEST)
    return failure.value


def test_the_request_asks_for_the_schema_strictly_at_the_papers_temperature() -> None:
    with served(Say(PATCH)) as (executor, server):
        executor.ask(REQUEST)

    (got,) = server.requests
    assert got.path == "/v1/chat/completions"
    assert got.headers["authorization"] == f"Bearer {KEY}"
    assert got.body["model"] == "gpt-test"
    assert got.body["temperature"] == 0.5
    assert [message["role"] for message in got.body["messages"]] == ["system", "user"]
    form = got.body["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"]["additionalProperties"] is False


def test_a_fenced_reply_is_asked_for_without_a_schema() -> None:
    request = EditRequest(REQUEST.task, 1, limits=ReplyLimits(prefer="fenced"))
    with served(Say("{}")) as (executor, server):
        executor.ask(request)

    assert "response_format" not in server.requests[0].body


def test_a_parameter_that_the_model_refuses_is_left_out_from_then_on_and_noted() -> None:
    with served(NO_TEMPERATURE, NO_SCHEMA, Say(PATCH), Say(PATCH)) as (executor, server):
        first, second = executor.ask(REQUEST), executor.ask(REQUEST)

    notes = ("temperature left out: the server refused it", "json_schema left out: the server refused it")
    assert first.notes == second.notes == notes
    assert "temperature" not in server.requests[1].body
    assert server.requests[1].body["response_format"]["type"] == "json_schema"
    assert len(server.requests) == 4
    assert "temperature" not in server.requests[3].body
    assert server.requests[3].body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("refusal", [NO_SCHEMA, LLAMA_CPP, VLLM])
def test_a_server_without_schemas_is_asked_for_json_and_one_without_json_for_a_fence(refusal: Fail) -> None:
    with served(refusal, NO_JSON, Say(FENCED), Say(FENCED)) as (executor, server):
        first, second = executor.ask(REQUEST), executor.ask(REQUEST)

    notes = tuple(f"{form} left out: the server refused it" for form in ("json_schema", "json_object"))
    assert first.notes == second.notes == notes
    kinds = [request.body.get("response_format", {}).get("type") for request in server.requests]
    assert kinds == ["json_schema", "json_object", None, None]
    assert "one code fence" not in str(server.requests[1].body)
    assert "one code fence" in str(server.requests[2].body)
    assert first.prompt == executor.text(REQUEST)
    assert read_reply(first).patch.model_py == "import torch"


def test_a_failing_server_is_not_mistaken_for_one_without_schemas() -> None:
    error = failure_of(Fail(500, "cannot make JSON of the schema"))

    assert "(500)" in str(error)


def test_the_bound_on_an_answer_goes_by_the_name_that_the_server_knows() -> None:
    with served(NO_LIMIT, Say(PATCH), Say(PATCH), max_tokens=700) as (executor, server):
        replies = [executor.ask(REQUEST) for _ in range(2)]

    bounds = [
        (request.body.get("max_tokens"), request.body.get("max_completion_tokens")) for request in server.requests
    ]
    assert bounds == [(700, None), (None, 700), (None, 700)]
    assert {reply.notes for reply in replies} == {("max_tokens left out: the server refused it",)}


def test_without_a_wish_no_bound_on_tokens_is_sent() -> None:
    with served(Say(PATCH)) as (executor, server):
        executor.ask(REQUEST)

    assert not {"max_tokens", "max_completion_tokens"} & server.requests[0].body.keys()


def test_a_parameter_is_left_out_once_and_not_for_ever() -> None:
    error = failure_of(NO_TEMPERATURE, NO_TEMPERATURE)

    assert "(400)" in str(error)
    assert "temperature" in str(error)


def test_another_bad_request_is_not_mistaken_for_a_refused_parameter() -> None:
    said = "maximum context length is 8192 tokens; temperature is fine"
    error = failure_of(Fail(400, said, code="context_length_exceeded", param="messages"))

    assert "maximum context length" in str(error)


@pytest.mark.parametrize(
    "said",
    [
        Fail(400, "This model's maximum context length is 8192 tokens", code="context_length_exceeded"),
        Fail(500, "the request exceeds the available context size"),
    ],
)
def test_a_prompt_that_is_too_long_is_told_in_brief_and_that_is_noted(said: Fail) -> None:
    refused = Feedback("SYNTAX_ERROR", "It is no Python.", "no python at all")
    with served(said, Say(PATCH)) as (executor, server):
        reply = executor.ask(TRIED, [refused])

    first, second = (str(request.body) for request in server.requests)
    assert "reshaped" in first
    assert "no python at all" in first
    assert "reshaped" not in second
    assert "no python at all" not in second
    assert "It is no Python." in second
    assert reply.notes == ("told without earlier iterations and refused words: the prompt was too long",)
    assert reply.prompt != executor.text(TRIED, [refused])


def test_a_prompt_that_is_too_long_in_brief_as_well_is_an_error() -> None:
    said = Fail(400, "This model's maximum context length is 8192 tokens")
    with served(said, said) as (executor, server), pytest.raises(NoAnswerError, match="maximum context length"):
        executor.ask(TRIED)

    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        (Say(None, refusal="I cannot help with that."), Code.REFUSED, "I cannot help"),
        (Say("", finish="content_filter"), Code.CONTENT_FILTERED, "content filter"),
        (Say(PATCH[:40], finish="length"), Code.TRUNCATED, "output limit, after 40 characters"),
        (Say(None), Code.EMPTY_REPLY, "empty"),
        (Say(""), Code.EMPTY_REPLY, "empty"),
        (Say("I would rather talk."), Code.NOT_JSON, "no JSON object"),
    ],
)
def test_an_answer_of_no_use_is_a_reply_first_and_refused_when_it_is_read(act: Say, code: Code, words: str) -> None:
    with served(act) as (executor, _):
        reply = executor.ask(REQUEST)

    assert reply.usage.cost_usd
    with pytest.raises(ReplyError, match=words) as refusal:
        read_reply(reply)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("act", "code", "words", "hint"),
    [
        (Fail(401, f"Incorrect API key provided: {KEY}"), "denied", "refused the key", "OPENAI_API_KEY"),
        (Fail(403, "no access to this model"), "denied", "no access to this model", "another"),
        (Fail(404, "The model does not exist", "model_not_found"), "denied", "no model 'gpt-test'", "name"),
        (Send(b"404 page not found", 404, "text/plain"), "denied", "no model", "usually ending in /v1"),
        (Fail(405, "Method Not Allowed"), "denied", "refused (405): Method Not Allowed", "check the base URL"),
        (Fail(418, "teapot"), "denied", "refused (418): teapot", "server"),
        (Fail(429, "Buy more", "insufficient_quota"), "denied", "the quota is used up (429): Buy more", "resume"),
        (Fail(500, "for good", headers={"x-should-retry": "false"}), "denied", "(500): for good", "server"),
        (Fail(307, headers={"Location": "http://elsewhere/v1"}), "denied", "redirects to http://elsewhere/v1", "trust"),
        (Fail(429, "slow down"), "rate_limit", "rate limit is reached (429): slow down", "resume"),
        (Fail(408, "too slow"), "timeout", "failing (408): too slow", "resume"),
        (Fail(409, "locked"), "server_error", "failing (409): locked", "resume"),
        (Fail(500, "boom"), "server_error", "failing (500): boom", "resume"),
        (Fail(503, "full"), "overloaded", "failing (503): full", "resume"),
        (Fail(529, "full"), "overloaded", "failing (529): full", "resume"),
        (Send(b"<html>Bad gateway</html>", 502, "text/html"), "server_error", "failing (502): ", "resume"),
        (Send(b"<html>welcome</html>", content_type="text/html"), "protocol", "no completion", "/v1"),
        (Send(b""), "protocol", "no completion", "/v1"),
        (Send(b"{not json"), "protocol", "no completion", "/v1"),
        (Send(b"[" * 500_000), "protocol", "no completion", "/v1"),
        (Send(b'{"choices": []}'), "protocol", "no completion", "/v1"),
        (Send(b'{"choices": [{"message": "hi"}]}'), "protocol", "no completion", "/v1"),
        (Send(b'{"error": {"message": "overloaded"}}'), "protocol", "overloaded", "/v1"),
        (Send(b'{"error": {"code": 429, "message": "slow down"}}'), "rate_limit", "(429): slow down", "resume"),
        (Send(b'{"error": {"code": 401, "message": "who?"}}'), "denied", "refused the key", "OPENAI_API_KEY"),
        (Send(b'{"choices": [', cut=100), "cut_off", "broke off", "resume"),
        (Drop(), "cut_off", "closed the connection without an answer", "resume"),
    ],
)
def test_a_server_that_gives_no_answer_is_an_error_of_one_line_with_a_way_out(
    act: Act, code: str, words: str, hint: str
) -> None:
    error = failure_of(act)

    assert words in str(error)
    assert hint in (error.hint or "")
    assert "\n" not in str(error)
    assert error.where == "openai:gpt-test"
    assert [each.code for each in error.tries] == [code]


def test_a_wrong_key_is_not_tried_again() -> None:
    with served(Fail(401), Say(PATCH), tries=3) as (executor, server), pytest.raises(ExecutorError):
        executor.ask(REQUEST)

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("act", "code"),
    [(Fail(500), "server_error"), (Drop(), "cut_off"), (Send(b'{"choices": [', cut=50), "cut_off")],
)
def test_a_passing_fault_is_tried_again_and_told_of(act: Act, code: str) -> None:
    with served(act, Say(PATCH), tries=2) as (executor, server):
        reply = executor.ask(REQUEST)

    assert reply.text == PATCH
    assert len(server.requests) == 2
    assert [each.code for each in reply.tries] == [code]


def test_another_try_waits_as_long_as_the_server_says() -> None:
    with served(Fail(429, headers={"Retry-After": "0.5"}), Say(PATCH), tries=2) as (executor, _):
        reply = executor.ask(REQUEST)

    assert reply.text == PATCH
    assert reply.seconds >= reply.tries[0].waited >= 0.5


def test_tries_are_bounded_and_the_sdk_adds_none() -> None:
    acts = [Fail(503, headers={"retry-after-ms": "1"})] * 5
    with served(*acts, tries=3) as (executor, server), pytest.raises(NoAnswerError, match="; 3 tries") as failure:
        executor.ask(REQUEST)

    assert len(server.requests) == 3
    assert [each.code for each in failure.value.tries] == ["overloaded"] * 3


def test_a_silent_server_is_given_up_after_the_timeout() -> None:
    start = time.monotonic()
    error = failure_of(Say(PATCH, delay=8.0), timeout=0.2)

    assert "did not answer within 0.2 s" in str(error)
    assert time.monotonic() - start < 5


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        client = OpenAIClient("gpt-test", base_url=url, timeout=2.0)
        with pytest.raises(ExecutorError, match="no connection to") as failure:
            ModelExecutor(client, backoff=Backoff(tries=1)).ask(REQUEST)

    assert url in str(failure.value)


def test_counts_that_no_call_can_have_are_not_believed() -> None:
    with served(Say(PATCH, input_tokens=-5, output_tokens=10**30)) as (executor, _):
        usage = executor.ask(REQUEST).usage

    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (0, 0, None)


def answer(usage: dict[str, object] | None = None, **choice: object) -> Send:
    told = {"message": {"role": "assistant", "content": PATCH}, "finish_reason": "stop", **choice}
    return Send(json.dumps({"choices": [told], **({"usage": usage} if usage else {})}).encode())


@pytest.mark.parametrize(
    ("total", "reasoning", "output"),
    [(135, 94, 103), (41, 5, 9), (None, 94, 94), (None, 5, 9), (10_000, 94, 103)],
)
def test_reasoning_that_is_counted_beside_the_answer_is_paid_too(
    total: int | None, reasoning: int, output: int
) -> None:
    usage: dict[str, object] = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    with served(answer(usage | ({} if total is None else {"total_tokens": total}))) as (executor, _):
        found = executor.ask(REQUEST).usage

    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == (32, output, reasoning)


def test_no_more_tokens_are_written_to_a_cache_than_were_sent() -> None:
    details = {"cached_tokens": 4, "cache_write_tokens": 1_000_000}
    usage: dict[str, object] = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": details}
    with served(answer(usage)) as (executor, _):
        found = executor.ask(REQUEST).usage

    assert (found.cached_tokens, found.cache_write_tokens) == (4, 6)


def test_a_failure_behind_a_gateway_is_no_empty_answer() -> None:
    failure = {"code": 502, "message": "the provider is gone"}
    gone = answer(None, error=failure, message={"role": "assistant", "content": ""}, finish_reason="error")
    with served(gone, Say(PATCH), tries=2) as (executor, server):
        reply = executor.ask(REQUEST)

    assert reply.text == PATCH
    assert [(item.code, "the provider is gone" in item.message) for item in reply.tries] == [("server_error", True)]
    assert len(server.requests) == 2


def test_an_error_page_in_an_encoding_that_it_is_not_in_is_an_error_like_any_other() -> None:
    page = Send(b"bad gateway", 502, content_type="text/html; charset=utf-16")
    with served(page, Say(PATCH), tries=2) as (executor, _):
        reply = executor.ask(REQUEST)

    assert [item.code for item in reply.tries] == ["server_error"]


def test_an_answer_in_parts_is_put_together() -> None:
    parts = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": PATCH[:9]},
        {"type": "text", "text": PATCH[9:]},
    ]
    body = {"choices": [{"message": {"role": "assistant", "content": parts}, "finish_reason": "stop"}]}
    with served(Send(json.dumps(body).encode())) as (executor, _):
        assert executor.ask(REQUEST).text == PATCH


def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with served(Say(PATCH)) as (executor, server):
        assert executor.ask(REQUEST).text == PATCH

    assert server.requests[0].headers["authorization"] == "Bearer not-needed"


def test_a_made_up_key_is_not_cut_out_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "torch")
    with served(Say(PATCH)) as (executor, _):
        assert executor.ask(REQUEST).text == PATCH
