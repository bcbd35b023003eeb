"""What is read back of a run from its journal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lemonade_es.engine.history.events import DataSummary, Replied, RunResumed, RunStarted
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.options import extend
from lemonade_es.engine.record import as_resumed, current_spec, is_foreign, isolations, startup_seconds, taken_on
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import ConfigError, StoreError
from lemonade_es.llm.executor import Reply, Usage
from lemonade_es.task import Task
from lemonade_es.trainer.recipe import Recipe


def begun(foreign=None, **spec):
    started = RunStarted(
        spec=RunSpec(**spec),
        settings={},
        recipe=Recipe(),
        rulebook="",
        rulebook_file="lemonade.yaml",
        rulebook_digest="",
        data=DataSummary(Task("image", "lines", (1, 8, 8), 10), 1, 1, 1, "", ()),
        executor="",
        isolation="",
        device="cpu",
        energy="",
        versions={},
        foreign=foreign,
    )
    return (Entry("r", 0, "", started),)


@pytest.mark.parametrize("foreign", [True, False])
def test_whether_source_is_foreign_is_what_the_run_recorded_whatever_its_executor_is_called(foreign):
    assert is_foreign(begun(foreign, llm="builtin")) is foreign
    assert is_foreign(begun(foreign, llm="house:of-our-own")) is foreign


@pytest.mark.parametrize(
    ("spec", "foreign"),
    [
        ({}, False),
        ({"fallback": "builtin"}, False),
        ({"llm": "openai:gpt-4o"}, True),
        ({"fallback": "replay:r"}, True),
        ({"llm": "openai:gpt-4o", "fallback": "builtin"}, True),
    ],
)
def test_in_a_journal_of_old_every_name_but_that_of_the_builtin_executor_is_foreign(spec, foreign):
    assert is_foreign(begun(**spec)) is foreign


@pytest.mark.parametrize(
    ("resumes", "foreign"),
    [
        ([RunResumed({"fallback": "openai:gpt-4o"}, foreign=True)], True),
        ([RunResumed({"fallback": "house:of-our-own"}, foreign=False)], False),
        (
            [
                RunResumed({"fallback": "openai:gpt-4o"}, foreign=True),
                RunResumed({"fallback": "builtin"}, foreign=False),
            ],
            True,
        ),
        ([RunResumed({"fallback": "openai:gpt-4o"})], True),
        ([RunResumed({"fallback": "builtin"})], False),
        ([RunResumed({"iterations": 9})], False),
    ],
)
def test_a_fallback_that_a_resume_names_makes_the_source_foreign_and_it_stays_so(resumes, foreign):
    entries = (*begun(foreign=False), *(Entry("r", number, "", event) for number, event in enumerate(resumes, 1)))
    assert is_foreign(entries) is foreign


def test_the_level_of_isolation_is_that_of_the_last_process_and_none_is_forgotten():
    levels = [RunResumed(isolation="none", isolation_reason="so wished"), RunResumed(isolation="strong"), RunResumed()]
    first = (replace(begun()[0], event=replace(begun()[0].event, isolation="strong", isolation_reason="walls")),)
    entries = (*first, *(Entry("r", number, "", event) for number, event in enumerate(levels, 1)))
    assert (as_resumed(first).isolation, isolations(first)) == ("strong", ("strong",))
    assert (as_resumed(entries[:2]).isolation, as_resumed(entries[:2]).isolation_reason) == ("none", "so wished")
    assert as_resumed(entries).isolation == "strong"
    assert isolations(entries) == ("strong", "none")


def test_calls_that_were_not_counted_are_taken_on_by_who_names_a_budget_after_them():
    def told(*events):
        return taken_on((*begun(), *(Entry("r", number, "", event) for number, event in enumerate(events, 1))))

    uncounted, counted = (Replied(1, 1, Reply("{}", "e", Usage(cost_usd=cost))) for cost in (None, 0.1))
    budget, patience = RunResumed({"max_llm_cost": 5.0}), RunResumed({"iterations": 9})
    assert told(uncounted, counted) == 0
    assert told(uncounted, patience, uncounted) == 0
    assert told(uncounted, counted, budget, uncounted) == 1
    assert told(uncounted, budget, uncounted, budget, patience) == 2


def resumed(*events, **spec):
    return (*begun(**spec), *(Entry("r", number, "", event) for number, event in enumerate(events, 1)))


def test_the_starts_of_all_processes_of_a_run_are_counted_where_they_are_recorded():
    first = replace(begun()[0], event=replace(begun()[0].event, startup_seconds=4.0))
    assert startup_seconds((first, *resumed(RunResumed(startup_seconds=3.5), RunResumed())[1:])) == 7.5


def test_options_that_this_version_refuses_are_read_all_the_same_and_only_a_resume_refuses_them():
    entries = resumed(RunResumed({"iterations": 9}), RunResumed({"target": {"F": 3.5}}), require={"failed": 0.0})

    spec = current_spec(entries)

    assert (spec.iterations, spec.target, spec.require) == (9, {"F": 3.5}, {"failed": 0.0})
    with pytest.raises(ConfigError, match="--require that the run was started with: failed cannot be required"):
        extend(spec, {})
    with pytest.raises(ConfigError, match="--target: F=0 is"):
        extend(replace(spec, require={}), {"target": {"F": 0.0}})


@pytest.mark.parametrize("extended", [{"iterations": "many"}, {"colour": "red"}, {"target": 1}])
def test_a_resume_whose_options_are_none_is_a_damaged_record(extended):
    with pytest.raises(StoreError, match=f"run r: a recorded RunResumed is damaged at {next(iter(extended))}"):
        current_spec(resumed(RunResumed(extended)))
