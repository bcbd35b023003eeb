"""What the environment makes of calls: proxies, certificates and headers that SDKs and HTTP libraries take from it."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lemonade_es.errors import ConfigError, ExecutorError
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import ChatClient, ModelExecutor
from lemonade_es.llm.faults import PERHAPS_PAID, NoAnswerError
from lemonade_es.llm.providers.anthropic import AnthropicClient
from lemonade_es.llm.providers.gemini import GeminiClient
from lemonade_es.llm.providers.openai import OpenAIClient
from lemonade_es.llm.providers.service import Service
from lemonade_es.llm.testing import AnthropicWire, Fail, GeminiWire, ModelServer, OpenAIWire
from tests.llm.conftest import REQUEST

PROVIDERS: dict[str, Callable[..., ChatClient]] = {
    "openai": OpenAIClient,
    "anthropic": AnthropicClient,
    "gemini": GeminiClient,
}
WIRES: dict[str, Any] = {"openai": OpenAIWire, "anthropic": AnthropicWire, "gemini": GeminiWire}
NOWHERE = "http://127.0.0.1:9"
NAMED = "the proxy in HTTP_PROXY, which the call goes through: NO_PROXY=127.0.0.1"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "sk-canary-0123456789abcdef")
    for name in (*PROXIES, *map(str.lower, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def service(url: str) -> Service:
    return Service.found("openai:m", keys=("K",), urls=(), base_url=url, home="", expected="a server", timeout=5.0)


def unanswered(provider: str, url: str, timeout: float = 5.0) -> NoAnswerError:
    executor = ModelExecutor(PROVIDERS[provider]("m", base_url=url, timeout=timeout), backoff=Backoff(tries=1))
    with pytest.raises(NoAnswerError) as failure:
        executor.ask(REQUEST)
    return failure.value


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("url", ["foo://127.0.0.1:9", "http://127.0.0.1:port", "http://u:hidden-word@[::1"])
def test_a_proxy_that_is_none_is_told_with_its_variable_and_without_its_password(
    provider: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", url)

    with pytest.raises(ExecutorError, match=r"^\w+:m: calls cannot be prepared: .*all_proxy") as failure:
        PROVIDERS[provider]("m", base_url=NOWHERE, timeout=5.0)

    assert "hidden-word" not in str(failure.value)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_socks_proxy_without_its_package_says_what_to_install(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "socksio", None)

    with pytest.raises(ExecutorError, match=r"SOCKS proxy.*\(pip install socksio, or check the base URL, ALL_PROXY"):
        PROVIDERS[provider]("m", base_url=NOWHERE, timeout=5.0)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_certificates_that_are_not_there_are_told_with_the_variable_that_names_them(
    provider: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    with pytest.raises(ExecutorError, match=r"calls cannot be prepared: .*SSL_CERT_FILE"):
        PROVIDERS[provider]("m", base_url=NOWHERE, timeout=5.0)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_proxy_that_does_not_answer_is_named_with_the_way_round_it(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer([Fail(401)], WIRES[provider]()) as server:
        monkeypatch.setenv("HTTP_PROXY", NOWHERE)
        assert NAMED in str(unanswered(provider, server.url))

        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert "refused the key" in str(unanswered(provider, server.url))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_is_left_out_of_the_proxy_by_its_port_is_told_without_it(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:7")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1:8")
    assert "the proxy in HTTP_PROXY" in str(unanswered(provider, NOWHERE))

    monkeypatch.setenv("NO_PROXY", "127.0.0.1:9")
    assert "proxy" not in str(unanswered(provider, NOWHERE))
    with ModelServer([Fail(401)], WIRES[provider]()) as server:
        monkeypatch.setenv("NO_PROXY", server.url.removeprefix("http://").partition("/")[0])
        assert "refused the key" in str(unanswered(provider, server.url))


def test_an_answer_that_may_be_a_proxys_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer([]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert NAMED in str(unanswered("openai", NOWHERE))
    for status in (403, 407, 503):
        assert NAMED in str(service(NOWHERE).failed(status, "Squid"))
    assert NAMED in str(service(NOWHERE).no_completion("<html>sign in</html>"))

    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    assert "proxy" not in str(service("https://127.0.0.1:9").failed(503, "busy"))
    monkeypatch.delenv("HTTP_PROXY")
    assert "proxy" not in str(service(NOWHERE).failed(503, "busy"))


def test_a_certificate_that_nobody_vouches_for_is_told_with_the_variable_that_names_who_does() -> None:
    said = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"
    there = service("https://127.0.0.1:9")

    assert "SSL_CERT_FILE" in str(there.unreachable(ConnectionError(said)))
    assert "SSL_CERT_FILE" not in str(there.unreachable(ConnectionError("refused")))


def test_without_a_proxy_none_is_named() -> None:
    assert "proxy" not in str(unanswered("openai", NOWHERE))


@pytest.mark.parametrize(
    ("provider", "variable", "value"),
    [
        ("openai", "OPENAI_ORG_ID", "hidden-wörd"),
        ("openai", "OPENAI_ORG_ID", "hidden-word\n"),
        ("anthropic", "ANTHROPIC_CUSTOM_HEADERS", "x-ö: hidden-word"),
    ],
)
def test_a_header_of_the_environment_that_is_none_is_told_without_what_it_holds(
    provider: str, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with ModelServer([Fail(500)], WIRES[provider]()) as server:
        failure = unanswered(provider, server.url)
        assert not server.requests

    assert str(failure) == (
        f"{provider}:m: the call cannot be sent: a header holds characters that none has "
        f"(check what begins with {provider.upper()}_ in the environment)"
    )
    assert [failed.code for failed in failure.tries] == ["denied"]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_key_in_a_header_of_the_environment_is_sent_and_not_told(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = "x-gateway-key: canary-0123\nX-Auth: Bearer canary-01234\nx-team: vision-group"
    monkeypatch.setenv(f"{provider.upper()}_CUSTOM_HEADERS", headers)

    with ModelServer(
        [Fail(400, "saw canary-0123 and Bearer canary-01234 of vision-group")], WIRES[provider]()
    ) as server:
        told = str(unanswered(provider, server.url))

    assert server.requests[0].headers["x-gateway-key"] == "canary-0123"
    assert "saw [key] and [key] of vision-group" in told


def test_a_token_that_older_sdks_send_beside_the_key_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "canary-token-0123")
    with ModelServer([Fail(400, "who is canary-token-0123?")], WIRES["anthropic"]()) as server:
        assert "who is [key]?" in str(unanswered("anthropic", server.url))


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", "\u2603.example"])
def test_a_host_that_has_no_name_is_refused_before_it_is_asked(provider: str, host: str) -> None:
    with pytest.raises((ConfigError, ExecutorError), match=r"is no base URL|check the base URL"):
        PROVIDERS[provider]("m", base_url=f"http://{host}/v1", timeout=5.0)


@contextmanager
def reset() -> Iterator[str]:
    """A server that takes a request, and breaks the connection instead of answering."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)  # what is left unread makes the system reset the connection, as does this option
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(5)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_connection_that_is_reset_after_the_request_may_have_been_paid(provider: str) -> None:
    with reset() as url:
        failure = unanswered(provider, url)

    (failed,) = failure.tries
    assert failed.code == "cut_off"
    assert failed.code in PERHAPS_PAID
    assert "closed the connection without an answer" in failed.message


@contextmanager
def deaf() -> Iterator[str]:
    """A server that takes no connection: its queue is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        for each in waiting:
            each.close()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_never_connected_was_not_paid(provider: str) -> None:
    with deaf() as url:
        failure = unanswered(provider, url, timeout=0.3)

    (failed,) = failure.tries
    assert failed.code == "connection"
    assert "check that the server runs" in str(failure)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_gateway_that_waited_too_long_for_its_server_may_have_been_charged(provider: str) -> None:
    with ModelServer([Fail(524)], WIRES[provider]()) as server:
        (failed,) = unanswered(provider, server.url).tries

    assert failed.code == "timeout"
