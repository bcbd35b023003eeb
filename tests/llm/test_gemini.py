"""The Gemini client with each of Google's real SDKs, against a server on the loopback."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from lemonade_es.errors import ExecutorError, ReplyError
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import ModelExecutor
from lemonade_es.llm.codes import Code
from lemonade_es.llm.faults import NoAnswerError
from lemonade_es.llm.prices import Price
from lemonade_es.llm.providers.gemini import SDK, SDKS, GeminiClient
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.request import EditRequest, ReplyLimits
from lemonade_es.llm.testing import Act, Drop, Fail, GeminiWire, ModelServer, Say, Send
from tests.llm.conftest import FENCED, PATCH, REQUEST, TRIED

KEY = "AIza-canary-0123456789abcdef"
NAME = "gemini:gemini-test"
NO_TEMPERATURE = Fail(400, "temperature is not supported by this model")
NO_SCHEMA = Fail(400, "Json mode is not enabled for models/gemini-test")
NO_JSON_MODE = Fail(400, "response_mime_type application/json is not supported")
MODULES = {"google-genai": "google.genai", "google-generativeai": "google.generativeai"}

Served = Callable[..., AbstractContextManager[tuple[ModelExecutor, ModelServer]]]


def is_installed(sdk: SDK) -> bool:
    try:
        return importlib.util.find_spec(MODULES[sdk]) is not None
    except ModuleNotFoundError:  # there is no package google at all
        return False


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> SDK:
    if not is_installed(request.param):
        pytest.skip(f"the package {request.param} is not installed")
    return request.param


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    for other in ("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(other, raising=False)


@pytest.fixture
def served(sdk: SDK) -> Served:
    @contextmanager
    def serve(*script: Act, tries: int = 1, **options: Any) -> Iterator[tuple[ModelExecutor, ModelServer]]:
        with ModelServer(script, GeminiWire()) as server:
            client = GeminiClient("gemini-test", base_url=server.url, sdk=sdk, **{"timeout": 5.0, **options})
            prices = {NAME: Price(1.0, 2.0, 0.5)}
            yield ModelExecutor(client, prices, backoff=Backoff(tries=tries, base=0.01)), server

    return serve


@pytest.fixture
def failure_of(served: Served) -> Callable[..., NoAnswerError]:
    def ask(*script: Act, **options: Any) -> NoAnswerError:
        with served(*script, **options) as (executor, _), pytest.raises(NoAnswerError) as failure:
            executor.ask(REQUEST)
        return failure.value

    return ask


def config_in(body: Any) -> Any:
    return body["generationConfig"]


def test_the_request_asks_for_the_schema_at_the_papers_temperature(served: Served, sdk: SDK) -> None:
    with served(Say(PATCH)) as (executor, server):
        executor.ask(REQUEST)

    (got,) = server.requests
    assert "/models/gemini-test:generateContent" in got.path
    assert got.headers["x-goog-api-key"] == KEY
    assert KEY not in got.path
    assert "expert system" in got.body["systemInstruction"]["parts"][0]["text"]
    assert [content["role"] for content in got.body["contents"]] == ["user"]
    config = config_in(got.body)
    assert config["temperature"] == 0.5
    assert config["responseMimeType"] == "application/json"
    asked = config["responseJsonSchema" if sdk == "google-genai" else "responseSchema"]
    assert asked["required"] == ["summary", "model_py", "edits", "applied", "skipped", "predicted"]
    source = asked["properties"]["model_py"]
    assert source["type"] == ["string", "null"] or (source["type"], source["nullable"]) == (1, True)


def test_a_fenced_reply_is_asked_for_without_a_schema(served: Served) -> None:
    request = EditRequest(REQUEST.task, 1, limits=ReplyLimits(prefer="fenced"))
    with served(Say("{}")) as (executor, server):
        executor.ask(request)

    assert config_in(server.requests[0].body).keys() == {"temperature"}


def test_what_the_model_refuses_is_left_out_from_then_on_and_noted(served: Served) -> None:
    with served(NO_TEMPERATURE, NO_SCHEMA, Say(PATCH), Say(PATCH)) as (executor, server):
        first, second = executor.ask(REQUEST), executor.ask(REQUEST)

    assert first.notes == second.notes
    assert first.notes == (
        "temperature left out: the server refused it",
        "response schema left out: the server refused it",
    )
    assert len(server.requests) == 4
    assert config_in(server.requests[1].body).keys() & {"temperature", "responseMimeType"} == {"responseMimeType"}
    assert server.requests[3].body["generationConfig"] == {"responseMimeType": "application/json"}


def test_a_model_without_a_system_instruction_is_told_all_in_the_users_turn(served: Served) -> None:
    refusal = Fail(400, "Developer instruction is not enabled for models/gemma-3-27b-it")
    with served(refusal, Say("{}"), Say("{}")) as (executor, server):
        reply, _ = executor.ask(REQUEST), executor.ask(REQUEST)

    before, after, later = (request.body for request in server.requests)
    told = "\n\n".join((*_texts(before["systemInstruction"]), *_texts(*before["contents"])))
    assert "systemInstruction" not in after
    assert _texts(*after["contents"]) == _texts(*later["contents"]) == [told]
    assert reply.notes == ("the system's turn left out: the server refused it",)


def _texts(turn: dict[str, Any]) -> list[str]:
    return [part["text"] for part in turn["parts"]]


def test_where_no_json_mode_is_left_the_answer_is_asked_for_in_a_fence(served: Served) -> None:
    with served(NO_SCHEMA, NO_JSON_MODE, Say(FENCED), Say(FENCED)) as (executor, server):
        first, second = executor.ask(REQUEST), executor.ask(REQUEST)

    assert first.notes[-1] == second.notes[-1] == "JSON mode left out: the server refused it"
    assert read_reply(first).patch.model_py == "import torch"
    assert "responseMimeType" not in config_in(server.requests[3].body)
    assert "one code fence" in (first.prompt or "")
    assert len(server.requests) == 4


def test_a_bound_on_tokens_is_sent_and_left_out_where_it_is_refused(served: Served) -> None:
    refusal = Fail(400, "Unknown name maxOutputTokens")
    with served(refusal, Say(PATCH), max_tokens=900) as (executor, server):
        reply = executor.ask(REQUEST)

    assert config_in(server.requests[0].body)["maxOutputTokens"] == 900
    assert "maxOutputTokens" not in config_in(server.requests[1].body)
    assert reply.notes == ("max_output_tokens left out: the server refused it",)


def test_a_prompt_that_is_too_long_is_told_in_brief(served: Served) -> None:
    said = "The input token count (9000) exceeds the maximum number of tokens allowed (8192)."
    with served(Fail(400, said), Say(PATCH)) as (executor, server):
        reply = executor.ask(TRIED)

    assert "reshaped" in str(server.requests[0].body)
    assert "reshaped" not in str(server.requests[1].body)
    assert "too long" in reply.notes[0]


def test_a_parameter_is_left_out_once_and_not_for_ever(failure_of: Callable[..., NoAnswerError]) -> None:
    assert NO_TEMPERATURE.message in str(failure_of(NO_TEMPERATURE, NO_TEMPERATURE))


def test_thoughts_are_not_part_of_the_answer(served: Served) -> None:
    parts = [{"text": "Let me see.", "thought": True}, {"text": PATCH[:30]}, {"text": PATCH[30:]}]
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    with served(Send(json.dumps(body).encode())) as (executor, _):
        assert executor.ask(REQUEST).text == PATCH


@pytest.mark.parametrize(
    ("act", "code", "note"),
    [
        (Say(None, refusal="no"), Code.CONTENT_FILTERED, "the prompt was blocked: SAFETY"),
        (Say(None, finish="content_filter"), Code.CONTENT_FILTERED, "the answer was withheld: SAFETY"),
        (Say(PATCH[:9], finish="RECITATION"), Code.CONTENT_FILTERED, "the answer was withheld: RECITATION"),
        (Say(PATCH[:40], finish="length"), Code.TRUNCATED, None),
        (Say(None, finish="OTHER"), Code.EMPTY_REPLY, "the answer ended with OTHER"),
        (Say(None, finish="SOMETHING_NEW"), Code.EMPTY_REPLY, "the answer ended with SOMETHING_NEW"),
        (Say(None), Code.EMPTY_REPLY, None),
        (Say("I would rather talk."), Code.NOT_JSON, None),
    ],
)
def test_an_answer_of_no_use_is_a_reply_first_and_refused_when_it_is_read(
    served: Served, act: Say, code: Code, note: str | None
) -> None:
    with served(act) as (executor, _):
        reply = executor.ask(REQUEST)

    assert reply.notes == (() if note is None else (note,))
    assert reply.usage.cost_usd
    with pytest.raises(ReplyError) as refusal:
        read_reply(reply)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("act", "code", "words", "hint"),
    [
        (
            Fail(400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
            "denied",
            "refused the key (400)",
            "GEMINI_API_KEY",
        ),
        (Fail(401, f"who is {KEY}?"), "denied", "refused the key (401)", "GEMINI_API_KEY"),
        (Fail(400, "the location is not supported"), "denied", "refused (400): the location", "server says"),
        (Fail(403, "not for you"), "denied", "not for you", "another"),
        (Fail(404, "models/gemini-test is not found"), "denied", "no model 'gemini-test'", "name"),
        (Fail(307, headers={"Location": "http://elsewhere/v1"}), "denied", "redirects to http://elsewhere/v1", "trust"),
        (Fail(429, "slow down"), "rate_limit", "rate limit is reached (429): slow down", "resume"),
        (Fail(500, "boom"), "server_error", "failing (500): boom", "resume"),
        (Fail(503, "The model is overloaded."), "overloaded", "failing (503): The model is overloaded.", "resume"),
        (Send(b"<html>Bad gateway</html>", 502, "text/html"), "server_error", "failing (502): ", "resume"),
        (Send(b"<html>welcome</html>", content_type="text/html"), "protocol", "no completion", "/v1beta"),
        (Send(b""), "protocol", "no completion", "/v1beta"),
        (Send(b"{}"), "protocol", "no completion", "/v1beta"),
        (Send(b"[" * 100_000), "protocol", "no completion", "/v1beta"),
        (Send(b'{"candidates": "many"}'), "protocol", "no completion", "/v1beta"),
        (Send(b'{"candidates": [', cut=100), "cut_off", "broke off", "resume"),
        (Drop(), "cut_off", "closed the connection without an answer", "resume"),
    ],
)
def test_a_server_that_gives_no_answer_is_an_error_of_one_line_with_a_way_out(
    failure_of: Callable[..., NoAnswerError], act: Act, code: str, words: str, hint: str
) -> None:
    error = failure_of(act)

    assert words in str(error)
    assert hint in (error.hint or "")
    assert "\n" not in str(error)
    assert error.where == NAME
    assert [each.code for each in error.tries] == [code]


def test_another_try_waits_as_long_as_the_headers_say(served: Served) -> None:
    with served(Fail(429, headers={"Retry-After": "0.3"}), Say(PATCH), tries=2) as (executor, _):
        assert executor.ask(REQUEST).tries[0].waited >= 0.3


def test_another_try_waits_as_long_as_the_error_itself_says(served: Served) -> None:
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.3s"},
    ]
    error = {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}}
    with served(Send(json.dumps(error).encode(), 429), Say(PATCH), tries=2) as (executor, _):
        assert executor.ask(REQUEST).tries[0].waited >= 0.3


def test_two_clients_with_different_keys_do_not_mix_them_up(monkeypatch: pytest.MonkeyPatch, sdk: SDK) -> None:
    with ModelServer([Say(PATCH)] * 3, GeminiWire()) as server:
        first = GeminiClient("one", base_url=server.url, timeout=5.0, sdk=sdk)
        monkeypatch.setenv("GEMINI_API_KEY", KEY + "-other")
        second = GeminiClient("two", base_url=server.url, timeout=5.0, sdk=sdk)
        for client in (first, second, first):
            ModelExecutor(client).ask(REQUEST)

    assert [got.headers["x-goog-api-key"] for got in server.requests] == [KEY, KEY + "-other", KEY]


def test_either_variable_may_hold_the_key(monkeypatch: pytest.MonkeyPatch, sdk: SDK) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    with ModelServer([Say(PATCH), Fail(401)], GeminiWire()) as server:
        executor = ModelExecutor(GeminiClient("gemini-test", base_url=server.url, timeout=5.0, sdk=sdk))
        executor.ask(REQUEST)
        with pytest.raises(ExecutorError, match="check GOOGLE_API_KEY"):
            executor.ask(REQUEST)

    assert server.requests[0].headers["x-goog-api-key"] == KEY


def test_of_two_keys_the_one_that_is_not_used_is_not_said_to_be(
    monkeypatch: pytest.MonkeyPatch, sdk: SDK, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", KEY + "-other")
    with ModelServer([Say(PATCH)], GeminiWire()) as server:
        ModelExecutor(GeminiClient("gemini-test", base_url=server.url, timeout=5.0, sdk=sdk)).ask(REQUEST)

    assert server.requests[0].headers["x-goog-api-key"] == KEY
    assert "GOOGLE_API_KEY" not in caplog.text


def test_a_missing_key_is_said_with_both_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")

    with pytest.raises(ExecutorError, match="GEMINI_API_KEY or GOOGLE_API_KEY is not set"):
        GeminiClient("gemini-test", timeout=1.0)


@pytest.mark.parametrize("model", ["gemini?", "../gemini", "gem\tini"])
def test_a_name_that_no_call_can_be_made_for_is_told_at_once(model: str) -> None:
    if not is_installed("google-genai"):
        pytest.skip("the package google-genai is not installed")
    with ModelServer([Say(PATCH)], GeminiWire()) as server:
        client = GeminiClient(model, base_url=server.url, timeout=5.0, sdk="google-genai")
        executor = ModelExecutor(client, backoff=Backoff(tries=3, base=0.01))
        with pytest.raises(NoAnswerError) as failure:
            executor.ask(REQUEST)

    assert [each.code for each in failure.value.tries] == ["denied"]
    assert "check the model's name" in str(failure.value)
    assert server.requests == []


def hide(monkeypatch: pytest.MonkeyPatch, *sdks: SDK) -> None:
    for each in sdks:
        monkeypatch.setitem(sys.modules, MODULES[each], None)


def test_the_older_sdk_serves_where_only_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_installed("google-generativeai"):
        pytest.skip("the package google-generativeai is not installed")
    hide(monkeypatch, "google-genai")
    with ModelServer([Say(PATCH)], GeminiWire()) as server:
        reply = ModelExecutor(GeminiClient("gemini-test", base_url=server.url, timeout=5.0)).ask(REQUEST)

    assert reply.text == PATCH
    assert "genai-py/" in server.requests[0].headers["x-goog-api-client"]
