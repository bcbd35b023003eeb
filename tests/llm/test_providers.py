"""What the client of every provider does, with its real SDK, against a server on the loopback."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lemonade_es.errors import ConfigError, ExecutorError
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import ModelExecutor
from lemonade_es.llm.faults import NoAnswerError
from lemonade_es.llm.prices import Price
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.testing import Act, Fail, ModelServer, Say, Trickle
from tests.llm.conftest import PATCH, REQUEST, Provider

KEY = "sk-canary-0123456789abcdef"


@pytest.fixture(autouse=True)
def key(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(provider.key, KEY)
    for other in (provider.url, "GOOGLE_API_KEY"):
        monkeypatch.delenv(other, raising=False)


@contextmanager
def served(provider: Provider, *script: Act, **options: Any) -> Iterator[tuple[ModelExecutor, ModelServer]]:
    with ModelServer(script, provider.wire()) as server:
        client = provider.client(base_url=server.url, **{"timeout": 5.0, **options})
        prices = {f"{provider.name}:m": Price(1.0, 2.0, 0.5)}
        yield ModelExecutor(client, prices, backoff=Backoff(tries=1)), server


def test_a_patch_comes_back_as_it_was_sent_with_tokens_and_cost(provider: Provider) -> None:
    say = Say(PATCH, input_tokens=1000, cached_tokens=200, output_tokens=300, reasoning_tokens=50)
    with served(provider, say) as (executor, _):
        reply = executor.ask(REQUEST)

    assert reply.text == PATCH
    assert (reply.executor, executor.foreign, executor.priced) == (f"{provider.name}:m", True, True)
    assert (reply.usage.input_tokens, reply.usage.cached_tokens) == (1000, 200)
    assert (reply.usage.output_tokens, reply.usage.reasoning_tokens) == (300, 50)
    assert reply.usage.cost_usd == pytest.approx((800 + 200 * 0.5 + 300 * 2) / 1e6)
    assert reply.seconds > 0
    assert (reply.notes, reply.finish) == ((), "complete")
    assert "digits" in (reply.prompt or "")
    assert read_reply(reply).patch.model_py == "import torch\n"


def test_a_server_that_counts_no_tokens_is_noted_and_costs_nothing_known(provider: Provider) -> None:
    with served(provider, Say(PATCH, input_tokens=None)) as (executor, _):
        reply = executor.ask(REQUEST)

    assert reply.usage.cost_usd is None
    assert reply.notes == ("the server did not count tokens",)


@pytest.mark.parametrize("status", [401, 429, 500, 503, 529])
def test_the_sdk_adds_no_tries_of_its_own(provider: Provider, status: int) -> None:
    acts = Fail(status), Fail(status), Say(PATCH)
    with served(provider, *acts) as (executor, server), pytest.raises(NoAnswerError):
        executor.ask(REQUEST)

    assert len(server.requests) == 1


@pytest.mark.parametrize("act", [Say(PATCH, delay=8.0), Trickle()])
def test_a_server_that_does_not_come_to_an_end_is_given_up(provider: Provider, act: Act) -> None:
    start = time.monotonic()
    with served(provider, act, timeout=0.4, seconds=0.8) as (executor, _), pytest.raises(NoAnswerError) as failure:
        executor.ask(REQUEST)

    assert failure.value.tries[0].code == "timeout"
    assert time.monotonic() - start < 5


def test_an_endless_answer_is_cut_off(provider: Provider) -> None:
    act = Trickle(b"x" * 500_000, 0.0)
    with served(provider, act) as (executor, _), pytest.raises(NoAnswerError, match="larger than") as failure:
        executor.ask(REQUEST)

    assert failure.value.tries[0].code == "protocol"


def test_a_missing_key_is_said_at_once_with_what_to_set(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(provider.key)

    with pytest.raises(ExecutorError, match=f"{provider.key}.* is not set") as failure:
        provider.client(timeout=1.0)

    assert f"export {provider.key}" in (failure.value.hint or "")


def test_a_key_with_a_stray_character_is_refused_without_being_shown(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(provider.key, KEY + "\u2013")

    with pytest.raises(ExecutorError, match="characters that no key has") as failure:
        provider.client(timeout=1.0)

    assert KEY not in str(failure.value)


def test_who_has_no_key_is_not_told_that_it_is_wrong(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(provider.key)
    with served(provider, Fail(401, "no api key")) as (executor, _), pytest.raises(ExecutorError) as failure:
        executor.ask(REQUEST)
    assert "the server wants a key (401), and none is set" in str(failure.value)
    assert failure.value.hint == f"export {provider.key}=..."

    with ModelServer([Fail(401, "who is it?")], provider.wire()) as server:
        asked = ModelExecutor(provider.client(base_url=server.url.replace("//", "//me:canary@"), timeout=5.0))
        with pytest.raises(ExecutorError, match="refused user, password or parameters") as failure:
            asked.ask(REQUEST)
    assert failure.value.hint == "check the base URL"


@pytest.mark.parametrize("url", ["localhost:8080", ""])
def test_a_base_url_without_a_scheme_is_refused_and_an_empty_one_is_not_the_providers_own(
    provider: Provider, url: str
) -> None:
    with pytest.raises(ConfigError, match="is no base URL"):
        provider.client(base_url=url, timeout=1.0)


def test_a_base_url_of_the_environment_that_is_none_is_told_with_its_variable(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(provider.url, "localhost:8080")

    with pytest.raises(ConfigError, match="is no base URL") as failure:
        provider.client(timeout=1.0)

    assert failure.value.where == provider.url


def test_a_missing_package_says_what_to_install(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in provider.modules:
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ExecutorError, match="is not installed") as failure:
        provider.client(timeout=1.0)

    assert f"pip install 'lemonade-es[{provider.name}" in (failure.value.hint or "")
