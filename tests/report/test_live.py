from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from lemonade_es.engine.final.final_plan import Plan
from lemonade_es.engine.final.origin import Origin
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.bill import Bill
from lemonade_es.engine.history.events import (
    Accepted,
    DataSummary,
    IterationEnded,
    Measured,
    Replied,
    RunStarted,
    Seconds,
    Unanswered,
)
from lemonade_es.engine.loop.state import SearchState
from lemonade_es.engine.record import RunResult
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.executor import Reply, Try, Usage
from lemonade_es.report.finishing import LiveFinish, PlainFinish
from lemonade_es.report.live import LiveView, redraws
from lemonade_es.report.plain import PlainView, WarningView
from lemonade_es.report.summary import summary
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import CheckReport, DeviceOutcome, Epoch, Failure, Measurement
from lemonade_es.trainer.recipe import Recipe, search_recipe
from lemonade_es.trainer.trials.final_trial import CurvePoint

TABLE = Task("table", "churn", (6,), 3)
ENDED = IterationEnded(1, "ok", {"V_Acc": 0.9}, 1.0, True, Seconds(2.0))


def shown(*events):
    out = io.StringIO()
    view = PlainView(Console(file=out, width=200))
    for event in events:
        view.event(event)
    return out.getvalue()


def test_the_summary_tells_tries_that_may_have_been_paid(tmp_path):
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", DataSummary(TABLE, 1, 1, 1, "", ()), "", "", "", "", {})
    state = SearchState()
    state.bill = Bill(calls=1, tries=3, perhaps_paid=2)
    out = io.StringIO()
    Console(file=out, width=400).print(
        summary(RunResult("r", begun, None, state, 0.0, None, None), RunFolder(tmp_path))
    )
    assert "LLM: 1 call, 0.0000 USD; tries without an answer that may have been paid: 2\n" in out.getvalue()


def test_what_is_odd_about_a_network_is_told_before_it_is_trained():
    sound = Accepted(2, 1, "s", CheckReport(ok=True, stage="done"), (), "", (), (), None, ())
    odd = replace(sound, check=CheckReport(ok=True, stage="done", message="Its dropout is always on."))
    assert shown(sound) == ""
    assert shown(odd) == "iteration 2: odd about the network: Its dropout is always on.\n"


TIMED_OUT = Measured(
    3, Measurement({}, {}, Failure("TIMED_OUT", "it was not done 3,600 s after it was started", line=7)), None
)
WHY_IT_FAILED = "iteration 3: training failed (TIMED_OUT): it was not done 3,600 s after it was started (line 7 of the"


def test_a_training_that_failed_is_told_with_its_reason():
    assert WHY_IT_FAILED in shown(TIMED_OUT)
    out = io.StringIO()
    view = LiveView(Console(file=out, width=400))
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", DataSummary(TABLE, 1, 1, 1, "", ()), "", "", "", "", {})
    view.begin("r", begun, RunSpec())
    for event in (TIMED_OUT, ENDED):  # it stays for more than the moment until the iteration ends
        view.event(event)
    Console(file=out, width=400).print(view._draw())
    assert WHY_IT_FAILED in out.getvalue()


RULEBOOK = """
rulebook: book
version: 1
instructions:
  ACL: {text: Add}
rules:
  - {id: low, when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL], because: "above {PP}"}
"""
SETS_UNREAD = RunSpec(set={"PW": 1.0, "PV_Acc": 2.0, "TS": 0.5, "TF": 100.0, "WA": 1.0, "PP": 1.0})
"""Of these, neither a condition, a weight, a reason nor CM reads PW and TS."""


@pytest.mark.parametrize(("spec", "warned"), [(SETS_UNREAD, ["PW=1", "TS=0.5"]), (RunSpec(set={"PV_Acc": 2.0}), [])])
def test_what_is_set_and_no_rule_reads_is_told_when_the_search_begins(spec, warned):
    data = DataSummary(TABLE, 1, 1, 1, "", ())
    begun = RunStarted(spec, {}, Recipe(), RULEBOOK, "book.yaml", "", data, "", "", "", "", {})
    out = io.StringIO()
    PlainView(Console(file=out, width=200)).begin("r", begun, spec)
    quiet = io.StringIO()
    WarningView(Console(file=quiet, width=200)).begin("r", begun, spec)
    live = io.StringIO()
    LiveView(Console(file=live, width=200)).begin("r", begun, spec)
    for text in (out.getvalue(), live.getvalue(), quiet.getvalue()):
        warnings = [line.rstrip() for line in text.splitlines() if line.startswith("warning: ")]
        assert warnings == [
            f"warning: no rule reads {given.partition('=')[0]}, so --set {given} changes no advice; "
            "take a rulebook with a rule that does, or leave it out"
            for given in warned
        ]


