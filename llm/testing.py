"""A model server on the loopback, for tests of providers with their real SDKs, and for demonstrations.

::

    with ModelServer([Say("{...}"), Fail(429, headers={"Retry-After": "0"}), Drop()]) as server:
        client = OpenAIClient("gpt-test", base_url=server.url, timeout=5.0)

Each request is answered by the next act of the script and kept in :attr:`ModelServer.requests`. What the bytes
of an answer look like is a :class:`Wire`; another provider's format is another wire.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol, Self

MAX_DELAY = 10.0
"""Seconds; no act keeps a client waiting for longer."""


@dataclass(frozen=True, slots=True)
class Say:
    """Answer.

    Attributes:
        text: the model's words; ``None`` for none at all.
        finish: as the provider's wire names it.
        refusal: the words of a refusal.
        input_tokens: counted as sent; ``None`` leaves out the count of tokens.
        cached_tokens: of them, read from the provider's cache.
        output_tokens: counted as received.
        reasoning_tokens: of them, not shown.
        delay: seconds to wait before answering.
    """

    text: str | None
    finish: str = "stop"
    refusal: str | None = None
    input_tokens: int | None = 1000
    cached_tokens: int = 0
    output_tokens: int = 200
    reasoning_tokens: int = 0
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an error of the provider.

    Attributes:
        status: of HTTP.
        message: the provider's words.
        code: the provider's typed reason.
        param: the parameter that the provider names.
        headers: to send, ``Retry-After`` for instance.
    """

    status: int
    message: str = "scripted failure"
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Send:
    """Answer with these bytes, whatever they are.

    Attributes:
        body: the bytes.
        status: of HTTP.
        content_type: what they are said to be.
        cut: how many bytes more are announced than sent, before the connection is closed.
    """

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer."""


Act = Say | Fail | Send | Drop


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the server got; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Wire(Protocol):
    """What a provider's answers look like."""

    def answer(self, say: Say, request: Request) -> Mapping[str, Any]:
        """The body of an answer."""

    def error(self, fail: Fail) -> Mapping[str, Any]:
        """The body of an error."""


class OpenAIWire:
    """OpenAI's chat completions."""

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
                "prompt_tokens_details": {"cached_tokens": say.cached_tokens},
                "completion_tokens_details": {"reasoning_tokens": say.reasoning_tokens},
            }
        return body

    def error(self, fail: Fail) -> Mapping[str, Any]:
        """An ``error`` object."""
        kind = "invalid_request_error" if fail.status < 500 else "server_error"
        return {"error": {"message": fail.message, "type": kind, "param": fail.param, "code": fail.code}}


class ModelServer:
    """Plays a script of answers and faults on an ephemeral port of 127.0.0.1; a context manager.

    Args:
        script: an act for each request, in order; after the last, requests fail with status 500.
        wire: the provider's format.
    """

    def __init__(self, script: Sequence[Act], wire: Wire | None = None) -> None:
        self.requests: list[Request] = []
        self._script = tuple(script)
        self._wire = wire or OpenAIWire()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _Http(self._play)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and end what is still being answered."""
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _next(self, request: Request) -> Act:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        if number < len(self._script):
            return self._script[number]
        # The header is the OpenAI SDK's: a client that retries would hide what the test got wrong.
        return Fail(500, "the script is exhausted", headers={"x-should-retry": "false"})

    def _play(self, handler: _Handler, request: Request) -> None:
        act = self._next(request)
        match act:
            case Say():
                self._closing.wait(min(act.delay, MAX_DELAY))
                handler.send(Send(json.dumps(self._wire.answer(act, request)).encode()))
            case Fail():
                handler.send(Send(json.dumps(self._wire.error(act)).encode(), act.status), act.headers)
            case Send():
                handler.send(act)
            case Drop():
                handler.close_connection = True


class _Http(ThreadingHTTPServer):
    def __init__(self, play: Callable[[_Handler, Request], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.play = play


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, json.loads(self.rfile.read(length) or b"{}"))
        self.server.play(self, request)

    def send(self, answer: Send, headers: Mapping[str, str] | None = None) -> None:
        try:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body) + answer.cut))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client gave up waiting, as some tests want

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: the requests are kept instead."""
