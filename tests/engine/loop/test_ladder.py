"""Who is asked, how often, and what is recorded: compliance, the fallback, calls without an answer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lemonade_es.engine.compliance import NOT_FOLLOWED
from lemonade_es.engine.history.events import Accepted, IterationEnded, Refused, Replied, Unanswered
from lemonade_es.engine.history.tape import TapeEnd
from lemonade_es.engine.loop.ladder import purpose
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import ExecutorError, ReplyError
from lemonade_es.llm.executor import Reply, Try
from lemonade_es.llm.scripted import ScriptedExecutor
from lemonade_es.vocabulary import CENSUS

BAD = "no json"
NO_REASON = "no reason is a reason"


class Counted:
    """The trainer of these tests, but for its census: that stands in the network's line (``kernels=9``)."""

    def __init__(self, trainer):
        self.trainer = trainer

    def check(self, source, budget):
        report = self.trainer.check(source, budget)
        words = self.trainer.words(source)
        census = {name: float(words.get(name, 50)) for name in CENSUS}
        return replace(report, census=census) if report.ok else report

    def train(self, *given, **named):
        return self.trainer.train(*given, **named)


def reply(source, skipped=()):
    data = {"summary": "words", "model_py": source, "edits": None, "applied": [], "skipped": list(skipped)}
    return json.dumps(data | {"predicted": None})


def good(accuracy):
    return reply(f"accuracy={accuracy} parameters=10")


def obeys(accuracy):
    """A reply that moves each entry as asked."""

    def answer(request, feedback):
        moves = {"increase": 20, "reduce": -20}
        words = {item.changes: request.census[item.changes] + moves[item.direction] for item in request.instructions}
        counts = " ".join(f"{name}={number:g}" for name, number in words.items() if name)
        return reply(f"accuracy={accuracy} parameters=10 {counts}")

    return answer


def explains(accuracy):
    """A reply that moves nothing, and says why."""

    def answer(request, feedback):
        skipped = [{"instruction": item.id, "why": NO_REASON} for item in request.instructions]
        return reply(f"accuracy={accuracy} parameters=10", skipped)

    return answer


class Absent(ScriptedExecutor):
    """An executor that cannot be asked; it counts how often it was."""

    def __init__(self, name="absent"):
        super().__init__([], name)
        self.calls = 0

    def ask(self, request, feedback=()):
        self.calls += 1
        error = ExecutorError("the server is gone", where=self.name)
        error.tries = (Try("timeout", "no answer", 2.0, 1.0), Try("overloaded", "busy", 0.5))
        raise error


def search(bench, trainer, executor, *, fallback=None, read_only=False, **options):
    spec = RunSpec(**{"iterations": 2, "repairs": 2, **options})
    return bench.search(
        [], executor=executor, fallback=fallback, trainer=Counted(trainer), spec=spec, read_only=read_only
    )


def of(bench, kind):
    return [event for event in bench.events() if isinstance(event, kind)]


def codes(bench):
    return [event.code for event in of(bench, Refused)]


# Compliance


def test_a_reply_that_ignores_a_heavy_instruction_goes_back_once_with_what_was_counted(bench, trainer):
    executor = ScriptedExecutor([good(0.5), good(0.6), obeys(0.7)])
    search(bench, trainer, executor).run()
    (refused,) = of(bench, Refused)
    assert (refused.stage, refused.code, refused.executor) == ("compliance", NOT_FOLLOWED, "scripted")
    assert {verdict.verdict for verdict in refused.verdicts} == {"not"}
    feedback = executor.asked[2][1]
    assert [item.code for item in feedback] == [NOT_FOLLOWED]
    assert "which is 50 as before" in feedback[0].message
    assert {verdict.verdict for verdict in of(bench, Accepted)[1].verdicts} == {"followed"}


def test_a_second_reply_that_ignores_it_is_accepted_and_judged(bench, trainer):
    executor = ScriptedExecutor([good(0.5), good(0.6), good(0.7)])
    search(bench, trainer, executor).run()
    assert codes(bench) == [NOT_FOLLOWED]
    accepted = of(bench, Accepted)[1]
    assert (accepted.attempt, {verdict.verdict for verdict in accepted.verdicts}) == (2, {"not"})