def test_in_quiet_nothing_is_told_but_warnings():
    data = DataSummary(TABLE, 1, 1, 1, "", ())
    begun = RunStarted(
        RunSpec(), {}, Recipe(), RULEBOOK, "book.yaml", "", data, "", "none", "", "", {}, isolation_reason="asked for"
    )
    lost = DeviceOutcome("ssh board", 1.0, "", Failure("TIMED_OUT", "no answer after 60 s"))
    measured = Measured(3, Measurement({}, device=lost), None)
    out = io.StringIO()
    view = WarningView(Console(file=out, width=400))
    view.begin("r", begun, RunSpec())
    for event in (measured, measured, measured, ENDED):
        view.event(event)
    weaker, silent = out.getvalue().splitlines()
    assert weaker == "warning: isolation none: asked for"
    assert silent.startswith("warning: ")
    assert "no answer after 60 s" in silent


@pytest.mark.parametrize(("seconds", "left"), [(None, "10.0 s"), (7.0, "5.0 s"), (1000.0, "10.0 s")])
def test_no_more_time_is_said_to_be_left_than_its_budget_has(seconds, left):
    out = io.StringIO()
    view = LiveView(Console(file=out, width=200))
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", DataSummary(TABLE, 1, 1, 1, "", ()), "", "", "", "", {})
    view.begin("r", begun, RunSpec(iterations=6, max_seconds=seconds))
    view.event(ENDED)  # it took 2 s
    Console(file=out, width=200).print(view._draw())
    assert f"about {left} left" in out.getvalue()


def replied(cost):
    return Replied(1, 1, Reply("{}", "openai:gpt-4o", Usage(cost_usd=cost)))


def test_what_the_calls_have_cost_so_far_is_told_with_each_iteration():
    assert "0.0300 USD" in shown(replied(0.01), replied(0.02), ENDED)


@pytest.mark.parametrize("cost", [0.0, None])
def test_calls_that_cost_nothing_that_is_known_are_told_without_a_price(cost):
    assert "USD" not in shown(replied(cost), ENDED)


def test_what_tries_without_an_answer_have_cost_is_told_too():
    counted = Try("broken", "a gateway's error", 0.5, usage=Usage(10, output_tokens=10, cost_usd=0.04))
    assert "0.0500 USD" in shown(Unanswered(1, 1, "one", "gone", (counted,)), replied(0.01), ENDED)


def test_a_call_without_an_answer_is_told():
    assert "iteration 2: no answer: the server is gone" in shown(Unanswered(2, 1, "one", "the server is gone"))


@pytest.fixture(params=[PlainView, LiveView])
def headline(request):
    """What a view says of a run before anything is measured."""

    def of(task=TABLE, wait=None, **changes):
        out = io.StringIO()
        view = request.param(Console(file=out, width=200))
        data = DataSummary(task, 7, 8, 9, "f", ())
        begun = RunStarted(
            spec=RunSpec(),
            settings={},
            recipe=search_recipe(task.kind),
            rulebook="",
            rulebook_file="lemonade.yaml",
            rulebook_digest="0" * 64,
            data=data,
            executor="builtin",
            isolation="none",
            device="cpu",
            energy="none",
            versions={},
        )
        view.begin("run-1", replace(begun, **changes), RunSpec())
        if wait is not None:
            view.waiting(2, "openai:gpt-4o", wait)
        if isinstance(view, LiveView):
            Console(file=out, width=200).print(view._draw())
        return out.getvalue()

    return of


def test_a_regression_says_from_the_beginning_that_accuracy_is_r2(headline):
    told = headline(Task("table", "houses", (6,), 1, objective="regression"))
    assert "inputs of 6 features, a number; accuracy is R2, clipped at 0)" in told


def test_a_classification_says_nothing_of_r2(headline):
    assert "R2" not in headline()


def test_a_wait_for_a_server_says_how_long_and_why(headline):
    told = headline(wait=Try("rate_limit", "too many requests", 0.1, 117.5))
    assert "openai:gpt-4o is asked again after 1 min 58 s: too many requests" in told


def test_what_was_found_odd_about_the_data_is_told(headline):
    data = DataSummary(TABLE, 1, 1, 1, "", (), notes=("5 rows without a target are left out",))
    assert "note: 5 rows without a target are left out\n" in headline(data=data)


WHY = "Landlock and seccomp; not strong: bubblewrap is not installed"


