"""A rulebook that changes while a search runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import (
    Advised,
    DataSummary,
    IterationEnded,
    RulebookChanged,
    RulebookKept,
    RunStarted,
)
from lemonade_es.engine.history.tape import TapeEnd
from lemonade_es.engine.loop.advisor import RulebookWatch
from lemonade_es.engine.record import rulebook_at
from lemonade_es.engine.spec import RunSpec
from lemonade_es.report.run_report import report_page, run_report
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.task import Task
from lemonade_es.trainer.recipe import search_recipe
from lemonade_es.vocabulary import settings

EXTENDING = """\
rulebook: mine
version: 1
extends: lemonade
drop_tests: all
rules:
  - {{id: always, when: V_Acc >= 0, weight: {weight}, instruct: [AWI]}}
tests:
  - {{name: always, given: {{V_Acc: 0.5}}, expect: {{fired: [{fires}]}}}}
"""
LEMONADE = load_rulebook(find_rulebook("lemonade"))


def reply(accuracy, parameters):
    source = f"accuracy={accuracy} parameters={parameters}"
    return json.dumps(
        {"summary": "a change", "model_py": source, "edits": None, "applied": [], "skipped": [], "predicted": None}
    )


REPLIES = [reply(0.5, 10), reply(0.6, 11), reply(0.7, 12), reply(0.8, 13)]


class Editor:
    """Writes rulebooks while the search runs: a text for after each iteration."""

    def __init__(self, notes, path, texts):
        self.path, self.texts, self.listen = path, texts, notes.event
        notes.event = self.event

    def event(self, event):
        self.listen(event)
        if isinstance(event, IterationEnded) and event.iteration in self.texts:
            self.path.write_text(self.texts[event.iteration])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(EXTENDING.format(weight=3, fires="always"))
    return path


@pytest.fixture
def watch(file):
    return RulebookWatch(str(file), load_rulebook(file).digest)


def begun():
    own = LEMONADE.sources[0]
    return RunStarted(
        spec=RunSpec(),
        settings=settings(None, {}),
        recipe=search_recipe("image"),
        rulebook=own.text,
        rulebook_file=own.file,
        rulebook_digest=LEMONADE.digest,
        data=DataSummary(Task("image", "lines", (1, 8, 8), 10), 1, 1, 1, "f", ()),
        executor="scripted",
        isolation="none",
        device="cpu",
        energy="none",
        versions={},
    )


def of_kind(bench, *kinds):
    return [event for event in bench.events() if isinstance(event, kinds)]


def digests(bench):
    return [event.rulebook for event in of_kind(bench, Advised)]


def awi(bench):
    return [event.resolution.instructions.get("AWI") for event in of_kind(bench, Advised)]


def test_a_changed_rulebook_advises_from_the_next_iteration_on(bench, file, watch):
    changed = EXTENDING.format(weight=7, fires="always")
    Editor(bench.notes, file, {2: changed})
    bench.search(REPLIES, watch=watch).run()
    (event,) = of_kind(bench, RulebookChanged)
    assert event.iteration == 3
    assert event.sources[0].text == changed
    assert awi(bench)[1:] == [7, 7]
    assert digests(bench) == [LEMONADE.digest, event.digest, event.digest]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (EXTENDING.format(weight="PV_Acx", fires="always"), "UNKNOWN_NAME"),
        (EXTENDING.format(weight=7, fires="slow"), "TEST_FAILED"),
        ("", "EMPTY_FILE"),
    ],
)
def test_a_rulebook_with_a_problem_is_told_of_once_and_leaves_the_old_one_in_force(bench, file, watch, text, code):
    Editor(bench.notes, file, {1: text})
    bench.search(REPLIES, watch=watch).run()
    (event,) = of_kind(bench, RulebookKept)
    assert event.iteration == 2
    assert f" {code} " in event.problems[0]
    assert event.problems[0].startswith(str(file))
    assert set(digests(bench)) == {LEMONADE.digest}


def test_a_rulebook_whose_weights_cannot_be_summed_leaves_the_old_one_in_force(bench, file, watch):
    twice = "\n  - {id: again, when: V_Acc >= 0, weight: 1e308, instruct: [AWI]}\ntests:\n"
    Editor(bench.notes, file, {1: EXTENDING.format(weight=1e308, fires="always").replace("\ntests:\n", twice)})
    bench.search(REPLIES, watch=watch).run()
    (event,) = of_kind(bench, RulebookKept)
    assert "the weight of AWI is too large to compute" in event.problems[0]
    assert set(digests(bench)) == {LEMONADE.digest}


def test_the_report_of_a_run_tells_what_became_of_changed_rules(bench, file, watch):
    right, wrong = EXTENDING.format(weight=7, fires="always"), EXTENDING.format(weight="PV_Acx", fires="always")
    Editor(bench.notes, file, {1: wrong, 2: right})
    bench.journal.append(bench.run, 0, begun())
    bench.search(REPLIES, watch=watch).run()
    report = run_report(bench.journal.read(bench.run), RunFolder(Path("runs")))
    kept, changed = report.to_json()["rulebook"]["changes"]
    assert (kept["iteration"], kept["digest"]) == (2, None)
    assert "UNKNOWN_NAME" in kept["problems"][0]
    assert (changed["iteration"], changed["problems"]) == (3, [])
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report_page(report))
    text = console.export_text()
    assert f"changed, and not taken over for iteration 2: {file}" in text
    assert f"changed, and in force from iteration 3 on (SHA-256 {changed['digest'][:8]})" in text


def test_a_rulebook_that_vanishes_leaves_the_old_one_in_force(bench, file, watch):
    file.unlink()
    bench.search(REPLIES, watch=watch).run()
    (event,) = of_kind(bench, RulebookKept)
    assert "there is no file" in event.problems[0]


def test_a_mended_rulebook_is_taken_after_all(bench, file, watch):
    good = EXTENDING.format(weight=7, fires="always")
    Editor(bench.notes, file, {1: "rulebook: [", 2: good})
    bench.search(REPLIES, watch=watch).run()
    assert [type(event) for event in of_kind(bench, RulebookKept, RulebookChanged)] == [RulebookKept, RulebookChanged]
    assert awi(bench)[1:] == [7, 7]


def test_a_file_that_is_not_watched_changes_nothing(bench, file):
    Editor(bench.notes, file, {1: EXTENDING.format(weight=7, fires="always")})
    bench.search(REPLIES).run()
    assert of_kind(bench, RulebookChanged, RulebookKept) == []


def test_a_run_with_changed_rules_is_read_back_from_the_journal_alone(bench, file, watch):
    Editor(bench.notes, file, {2: EXTENDING.format(weight=7, fires="always"), 3: "rulebook: ["})
    before = bench.search(REPLIES, watch=watch)
    before.run()
    file.unlink()
    again = bench.search(REPLIES, read_only=True)
    with pytest.raises(TapeEnd):
        again.run()
    assert again.state.instructions == before.state.instructions
    assert again._advisor.rulebook.digest == of_kind(bench, RulebookChanged)[0].digest


def test_the_thresholds_that_a_changed_rulebook_sets_are_in_force_for_its_rules_only(bench, file, watch):
    changed = EXTENDING.format(weight=1, fires="always") + "thresholds: {TV_Acc: {default: 0.4}}\n"
    Editor(bench.notes, file, {2: changed})
    search = bench.search(REPLIES, watch=watch)
    search.run()
    facts = [event.inference.facts["TV_Acc"] for event in of_kind(bench, Advised)]
    assert facts == [0.99, 0.4, 0.4]
    assert search._settings["TV_Acc"] == 0.99


def test_the_rulebook_at_an_iteration_is_found_in_the_journal(bench, file, watch):
    Editor(bench.notes, file, {2: EXTENDING.format(weight=7, fires="always")})
    bench.journal.append(bench.run, 0, begun())
    bench.search(REPLIES, watch=watch).run()
    entries = bench.journal.read(bench.run)
    weights = [rulebook_at(entries, number).rules[-1].weight.source for number in (0, 2, 3, 4)]
    assert weights[:2] == [LEMONADE.rules[-1].weight.source] * 2
    assert weights[2:] == ["7", "7"]