def test_each_iteration_may_ask_for_compliance_once(bench, trainer):
    replies = [good(0.5), good(0.6), good(0.7), good(0.8), good(0.9)]
    search(bench, trainer, ScriptedExecutor(replies), iterations=3).run()
    assert codes(bench) == [NOT_FOLLOWED, NOT_FOLLOWED]


def test_an_instruction_that_is_skipped_for_a_reason_is_let_pass(bench, trainer):
    search(bench, trainer, ScriptedExecutor([good(0.5), explains(0.6)])).run()
    assert codes(bench) == []


def test_the_built_in_executor_is_not_asked_again(bench, trainer):
    search(bench, trainer, ScriptedExecutor([good(0.5), good(0.6)], foreign=False)).run()
    assert codes(bench) == []


def test_without_a_repair_left_a_reply_that_ignores_an_instruction_is_accepted(bench, trainer):
    search(bench, trainer, ScriptedExecutor([good(0.5), BAD, BAD, good(0.6)])).run()
    assert codes(bench) == ["NOT_JSON", "NOT_JSON"]
    assert of(bench, Accepted)[1].attempt == 3


def test_a_sound_network_is_not_lost_if_nothing_better_comes_of_the_repair(bench, trainer):
    executor = ScriptedExecutor([good(0.5), good(0.6), BAD, BAD])
    made = search(bench, trainer, executor)
    made.run()
    assert codes(bench) == [NOT_FOLLOWED, "NOT_JSON", "NOT_JSON"]
    accepted = of(bench, Accepted)[1]
    assert accepted.attempt == 1
    assert [ended.outcome for ended in made.state.ended] == ["ok", "ok"]
    assert made.state.best.source == "accuracy=0.6 parameters=10\n"


@pytest.mark.parametrize("second", [[good(0.6), obeys(0.7)], [good(0.6), good(0.7)], [good(0.6), BAD, BAD]])
@pytest.mark.parametrize("number", range(6, 14))
def test_stopped_after_any_event_it_ends_as_if_it_had_not_been(bench, trainer, second, number):
    replies = [good(0.5), *second]
    bench.run = "unbroken"
    whole = search(bench, trainer, ScriptedExecutor(replies))
    whole.run()
    unbroken = bench.events()
    bench.run = "broken"
    append = bench.journal.append

    def stopping(run, seq, event):
        if seq >= number:
            raise KeyboardInterrupt
        return append(run, seq, event)

    bench.journal.append = stopping
    with pytest.raises(KeyboardInterrupt):
        search(bench, trainer, ScriptedExecutor(replies)).run()
    bench.journal.append = append
    heard = len(of(bench, Replied))
    rest = ScriptedExecutor(replies[heard:])
    resumed = search(bench, trainer, rest)
    resumed.run()
    assert heard + len(rest.asked) == len(replies)
    assert resumed.state.bill == whole.state.bill
    assert [untimed(event) for event in bench.events()] == [untimed(event) for event in unbroken]


def untimed(event):
    return replace(event, seconds=None) if isinstance(event, IterationEnded) else event


# Calls without an answer


def test_a_call_without_an_answer_is_recorded_with_its_tries_before_the_search_stops(bench, trainer):
    with pytest.raises(ExecutorError, match="the server is gone"):
        search(bench, trainer, Absent()).run()
    (lost,) = of(bench, Unanswered)
    assert (lost.iteration, lost.attempt, lost.executor) == (1, 1, "absent")
    assert [item.code for item in lost.tries] == ["timeout", "overloaded"]
    assert "the server is gone" in lost.message


def test_a_resume_passes_over_it_and_makes_the_call_again(bench, trainer):
    for _ in range(2):
        with pytest.raises(ExecutorError):
            search(bench, trainer, Absent()).run()
    made = search(bench, trainer, ScriptedExecutor([good(0.5), obeys(0.6)]))
    assert made.run().status == "finished"
    assert len(of(bench, Unanswered)) == 2
    assert made.state.bill.calls == 4
    assert made.state.bill.tries == 6


def test_the_time_of_an_unanswered_call_is_the_executors_and_not_overhead(bench, trainer):
    with pytest.raises(ExecutorError):
        search(bench, trainer, Absent()).run()
    made = search(bench, trainer, ScriptedExecutor([good(0.5)]), iterations=1)
    made.run()
    assert made.state.ended[0].seconds.llm == pytest.approx(3.5)
    assert made.state.ended[0].seconds.overhead < 3.0


