"""The Anthropic client with the real SDK, against a server on the loopback."""

from __future__ import annotations

import inspect
import json
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
from lemonade_es.llm.providers.anthropic import MAX_TOKENS, AnthropicClient
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.request import EditRequest, ReplyLimits
from lemonade_es.llm.testing import Act, AnthropicWire, Drop, Fail, ModelServer, Request, Say, Send
from tests.llm.conftest import PATCH, REQUEST, TRIED

anthropic = pytest.importorskip("anthropic", reason="the package anthropic is not installed")

KEY = "sk-ant-canary-0123456789abcdef"
NAME = "anthropic:claude-test"
NO_TEMPERATURE = Fail(400, "`temperature` is deprecated for this model.")
NO_FORMAT = Fail(400, "output_config: Extra inputs are not permitted")
NO_STRICT = Fail(400, "tools.0.custom.strict: Extra inputs are not permitted")
NO_TOOL = Fail(400, "tool_choice forces tool use is not compatible with this model.")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    for other in ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.delenv(other, raising=False)


@contextmanager
def served(*script: Act, tries: int = 1, **options: Any) -> Iterator[tuple[ModelExecutor, ModelServer]]:
    with ModelServer(script, AnthropicWire()) as server:
        client = AnthropicClient("claude-test", base_url=server.url, **{"timeout": 5.0, **options})
        prices = {NAME: Price(1.0, 2.0, 0.5)}
        yield ModelExecutor(client, prices, backoff=Backoff(tries=tries, base=0.01)), server


def failure_of(*script: Act, **options: Any) -> NoAnswerError:
    with served(*script, **options) as (executor, _), pytest.raises(NoAnswerError) as failure:
        executor.ask(REQUEST)
    return failure.value


def test_tokens_written_to_the_cache_are_input() -> None:
    body = AnthropicWire().answer(Say(PATCH, input_tokens=100), Request("/v1/messages", {}, {}))
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 70, "cache_read_input_tokens": 20, "output_tokens": 5}
    with served(Send(json.dumps({**body, "usage": usage}).encode())) as (executor, _):
        got = executor.ask(REQUEST).usage

    assert (got.input_tokens, got.cached_tokens, got.output_tokens) == (100, 20, 5)


def test_the_request_asks_for_the_schema_at_the_papers_temperature_and_marks_the_system_text_for_the_cache() -> None:
    with served(Say(PATCH)) as (executor, server):
        executor.ask(REQUEST)

    (got,) = server.requests
    assert got.path == "/v1/messages"
    assert KEY in (got.headers.get("x-api-key"), got.headers.get("authorization", "").removeprefix("Bearer "))
    assert got.headers["anthropic-version"]
    assert (got.body["model"], got.body["temperature"], got.body["max_tokens"]) == ("claude-test", 0.5, MAX_TOKENS)
    (system,) = got.body["system"]
    assert system["cache_control"] == {"type": "ephemeral"}
    assert [message["role"] for message in got.body["messages"]] == ["user"]
    form = got.body["output_config"]["format"]
    assert form["type"] == "json_schema"
    assert form["schema"]["additionalProperties"] is False
    assert "tools" not in got.body


def test_a_fenced_reply_is_asked_for_without_a_schema() -> None:
    request = EditRequest(REQUEST.task, 1, limits=ReplyLimits(prefer="fenced"))
    with served(Say("{}")) as (executor, server):
        executor.ask(request)

    assert not {"output_config", "tools", "tool_choice"} & server.requests[0].body.keys()


def test_what_the_model_refuses_is_left_out_from_then_on_and_noted() -> None:
    with served(NO_TEMPERATURE, NO_FORMAT, Say(PATCH), Say(PATCH)) as (executor, server):
        first, second = executor.ask(REQUEST), executor.ask(REQUEST)

    assert first.notes == second.notes
    assert first.notes == (
        "temperature left out: the server refused it",
        "output_config left out: the server refused it",
    )
    assert len(server.requests) == 4
    assert "temperature" not in server.requests[1].body
    assert "output_config" in server.requests[1].body
    assert not {"temperature", "output_config"} & server.requests[3].body.keys()


def test_without_structured_output_the_patch_is_the_input_of_a_strict_tool() -> None:
    with served(NO_FORMAT, Say(PATCH)) as (executor, server):
        reply = executor.ask(REQUEST)

    body = server.requests[1].body
    (tool,) = body["tools"]
    assert tool["strict"] is True
    assert tool["input_schema"]["required"][0] == "summary"
    assert body["tool_choice"] == {"type": "tool", "name": tool["name"]}
    assert json.loads(reply.text) == json.loads(PATCH)
    assert reply.finish == "complete"


