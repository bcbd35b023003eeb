"""Keys, and credentials in base URLs: they go where they belong, and appear in nothing that is kept, told or logged."""

from __future__ import annotations

import base64
import json
import logging
import re
import time
import traceback
from typing import Any
from urllib.parse import quote

import pytest

from lemonade_es.errors import ConfigError, LemonadeError
from lemonade_es.llm import registry
from lemonade_es.llm.address import Address, shown
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import ModelExecutor
from lemonade_es.llm.providers.openai import OpenAIClient
from lemonade_es.llm.providers.secret import without_parts
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.testing import Act, Drop, Fail, ModelServer, Say, Send
from tests.llm.conftest import REQUEST, Provider

KEY = "sk-canary-of-the-environment-41"
USER, PASSWORD, TOKEN = "canary-user", "canary/pass:word", "canary-token-77"
CREDENTIALS = f"{USER}:canary%2Fpass:word"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
CANARIES = (KEY, PASSWORD, "canary%2Fpass", TOKEN, BASIC)
PROXY = "canary-of-the-proxy"
ECHO = f"saw {KEY} and {CREDENTIALS} and {PASSWORD} and ?key={TOKEN} and Basic {BASIC} and {PROXY}"

ACTS: dict[str, Act] = {
    "wrong key": Fail(401, ECHO),
    "forbidden": Fail(403, ECHO),
    "unknown model": Fail(404, ECHO),
    "bad request": Fail(400, ECHO),
    "too long": Fail(400, f"prompt is too long, context_length_exceeded, {ECHO}"),
    "slow down": Fail(429, ECHO),
    "failing": Fail(500, ECHO),
    "redirect": Fail(307, ECHO, headers={"Location": f"http://{CREDENTIALS}@127.0.0.1:9/?key={TOKEN}"}),
    "a page": Send(ECHO.encode(), content_type="text/html"),
    "cut": Send(ECHO.encode(), cut=100),
    "dropped": Drop(),
    "an answer": Say(ECHO),
    "a refusal": Say(ECHO, refusal=ECHO),
    "an end of its own": Say(None, finish=f"BECAUSE_{KEY}"),
    "a patch": Say("{}"),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:{PROXY}@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def with_credentials(url: str) -> str:
    return f"{url.replace('http://', f'http://{CREDENTIALS}@')}?key={TOKEN}&api-version=1"


def test_credentials_in_the_base_url_go_along_with_the_call(provider: Provider) -> None:
    with ModelServer([Say("{}")], Anywhere(provider.wire())) as server:
        client = provider.client(base_url=with_credentials(server.url), timeout=5.0)
        ModelExecutor(client, backoff=Backoff(tries=1)).ask(REQUEST)

    (got,) = server.requests
    assert got.headers["authorization"] == f"Basic {BASIC}"
    path, _, query = got.path.partition("?")
    assert provider.wire().has(path)
    assert {f"key={TOKEN}", "api-version=1"} <= set(query.split("&"))


class Anywhere:
    """A wire that takes paths with any query."""

    def __init__(self, wire: Any) -> None:
        self._wire = wire
        self.base, self.answer, self.error = wire.base, wire.answer, wire.error

    def has(self, path: str) -> bool:
        return bool(self._wire.has(path.partition("?")[0]))


def test_a_secret_that_is_escaped_as_in_json_is_found(provider: Provider) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in KEY)
    deeper = json.dumps(json.dumps({"key": "#"}).replace("#", escaped))  # the backslashes are escaped once more
    text = json.dumps({"summary": "#", "inner": "@"}).replace("#", escaped).replace('"@"', deeper)
    with ModelServer([Say(text)], provider.wire()) as server:
        reply = ModelExecutor(provider.client(base_url=server.url, timeout=5.0), backoff=Backoff(tries=1)).ask(REQUEST)

    found = json.loads(reply.text)
    assert (found["summary"], json.loads(found["inner"])) == ("[key]", {"key": "[key]"})


