"""Answers as gateways and odd servers give them: none is a traceback, and one that was paid is not asked for again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from lemonade_es.errors import ReplyError
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import ChatClient, ModelExecutor
from lemonade_es.llm.codes import Code
from lemonade_es.llm.executor import Reply
from lemonade_es.llm.faults import NoAnswerError
from lemonade_es.llm.prices import Price
from lemonade_es.llm.providers.answer import too_long
from lemonade_es.llm.providers.anthropic import AnthropicClient
from lemonade_es.llm.providers.gemini import GeminiClient
from lemonade_es.llm.providers.openai import OpenAIClient
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.testing import Act, AnthropicWire, GeminiWire, ModelServer, OpenAIWire, Send
from tests.llm.conftest import REQUEST

PATCH = {"summary": "s", "model_py": "x = 1\n", "edits": None, "applied": [], "skipped": [], "predicted": None}
WORDS = json.dumps(PATCH)

Body = dict[str, Any]


def openai(message: object = None, usage: object = None, **top: Any) -> Body:
    usage = {"prompt_tokens": 10, "completion_tokens": 5} if usage is None else usage
    message = {"content": WORDS} if message is None else message
    return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage, **top}


def anthropic(usage: object = None, **top: Any) -> Body:
    usage = {"input_tokens": 10, "output_tokens": 5} if usage is None else usage
    content = [{"type": "text", "text": WORDS}]
    return {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage, **top}


def gemini(parts: object = None, usage: object = None, **top: Any) -> Body:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5} if usage is None else usage
    parts = [{"text": WORDS}] if parts is None else parts
    return {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage, **top}


PROVIDERS: dict[str, tuple[Callable[..., ChatClient], Any, Callable[..., Body], tuple[str, str]]] = {
    "openai": (OpenAIClient, OpenAIWire, openai, ("prompt_tokens", "completion_tokens")),
    "anthropic": (AnthropicClient, AnthropicWire, anthropic, ("input_tokens", "output_tokens")),
    "gemini": (GeminiClient, GeminiWire, gemini, ("promptTokenCount", "candidatesTokenCount")),
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "sk-canary-of-odd-answers")


def asked(provider: str, *acts: Act, waits: list[float] | None = None) -> Reply:
    """The reply, after as many calls as there are acts."""
    make, wire, _, _ = PROVIDERS[provider]
    with ModelServer(acts, wire()) as server:
        executor = ModelExecutor(
            make("m", base_url=server.url, timeout=5.0),
            {f"{provider}:m": Price(1.0, 2.0, 0.5)},
            backoff=Backoff(tries=len(acts)),
            sleep=(waits if waits is not None else []).append,
        )
        reply = executor.ask(REQUEST)
        assert len(server.requests) == len(acts)
    return reply


def sent(body: object) -> Send:
    return Send(body if isinstance(body, bytes) else json.dumps(body).encode())


def good(provider: str, **changes: Any) -> Body:
    return PROVIDERS[provider][2](**changes)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "the model is loading"}',
        b'{"error": {"message": {"a": 1}, "type": 5, "param": [1], "code": {}}}',
        b'{"error": null}',
        b"null",
        b"[]",
        b'"words"',
        b"\xff\xfe{",
        b"[" * 100_000,
        b"<html>Sign in</html>",
        b'data: {"choices": []}\n\ndata: [DONE]\n\n',
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
@pytest.mark.parametrize("status", [200, 400, 503])
def test_a_body_that_is_no_answer_is_a_fault_or_a_refusal(provider: str, body: bytes, status: int) -> None:
    with pytest.raises(NoAnswerError) as failure:
        asked(provider, Send(body, status))

    (failed,) = failure.value.tries
    expected = {200: "protocol", 400: "denied", 503: "overloaded"}
    assert failed.code == expected[status]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_byte_order_mark_and_numbers_without_end_do_not_cost_the_answer(provider: str) -> None:
    body = json.dumps(good(provider, odd=1)).replace('"odd": 1', f'"odd": {"9" * 5000}').encode()

    assert asked(provider, Send(b"\xef\xbb\xbf" + body)).text == WORDS


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("wrong", [-5, "10", None, True, float("nan"), 10**30, 1.5, [10]])
def test_tokens_that_are_not_counted_have_no_price(provider: str, wrong: object) -> None:
    names = PROVIDERS[provider][3]
    for name in names:
        usage = {**dict.fromkeys(names, 5), name: wrong}

        reply = asked(provider, sent(good(provider, usage=usage)))

        assert reply.text == WORDS
        assert reply.usage.cost_usd is None
        assert "the server did not count tokens" in reply.notes


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_more_tokens_are_cached_than_sent(provider: str) -> None:
    sent_name, received = PROVIDERS[provider][3]
    details = {"prompt_tokens_details": {"cached_tokens": 500}, "cachedContentTokenCount": 500}

    usage = asked(provider, sent(good(provider, usage={sent_name: 10.0, received: 5, **details}))).usage

    assert (usage.input_tokens, usage.output_tokens) == (10, 5)
    assert usage.cached_tokens <= 10


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("openai", openai(choices=[])),
        ("openai", openai(choices=None)),
        ("openai", {**openai(), "choices": [{"message": None, "finish_reason": "stop"}]}),
        ("anthropic", anthropic(content=[])),
        ("anthropic", anthropic(content=None)),
        ("gemini", gemini(candidates=[])),
        ("gemini", gemini(candidates=None)),
        ("gemini", gemini([None, {"text": 5}])),
    ],
)
def test_an_answer_without_words_is_an_empty_reply_and_is_paid_once(provider: str, body: Body) -> None:
    reply = asked(provider, sent(body))

    assert (reply.text, reply.usage.input_tokens) == ("", 10)
    with pytest.raises(ReplyError) as refusal:
        read_reply(reply)
    assert refusal.value.code == Code.EMPTY_REPLY


CALL = {"name": "patch", "arguments": WORDS}


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("openai", openai({"content": PATCH})),
        ("openai", openai({"content": [{"type": "output_text", "text": WORDS}]})),
        ("openai", openai({"content": [WORDS]})),
        ("openai", openai({"content": [WORDS[:9], {"type": "text", "text": WORDS[9:]}]})),
        ("openai", openai({"content": None, "tool_calls": [{"type": "function", "function": CALL}]})),
        ("openai", openai({"content": "", "function_call": CALL})),
        ("openai", openai({"content": "\n", "tool_calls": [{"type": "function", "function": CALL}]})),
        ("openai", openai({"content": "I call the tool.", "tool_calls": [{"type": "function", "function": CALL}]})),
        ("openai", openai({"content": None, "tool_calls": [{"function": {"name": "patch", "arguments": PATCH}}]})),
        ("openai", openai({"content": None, "reasoning_content": f"\n{WORDS}"})),
        ("openai", openai({"content": "", "reasoning": WORDS})),
        ("anthropic", anthropic(content=WORDS)),
        ("gemini", gemini([None, {"text": "hm", "thought": True}, {"text": WORDS}], promptFeedback="none")),
    ],
)
def test_words_in_an_odd_place_are_found(provider: str, body: Body) -> None:
    assert read_reply(asked(provider, sent(body))).patch.model_py == "x = 1\n"


def test_an_answer_that_came_as_reasoning_is_told_so_and_reasoning_is_no_answer() -> None:
    said = asked("openai", sent(openai({"content": "", "reasoning_content": WORDS})))
    thought = asked("openai", sent(openai({"content": "", "reasoning_content": f"I could say {WORDS}"})))
    cut_off = openai(choices=[{"message": {"content": "", "reasoning": WORDS}, "finish_reason": "length"}])

    assert said.notes == ("the answer came as reasoning",)
    assert (thought.text, thought.notes) == ("", ())
    assert asked("openai", sent(cut_off)).text == ""


def test_more_thinking_than_output_is_output_all_the_same() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 700}}

    counts = asked("anthropic", sent(anthropic(usage))).usage

    assert (counts.output_tokens, counts.reasoning_tokens, counts.cost_usd) == (700, 700, 10e-6 + 1400e-6)


STREAMS = {
    "openai": b'data: {"choices": [{"delta": {"content": "x"}}]}\n\ndata: [DONE]\n\n',
    "anthropic": b'event: message_start\ndata: {"type": "message_start"}\n\n',
    "gemini": b': keep-alive\n\n\r\ndata: {"candidates": []}\r\n\r\n',
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_streams_unasked_is_told_to_do_so(provider: str) -> None:
    with pytest.raises(NoAnswerError) as caught:
        asked(provider, Send(STREAMS[provider], content_type="text/event-stream"))

    assert "streams its answer, though it was asked for the whole at once" in str(caught.value)
    assert "turn streaming off at the server" in str(caught.value)
    assert "base URL" not in str(caught.value)


def test_words_that_begin_like_a_stream_or_a_refusal_and_are_none_are_read_soon() -> None:
    begun = time.process_time()

    with pytest.raises(NoAnswerError, match="is no completion"):
        asked("openai", Send(b": " * 500_000))
    assert not too_long("input token count " * 100_000)

    assert time.process_time() - begun < 5  # of all ways to divide them, it would take for ever


def test_a_refusal_among_the_parts_of_a_message_is_one() -> None:
    reply = asked("openai", sent(openai({"content": [{"type": "refusal", "refusal": "I would rather not."}]})))

    assert (reply.finish, reply.text) == ("refused", "I would rather not.")


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_a_prompt_that_is_filtered_is_a_reply_and_not_the_end(code: str) -> None:
    error = {"error": {"message": "The prompt was filtered.", "code": code, "param": "prompt", "type": None}}

    reply = asked("openai", Send(json.dumps(error).encode(), 400))

    assert (reply.finish, reply.usage.cost_usd) == ("filtered", 0.0)


@pytest.mark.parametrize(("provider", "status"), [(name, status) for name in PROVIDERS for status in (425, 529)])
def test_a_status_that_passes_is_waited_for(provider: str, status: int) -> None:
    waits: list[float] = []

    assert asked(provider, Send(b"", status), sent(good(provider)), waits=waits).text == WORDS
    assert len(waits) == 1


@pytest.mark.parametrize("body", [b'{"error": "no such thing"}', b'{"detail": "no such thing"}', b"no such thing"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_words_of_a_refusal_are_told_in_whatever_form_they_come(provider: str, body: bytes) -> None:
    with pytest.raises(NoAnswerError, match="no such thing"):
        asked(provider, Send(body, 422))


@pytest.mark.parametrize(("status", "code"), [(503, "overloaded"), (429, "rate_limit"), (403, "denied")])
def test_an_error_of_gemini_in_an_answer_with_the_status_200_is_the_error(status: int, code: str) -> None:
    error = {"error": {"code": status, "message": "not so fast", "details": [{"retryDelay": "7s"}]}}
    waits: list[float] = []

    with pytest.raises(NoAnswerError, match="not so fast") as failure:
        asked("gemini", sent(error), *[sent(error)] * (code != "denied"), waits=waits)

    assert {failed.code for failed in failure.value.tries} == {code}
    assert bool(waits) is (code != "denied")
    assert all(wait >= 7 for wait in waits)
