"""Recorded decisions, made again from their facts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lemonade_es.engine.history.events import Advised, DataSummary, RunStarted
from lemonade_es.engine.reasons.replay import Replayed, replay, replay_run
from lemonade_es.engine.reasons.why import why
from lemonade_es.engine.record import rulebook_at
from lemonade_es.engine.spec import RunSpec
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.task import Task
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.vocabulary import settings


def good(accuracy):
    source = f"accuracy={accuracy} parameters=10"
    return json.dumps(
        {"summary": "a", "model_py": source, "edits": None, "applied": [], "skipped": [], "predicted": None}
    )


@pytest.fixture
def recorded(bench):
    """A search of five iterations, as the journal gives it back; its third network failed."""
    replies = [good(0.5), good(0.6), good("0.7 fail=DIVERGED"), good(0.995), good(0.999)]
    bench.search(replies).run()
    source = find_rulebook("lemonade").read_text(encoding="utf-8")
    begun = RunStarted(
        spec=RunSpec(),
        settings=settings(None, {}),
        recipe=Recipe(),
        rulebook=source,
        rulebook_file="lemonade.yaml",
        rulebook_digest=load_rulebook(find_rulebook("lemonade")).digest,
        data=DataSummary(Task("image", "lines", (1, 8, 8), 10), 1, 1, 1, "", ()),
        executor="scripted",
        isolation="",
        device="cpu",
        energy="",
        versions={},
    )
    for number, event in enumerate([begun, *bench.events()]):
        bench.journal.append("whole", number, event)
    return bench.journal.read("whole")


def test_all_decisions_of_a_run_come_out_the_same_byte_for_byte(recorded):
    verdicts = replay_run(recorded)
    assert [verdict.iteration for verdict in verdicts] == [2, 3, 4, 5]
    assert all(verdict.same and verdict.recorded == verdict.replayed for verdict in verdicts)


def test_one_decision_can_be_made_again_and_explained(recorded):
    advised = next(entry.event for entry in recorded if isinstance(entry.event, Advised))
    rulebook = rulebook_at(recorded, advised.iteration)
    again = replay(advised, rulebook)
    assert again == Replayed(advised.inference, advised.resolution)
    sent = next(iter(advised.resolution.instructions))
    assert (
        why(advised, rulebook, sent).answer
        == why(replace(advised, inference=again.inference, resolution=again.resolution), rulebook, sent).answer
    )


def test_a_record_that_was_altered_is_found_out(recorded):
    entries = list(recorded)
    number = next(number for number, entry in enumerate(entries) if isinstance(entry.event, Advised))
    advised = entries[number].event
    weights = {**advised.inference.weights, "ACL": 0.123}
    forged = replace(advised, inference=replace(advised.inference, weights=weights))
    entries[number] = replace(entries[number], event=forged)
    verdicts = replay_run(entries)
    assert [verdict.same for verdict in verdicts] == [False, True, True, True]
    assert '"ACL": 0.123' in verdicts[0].recorded
    assert '"ACL": 0.123' not in verdicts[0].replayed