def test_an_sdk_without_structured_output_starts_with_the_strict_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    real = inspect.signature

    def signature(function: Any) -> inspect.Signature:
        found = real(function)
        kept = [parameter for name, parameter in found.parameters.items() if name != "output_config"]
        return found.replace(parameters=kept)

    monkeypatch.setattr("lemonade_es.llm.providers.anthropic.inspect.signature", signature)
    with served(Say(PATCH)) as (executor, server):
        reply = executor.ask(REQUEST)

    assert server.requests[0].body["tools"][0]["strict"] is True
    assert json.loads(reply.text) == json.loads(PATCH)
    assert reply.notes == ()


def test_where_nothing_helps_the_patch_is_asked_for_in_words_alone() -> None:
    with served(NO_FORMAT, NO_STRICT, NO_TOOL, Say(PATCH)) as (executor, server):
        reply = executor.ask(REQUEST)

    assert "strict" not in server.requests[2].body["tools"][0]
    assert not {"output_config", "tools", "tool_choice"} & server.requests[3].body.keys()
    assert reply.text == PATCH
    assert len(reply.notes) == 3
    assert "one code fence" in str(server.requests[3].body["messages"]) + str(server.requests[3].body["system"])


def test_tokens_written_to_the_cache_are_counted_and_paid_at_their_price() -> None:
    say = Say(PATCH, input_tokens=1000, cached_tokens=100, cache_write_tokens=700, output_tokens=10)
    with ModelServer([say], AnthropicWire()) as server:
        client = AnthropicClient("claude-test", base_url=server.url, timeout=5.0)
        usage = ModelExecutor(client, {NAME: Price(4.0, 8.0, 1.0, 5.0)}).ask(REQUEST).usage

    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens) == (1000, 100, 700)
    assert usage.cost_usd == pytest.approx((200 * 4 + 100 * 1 + 700 * 5 + 10 * 8) / 1e6)


def test_a_bound_on_the_answer_is_sent() -> None:
    with served(Say(PATCH), max_tokens=900) as (executor, server):
        executor.ask(REQUEST)

    assert server.requests[0].body["max_tokens"] == 900


def test_a_prompt_that_is_too_long_is_told_in_brief() -> None:
    said = "prompt is too long: 210000 tokens > 200000 maximum"
    with served(Fail(400, said), Say(PATCH)) as (executor, server):
        reply = executor.ask(TRIED)

    assert "reshaped" in str(server.requests[0].body)
    assert "reshaped" not in str(server.requests[1].body)
    assert "too long" in reply.notes[0]


def test_a_model_that_writes_less_is_asked_for_less() -> None:
    said = "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for claude-test"
    with served(Fail(400, said), Say(PATCH)) as (executor, server):
        reply = executor.ask(REQUEST)

    assert server.requests[1].body["max_tokens"] == 8192
    assert reply.notes == ("max_tokens lowered to 8192: the server refused more",)


def test_a_server_that_refuses_every_bound_is_not_asked_for_ever() -> None:
    refusals = [Fail(400, f"max_tokens: {most + 1} > {most}, which is the maximum") for most in range(9000, 8900, -1)]
    with served(*refusals) as (executor, server), pytest.raises(ExecutorError, match="max_tokens"):
        executor.ask(REQUEST)

    assert len(server.requests) == 4
    assert server.requests[-1].body["max_tokens"] == 8998


def test_a_bound_that_leaves_no_room_for_an_answer_is_not_taken() -> None:
    with (
        served(Fail(400, "max_tokens: 32000 > 10, which is the maximum"), Say(PATCH)) as (executor, server),
        pytest.raises(ExecutorError, match="max_tokens"),
    ):
        executor.ask(REQUEST)

    assert len(server.requests) == 1


@pytest.mark.parametrize("refusal", [NO_TEMPERATURE, Fail(400, "max_tokens: 9 > 8192, which is the maximum")])
def test_what_is_refused_again_after_it_was_mended_is_an_error(refusal: Fail) -> None:
    error = failure_of(refusal, refusal)

    assert "(400)" in str(error)
    assert refusal.message in str(error)


