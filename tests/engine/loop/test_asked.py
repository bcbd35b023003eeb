"""What was sent is known before it is; a search that is stopped at any point of a call goes on at that point."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from lemonade_es.engine.account import accounts
from lemonade_es.engine.explain import explain
from lemonade_es.engine.history.events import Accepted, Asked, IterationEnded, Refused, Replied, Unanswered
from lemonade_es.engine.history.sent import prompt_sent
from lemonade_es.engine.loop.seeds import seed_for
from lemonade_es.engine.record import recorded_replies
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import CallFaultError, ExecutorError, StoreError
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.chat import Completion, ModelExecutor
from lemonade_es.llm.executor import Usage
from lemonade_es.llm.faults import INTERRUPTED, CallInterrupted, Otherwise
from lemonade_es.llm.providers.replay import ReplayExecutor

SKIPPED = ("ACL", "ADL", "AMK", "AMN", "ASC", "AWI", "RD")
BAD, ITERATIONS = "no json", 2
FRESH = {seed_for(0, "request", iteration) + 1: iteration for iteration in range(1, ITERATIONS + 1)}
"""The iterations by the seed of their fresh samples."""
FULL = CallFaultError("overloaded", "full", where="chat:m", hint="resume later")


def good(accuracy):
    skipped = [{"instruction": name, "why": "there is no such layer"} for name in SKIPPED]
    source = f"accuracy={accuracy} parameters=10"
    patch = {"summary": "words", "model_py": source, "edits": None, "applied": [], "predicted": None}
    return json.dumps({**patch, "skipped": skipped})


@dataclass
class Seeded:
    """A model whose answers follow from prompt and seed alone; only fresh samples are good."""

    name: str = "chat:m"
    asked: list[tuple[str, int]] = field(default_factory=list)

    def complete(self, prompt, answer, seed=0):
        self.asked.append((str(prompt), seed))
        iteration = FRESH.get(seed)
        text = f"{BAD} {seed} {len(str(prompt))}" if iteration is None else good(0.5 + iteration / 10)
        return Completion(text, usage=Usage(100, cost_usd=None))


@dataclass
class Acting:
    """Carries out a script: answers, and errors to raise."""

    script: list[object]
    name: str = "chat:m"

    def complete(self, prompt, answer, seed=0):
        act = self.script.pop(0)
        if isinstance(act, BaseException):
            raise act
        return Completion(act)


class Steady:
    """The trainer of these tests, but for its census: it does not depend on what was checked before."""

    def __init__(self, trainer):
        self.trainer = trainer
        self.train = trainer.train

    def check(self, source, budget):
        report = self.trainer.check(source, budget)
        return replace(report, census={"conv_layers": 1.0}) if report.ok else report


def model(client, **options):
    return ModelExecutor(client, {}, backoff=Backoff(tries=3), sleep=lambda seconds: None, **options)


def search(bench, trainer, executor, *, iterations=ITERATIONS, fallback=None, **options):
    spec = RunSpec(iterations=iterations, repairs=1, **options)
    return bench.search([], executor=executor, fallback=fallback, trainer=Steady(trainer), spec=spec)


def of(bench, kind):
    return [event for event in bench.events() if isinstance(event, kind)]


def comparable(events):
    timeless = []
    for event in events:
        if isinstance(event, IterationEnded):
            event = replace(event, seconds=None)  # noqa: PLW2901
        elif isinstance(event, Replied):
            event = replace(event, reply=replace(event.reply, seconds=0.0))  # noqa: PLW2901
        timeless.append(event)
    return timeless


def stopped_after(bench, number, run):
    """Run, and stop as a killed process does when so many events are on disk; ``False`` if it ended before."""
    append = bench.journal.append

    def stopping(name, seq, event):
        if seq >= number:
            raise KeyboardInterrupt
        return append(name, seq, event)

    bench.journal.append = stopping
    try:
        run()
    except KeyboardInterrupt:
        return True
    finally:
        bench.journal.append = append
    return False


def executors():
    """The two that remember in their own ways what they have answered: by a seed, and by a place in a recording."""
    return {"seeded": lambda bench: model(Seeded()), "replay": replaying}


def replaying(bench):
    return ReplayExecutor(recorded_replies(bench.journal.read("recorded")), "recorded")


@pytest.fixture
def recorded(bench, trainer):
    """A run in which each first reply and its repair were refused, and the fresh sample was good."""
    bench.run = "recorded"
    search(bench, trainer, model(Seeded())).run()
    assert [event.attempt for event in of(bench, Replied)] == [1, 2, 3] * ITERATIONS
    assert [event.attempt for event in of(bench, Accepted)] == [3] * ITERATIONS
    return bench.events()


@pytest.mark.parametrize("kind", ["seeded", "replay"])
def test_stopped_after_any_event_it_goes_on_where_it_was(bench, trainer, recorded, kind):
    bench.run = "unbroken"
    search(bench, trainer, executors()[kind](bench)).run()
    unbroken = comparable(bench.events())
    texts = [event.reply.text for event in of(bench, Replied)]
    for number in range(len(unbroken)):
        bench.run = f"broken-{number}"
        broken = search(bench, trainer, executors()[kind](bench))
        assert stopped_after(bench, number, broken.run)
        heard = len(of(bench, Replied)) if number else 0
        search(bench, trainer, executors()[kind](bench)).run()
        assert comparable(bench.events()) == unbroken
        assert [event.reply.text for event in of(bench, Replied)] == texts
        assert heard <= len(texts)


def test_a_model_is_asked_again_for_no_reply_that_is_recorded(bench, trainer, recorded):
    for number in range(1, len(recorded)):
        bench.run = f"broken-{number}"
        assert stopped_after(bench, number, search(bench, trainer, model(Seeded())).run)
        heard = len(of(bench, Replied))
        rest = Seeded()
        search(bench, trainer, model(rest)).run()
        assert heard + len(rest.asked) == len(of(bench, Replied)) == 3 * ITERATIONS


def test_a_prompt_is_recorded_once_and_before_it_is_sent(bench, trainer):
    class Curious(Seeded):
        def complete(self, prompt, answer, seed=0):
            assert of(bench, Asked)[-1].prompt == str(prompt)
            assert not any(event.reply.prompt for event in of(bench, Replied))
            return super().complete(prompt, answer, seed)

    client = Curious()
    search(bench, trainer, model(client)).run()
    asked = of(bench, Asked)
    assert [event.prompt for event in asked] == [prompt for prompt, _ in client.asked]
    assert [(event.iteration, event.attempt) for event in asked] == [(i, a) for i in (1, 2) for a in (1, 2, 3)]
    events = bench.events()
    assert [prompt_sent(events, 1, attempt) for attempt in (None, 2)] == [asked[0].prompt, asked[1].prompt]
    assert [reply.prompt for reply in recorded_replies(bench.journal.read(bench.run))] == [e.prompt for e in asked]
    found = explain(bench.journal.read(bench.run), bench.artifacts)
    assert found[0].to_json()["replies"][1]["reply"]["prompt"] == asked[1].prompt


def test_a_prompt_that_was_not_answered_can_be_read_and_its_tries_are_explained(bench, trainer):
    with pytest.raises(ExecutorError):
        search(bench, trainer, model(Acting([FULL] * 3))).run()
    (asked,) = of(bench, Asked)
    assert prompt_sent(bench.events(), 1) == asked.prompt
    (found,) = explain(bench.journal.read(bench.run), bench.artifacts)
    (lost,) = found.to_json()["unanswered"]
    assert [item["code"] for item in lost["tries"]] == ["overloaded"] * 3
    search(bench, trainer, model(Acting([good(0.5)])), iterations=1).run()
    assert len(of(bench, Asked)) == 1


def test_waits_of_the_executor_and_of_the_fallback_are_told_of(bench, trainer):
    fallback = Acting([FULL, good(0.5)], name="chat:other")
    search(bench, trainer, model(Acting([FULL] * 3)), fallback=model(fallback), iterations=1).run()
    assert [wait[:3] for wait in bench.notes.waits] == [
        (1, "chat:m", "overloaded"),
        (1, "chat:m", "overloaded"),
        (1, "chat:other", "overloaded"),
    ]
    assert all(seconds > 0 for *_, seconds in bench.notes.waits)


def test_a_prompt_that_had_to_be_shortened_is_the_one_that_is_shown(bench, trainer):
    too_long = Otherwise("brief", ExecutorError("too long"))
    script = [good(0.5), too_long, good(0.6)]
    search(bench, trainer, model(Acting(script))).run()
    told = [prompt_sent(bench.events(), iteration) for iteration in (1, 2)]
    assert of(bench, Asked)[0].prompt == told[0]
    assert of(bench, Asked)[1].prompt != told[1]
    assert '"iteration"' in of(bench, Asked)[1].prompt
    assert '"iteration"' not in told[1]


def test_an_old_journal_whose_prompts_lie_in_the_replies_is_read_as_well(bench, trainer, recorded):
    bench.run = "old"
    for number, event in enumerate(event for event in recorded if not isinstance(event, Asked)):
        bench.journal.append("old", number, event)
    events = bench.events()
    with pytest.raises(StoreError, match="no text"):
        prompt_sent(events, 1)
    ended = search(bench, trainer, model(Acting([]))).run()
    assert ended.status == "finished"


def test_the_tries_of_a_call_that_the_user_stopped_are_kept_and_the_call_is_made_again(bench, trainer):
    with pytest.raises(CallInterrupted):
        search(bench, trainer, model(Acting([FULL, KeyboardInterrupt()]))).run()
    (stopped,) = of(bench, Unanswered)
    assert [item.code for item in stopped.tries] == ["overloaded", INTERRUPTED]
    assert stopped.interrupted
    made = search(bench, trainer, model(Acting([good(0.5), good(0.6)])))
    assert made.run().status == "finished"
    assert (made.state.bill.calls, made.state.bill.tries) == (2, 4)
    (account,) = accounts(bench.events(), repairs=1)
    assert (account.unanswered, account.faults) == (0, {INTERRUPTED: 1, "overloaded": 1})
    assert account.to_json()["requests"] == 2


def test_a_call_that_the_user_stopped_is_made_again_by_the_same_executor_and_not_by_the_fallback(bench, trainer):
    with pytest.raises(CallInterrupted):
        search(bench, trainer, model(Acting([KeyboardInterrupt()])), fallback=model(Acting([], "chat:other"))).run()
    second = model(Acting([], "chat:other"))
    search(bench, trainer, model(Acting([good(0.5), good(0.6)])), fallback=second).run()
    assert {event.reply.executor for event in of(bench, Replied)} == {"chat:m"}


def test_a_fallback_that_the_user_stopped_is_asked_again_and_not_the_executor(bench, trainer):
    gone, stopped = ExecutorError("wrong key"), [KeyboardInterrupt()]
    with pytest.raises(CallInterrupted):
        search(bench, trainer, model(Acting([gone])), fallback=model(Acting(stopped, "chat:other")), iterations=1).run()
    second = model(Acting([good(0.5)], "chat:other"))
    search(bench, trainer, model(Acting([])), fallback=second, iterations=1).run()
    assert [event.reply.executor for event in of(bench, Replied)] == ["chat:other"]
    assert [event.executor for event in of(bench, Asked)] == ["chat:m", "chat:other"]
    assert of(bench, Refused) == []


@pytest.mark.parametrize("outage", [False, True])
def test_a_run_in_which_the_fallback_answered_is_replayed_by_one_who_has_all_its_replies(bench, trainer, outage):
    bench.run = "recorded"
    gone = ExecutorError("it is gone")
    refused = [BAD, gone] if outage else [BAD, BAD, BAD]
    first, second = model(Acting([*refused, *refused])), model(Acting([good(0.5), good(0.6)], "chat:second"))
    search(bench, trainer, first, fallback=second).run()
    (one, other) = of(bench, Accepted)

    bench.run = "again"
    both = replaying(bench)
    search(bench, trainer, both, fallback=both).run()
    assert of(bench, Accepted) == [one, other]
    assert (one.attempt, other.attempt) == (4, 4)
