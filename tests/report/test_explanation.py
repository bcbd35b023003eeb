"""The explanation as text: what it says where there is nothing to say, and of what was not sent."""

from __future__ import annotations

from dataclasses import replace

from lemonade_es.engine.expert.conflicts import Dropped, Resolution
from lemonade_es.engine.expert.inference import Contribution, Firing, Inference
from lemonade_es.engine.explain import Explanation
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import (
    Accepted,
    Advised,
    Asked,
    DataSummary,
    IterationEnded,
    Measured,
    Refused,
    Replied,
    RunStarted,
    Seconds,
    Unanswered,
)
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.executor import Reply
from lemonade_es.report.explanation import explained, explanation_text, explanations, unsent_lines
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import CheckReport, Failure, Measurement
from lemonade_es.trainer.recipe import Recipe


def test_a_run_in_which_nothing_has_begun_says_so_and_how_it_goes_on(tmp_path):
    data = DataSummary(Task("image", "digits", (1, 8, 8), 10), 1, 1, 1, "", ())
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", data, "", "strong", "", "", {})
    entries = (Entry("r-1", 0, "", begun),)
    folder = RunFolder(tmp_path, None)
    chosen = explanations(entries, folder, None)
    told = explained(entries, folder, chosen, source=False)
    assert told == f"No iteration has begun yet; go on with: lemonade-es run --resume r-1 --out {tmp_path}"
    assert chosen == ()


def test_the_instructions_sent_say_what_their_weights_are_made_of():
    parts = (Contribution("low", 2.0, ""), Contribution("idle", 0.0, ""), Contribution("large", -1.5, ""))

    def sent(weight):
        inference = Inference({}, (), (), {}, {"ACL": parts}, {"ACL": weight})
        advised = Advised(2, 1, inference, Resolution({"ACL": weight}))
        return explanation_text(Explanation(2, advised), source=False)

    assert "   0.500  ACL    = low 2 + large -1.5" in sent(0.5)
    assert "   2.000  ACL    = the largest of low 2, large -1.5" in sent(2.0)


def test_instructions_have_their_names_where_the_run_was_killed_before_they_were_requested(tmp_path):
    """The journal ends with the advice; its rulebook says what the instructions are."""
    book = "rulebook: b\nversion: 1\ninstructions:\n  ACL: {text: Add a layer}\nrules:\n"
    book += "  - {id: low, when: V_Acc < 1, weight: 2, instruct: [ACL]}\n"
    data = DataSummary(Task("image", "digits", (1, 8, 8), 10), 1, 1, 1, "", ())
    begun = RunStarted(RunSpec(), {}, Recipe(), book, "book.yaml", "", data, "", "strong", "", "", {})
    parts = {"ACL": (Contribution("low", 2.0, ""),)}
    advised = Advised(2, 1, Inference({}, (), (), {}, parts, {"ACL": 2.0}), Resolution({"ACL": 2.0}))
    entries = (Entry("r-1", 0, "", begun), Entry("r-1", 1, "", advised))
    folder = RunFolder(tmp_path, None)
    told = explained(entries, folder, explanations(entries, folder, None), source=False)
    assert "   2.000  ACL  Add a layer  = low 2" in told


def test_the_rulebook_of_a_journal_tells_whether_weights_were_added(tmp_path):
    book = "rulebook: b\nversion: 1\ncombine: max\ninstructions:\n  ACL: {text: Add}\nrules:\n"
    book += "  - {id: low, when: V_Acc < 1, weight: 2, instruct: [ACL]}\n"
    data = DataSummary(Task("image", "digits", (1, 8, 8), 10), 1, 1, 1, "", ())
    begun = RunStarted(RunSpec(), {}, Recipe(), book, "book.yaml", "", data, "", "strong", "", "", {})
    parts = {"ACL": tuple(Contribution(name, weight, "") for name, weight in (("a", 2.0), ("b", 1.0), ("c", -1.0)))}
    advised = Advised(2, 1, Inference({}, (), (), {}, parts, {"ACL": 2.0}), Resolution({"ACL": 2.0}))
    folder = RunFolder(tmp_path, None)

    def told(begun):
        entries = (Entry("r-1", 0, "", begun), Entry("r-1", 1, "", advised))
        return explained(entries, folder, explanations(entries, folder, None), source=False)

    assert "   2.000  ACL  Add  = the largest of a 2, b 1, c -1" in told(begun)
    assert "   2.000  ACL  Add  = a 2 + b 1 + c -1" in told(replace(begun, rulebook=book.replace("max", "sum")))
    assert "   2.000  ACL    = a 2 + b 1 + c -1" in told(replace(begun, rulebook="no rulebook"))


