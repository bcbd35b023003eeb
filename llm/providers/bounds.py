"""Bounds on one HTTP call: an answer that trickles for ever, swells without end or leads elsewhere is ended."""

from __future__ import annotations

import socket
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from lemonade_es.llm.address import Address
from lemonade_es.llm.faults import CallFaultError, FaultCode

MAX_BYTES = 4 * 1024 * 1024
"""Of an answer, after decompression: more than any patch, with reasoning, log-probabilities and what else is sent."""

MAX_SECONDS = 600.0
"""For a whole call, unless the user waits longer for a single step of it."""

_GZIP, _ZLIB_OR_GZIP, _RAW = 31, 47, -15
_WINDOWS: Mapping[str, int] = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB_OR_GZIP}
_PLAIN = frozenset({"", "identity", "none", "utf-8", "utf8", "iso-8859-1", "us-ascii", "binary"})
"""What stands for no compression: some gateways name a character set there, which other clients pass over."""

_MAGIC = b"\x1f\x8b"
"""What a member of gzip begins with."""


class Bounds:
    """Keeps the calls of an SDK's HTTP client within bounds of time and size; one call at a time.

    The client must be made with :attr:`client_options`, and each call inside of :meth:`call`.

    Args:
        client: the SDK's class for HTTP clients: that of ``httpx`` or a like library, or one below it.
        where: whose calls they are, for errors.
        seconds: for a whole call, from connecting to the last byte.
        address: of the server, whose credentials go along with each call; unknown to the SDK, they are in none of
            its errors and logs.
        max_bytes: of an answer.
    """

    def __init__(
        self,
        client: type,
        *,
        where: str,
        seconds: float,
        address: Address | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        base = next(base for base in client.__mro__ if base.__name__ == "Client")
        self._httpx: Any = sys.modules[base.__module__.partition(".")[0]]
        self._where = where
        self._seconds = seconds
        self._address = address
        self._max_bytes = max_bytes
        self._watch: _Watch | None = None
        self.status: int | None = None
        """Of the last answer that came."""

    @property
    def client_options(self) -> dict[str, Any]:
        """Arguments for the HTTP client.

        Redirects are not followed: a prompt and a key go nowhere but where they were sent. No connection is kept:
        between two calls a network is trained, and the server will have closed it.
        """
        return {
            "event_hooks": {"request": [self._begin], "response": [self._bound]},
            "follow_redirects": False,
            "headers": {"Accept-Encoding": "identity"},
            "limits": self._httpx.Limits(max_keepalive_connections=0),
        }

    @contextmanager
    def call(self) -> Iterator[None]:
        """Keep the calls made inside within the bounds.

        Raises:
            CallFaultError: one of them was ended because it was not.
        """
        watch = self._watch = _Watch(self._where)
        self.status = None
        timer = threading.Timer(
            self._seconds, watch.end, ("timeout", f"the answer had not ended after {self._seconds:g} s")
        )
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception:
            if watch.fault is not None:  # what the SDK made of it
                raise watch.fault from None
            raise
        finally:
            timer.cancel()
            self._watch = None

    def _begin(self, request: Any) -> None:
        if self._address is not None:
            request.headers.update(self._address.headers)
            if self._address.query:  # not into the URL: the HTTP library logs that
                request.extensions["target"] = self._address.target(request.url.raw_path.decode()).encode()
        if self._watch is not None:
            request.extensions["trace"] = self._watch.see

    def _bound(self, response: Any) -> None:
        watch = self._watch
        self.status = response.status_code
        if watch is None:
            return
        # SDKs read the words of an error as their header says, and fall over those that are none in that encoding
        response.encoding = "utf-8"
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in _WINDOWS and encoding not in _PLAIN:
            raise watch.end("protocol", f"the answer comes in an encoding that was not asked for ({encoding[:20]})")
        # The HTTP library would decompress without a bound.
        response.headers.pop("content-encoding", None)
        inner = response.stream
        pieces = self._pieces(inner, encoding, watch)
        stream_type = self._httpx.SyncByteStream
        members = {"__iter__": lambda _: pieces, "close": lambda _: inner.close()}
        response.stream = type("Bounded", (stream_type,), members)()

    def _pieces(self, stream: Iterable[bytes], encoding: str, watch: _Watch) -> Iterator[bytes]:
        size = received = 0
        inflate = _Inflation(_WINDOWS[encoding]).more if encoding in _WINDOWS else None
        for chunk in stream:
            received += len(chunk)
            try:
                plain = chunk if inflate is None else inflate(chunk, self._max_bytes + 1)
            except zlib.error:
                raise watch.end("protocol", f"the answer is not {encoding}, as it says it is") from None
            size += len(plain)
            if max(size, received) > self._max_bytes:
                raise watch.end("protocol", f"the answer is larger than {self._max_bytes} bytes")
            yield plain
        if watch.fault is not None:  # an answer of no announced length just ends when it is cut
            raise watch.fault


class _Inflation:
    """Decompresses an answer that comes in pieces, of one member or of several.

    Args:
        window: of :mod:`zlib`; what is to be zlib's own format may be bare, as some servers take the name.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._begin = b""
        self._stream: Any = None

    def more(self, chunk: bytes, most: int) -> bytes:
        """What a piece comes to, ``most`` bytes of it at most; what is no further member behind one is passed over.

        Raises:
            zlib.error: it is not compressed so.
        """
        plain = b""
        while chunk and len(plain) < most:
            if self._stream is None:
                self._begin += chunk
                if len(self._begin) < len(_MAGIC):
                    break
                chunk, self._begin = self._begin, b""
                self._stream = zlib.decompressobj(self._fitting(chunk))
            plain += self._stream.decompress(chunk, most - len(plain))
            chunk = self._stream.unused_data
            if self._stream.eof and chunk.startswith(_MAGIC[: len(chunk)]):
                self._stream = None
            else:
                break
        return plain

    def _fitting(self, begin: bytes) -> int:
        wrapped = begin.startswith(_MAGIC) or (begin[0] & 15 == 8 and int.from_bytes(begin[:2]) % 31 == 0)
        return _RAW if self._window == _ZLIB_OR_GZIP and not wrapped else self._window


class _Watch:
    """Ends one call from outside, also while it waits for a byte."""

    def __init__(self, where: str) -> None:
        self.fault: CallFaultError | None = None
        self._where = where
        self._stream: Any = None

    def see(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of the connection."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]
            if self.fault is not None:
                self._cut()

    def end(self, code: FaultCode, message: str) -> CallFaultError:
        """Cut the connection; the first fault stands."""
        if self.fault is None:
            self.fault = CallFaultError(
                code, message, where=self._where, hint="see what answers at the base URL, or resume"
            )
        self._cut()
        return self.fault

    def _cut(self) -> None:
        connection = self._stream and self._stream.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
