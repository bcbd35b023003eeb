from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lemonade_es.engine.history.events import Accepted, Advised, IterationEnded, Measured, Refused, Replied, Requested
from lemonade_es.engine.history.tape import TapeEnd
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import ExecutorError, ReplyError
from lemonade_es.llm.executor import Reply, Usage
from lemonade_es.llm.scripted import ScriptedExecutor


def patch(source, summary="a change"):
    return json.dumps(
        {"summary": summary, "model_py": source, "edits": None, "applied": [], "skipped": [], "predicted": None}
    )


def good(accuracy, parameters=10, extra=""):
    return patch(f"accuracy={accuracy} parameters={parameters} {extra}".strip())


def kinds(events):
    return [type(event).__name__ for event in events]


def test_the_first_network_is_asked_for_without_instructions(bench):
    search = bench.search([good(0.5)])
    search.run()
    assert kinds(bench.events()) == ["Requested", "Replied", "Accepted", "Measured", "IterationEnded", "RunEnded"]
    request = bench.events()[0].request
    assert request["model_py"] is None
    assert request["instructions"] == []


def test_the_second_iteration_carries_out_what_the_rules_say_of_the_first(bench):
    search = bench.search([good(0.5), good(0.6)])
    search.run()
    advised = next(event for event in bench.events() if isinstance(event, Advised))
    request = [event for event in bench.events() if isinstance(event, Requested)][1].request
    assert advised.base == 1
    assert advised.inference.facts["V_Acc"] == 0.5
    assert [item["id"] for item in request["instructions"]] == list(advised.resolution.instructions)
    assert request["model_py"] == "accuracy=0.5 parameters=10\n"
    assert search.state.instructions[1] == dict(advised.resolution.instructions) != {}


def test_the_best_by_CM_is_kept_and_the_next_edit_starts_from_it(bench):
    search = bench.search([good(0.9), good(0.4), good(0.6)])
    end = search.run()
    assert end.best == 1
    assert [event.base for event in bench.events() if isinstance(event, Advised)] == [1, 1]


def test_an_edit_can_start_from_the_current_network_as_in_the_paper(bench):
    spec = RunSpec(iterations=3, repairs=0, start_from="current")
    bench.search([good(0.9), good(0.4), good(0.6)], spec=spec).run()
    assert [event.base for event in bench.events() if isinstance(event, Advised)] == [1, 2]


def test_after_an_iteration_without_a_network_the_best_one_is_edited(bench):
    same = "accuracy=0.4 parameters=10"
    spec = RunSpec(iterations=4, repairs=0, start_from="current")
    bench.search([good(0.9), patch(same), patch(same), patch(same), good(0.5)], spec=spec).run()
    ended = [event.outcome for event in bench.events() if isinstance(event, IterationEnded)]
    assert ended == ["ok", "ok", "UNCHANGED", "ok"]
    assert [event.base for event in bench.events() if isinstance(event, Advised)] == [1, 2, 1]


def test_of_two_networks_with_the_same_CM_the_smaller_one_leads(bench):
    search = bench.search([good(0.9, 100), good(0.9, 50), good(0.9, 70)])
    assert search.run().best == 2


def test_a_refused_reply_goes_back_with_its_reason_and_the_failing_line(bench):
    executor = ScriptedExecutor([patch("accuracy=0.5 refuse=SHAPE_MISMATCH"), good(0.5)])
    search = bench.search([], executor=executor, spec=RunSpec(iterations=1, repairs=1))
    search.run()
    feedback = executor.asked[1][1][0]
    assert (feedback.code, feedback.line, feedback.line_text) == (
        "SHAPE_MISMATCH",
        1,
        "accuracy=0.5 refuse=SHAPE_MISMATCH",
    )
    assert search.state.best is not None


def test_after_the_repairs_a_fresh_sample_is_asked_for_with_another_seed(bench):
    bad = patch("accuracy=0.5 refuse=SHAPE_MISMATCH")
    executor = ScriptedExecutor([bad, bad, bad, good(0.5)])
    bench.search([], executor=executor, spec=RunSpec(iterations=1, repairs=2)).run()
    assert [len(feedback) for _, feedback in executor.asked] == [0, 1, 2, 0]
    assert executor.asked[3][0].seed != executor.asked[0][0].seed


def test_an_iteration_without_a_usable_reply_is_recorded_as_failed_and_the_search_goes_on(bench):
    search = bench.search(["no json at all", "", good(0.5), good(0.6)], spec=RunSpec(iterations=3, repairs=0))
    search.run()
    assert [ended.outcome for ended in search.state.ended] == ["EMPTY_REPLY", "ok", "ok"]
    assert search.state.best.iteration == 3


def test_a_reply_that_is_an_error_of_the_executor_is_an_outcome_too(bench):
    replies = [ReplyError("REFUSED", "the model declined"), good(0.5)]
    search = bench.search(replies, spec=RunSpec(iterations=1, repairs=0))
    search.run()
    assert kinds(bench.events())[:3] == ["Requested", "Refused", "Replied"]
    assert search.state.ended[0].outcome == "ok"