# The fallback


def test_where_the_executor_cannot_be_asked_the_fallback_answers(bench, trainer):
    absent, fallback = Absent(), ScriptedExecutor([good(0.5), obeys(0.6)], "second")
    made = search(bench, trainer, absent, fallback=fallback)
    assert made.run().status == "finished"
    assert absent.calls == 2
    assert [event.reply.executor for event in of(bench, Replied)] == ["second", "second"]
    assert [event.executor for event in of(bench, Unanswered)] == ["absent", "absent"]


def test_where_all_replies_are_refused_the_fallback_is_asked_once_with_the_same_request(bench, trainer):
    first, second = ScriptedExecutor([BAD] * 4), ScriptedExecutor([good(0.5)], "second")
    made = search(bench, trainer, first, fallback=second, iterations=1)
    made.run()
    assert [outcome.outcome for outcome in made.state.ended] == ["ok"]
    ((request, feedback),) = second.asked
    assert (request, feedback) == (first.asked[0][0], ())
    assert [purpose(event.attempt, 2) for event in of(bench, Replied)] == [
        "first",
        "repair",
        "repair",
        "fresh",
        "fallback",
    ]
    assert made.state.bill.calls == 5


def test_a_network_that_is_refused_by_the_name_of_another_step_does_not_take_the_turn_of_the_fallback(bench, trainer):
    refused = reply(f"accuracy=0.5 refuse={NOT_FOLLOWED}")
    first, second = ScriptedExecutor([refused] * 4), ScriptedExecutor([good(0.5)], "second")
    made = search(bench, trainer, first, fallback=second, iterations=1)
    made.run()
    assert [outcome.outcome for outcome in made.state.ended] == ["ok"]
    assert [event.reply.executor for event in of(bench, Replied)][-1] == "second"


def test_if_the_fallback_is_refused_too_the_iteration_has_failed(bench, trainer):
    first, second = ScriptedExecutor([BAD] * 4), ScriptedExecutor([ReplyError("REFUSED", "it declined")], "second")
    made = search(bench, trainer, first, fallback=second, iterations=1)
    made.run()
    assert [outcome.outcome for outcome in made.state.ended] == ["REFUSED"]
    assert of(bench, Refused)[-1].executor == "second"


def test_if_the_fallback_cannot_be_asked_either_a_resume_begins_with_the_executor(bench, trainer):
    first, second = Absent(), Absent("second")
    with pytest.raises(ExecutorError, match="second: the server is gone"):
        search(bench, trainer, first, fallback=second, iterations=1).run()
    assert [event.executor for event in of(bench, Unanswered)] == ["absent", "second"]
    mended, second = ScriptedExecutor([good(0.5)]), Absent("second")
    search(bench, trainer, mended, fallback=second, iterations=1).run()
    assert (len(mended.asked), second.calls) == (1, 0)


def test_a_fallback_that_cannot_edit_the_network_stops_a_search_whose_executor_is_gone(bench, trainer):
    foreign = ReplyError("FOREIGN_SOURCE", "it edits only networks that it wrote itself")
    with pytest.raises(ExecutorError, match="second cannot stand in: it edits only networks") as stop:
        search(bench, trainer, Absent(), fallback=ScriptedExecutor([foreign], "second"), iterations=9).run()
    assert "mend what keeps absent from answering" in str(stop.value)
    mended, second = ScriptedExecutor([good(0.5)]), Absent("second")
    search(bench, trainer, mended, fallback=second, iterations=1).run()
    assert (len(mended.asked), second.calls) == (1, 0)


def test_beside_an_executor_that_answers_it_costs_an_iteration_and_no_more(bench, trainer):
    foreign = ReplyError("FOREIGN_SOURCE", "it edits only networks that it wrote itself")
    first = ScriptedExecutor([BAD] * 4 + [good(0.5)])
    made = search(bench, trainer, first, fallback=ScriptedExecutor([foreign], "second"), iterations=2)
    made.run()
    assert [outcome.outcome for outcome in made.state.ended] == ["FOREIGN_SOURCE", "ok"]