@pytest.mark.parametrize(
    "said",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "messages.0: temperature is fine, this is not",
        f"max_tokens: 32000 > {'9' * 5000}",
        f"input length and `max_tokens` exceed context limit: {'9' * 5000} + 32000 > 200000",
    ],
)
def test_another_bad_request_is_not_mistaken_for_a_refused_parameter(said: str) -> None:
    assert said[:400] in str(failure_of(Fail(400, said), Say(PATCH)))


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        (Say(None, refusal="I cannot help with that."), Code.REFUSED, "I cannot help"),
        (Say("I will not.", finish="refusal"), Code.REFUSED, "I will not"),
        (Fail(400, "Output blocked by content filtering policy"), Code.CONTENT_FILTERED, "content filter"),
        (Say(PATCH[:40], finish="length"), Code.TRUNCATED, "output limit, after 40 characters"),
        (Say(PATCH[:40], finish="model_context_window_exceeded"), Code.TRUNCATED, "output limit"),
        (Say(None), Code.EMPTY_REPLY, "empty"),
        (Say("I would rather talk."), Code.NOT_JSON, "no JSON object"),
    ],
)
def test_an_answer_of_no_use_is_a_reply_first_and_refused_when_it_is_read(act: Act, code: Code, words: str) -> None:
    with served(act) as (executor, _):
        reply = executor.ask(REQUEST)

    with pytest.raises(ReplyError, match=words) as refusal:
        read_reply(reply)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("act", "code", "words", "hint"),
    [
        (Fail(401, f"invalid x-api-key {KEY}"), "denied", "refused the key (401)", "ANTHROPIC_API_KEY"),
        (Fail(402, "pay first"), "denied", "refused (402): pay first", "server says"),
        (Fail(403, "not for you"), "denied", "not for you", "another"),
        (Fail(404, "model: claude-test"), "denied", "no model 'claude-test'", "name"),
        (Fail(413, "too large"), "denied", "refused (413): too large", "server says"),
        (Fail(307, headers={"Location": "http://elsewhere/v1"}), "denied", "redirects to http://elsewhere/v1", "trust"),
        (Fail(429, "slow down"), "rate_limit", "rate limit is reached (429): slow down", "resume"),
        (Fail(500, "boom"), "server_error", "failing (500): boom", "resume"),
        (Fail(529, "Overloaded"), "overloaded", "failing (529): Overloaded", "resume"),
        (Send(b"<html>Bad gateway</html>", 502, "text/html"), "server_error", "failing (502): ", "resume"),
        (Send(b"<html>welcome</html>", content_type="text/html"), "protocol", "no completion", "/v1"),
        (Send(b""), "protocol", "no completion", "/v1"),
        (Send(b"[" * 100_000), "protocol", "no completion", "/v1"),
        (Send(b'{"type": "message", "content": ["hi"]}'), "empty", "", ""),
        (Send(b'{"type": "message"}'), "protocol", "no completion", "/v1"),
        (
            Send(b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}'),
            "overloaded",
            "(529): busy",
            "resume",
        ),
        (Send(b'{"type": "message', cut=100), "cut_off", "broke off", "resume"),
        (Drop(), "cut_off", "closed the connection without an answer", "resume"),
    ],
)
def test_a_server_that_gives_no_answer_is_an_error_of_one_line_with_a_way_out(
    act: Act, code: str, words: str, hint: str
) -> None:
    if code == "empty":  # an answer without words is for the reader of replies to refuse
        with served(act) as (executor, _):
            assert executor.ask(REQUEST).text == ""
        return
    error = failure_of(act)

    assert words in str(error)
    assert hint in (error.hint or "")
    assert "\n" not in str(error)
    assert error.where == NAME
    assert [each.code for each in error.tries] == [code]


def test_a_passing_fault_is_tried_again_after_the_wait_that_the_server_asks_for() -> None:
    with served(Fail(429, headers={"retry-after": "0.3"}), Say(PATCH), tries=2) as (executor, server):
        reply = executor.ask(REQUEST)

    assert reply.text == PATCH
    assert len(server.requests) == 2
    assert reply.tries[0].waited >= 0.3


def test_a_gateway_of_ones_own_is_found_in_the_environment_and_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with ModelServer([Say(PATCH)], AnthropicWire()) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url + "/")
        client = AnthropicClient("claude-test", timeout=5.0)
        assert ModelExecutor(client).ask(REQUEST).text == PATCH

    assert client.elsewhere


def test_a_base_url_with_a_path_too_many_is_told_with_what_to_check() -> None:
    with ModelServer([Say(PATCH)], AnthropicWire()) as server:
        client = AnthropicClient("claude-test", base_url=server.url + "/v1", timeout=5.0)
        with pytest.raises(NoAnswerError, match="there is no /v1/v1/messages") as failure:
            ModelExecutor(client).ask(REQUEST)

    assert "base URL" in (failure.value.hint or "")


def test_a_redirect_that_repeats_the_key_is_told_without_it() -> None:
    error = failure_of(Fail(302, headers={"Location": f"http://elsewhere/?key={KEY}"}))

    assert "redirects to http://elsewhere/?key=[key]" in str(error)
