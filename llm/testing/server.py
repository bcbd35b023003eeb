"""The server: plays a script of acts on the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from lemonade_es.llm.testing.acts import Act, Drop, Fail, Say, Send, Trickle
from lemonade_es.llm.testing.wires import OpenAIWire, Request, Wire

MAX_DELAY = 10.0
"""Seconds; no act keeps a client waiting for longer before it begins."""


class ModelServer:
    """Plays a script of answers and faults on an ephemeral port of 127.0.0.1; a context manager.

    Args:
        script: an act for each request, in order; after the last, requests fail with status 500. A request to
            a path that the provider does not have is answered with 404, and no act is played.
        wire: the provider's format; OpenAI's if ``None``.
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
        return f"http://127.0.0.1:{self._http.server_port}{self._wire.base}"

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
        if not self._wire.has(request.path):
            return Fail(404, f"there is no {request.path}")
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        if number < len(self._script):
            return self._script[number]
        # The header is known to some SDKs: a client that retries would hide what the test got wrong.
        return Fail(500, "the script is exhausted", headers={"x-should-retry": "false"})

    def _play(self, handler: _Handler, request: Request) -> None:
        act = self._next(request)
        match act:
            case Say():
                self._closing.wait(min(act.delay, MAX_DELAY))
                handler.send(Send(json.dumps(self._wire.answer(act, request)).encode()))
            case Fail():
                handler.send(Send(json.dumps(self._wire.error(act)).encode(), act.status, headers=act.headers))
            case Send():
                handler.send(act)
            case Trickle():
                handler.send_without_end(act, self._closing)
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

    def send(self, answer: Send) -> None:
        length = {"Content-Length": str(len(answer.body) + answer.cut)}
        try:
            self._head(answer.status, answer.content_type, {**length, **answer.headers})
            self.wfile.write(answer.body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client gave up waiting, as some tests want

    def send_without_end(self, trickle: Trickle, closing: threading.Event) -> None:
        self.close_connection = True
        try:
            self._head(200, "application/json", {})
            while not closing.wait(trickle.pause):
                self.wfile.write(trickle.piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has had enough

    def _head(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: the requests are kept instead."""