def test_a_level_that_is_not_the_best_is_told_with_its_reason(headline):
    assert f"isolation medium: {WHY}" in headline(isolation="medium", isolation_reason=WHY)


@pytest.mark.parametrize("view", [PlainFinish, LiveFinish])
def test_a_final_training_tells_so_too(view):
    out = io.StringIO()
    shown = view(Console(file=out, width=400))
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", DataSummary(TABLE, 1, 1, 1, "", ()), "", "", "", "", {})
    accepted = Accepted(1, 1, "s", CheckReport(ok=True, stage="done"), (), "", (), (), None, ())
    shown.begin(
        Plan(Origin("r", begun, accepted, None, None, ("builtin",), ()), Recipe(), 9, 0, 1, 0, "cpu", "medium", WHY)
    )
    if isinstance(shown, LiveFinish):
        Console(file=out, width=400).print(shown._draw())
    assert f"isolation medium: {WHY}" in out.getvalue()


def test_the_last_line_of_a_final_training_tells_the_last_accuracy():
    out = io.StringIO()
    shown = PlainFinish(Console(file=out, width=400))
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", DataSummary(TABLE, 1, 1, 1, "", ()), "", "", "", "", {})
    accepted = Accepted(1, 1, "s", CheckReport(ok=True, stage="done"), (), "", (), (), None, ())
    origin = Origin("r", begun, accepted, None, None, ("builtin",), ())
    shown.begin(Plan(origin, Recipe(epochs=3), 9, 0, 1, 0, "cpu", "strong", ""))
    for number in (1, 2, 3):
        shown.epoch(number, Epoch(1 / number, 1.0))
        shown.point(CurvePoint(number, number / 4, 1.0))
    shown.testing()
    *_, second, third, end = out.getvalue().splitlines()
    assert second.endswith("training accuracy 25.00% after epoch 1")
    assert third.startswith("epoch 3/3: loss 0.3333")
    assert third.endswith("training accuracy 75.00% after epoch 3")
    assert end == "the training is done; the test split is opened"


@pytest.mark.parametrize(
    ("level", "reason", "told"), [("medium", WHY, True), ("strong", WHY, False), ("none", "", False)]
)
def test_the_summary_tells_it_once_more_unless_the_level_is_the_best(tmp_path, level, reason, told):
    data = DataSummary(TABLE, 1, 1, 1, "", ())
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", data, "", level, "", "", {}, isolation_reason=reason)
    out = io.StringIO()
    result = RunResult("r", begun, None, SearchState(), 0.0, None, None)
    Console(file=out, width=400).print(summary(result, RunFolder(tmp_path)))
    assert (f"isolation {level}" in out.getvalue()) is told


def test_colours_that_are_forced_make_no_terminal_of_a_file():
    assert not redraws(Console(file=io.StringIO(), force_terminal=True))


def test_an_answer_in_the_place_of_another_executors_is_told():
    spec = RunSpec(llm="openai:gpt-4o", fallback="builtin")
    begun = RunStarted(spec, {}, Recipe(), "", "", "", DataSummary(TABLE, 1, 1, 1, "", ()), "", "", "", "", {})

    def told(view, out, attempt):
        view.begin("r-1", begun, spec)
        view.event(Replied(2, attempt, Reply("{}", "builtin")))
        if isinstance(view, LiveView):
            Console(file=out, width=200).print(view._draw())
        return "builtin has answered in the place of the usual executor" in out.getvalue()

    for make in (PlainView, LiveView):
        for attempt, is_fallback in ((spec.repairs + 2, False), (spec.repairs + 3, True)):
            out = io.StringIO()
            assert told(make(Console(file=out, width=200)), out, attempt) is is_fallback


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ((0.25, 0.5), "LLM: 2 calls, 0.7500 USD"),
        ((0.25, None), "LLM: 2 calls, 0.2500 USD, and 1 call whose price is not known"),
        ((None,), "LLM: 1 call, 1 call whose price is not known"),
        ((0.0,), None),
        ((), None),
    ],
)
def test_the_summary_tells_what_calls_cost(tmp_path, costs, told):
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", DataSummary(TABLE, 1, 1, 1, "", ()), "", "", "", "", {})
    state = SearchState()
    for cost in costs:
        state.bill += Bill.of(Replied(1, 1, Reply("{}", "openai:gpt-4o", Usage(cost_usd=cost))))
    out = io.StringIO()
    Console(file=out, width=400).print(
        summary(RunResult("r", begun, None, state, 0.0, None, None), RunFolder(tmp_path))
    )
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert [line for line in lines if line.startswith("LLM")] == ([] if told is None else [told])
