"""Long searches through the real SDK against a server that is out of order, and processes that are stopped."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from lemonade_es.engine.history.events import Accepted, IterationEnded, Measured, Refused, Replied, Unanswered
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import ModelExecutor
from lemonade_es.llm.faults import NoAnswerError
from lemonade_es.llm.prices import Price
from lemonade_es.llm.providers.openai import OpenAIClient
from lemonade_es.llm.testing import Drop, Fail, ModelServer, Say, Send
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.trainer.measurement import CheckReport

pytestmark = pytest.mark.slow

SEED = 20_261
SHARE = 0.3
KEY = "sk-canary-of-the-chaos-0123456789"
READ_SECONDS, CALL_SECONDS = 2.0, 3.0
TRIES, ATTEMPTS = 5, 4

Silence = SimpleNamespace(seconds=8.0)
Trickle = SimpleNamespace(head=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", piece=b" ")


class Disorder(ModelServer):
    """A server that can also fall silent, and answer for ever."""

    def _play(self, handler, request):
        act = self._script[len(self.requests)] if len(self.requests) < len(self._script) else None
        if act not in (Silence, Trickle):
            super()._play(handler, request)
            return
        self.requests.append(request)
        handler.close_connection = True
        if act is Silence:
            self._closing.wait(act.seconds)
            return
        try:
            handler.wfile.write(act.head)
            while not self._closing.wait(0.1):
                handler.wfile.write(act.piece)
        except OSError:
            pass  # the client has had enough, as it should


class SourceTrainer:
    """What a network measures and counts follows from its one line, and from nothing before it."""

    def __init__(self, trainer):
        self._trainer = trainer
        self.trained = trainer.trained

    def check(self, source, budget):
        report = self._trainer.check(source, budget)
        if not report.ok:
            return report
        kernels = float(int(hashlib.sha256(source.encode()).hexdigest()[:4], 16))
        census = {"conv_layers": 2.0, "kernels": kernels}
        return CheckReport(True, "done", parameters=10, census=census, architecture=report.architecture)

    def train(self, source, report, *, seed, on_epoch):
        return self._trainer.train(source, report, seed=seed, on_epoch=on_epoch)


@dataclass
class Plan:
    """A script, and what must be recorded of it: (codes of tries, what becomes of the reply) for each reply."""

    acts: list = field(default_factory=list)
    replies: list = field(default_factory=list)
    faults: int = 0


SKIPPED = [
    {"instruction": name, "why": "the doubles have no such layer"}
    for name in load_rulebook(find_rulebook("lemonade")).instructions
]


def patch(source, **changes):
    data = {
        "summary": "words",
        "model_py": source,
        "edits": None,
        "applied": [],
        "skipped": SKIPPED,
        "predicted": None,
    }
    return json.dumps({**data, **changes})


def good(iteration):
    accuracy = random.Random(f"{SEED}/{iteration}").uniform(0.3, 0.95)
    return patch(f"accuracy={accuracy:.4f} parameters={1000 + iteration}")


BROKEN_CALLS = {
    "slow down": (Fail(429, headers={"Retry-After": "30"}), "rate_limit"),
    "failing": (Fail(500), "server_error"),
    "gateway": (Send(b"<html>Bad gateway</html>", 502, "text/html"), "server_error"),
    "full": (Fail(529), "overloaded"),
    "dropped": (Drop(), "cut_off"),
    "cut": (Send(b'{"choices": [', cut=500), "cut_off"),
    "a page": (Send(b"<html>Welcome</html>", content_type="text/html"), "protocol"),
    "nothing": (Send(b""), "protocol"),
    "silence": (Silence, "timeout"),
    "trickle": (Trickle, "timeout"),
}
BROKEN_REPLIES = {
    "refusal": ({"text": None, "refusal": "I cannot help with that."}, "REFUSED"),
    "filter": ({"text": "", "finish": "content_filter"}, "CONTENT_FILTERED"),
    "length": ({"text": good(0)[:80], "finish": "length"}, "TRUNCATED"),
    "cut off": ({"text": good(0)[:80]}, "TRUNCATED"),
    "empty": ({"text": ""}, "EMPTY_REPLY"),
    "prose": ({"text": "I would rather talk about the weather."}, "NOT_JSON"),
    "schema": ({"text": patch("accuracy=0.99", applied="all of it")}, "WRONG_SCHEMA"),
    "source": ({"text": patch("accuracy=0.99 refuse=SHAPE_MISMATCH")}, "SHAPE_MISMATCH"),
}
SLOW = ("silence", "trickle")  # they take seconds each


def planned(iterations, *, share=SHARE, slow=3):
    """Good replies, one for each iteration, among faults that make up ``share`` of all that the server does."""
    chance = random.Random(SEED)
    plan = Plan()
    broken = [*BROKEN_CALLS, *BROKEN_REPLIES]
    left = dict.fromkeys(SLOW, slow)
    for iteration in range(1, iterations + 1):
        tries, attempts = [], 1
        while chance.random() < share:
            name = chance.choice(broken)
            if name in left:
                left[name] -= 1
                if left[name] < 0:
                    continue
            if name in BROKEN_CALLS and len(tries) < TRIES - 1:
                act, code = BROKEN_CALLS[name]
                plan.acts.append(act)
                tries.append(code)
            elif name in BROKEN_REPLIES and attempts < ATTEMPTS:
                say, code = BROKEN_REPLIES[name]
                _say(plan, say, tries, code)
                tries, attempts = [], attempts + 1
            else:
                continue
            plan.faults += 1
        _say(plan, {"text": good(iteration)}, tries, "ok")
    return plan


def _say(plan, say, tries, outcome):
    """The count of tokens tells one answer of the server from every other one."""
    plan.acts.append(Say(**say, input_tokens=10_000 + len(plan.acts)))
    plan.replies.append((tuple(tries), outcome))


class Stopping:
    """Stops the process, as a user does, after some more steps that are new: events, states, waits between tries."""

    def __init__(self, chance):
        self.chance = chance
        self.left = self.told = self.recorded = 0
        self.stops = 0

    def begin(self, recorded):
        self.told, self.recorded = 0, recorded
        self.left = self.chance.randint(1, 20)

    def step(self, *_):
        self.left -= 1
        if self.left == 0:
            self.stops += 1
            raise KeyboardInterrupt

    def event(self, event):
        self.told += 1
        if self.told > self.recorded:
            self.step()

    def doing(self, iteration, state):
        self.step()

    def waiting(self, iteration, executor, failed):
        self.step()

    def epoch(self, iteration, number, epoch):
        self.step()


def executor_for(server, sleep):
    client = OpenAIClient("gpt-test", base_url=server.url, timeout=READ_SECONDS, seconds=CALL_SECONDS)
    prices = {"openai:gpt-test": Price(1.0, 2.0)}
    backoff = Backoff(tries=TRIES, budget=1e9)  # nothing is slept here, so nothing is spent
    return ModelExecutor(client, prices, backoff=backoff, sleep=sleep, chance=random.Random(SEED).random)


def searched(bench, trainer, server, iterations, sleep=lambda seconds: None):
    spec = RunSpec(iterations=iterations, repairs=ATTEMPTS - 2)
    return bench.search([], spec=spec, trainer=SourceTrainer(trainer), executor=executor_for(server, sleep))


def outcome_of(bench):
    """What the search found: each network that was trained, what it measured, and which of them led."""
    events = bench.events()
    sources = [bench.artifacts.read(event.source).decode() for event in events if isinstance(event, Accepted)]
    ended = [(e.iteration, e.outcome, e.CM, e.is_best) for e in events if isinstance(e, IterationEnded)]
    return sources, ended


def recorded_of(bench):
    return [event.reply for event in bench.events() if isinstance(event, Replied)]


def paid(acts):
    return [act.input_tokens for act in acts if isinstance(act, Say)]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_a_search_among_faults_ends_as_one_without_and_records_each_of_them(bench, trainer, capfd, record_property):
    plan = planned(200)
    assert {name for name, (act, _) in BROKEN_CALLS.items() if act not in plan.acts} == set()
    assert {code for _, code in BROKEN_REPLIES.values()} <= {outcome for _, outcome in plan.replies}
    assert 0.25 < plan.faults / len(plan.acts) < 0.35
    with Disorder(plan.acts) as server:
        end = searched(bench, trainer, server, 200).run()
        asked = len(server.requests)
    assert asked == len(plan.acts)
    replies = recorded_of(bench)
    assert [reply.usage.input_tokens for reply in replies] == paid(plan.acts)
    assert [tuple(each.code for each in reply.tries) for reply in replies] == [tries for tries, _ in plan.replies]
    refused = [event.code for event in bench.events() if isinstance(event, Refused)]
    assert refused == [outcome for _, outcome in plan.replies if outcome != "ok"]
    limited = [each for reply in replies for each in reply.tries if each.code == "rate_limit"]
    assert all(each.waited >= 30 for each in limited)
    assert sum(len(reply.tries) for reply in replies) + len(refused) == plan.faults
    assert not any(KEY in str(event) for event in bench.events())
    assert capfd.readouterr() == ("", "")

    found = outcome_of(bench)
    bench.run, trainer.trained = "calm", []
    calm = planned(200, share=0.0)
    with Disorder(calm.acts) as server:
        calm_end = searched(bench, trainer, server, 200).run()
    assert outcome_of(bench) == found
    assert end == calm_end
    assert end.best is not None
    record_property("calls of a server", len(plan.acts))
    record_property("faults of it, recorded and survived", plan.faults)


def test_a_search_that_is_stopped_again_and_again_pays_for_no_reply_twice(bench, trainer):
    plan = planned(60, slow=1)
    stopping = bench.notes = Stopping(random.Random(SEED))
    with Disorder(plan.acts) as server:
        end = None
        while end is None:
            stopping.begin(bench.journal.count(bench.run))
            try:
                end = searched(bench, trainer, server, 60, sleep=stopping.step).run()
            except KeyboardInterrupt:
                continue
        assert len(server.requests) == len(plan.acts)
    assert stopping.stops > 10
    assert [reply.usage.input_tokens for reply in recorded_of(bench)] == paid(plan.acts)
    stopped = [event for event in bench.events() if isinstance(event, Unanswered)]
    assert stopped
    assert all(event.interrupted and event.tries for event in stopped)
    tries = [each for event in (*stopped, *recorded_of(bench)) for each in event.tries]
    expected = [code for codes, _ in plan.replies for code in codes]
    assert sorted(each.code for each in tries) == sorted(expected)
    measured = [event for event in bench.events() if isinstance(event, Measured)]
    assert len(measured) == 60

    found = outcome_of(bench)
    bench.run, bench.notes = "calm", Stopping(random.Random(SEED))
    with Disorder(planned(60, share=0.0).acts) as server:
        calm_end = searched(bench, trainer, server, 60).run()
    assert outcome_of(bench) == found
    assert end == calm_end


def test_a_server_that_stays_away_stops_the_search_with_all_tries_recorded_and_a_resume_asks_again(bench, trainer):
    down = [Fail(503), Drop(), Fail(429), Send(b""), Fail(500)]
    acts = [Say(good(1), input_tokens=1), *down, Say(good(2), input_tokens=2)]
    with Disorder(acts) as server:
        with pytest.raises(NoAnswerError, match="; 5 tries"):
            searched(bench, trainer, server, 2).run()
        (unanswered,) = (event for event in bench.events() if isinstance(event, Unanswered))
        end = searched(bench, trainer, server, 2).run()
    codes = [each.code for each in unanswered.tries]
    assert codes == ["overloaded", "cut_off", "rate_limit", "protocol", "server_error"]
    assert (end.status, len(trainer.trained)) == ("finished", 2)
    assert [reply.usage.input_tokens for reply in recorded_of(bench)] == [1, 2]


def test_a_wrong_key_stops_the_search_at_once(bench, trainer):
    with Disorder([Fail(401, f"Incorrect API key provided: {KEY}")]) as server:
        with pytest.raises(NoAnswerError, match="refused the key") as failure:
            searched(bench, trainer, server, 2).run()
        assert len(server.requests) == 1
    (unanswered,) = (event for event in bench.events() if isinstance(event, Unanswered))
    assert [each.code for each in unanswered.tries] == ["denied"]
    assert KEY not in str(failure.value) + str(unanswered)