def test_a_secret_that_is_escaped_as_in_urls_is_found(provider: Provider) -> None:
    once = "".join(f"%{ord(character):02x}" for character in KEY)
    text = json.dumps({"once": once, "mixed": KEY[:3] + once[9:].upper(), "twice": once.replace("%", "%25")})
    with ModelServer([Say(text)], provider.wire()) as server:
        reply = ModelExecutor(provider.client(base_url=server.url, timeout=5.0), backoff=Backoff(tries=1)).ask(REQUEST)

    assert json.loads(reply.text) == dict.fromkeys(("once", "mixed", "twice"), "[key]")


@pytest.mark.parametrize(
    "written",
    [
        KEY.encode("utf-16").decode("utf-8", "replace"),
        "\u200b".join(KEY),
        "".join(f"&#{ord(character)};" for character in KEY),
        "".join(f"&#x{ord(character):X};" for character in KEY),
        "".join(f"\\x{ord(character):02x}" for character in KEY),
        base64.b64encode(KEY.encode()).decode(),
        *(base64.b64encode(f"{before}{KEY}:".encode()).decode() for before in ("Bearer ", "a:", ":")),
        KEY.encode().hex(),
    ],
    ids=[
        "UTF-16",
        "zero-width",
        "HTML",
        "HTML, hexadecimal",
        "Python",
        "base64",
        "base64 1",
        "base64 2",
        "base64 3",
        "hexadecimal",
    ],
)
def test_a_secret_that_is_written_otherwise_is_found(provider: Provider, written: str) -> None:
    with ModelServer([Fail(400, f"bad key <{written}>")], provider.wire()) as server:
        executor = ModelExecutor(provider.client(base_url=server.url, timeout=5.0), backoff=Backoff(tries=1))
        with pytest.raises(LemonadeError) as caught:
            executor.ask(REQUEST)

    said = str(caught.value)
    assert written not in said
    assert KEY not in re.sub(r"[^ -~]| ", "", said)
    assert "[key]" in said or "refused the key" in said


