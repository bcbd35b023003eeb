"""What the requests and answers of each provider look like."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lemonade_es.llm.testing.acts import Fail, Say


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the server got; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Wire(Protocol):
    """A provider's format."""

    @property
    def base(self) -> str:
        """The path that a client's base URL ends in."""

    def has(self, path: str) -> bool:
        """Whether the provider answers at a path."""

    def answer(self, say: Say, request: Request) -> Mapping[str, Any]:
        """The body of an answer."""

    def error(self, fail: Fail) -> Mapping[str, Any]:
        """The body of an error."""


class OpenAIWire:
    """OpenAI's chat completions."""

    base = "/v1"

    def has(self, path: str) -> bool:
        """Chat completions alone."""
        return path == "/v1/chat/completions"

    def answer(self, say: Say, request: Request) -> Mapping[str, Any]:
        """A ``chat.completion``."""
        message = {"role": "assistant", "content": say.text, "refusal": say.refusal}
        body: dict[str, Any] = {
            "id": "chatcmpl-scripted",
            "object": "chat.completion",
            "created": 0,
            "model": request.body.get("model", ""),
            "choices": [{"index": 0, "message": message, "finish_reason": say.finish, "logprobs": None}],
        }
        if say.input_tokens is not None:
            body["usage"] = {
                "prompt_tokens": say.input_tokens,
                "completion_tokens": say.output_tokens,
                "total_tokens": say.input_tokens + say.output_tokens,
                "prompt_tokens_details": {
                    "cached_tokens": say.cached_tokens,
                    "cache_write_tokens": say.cache_write_tokens,
                },
                "completion_tokens_details": {"reasoning_tokens": say.reasoning_tokens},
            }
        return body

    def error(self, fail: Fail) -> Mapping[str, Any]:
        """An ``error`` object."""
        kind = "invalid_request_error" if fail.status < 500 else "server_error"
        return {"error": {"message": fail.message, "type": kind, "param": fail.param, "code": fail.code}}


class AnthropicWire:
    """Anthropic's messages."""

    base = ""

    _FINISH: Mapping[str, str] = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
    _ERRORS: Mapping[int, str] = {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    }

    def has(self, path: str) -> bool:
        """Messages alone."""
        return path == "/v1/messages"

    def answer(self, say: Say, request: Request) -> Mapping[str, Any]:
        """A ``message``; its content is the tool's input where a tool was asked for and the words are JSON."""
        stop = "refusal" if say.refusal is not None else self._FINISH.get(say.finish, say.finish)
        content: list[dict[str, Any]] = [] if say.text is None else [{"type": "text", "text": say.text}]
        tool = request.body.get("tool_choice", {}).get("name")
        given = _as_object(say.text) if tool else None
        if given is not None:
            content = [{"type": "tool_use", "id": "toolu_scripted", "name": tool, "input": given}]
            stop = "tool_use" if stop == "end_turn" else stop
        body: dict[str, Any] = {
            "id": "msg_scripted",
            "type": "message",
            "role": "assistant",
            "model": request.body.get("model", ""),
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
        }
        if say.refusal is not None:
            body["stop_details"] = {"type": "refusal", "category": None, "explanation": say.refusal}
        if say.input_tokens is not None:
            body["usage"] = {
                "input_tokens": say.input_tokens - say.cached_tokens - say.cache_write_tokens,
                "cache_creation_input_tokens": say.cache_write_tokens,
                "cache_read_input_tokens": say.cached_tokens,
                "output_tokens": say.output_tokens,
                "output_tokens_details": {"thinking_tokens": say.reasoning_tokens},
            }
        return body

    def error(self, fail: Fail) -> Mapping[str, Any]:
        """An ``error``."""
        kind = fail.code or self._ERRORS.get(fail.status, "api_error")
        return {
            "type": "error",
            "error": {"type": kind, "message": fail.message},
            "request_id": "req_scripted",
        }


class GeminiWire:
    """Gemini's ``generateContent``, as AI Studio serves it; enumerations by number where the client wants them so."""

    base = ""

    _PATH = re.compile(r"/v1(beta)?/models/[\w.-]+:generateContent(\?.*)?")
    _FINISH: Mapping[str, str] = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
    _NUMBERS: Mapping[str, int] = {"STOP": 1, "MAX_TOKENS": 2, "SAFETY": 3, "RECITATION": 4, "OTHER": 5}
    _STATUS: Mapping[int, str] = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
    }

    def has(self, path: str) -> bool:
        """``generateContent`` of any model."""
        return self._PATH.fullmatch(path) is not None

    def answer(self, say: Say, request: Request) -> Mapping[str, Any]:
        """A ``GenerateContentResponse``; a refusal is a blocked prompt, which has no candidate."""
        body: dict[str, Any] = {"modelVersion": "scripted", "responseId": "scripted"}
        numbers = "enum-encoding%3Dint" in request.path
        if say.refusal is not None:
            blocked = 1 if numbers else "SAFETY"
            body["promptFeedback"] = {"blockReason": blocked, "blockReasonMessage": say.refusal}
        else:
            finish: str | int = self._FINISH.get(say.finish, say.finish)
            candidate: dict[str, Any] = {
                "index": 0,
                "finishReason": self._NUMBERS.get(str(finish), finish) if numbers else finish,
            }
            if say.text is not None:
                candidate["content"] = {"role": "model", "parts": [{"text": say.text}]}
            body["candidates"] = [candidate]
        if say.input_tokens is not None:
            body["usageMetadata"] = {
                "promptTokenCount": say.input_tokens,
                "cachedContentTokenCount": say.cached_tokens,
                "candidatesTokenCount": say.output_tokens - say.reasoning_tokens,
                "thoughtsTokenCount": say.reasoning_tokens,
                "totalTokenCount": say.input_tokens + say.output_tokens,
            }
        return body

    def error(self, fail: Fail) -> Mapping[str, Any]:
        """An ``error`` with Google's status; a typed reason stands in its details."""
        status = self._STATUS.get(fail.status, "UNKNOWN")
        error: dict[str, Any] = {"code": fail.status, "message": fail.message, "status": status}
        if fail.code is not None:
            info = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [{"@type": info, "reason": fail.code, "domain": "googleapis.com"}]
        return {"error": error}


def _as_object(text: str | None) -> dict[str, Any] | None:
    try:
        data = json.loads(text or "")
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
