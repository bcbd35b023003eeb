"""Downloads from a server on this machine that breaks off, refuses, redirects and lies."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import download as module
from lemonade_es.trainer.data.download import BrokenOffError, download

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Server(ThreadingHTTPServer):
    """What is to go wrong, and what was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.tell_length = True
        self.breaks: list[int] = []
        self.status = 200
        self.asked: list[str | None] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", server.url)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if server.status != 200:
            self.send_response(server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if wanted and server.ranges and start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        rest = server.content[start:]
        self.send_response(206 if wanted and server.ranges else 200)
        if server.tell_length:
            self.send_header("Content-Length", str(len(rest)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(rest[: server.breaks.pop(0)] if server.breaks else rest)
        self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "file.part"


def test_a_file_comes_whole_and_its_progress_is_told(server, target, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_BYTES", 1 << 18)
    told = []
    download(server.url, target, md5=MD5, progress=lambda done, total: told.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert [total for _, total in told] == [len(CONTENT)] * len(told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == len(CONTENT)
    assert len(told) >= 4
    assert server.asked == [None]


def test_a_part_that_is_there_is_completed_and_not_fetched_again(server, target):
    target.write_bytes(CONTENT[:300_000])
    told = []
    download(server.url, target, md5=MD5, progress=lambda done, total: told.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-"]
    assert told[0][0] > 300_000
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_connection_that_breaks_off_is_taken_up_where_it_ended(server, target):
    server.breaks = [100_000, 50_000, 1]
    download(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_a_server_that_brings_nothing_is_given_up_and_the_part_stays(server, target):
    server.breaks = [100_000, *[0] * 20]
    with pytest.raises(BrokenOffError, match="broke off after 100,000 bytes"):
        download(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT[:100_000]
    assert len(server.asked) < 8
    server.breaks = []
    download(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_again(server, target):
    server.ranges = False
    target.write_bytes(CONTENT[:300_000])
    download(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_the_whole_file_is_only_checked(server, target):
    target.write_bytes(CONTENT)
    download(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, target):
    target.write_bytes(CONTENT + b"more")
    download(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_file_does_not_pass_the_checksum_and_is_thrown_away(server, target):
    target.write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match=f"and should have {MD5}"):
        download(server.url, target, md5=MD5)
    assert not target.exists()


def test_a_redirection_is_followed(server, target):
    download(server.url.replace("file.bin", "moved"), target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_without_a_length_the_total_is_not_known(server, target):
    server.tell_length = False
    told = []
    download(server.url, target, md5=MD5, progress=lambda done, total: told.append(total))
    assert target.read_bytes() == CONTENT
    assert set(told) == {None}


@pytest.mark.parametrize(("status", "says"), [(404, "404"), (403, "403"), (503, "503")])
def test_a_refusal_is_told_with_its_number(server, target, status, says):
    server.status = status
    with pytest.raises(OSError, match=f"the server answers {says}"):
        download(server.url, target, md5=MD5)


def test_nobody_at_the_other_end_is_told_at_once(server, target):
    server.server_close()
    with pytest.raises(OSError, match="no connection"):
        download(server.url, target, md5=None)


def test_what_has_no_published_checksum_is_taken_as_it_is(server, target):
    download(server.url, target, md5=None)
    assert target.read_bytes() == CONTENT