LONG = "sk-proj-SECRETSECRET1234567890abcdef"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no key sk-proj-SECRETSECRET1234...", "no key [key]"),
        ("no key sk-proj-SECRETSECRET1234, sorry", "no key [key], sorry"),
        ("no key sk-proj-SECRET", "no key [key]"),
        ("it ends in 67890abcdef", "it ends in [key]"),
        ("no key sk-...cdef.", "no key [key]."),
        ("no key sk-...ef", "no key [key]"),
        ("no key sk-proj-********************cdef", "no key [key]"),
        ("no key sk-proj-SE**********************", "no key [key]"),
        ("no key ****************bcdef", "no key [key]"),
        ("no key sk-p…cdef", "no key [key]"),
        ("no key sk-proj-SECRETSECRET***1234567890abcdef", "no key [key]"),
        ("keys begin with sk- or sk-proj-, as sk-proj-...", "keys begin with sk- or sk-proj-, as sk-proj-..."),
        ("def f(*args, **kwargs): ... # SECRET, abcdef", "def f(*args, **kwargs): ... # SECRET, abcdef"),
    ],
)
def test_a_part_of_a_key_is_found(monkeypatch: pytest.MonkeyPatch, said: str, told: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", LONG)
    client = OpenAIClient("m", base_url="http://127.0.0.1:1", timeout=1.0)
    assert client._service.one_line(said) == told
    assert client._service.scrubbed(said) == said  # in source they could be words


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("token-abc123", "loss = token**2"),
        ("sk-no-key-required", "required_channels = 64; Conv(in=required)"),
        ("abcdefgh", "abcdef and cdefgh"),
    ],
)
def test_no_part_of_a_short_key_is_looked_for(monkeypatch: pytest.MonkeyPatch, key: str, said: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    client = OpenAIClient("m", base_url="http://127.0.0.1:1", timeout=1.0)
    assert client._service.one_line(said) == said


@pytest.mark.parametrize("letter", ".x*•…")
def test_a_long_row_of_what_masks_keys_is_looked_through_at_once(letter: str) -> None:
    begun = time.monotonic()
    assert without_parts(letter * 300_000, LONG) == letter * 300_000
    assert time.monotonic() - begun < 10  # tried anew at each letter it would take minutes


def test_a_password_of_other_letters_is_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:{quote('ö' * 12 + '!')}@127.0.0.1:9")
    client = OpenAIClient("m", base_url="http://127.0.0.1:1", timeout=1.0)
    began = time.monotonic()
    assert client._service.scrubbed("ö" * 200) == "ö" * 200
    assert client._service.scrubbed("ö" * 12 + "!") == "[key]"
    assert time.monotonic() - began < 5  # with a choice at each letter it takes minutes


def test_a_long_row_of_backslashes_is_looked_through_at_once(provider: Provider) -> None:
    row = "\\" * 500_000  # compared from each of them to the end, it would take hours
    with ModelServer([Say(row)], provider.wire()) as server:
        reply = ModelExecutor(provider.client(base_url=server.url, timeout=5.0), backoff=Backoff(tries=1)).ask(REQUEST)

    assert reply.text == row


@pytest.mark.parametrize("what", ACTS)
def test_no_secret_is_in_an_error_a_reply_a_repr_or_a_log(
    provider: Provider, what: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    with ModelServer([ACTS[what]] * 2, Anywhere(provider.wire())) as server:
        client = provider.client(base_url=with_credentials(server.url), timeout=5.0)
        executor = ModelExecutor(client, backoff=Backoff(tries=2, base=0.01))
        told += [repr(executor), executor.name, executor.text(REQUEST)]
        try:
            reply = executor.ask(REQUEST)
            told.append(repr(reply))
            read_reply(reply)
        except LemonadeError as error:
            told += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
        assert server.requests
    assert caplog.records
    told += [*capfd.readouterr(), *(record.getMessage() for record in caplog.records), *map(repr, caplog.records)]
    leaks = [(canary, text) for text in told for canary in (*CANARIES, PROXY) if canary in text]
    assert not leaks


@pytest.mark.parametrize("variable", [True, False])
def test_a_base_url_that_is_none_is_refused_without_its_credentials(
    provider: Provider, variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (f"{CREDENTIALS}@host/v1", f"ftp://{CREDENTIALS}@host/?key={TOKEN}", f"http://u:{PASSWORD}@h/v1"):
        if variable:
            monkeypatch.setenv(provider.url, url)
        with pytest.raises(ConfigError, match="is no base URL") as failure:
            registry.executor(f"{provider.name}:m", base_url=None if variable else url)
        assert not [canary for canary in CANARIES if canary in str(failure.value)]


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        ("https://me:secret@host:8/v1/", "https://***@host:8/v1/"),
        ("https://token@host/v1?a=1&b=", "https://***@host/v1?a=***&b=***"),
        ("https://host/v1#fragment", "https://host/v1"),
        ("http://[::1]:8/v1", "http://[::1]:8/v1"),
        ("me:secret@host/v1", "***@host/v1"),
        ("http://me:p@ss@host/v1", "http://***@host/v1"),
        ("http://me:a/b@host/v1", "http://***@host/v1"),
        ("no url?key=secret", "no url"),
    ],
)
def test_what_is_shown_of_a_base_url_holds_no_credentials(url: str, public: str) -> None:
    assert shown(url) == public
    assert shown(public) == public


def test_the_parts_of_an_address_are_told_apart() -> None:
    address = Address.of("https://me:a%20b@host:8/v1/?key=x+y", "http://example/v1")

    assert address.url == "https://host:8/v1"
    assert address.headers == {"Authorization": "Basic " + base64.b64encode(b"me:a b").decode()}
    assert address.target("/v1/chat?beta=true") == "/v1/chat?beta=true&key=x%20y"
    assert {"a b", "a%20b", "x y", "x%20y"} <= set(address.secrets)
    assert "a%20b" not in repr(address)
    assert json.dumps(address.secrets)


def test_an_address_whose_credentials_were_not_kept_asks_for_them() -> None:
    with pytest.raises(ConfigError, match="were not kept") as failure:
        Address.of("https://***@host/v1?key=***", "http://example/v1")

    assert failure.value.hint == "give --llm-base-url with them"