def test_after_refusals_a_fallback_that_could_not_be_asked_is_asked_again_and_nobody_else(bench, trainer):
    with pytest.raises(ExecutorError):
        search(bench, trainer, ScriptedExecutor([BAD] * 4), fallback=Absent("second"), iterations=1).run()
    first, second = ScriptedExecutor([]), ScriptedExecutor([good(0.5)], "second")
    search(bench, trainer, first, fallback=second, iterations=1).run()
    assert (len(first.asked), len(second.asked)) == (0, 1)


def test_a_fallback_that_comes_with_a_resume_has_no_turn_in_iterations_that_ended_before(bench, trainer):
    began = search(bench, trainer, ScriptedExecutor([good(0.5), *[BAD] * 4, obeys(0.6)]), iterations=3)
    began.run()
    second = ScriptedExecutor([obeys(0.7)], "second")
    made = search(bench, trainer, ScriptedExecutor([BAD] * 4), fallback=second, iterations=4)
    assert made.run().status == "finished"
    assert len(second.asked) == 1
    assert [outcome.outcome for outcome in made.state.ended[:3]] == [ended.outcome for ended in began.state.ended]


def test_an_outage_that_a_resume_outlived_is_not_the_turn_of_a_fallback_that_comes_later(bench, trainer):
    with pytest.raises(ExecutorError):
        search(bench, trainer, Absent(), iterations=1).run()
    search(bench, trainer, ScriptedExecutor([BAD, good(0.5)]), iterations=1).run()
    second = ScriptedExecutor([good(0.7)], "second")
    made = search(bench, trainer, Absent(), fallback=second, iterations=2)
    assert made.run().status == "finished"
    assert [event.reply.executor for event in of(bench, Replied)] == ["scripted", "scripted", "second"]


def test_a_search_that_broke_off_before_the_fallback_answered_asks_the_fallback(bench, trainer):
    class Stopping(ScriptedExecutor):
        def ask(self, request, feedback=()):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(bench, trainer, Absent(), fallback=Stopping([], "second"), iterations=1).run()
    first, second = Absent(), ScriptedExecutor([good(0.5)], "second")
    search(bench, trainer, first, fallback=second, iterations=1).run()
    assert (first.calls, len(second.asked)) == (0, 1)


def test_a_run_with_a_fallback_is_read_back_without_asking_anybody(bench, trainer):
    search(bench, trainer, Absent(), fallback=ScriptedExecutor([good(0.5), obeys(0.6)], "second")).run()
    first, second = Absent(), Absent("second")
    again = search(bench, trainer, first, fallback=second, read_only=True)
    with pytest.raises(TapeEnd):
        again.run()
    assert (first.calls, second.calls) == (0, 0)
    assert again.state.best.iteration == 2


# Budgets


def test_spent_calls_stop_the_search_when_the_iteration_is_over(bench, trainer):
    made = search(bench, trainer, ScriptedExecutor([BAD, good(0.5), obeys(0.6)]), iterations=9, max_llm_calls=3)
    end = made.run()
    assert (end.status, end.reason) == ("stopped", "the LLM budget of 3 calls is spent")
    assert made.iteration == 2


def test_more_calls_let_a_stopped_run_go_on(bench, trainer):
    search(bench, trainer, ScriptedExecutor([good(0.5)]), iterations=2, max_llm_calls=1).run()
    again = search(bench, trainer, ScriptedExecutor([obeys(0.6)]), iterations=2, max_llm_calls=5)
    assert again.run().status == "finished"


def test_failed_tries_are_in_the_bill_and_in_the_journal(bench, trainer):
    class Flaky(ScriptedExecutor):
        def ask(self, request, feedback=()):
            text = super().ask(request, feedback).text
            return Reply(text, "flaky", seconds=4.0, tries=(Try("rate_limit", "slow down", 1.0, 2.0),))

    made = search(bench, trainer, Flaky([good(0.5), obeys(0.6)]))
    made.run()
    assert (made.state.bill.calls, made.state.bill.tries, made.state.bill.seconds) == (2, 4, 8.0)
    assert of(bench, Replied)[0].reply.tries[0].code == "rate_limit"
    # the script answers at once: what it says it waited is taken from the overhead
    assert made.state.seconds.llm == 8.0
    assert made.state.seconds.total < 4.0
