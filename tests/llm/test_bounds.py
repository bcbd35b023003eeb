"""Servers that are broken or hostile at the level of HTTP: the real SDK, and bytes on a socket."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

import pytest

from lemonade_es.errors import ExecutorError
from lemonade_es.llm.faults import CallFaultError
from lemonade_es.llm.prompt import Message, Prompt
from lemonade_es.llm.providers.bounds import MAX_BYTES
from lemonade_es.llm.providers.openai import OpenAIClient

KEY = "sk-canary-0123456789abcdef"
PROMPT = Prompt("system", (Message("user", "a prompt"),))
SAID = "a patch"
BODY = json.dumps({"choices": [{"message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}]}).encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SECONDS = 0.6
PLENTY = 10 * SECONDS
"""For calls that end for another reason than their time, on a busy machine as well."""


class RawServer:
    """Answers each request on a loopback port with given bytes, piece by piece, whatever they are."""

    def __init__(self, pieces: Callable[[], Iterable[bytes]]) -> None:
        self.got: list[bytes] = []
        self.sent = 0
        self._pieces = pieces
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while not self._closing.is_set():
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        # To its end: what is not read when the connection is closed resets it.
        request = b""
        while not request.endswith(b"}") and (more := connection.recv(1 << 16)):
            request += more
        self.got.append(request)
        for piece in self._pieces():
            if self._closing.is_set():
                return
            connection.sendall(piece)
            self.sent += len(piece)


def trickled(start: bytes, piece: bytes = b" ") -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield start
        while True:
            time.sleep(0.05)
            yield piece

    return pieces


def sized(body: bytes, *headers: bytes, announced: int | None = None) -> Callable[[], Iterator[bytes]]:
    length = len(body) if announced is None else announced
    head = OK + b"".join(header + b"\r\n" for header in headers) + b"Content-Length: %d\r\n\r\n" % length
    return lambda: iter([head + body])


@contextmanager
def served(
    monkeypatch: pytest.MonkeyPatch,
    pieces: Callable[[], Iterable[bytes]],
    *,
    timeout: float = 5.0,
    seconds: float = PLENTY,
) -> Iterator[tuple[OpenAIClient, RawServer]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with RawServer(pieces) as server:
        yield OpenAIClient("m", base_url=server.url, timeout=timeout, seconds=seconds), server


def bomb(size: int) -> bytes:
    return gzip.compress(b" " * size)


def byte_by_byte(content: bytes, encoding: bytes) -> Callable[[], Iterable[bytes]]:
    head = OK + b"Transfer-Encoding: chunked\r\nContent-Encoding: " + encoding + b"\r\n\r\n"
    return lambda: [head, *(b"1\r\n%c\r\n" % each for each in content), b"0\r\n\r\n"]


@pytest.mark.parametrize(
    "pieces",
    [
        trickled(OK + b"\r\n"),
        trickled(OK + b"\r\n" + BODY),
        trickled(OK + b"Content-Length: 9999999\r\n\r\n"),
        trickled(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        trickled(OK, b"X-More: 1\r\n"),
        trickled(b"HTTP/1.1 200 OK", b"!"),
        trickled(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        trickled(b"HTTP/1.1 500 Oh\r\n\r\n"),
        trickled(b"HTTP/1.1 401 Who\r\n\r\n"),
        trickled(b"", b""),
    ],
    ids=[
        "whitespace",
        "whitespace after the answer",
        "short of its length",
        "chunks",
        "headers",
        "the status line",
        "interim answers",
        "an error",
        "a refusal of the key",
        "silence",
    ],
)
def test_an_answer_that_never_ends_is_ended(
    monkeypatch: pytest.MonkeyPatch, pieces: Callable[[], Iterable[bytes]]
) -> None:
    with served(monkeypatch, pieces, seconds=SECONDS) as (client, _):
        start = time.monotonic()
        with pytest.raises(CallFaultError) as fault:
            client.complete(PROMPT, None)

        assert time.monotonic() - start < SECONDS + 2
    assert fault.value.code == "timeout"
    assert "had not ended after 0.6 s" in str(fault.value)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (lambda: itertools.chain([OK + b"\r\n"], itertools.repeat(b" " * 65536)), "larger than"),
        (lambda: itertools.chain([b"HTTP/1.1 500 Oh\r\n\r\n"], itertools.repeat(b" " * 65536)), "larger than"),
        (sized(b" " * (MAX_BYTES + 1)), "larger than"),
        (sized(bomb(200 << 20), b"Content-Encoding: gzip"), "larger than"),
        (sized(zlib.compress(b" " * (200 << 20)), b"Content-Encoding: deflate"), "larger than"),
        (sized(bomb(3 << 20) * 2, b"Content-Encoding: gzip"), "larger than"),
        (sized(gzip.compress(b"") * 300_000, b"Content-Encoding: gzip"), "larger than"),
        (sized(BODY, b"Content-Encoding: gzip"), "is not gzip"),
        (sized(BODY, b"Content-Encoding: br"), "not asked for (br)"),
        (sized(BODY, b"Content-Encoding: gzip, gzip"), "not asked for (gzip, gzip)"),
    ],
    ids=[
        "endless",
        "an endless error",
        "long",
        "gzip bomb",
        "deflate bomb",
        "two bombs",
        "members without end",
        "no gzip",
        "brotli",
        "gzip twice",
    ],
)
def test_an_answer_beyond_all_measure_is_ended(
    monkeypatch: pytest.MonkeyPatch, pieces: Callable[[], Iterable[bytes]], words: str
) -> None:
    with served(monkeypatch, pieces) as (client, server), pytest.raises(CallFaultError) as fault:
        client.complete(PROMPT, None)

    assert fault.value.code == "protocol"
    assert words in str(fault.value)
    assert server.sent < 40 << 20


@pytest.mark.parametrize(
    "pieces",
    [
        sized(BODY),
        sized(gzip.compress(BODY), b"Content-Encoding: gzip"),
        sized(zlib.compress(BODY), b"Content-Encoding: deflate"),
        sized(zlib.compress(BODY, wbits=-15), b"Content-Encoding: deflate"),
        sized(gzip.compress(BODY[:20]) + gzip.compress(b"") + gzip.compress(BODY[20:]), b"Content-Encoding: gzip"),
        sized(gzip.compress(BODY) + b"\0" * 512, b"Content-Encoding: gzip"),
        byte_by_byte(gzip.compress(BODY[:20]) + gzip.compress(BODY[20:]), b"gzip"),
        byte_by_byte(zlib.compress(BODY, wbits=-15), b"deflate"),
        lambda: iter([OK + b"\r\n" + BODY]),
        lambda: iter([OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)]),
        sized(BODY + b" " * 1_000_000),
        sized(BODY, b"Content-Encoding: UTF-8"),
    ],
    ids=[
        "plain",
        "gzip",
        "deflate",
        "bare deflate",
        "gzip in members",
        "gzip with padding",
        "gzip in members, byte by byte",
        "bare deflate, byte by byte",
        "of no length",
        "in chunks",
        "with a million spaces",
        "with a character set for an encoding",
    ],
)
def test_an_answer_within_the_bounds_is_read(
    monkeypatch: pytest.MonkeyPatch, pieces: Callable[[], Iterable[bytes]]
) -> None:
    with served(monkeypatch, pieces) as (client, server):
        said = [client.complete(PROMPT, None).text for _ in range(2)]

    assert said == [SAID, SAID]
    assert all(b"ccept-encoding: identity" in request.lower() for request in server.got)


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        (sized(BODY, announced=len(BODY) + 5), "cut_off"),
        (sized(BODY, announced=len(BODY) - 5), "cut_off"),
        (sized(BODY, announced=0), "protocol"),
        (lambda: iter([OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY]), "cut_off"),
        (lambda: iter([OK + b"Content-Length: -1\r\n\r\n" + BODY]), "protocol"),
        (lambda: iter([b"SSH-2.0-OpenSSH_9.6\r\n"]), "cut_off"),
        (lambda: iter([b""]), "cut_off"),
        (lambda: iter([OK + b"X: " + b"y" * 200_000 + b"\r\n\r\n"]), "protocol"),
    ],
    ids=["too few bytes", "too many", "none", "a broken chunk", "a negative length", "SSH", "closed", "a long header"],
)
def test_bytes_that_are_no_answer_are_a_fault_that_may_pass(
    monkeypatch: pytest.MonkeyPatch, pieces: Callable[[], Iterable[bytes]], code: str
) -> None:
    with served(monkeypatch, pieces) as (client, _), pytest.raises(CallFaultError) as fault:
        client.complete(PROMPT, None)

    assert fault.value.code == code
    assert KEY not in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_neither_key_nor_prompt_elsewhere(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with RawServer(sized(BODY)) as elsewhere:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}/chat/completions\r\nContent-Length: 0\r\n\r\n"
        with served(monkeypatch, lambda: iter([head.encode()])) as (client, server):
            with pytest.raises(ExecutorError, match=f"redirects to {elsewhere.url}") as error:
                client.complete(PROMPT, None)
            assert KEY.encode() in server.got[0]

    assert not isinstance(error.value, CallFaultError)
    assert elsewhere.got == []


def test_calls_that_ended_in_time_leave_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(monkeypatch, sized(BODY)) as (client, _):
        before = threading.active_count()
        for _ in range(5):
            client.complete(PROMPT, None)

        until = time.monotonic() + 5  # a timer that was cancelled may not have noticed yet
        while threading.active_count() > before and time.monotonic() < until:
            time.sleep(0.01)
        assert threading.active_count() <= before


def test_an_interruption_goes_through_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import _thread  # noqa: PLC0415

    with served(monkeypatch, trickled(OK + b"\r\n")) as (client, _):
        start = time.monotonic()
        threading.Timer(0.2, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            client.complete(PROMPT, None)

        assert time.monotonic() - start < SECONDS