def test_the_same_network_again_is_refused_as_a_duplicate(bench):
    again = [good(0.5, extra="words=other"), good(0.5, extra="words=more")]
    search = bench.search([good(0.5), *again], spec=RunSpec(iterations=2, repairs=0))
    search.run()
    refused = [event for event in bench.events() if isinstance(event, Refused)]
    assert [event.code for event in refused] == ["DUPLICATE", "DUPLICATE"]
    assert "iteration 1" in refused[0].message
    assert search.state.ended[1].outcome == "DUPLICATE"


def test_a_failed_training_becomes_a_fact_and_not_the_end(bench):
    search = bench.search([good(0.5), patch("accuracy=0 fail=DIVERGED"), good(0.7)])
    end = search.run()
    advised = [event for event in bench.events() if isinstance(event, Advised)][1]
    assert advised.inference.facts["failed"] == 1.0
    assert "AWI" in advised.inference.weights
    assert search.state.ended[1].outcome == "DIVERGED"
    assert end.best == 3


def test_after_two_failed_trainings_in_a_row_the_edit_starts_from_the_best(bench):
    failing = [patch(f"accuracy=0 fail=DIVERGED parameters={n}") for n in (1, 2)]
    bench.search([good(0.5), *failing, good(0.7)]).run()
    assert [event.base for event in bench.events() if isinstance(event, Advised)] == [1, 2, 1]


def test_between_two_returns_to_the_best_the_failed_network_is_a_fact_again(bench):
    failing = [patch(f"accuracy=0 fail=DIVERGED parameters={n}") for n in range(1, 5)]
    bench.search([good(0.5), *failing, good(0.7)]).run()
    advised = [event for event in bench.events() if isinstance(event, Advised)]
    assert [event.base for event in advised] == [1, 2, 1, 4, 1]
    assert [event.inference.facts["failed"] for event in advised] == [0.0, 1.0, 0.0, 1.0, 0.0]


def test_without_any_valid_network_the_run_has_failed(bench):
    end = bench.search(["no"] * 4, spec=RunSpec(iterations=2, repairs=0)).run()
    assert (end.status, end.best) == ("failed", None)


def test_a_reached_target_ends_the_search(bench):
    spec = RunSpec(iterations=9, repairs=0, target={"V_Acc": 0.7})
    search = bench.search([good(0.5), good(0.75)], spec=spec)
    end = search.run()
    assert (end.status, end.reason, end.best) == ("finished", "the target is reached", 2)


def test_a_spent_energy_budget_stops_the_search(bench):
    spec = RunSpec(iterations=9, repairs=0, max_energy=1.5e-4)
    search = bench.search([good(0.5), good(0.6), good(0.7)], spec=spec)
    end = search.run()
    assert end.status == "stopped"
    assert "energy budget of 0.00015 kWh-PUE" in end.reason
    assert search.iteration == 2


def test_a_spent_llm_budget_stops_the_search(bench):
    class Paid(ScriptedExecutor):
        def ask(self, request, feedback=()):
            return Reply(super().ask(request, feedback).text, "paid", Usage(cost_usd=0.4))

    spec = RunSpec(iterations=9, repairs=0, max_llm_cost=0.75)
    search = bench.search([], executor=Paid([good(0.5), good(0.6), good(0.7)]), spec=spec)
    assert search.run().reason == "the LLM budget of 0.75 USD is spent: 0.8"
    assert search.state.cost == pytest.approx(0.8)


def test_an_llm_budget_that_cannot_be_kept_stops_the_search(bench):
    class Uncounted(ScriptedExecutor):
        def ask(self, request, feedback=()):
            return Reply(super().ask(request, feedback).text, "uncounted", Usage(cost_usd=None))

    bounded, free = (RunSpec(iterations=2, repairs=0, max_llm_cost=cost) for cost in (0.75, None))
    search = bench.search([], executor=Uncounted([good(0.5)]), spec=bounded)
    end = search.run()
    assert (end.status, end.best) == ("stopped", 1)
    assert end.reason.startswith("the server did not count tokens, so the LLM budget cannot be kept; a resume with")
    known = bench.search([], executor=Uncounted([good(0.6)]), spec=replace(bounded, iterations=9), taken_on=1)
    assert (known.run().status, known.iteration) == ("stopped", 2)
    bench.run = "free"
    assert bench.search([], executor=Uncounted([good(0.5), good(0.6)]), spec=free).run().status == "finished"


def test_a_measured_energy_is_never_ranked_against_an_estimated_one(bench):
    spec = RunSpec(iterations=2, repairs=0, preset="balanced")
    search = bench.search([good(0.5), good(0.9, extra="energy=estimated")], spec=spec)
    end = search.run()
    assert end.best == 1
    assert "not comparable" in search.state.ended[1].note


