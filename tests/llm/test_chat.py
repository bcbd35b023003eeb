"""Tries, waits and what is told of them: a scripted client, and a clock that only sleeping moves."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from lemonade_es.errors import ExecutorError, ReplyError
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import Completion, ModelExecutor
from lemonade_es.llm.executor import Reply, Try
from lemonade_es.llm.faults import (
    INTERRUPTED,
    CallFaultError,
    CallInterrupted,
    NoAnswerError,
    asked_wait,
    passing,
)
from lemonade_es.llm.prompt import Prompt
from tests.llm.conftest import REQUEST

FAULT = CallFaultError("overloaded", "full", where="chat:m", hint="resume later")


def limited(seconds: float | None) -> CallFaultError:
    return CallFaultError("rate_limit", "slow down", retry_after=seconds)


@dataclass
class Clock:
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Client:
    """Answers with the acts in order; each call takes two seconds."""

    script: Sequence[Completion | BaseException]
    clock: Clock = field(default_factory=Clock)
    calls: int = 0
    name: str = "chat:m"

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None, seed: int = 0) -> Completion:
        act = self.script[self.calls]
        self.calls += 1
        self.clock.now += 2.0
        if isinstance(act, BaseException):
            raise act
        return act


def asked(*script: Completion | BaseException, chance: float = 1.0, **backoff: Any) -> tuple[Client, Reply]:
    client = Client(script)
    executor = ModelExecutor(
        client,
        {},
        backoff=Backoff(**backoff),
        clock=client.clock,
        sleep=client.clock.sleep,
        chance=lambda: chance,
    )
    return client, executor.ask(REQUEST)


def unanswered(*script: BaseException, **options: Any) -> NoAnswerError:
    with pytest.raises(NoAnswerError) as failure:
        asked(*script, **options)
    return failure.value


def test_a_first_answer_needs_no_tries() -> None:
    client, reply = asked(Completion("hi"))

    assert (reply.text, reply.tries, reply.seconds, client.clock.slept) == ("hi", (), 2.0, [])


def test_an_answer_tells_of_the_tries_before_it_and_how_long_all_of_it_took() -> None:
    client, reply = asked(FAULT, CallFaultError("timeout", "silence"), Completion("hi"))

    assert reply.tries == (Try("overloaded", "full", 2.0, 1.0), Try("timeout", "silence", 2.0, 2.0))
    assert reply.seconds == 3 * 2.0 + 1.0 + 2.0
    assert client.calls == 3


def test_a_wait_is_told_of_before_it_begins() -> None:
    client = Client([FAULT, CallFaultError("rate_limit", "slower", retry_after=20.0), Completion("hi")])
    executor = ModelExecutor(client, {}, clock=client.clock, sleep=client.clock.sleep, chance=lambda: 0.0)
    told: list[tuple[str, float, list[float]]] = []
    executor.tell_of_waits(lambda failed: told.append((failed.message, failed.waited, list(client.clock.slept))))
    executor.ask(REQUEST)

    assert told == [("full", 0.5, []), ("slower", 20.0, [0.5])]


def test_waits_double_up_to_the_longest_and_jitter_takes_at_most_half() -> None:
    longest = Backoff(tries=10, budget=1e9)
    waits = [longest.wait(failed, None, 1.0, 0.0) for failed in range(1, 10)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert [longest.wait(failed, None, 0.0, 0.0) for failed in (1, 5, 9)] == [0.5, 8.0, 30.0]


def test_clients_that_failed_together_return_apart() -> None:
    one, other = random.Random(1), random.Random(2)
    waits = [(Backoff().wait(1, 10.0, one.random(), 0.0), Backoff().wait(1, 10.0, other.random(), 0.0)) for _ in "abc"]

    assert all(mine != theirs for mine, theirs in waits)


@pytest.mark.parametrize(("retry_after", "waited"), [(0.0, 0.5), (7.0, 7.0), (120.0, 120.0), (4000.0, 120.0)])
def test_what_the_server_asks_for_is_waited_but_two_minutes_at_most(retry_after: float, waited: float) -> None:
    client, _ = asked(limited(retry_after), Completion("hi"), chance=0.0)

    assert client.clock.slept == [waited]


def test_after_the_last_try_the_error_holds_them_all_and_nothing_is_slept() -> None:
    error = unanswered(*[FAULT] * 5)

    assert [(each.code, each.waited) for each in error.tries] == [
        ("overloaded", 1.0),
        ("overloaded", 2.0),
        ("overloaded", 4.0),
        ("overloaded", 8.0),
        ("overloaded", 0.0),
    ]
    assert str(error) == "chat:m: full; 5 tries (resume later)"


def test_a_server_that_has_answered_once_is_tried_again_for_minutes() -> None:
    client = Client([Completion("hi"), *[FAULT] * 9, Completion("again")])
    executor = ModelExecutor(client, {}, clock=client.clock, sleep=client.clock.sleep, chance=lambda: 1.0)
    executor.ask(REQUEST)
    reply = executor.ask(REQUEST)

    assert (reply.text, len(reply.tries)) == ("again", 9)
    assert sum(client.clock.slept) == 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60


def test_a_server_that_loads_its_model_is_waited_for_though_it_has_never_answered() -> None:
    loading = CallFaultError("overloaded", "HTTP status 503 (Loading model)")
    client, reply = asked(*[loading] * 9, Completion("ready"))

    assert (reply.text, len(client.clock.slept)) == ("ready", 9)


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    error = unanswered(*[limited(100.0)] * 5, budget=250.0, chance=0.0)

    assert [each.waited for each in error.tries] == [100.0, 100.0, 0.0]


def test_what_no_try_can_mend_is_not_tried_again() -> None:
    error = unanswered(FAULT, ExecutorError("wrong key", where="chat:m", hint="check it"), FAULT)

    assert [each.code for each in error.tries] == ["overloaded", "denied"]
    assert str(error) == "chat:m: wrong key; 2 tries (check it)"


def test_an_answer_of_no_use_stays_one() -> None:
    with pytest.raises(ReplyError) as refusal:
        asked(ReplyError("REFUSED", "no"))

    assert refusal.value.code == "REFUSED"


def test_an_interruption_ends_the_tries_at_once() -> None:
    client = Client([FAULT, KeyboardInterrupt(), Completion("hi")])
    executor = ModelExecutor(client, {}, clock=client.clock, sleep=client.clock.sleep)
    with pytest.raises(CallInterrupted) as stop:
        executor.ask(REQUEST)

    assert client.calls == 2
    assert [item.code for item in stop.value.tries] == ["overloaded", INTERRUPTED]
    assert stop.value.tries[1].seconds == 2.0


def test_an_interruption_of_a_wait_ends_it_at_once() -> None:
    def interrupted(seconds: float) -> None:
        client.clock.now += 0.25
        raise KeyboardInterrupt

    client = Client([FAULT, Completion("hi")])
    with pytest.raises(CallInterrupted) as stop:
        ModelExecutor(client, {}, clock=client.clock, sleep=interrupted).ask(REQUEST)

    assert client.calls == 1
    (failed,) = stop.value.tries
    assert (failed.code, failed.waited) == ("overloaded", 0.25)


def test_nothing_that_cannot_be_stored_leaves_the_executor() -> None:
    half = "half \ud83d of a pair"
    _, reply = asked(CallFaultError("protocol", half), Completion(half))
    error = unanswered(ExecutorError(half))

    assert json.dumps([reply.text, reply.tries[0].message, str(error)], ensure_ascii=False).encode()
    assert reply.text == "half ? of a pair"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, None),
        (401, None),
        (404, None),
        (408, "timeout"),
        (409, "server_error"),
        (429, "rate_limit"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "overloaded"),
        (504, "timeout"),
        (529, "overloaded"),
    ],
)
def test_a_status_says_whether_it_may_pass(status: int, code: str | None) -> None:
    assert passing(status) == passing(status, {"x-should-retry": "true"}) == code
    assert passing(status, {"x-should-retry": "false"}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "12250", "retry-after": "12"}, 12.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "0", "retry-after": "9"}, 9.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 99999999999999 00:00:00 GMT"}, None),
    ],
)
def test_a_server_may_ask_to_wait_in_many_ways(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers) == seconds


def test_a_server_may_ask_to_wait_until_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    assert asked_wait({"retry-after": soon}) == pytest.approx(60, abs=3)