def test_values_that_differ_are_told_apart_and_wishes_have_units():
    values = {"P": 100_400.0, "TP": 100_000.0, "V_Acc": 0.5, "TV_Acc": 0.5, "small": True, "F": None}
    firing = Firing(1, "large", "book.yaml:1:1", values, (), 1.0, ("RK",), None, "")
    advised = Advised(2, 1, Inference({"TP": 100_000.0, "TS": 0.5}, (firing,), (), {}, {}, {}), Resolution({}))
    told = explanation_text(Explanation(2, advised), source=False)
    assert "with P = 100400, TP = 100000, V_Acc = 50.00%, TV_Acc = 50.00%, small = true, F = -" in told
    assert "wished    TP = 100k, TS = 0.5 MB" in told


def test_what_was_given_and_not_sent_is_told_with_the_reason():
    kept = {"ASC": 0.75, "AWI": 0.5}
    dropped = (Dropped("RCL", 0.0, ("slow",)),)
    surplus = (Dropped("ACL", 0.4, ("low", "lower")), Dropped("RD", 0.25, ("loosen",)))
    assert list(unsent_lines(Resolution(kept, (), dropped, surplus))) == [
        "  without weight: RCL (slow)",
        "  more than the 2 that the rulebook allows: ACL 0.4, RD 0.25",
    ]
    assert list(unsent_lines(Resolution(kept))) == []


def test_the_reason_why_training_steps_were_not_recorded_is_told():
    def told(why):
        measured = Measured(1, Measurement({"V_Acc": 0.9}, unrecorded=why), None)
        ended = IterationEnded(1, "ok", {"V_Acc": 0.9}, 1.9, True, Seconds(2.0))
        return explanation_text(Explanation(1, measured=measured, ended=ended), source=False).splitlines()

    why = "it draws random numbers on the processor"
    assert told(why)[-1] == f"Its training steps were not recorded, which takes longer on a GPU: {why}"
    assert told(None)[-1].startswith("Time: ")


def test_what_could_not_be_measured_is_told_once_for_each_reason():
    absent = {"W": "no meter is here", "F": "timing\nfailed", "T_E": "no meter is here"}

    def told(measurement):
        measured = Measured(1, measurement, None)
        ended = IterationEnded(1, "ok", {"V_Acc": 0.9}, 1.9, True, Seconds(2.0))
        lines = explanation_text(Explanation(1, measured=measured, ended=ended), source=False).splitlines()
        return [line for line in lines if line.startswith("Not known")]

    known = Measurement({"V_Acc": 0.9}, absent)
    assert told(known) == ["Not known: W, T_E: no meter is here", "Not known: F: timing failed"]
    assert told(replace(known, failure=Failure("CRASHED", "it ended"))) == []  # that is its outcome
    assert told(replace(known, stopped=3)) == []


def test_a_network_of_a_reply_that_was_refused_at_first_is_told_to_be_taken_after_all():
    accepted = Accepted(2, 1, "s", CheckReport(ok=True, stage="done"), (), "wider", (), (), None, ())
    refused = (Refused(2, 1, "compliance", "NOT_FOLLOWED", "..."), Refused(2, 2, "reply", "TRUNCATED", "..."))
    told = explanation_text(Explanation(2, refused=refused, accepted=accepted), source=False)
    assert "  attempt 1 was taken after all: its network is sound, and nothing better came" in told.splitlines()
    assert "odd about the network" not in told
    odd = replace(accepted, check=CheckReport(ok=True, stage="done", message="Its dropout is always on."))
    told = explanation_text(Explanation(2, refused=refused, accepted=odd), source=False)
    assert "  odd about the network: Its dropout is always on." in told.splitlines()
    other = explanation_text(Explanation(2, refused=refused[1:], accepted=accepted), source=False)
    assert "taken after all" not in other


def test_calls_are_told_in_their_order_and_one_that_was_broken_off_is_told_too():
    asked = tuple(Asked(2, attempt, "openai:m", "...") for attempt in (1, 2, 3))
    lost = (Unanswered(2, 2, "openai:m", "the server is gone"),)
    replied = tuple(Replied(2, attempt, Reply("{}", "openai:m")) for attempt in (1, 2))
    told = explanation_text(Explanation(2, asked=asked, unanswered=lost, replied=replied), source=False)
    assert [line for line in told.splitlines() if line.startswith("  attempt")] == [
        "  attempt 1: openai:m answered in 0 ms",
        "  attempt 2: openai:m gave no answer: the server is gone",
        "  attempt 2: openai:m answered in 0 ms",
        "  attempt 3: openai:m was asked, and no answer is on record",
    ]