def test_the_plateau_counts_iterations_since_CM_rose_and_is_a_fact(bench):
    bench.search([good(0.9), good(0.4), good(0.5), good(0.95), good(0.2)]).run()
    plateaus = [event.inference.facts["plateau"] for event in bench.events() if isinstance(event, Advised)]
    assert plateaus == [0.0, 1.0, 2.0, 0.0]


def test_the_time_of_an_iteration_is_the_sum_of_its_parts(bench):
    search = bench.search([good(0.5)])
    search.run()
    seconds = search.state.seconds
    parts = seconds.training + seconds.measuring + seconds.llm + seconds.overhead
    assert seconds.total == pytest.approx(parts)


def test_a_search_that_broke_off_goes_on_without_asking_or_training_again(bench, trainer):
    replies = [good(0.5), good(0.6), good(0.7)]
    trainer.interrupt_at = 2
    with pytest.raises(KeyboardInterrupt):
        bench.search(replies, trainer=trainer).run()
    trainer.interrupt_at = None
    executor = ScriptedExecutor(replies[2:])
    resumed = bench.search(replies, trainer=trainer, executor=executor)
    end = resumed.run()
    assert len(executor.asked) == 1
    assert trainer.trained == [
        "accuracy=0.5 parameters=10\n",
        "accuracy=0.6 parameters=10\n",
        "accuracy=0.6 parameters=10\n",
        "accuracy=0.7 parameters=10\n",
    ]
    assert (end.best, len(resumed.state.ended)) == (3, 3)


def _stop_after(bench, number):
    """Make the journal fail once it holds that many events, as a killed process would stop there."""
    append = bench.journal.append

    def stopping(run, seq, event):
        if seq >= number:
            raise KeyboardInterrupt
        return append(run, seq, event)

    bench.journal.append = stopping
    return append


@pytest.mark.parametrize("number", range(14))
def test_a_search_stopped_after_any_event_ends_as_if_it_had_not_been(bench, number, trainer):
    replies = [good(0.5), "no json", good(0.6), good(0.4)]
    append = _stop_after(bench, number)
    executor = ScriptedExecutor(replies)
    spec = RunSpec(iterations=3, repairs=0)
    with pytest.raises(KeyboardInterrupt):
        bench.search([], executor=executor, spec=spec, trainer=trainer).run()
    bench.journal.append = append
    heard = sum(1 for event in (bench.events() if number else []) if isinstance(event, Replied))
    rest = ScriptedExecutor(replies[heard:])
    resumed = bench.search([], executor=rest, spec=spec, trainer=trainer)
    end = resumed.run()
    assert (end.status, end.best) == ("finished", 2)
    assert [item.outcome for item in resumed.state.ended] == ["ok", "ok", "ok"]
    assert heard + len(rest.asked) == len(replies)
    assert kinds(bench.events()).count("Measured") == 3


def test_a_recorded_run_is_read_back_without_doing_anything(bench, trainer):
    bench.search([good(0.5), good(0.6)]).run()
    again = bench.search([], trainer=trainer, read_only=True, spec=RunSpec(iterations=2, repairs=0))
    with pytest.raises(TapeEnd):
        again.run()
    assert (trainer.checked, trainer.trained) == ([], [])
    assert again.state.best.iteration == 2
    assert [ended.CM for ended in again.state.ended] == [1.0, 1.2]


def test_an_executor_that_cannot_be_asked_ends_the_search_but_loses_nothing(bench):
    with pytest.raises(ExecutorError, match="the script holds 1 replies"):
        bench.search([good(0.5)], spec=RunSpec(iterations=2, repairs=0)).run()
    assert sum(isinstance(event, IterationEnded) for event in bench.events()) == 1


def test_a_reply_is_on_disk_before_it_is_read(bench):
    bench.search(["not json at all", good(0.5)], spec=RunSpec(iterations=1, repairs=0)).run()
    events = bench.events()
    assert isinstance(events[1], Replied)
    assert events[1].reply.text == "not json at all"
    assert isinstance(events[2], Refused)


def test_sources_and_weights_lie_in_the_artifacts(bench):
    bench.search([good(0.5)]).run()
    accepted = next(event for event in bench.events() if isinstance(event, Accepted))
    measured = next(event for event in bench.events() if isinstance(event, Measured))
    assert bench.artifacts.read(accepted.source) == b"accuracy=0.5 parameters=10\n"
    assert bench.artifacts.read(measured.weights).startswith(b"weights of accuracy=0.5")


def test_requests_tell_times_and_energies_only_if_they_count(bench):
    bench.search([good(0.5), good(0.6)]).run()
    exact = [event for event in bench.events() if isinstance(event, Requested)][1].request["metrics"]
    assert not {"F", "NF", "T_E", "V_E"} & set(exact)
    assert exact["V_Acc"] == 0.5


def test_requests_tell_the_speed_where_it_has_a_priority(bench):
    spec = RunSpec(iterations=2, repairs=0, preset="edge")
    bench.search([good(0.5), good(0.6)], spec=spec).run()
    metrics = [event for event in bench.events() if isinstance(event, Requested)][1].request["metrics"]
    assert {"F", "NF", "T_E", "V_E"} <= set(metrics)
