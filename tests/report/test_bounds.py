"""What `--require` looks like: beside each iteration, and in the summary."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Accepted, DataSummary, IterationEnded, RunStarted, Seconds
from lemonade_es.engine.loop.state import Network, SearchState
from lemonade_es.engine.outcome import outcome
from lemonade_es.engine.record import RunResult
from lemonade_es.engine.spec import RunSpec
from lemonade_es.report.plain import PlainView
from lemonade_es.report.summary import summary
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import CheckReport, Failure, Measurement
from lemonade_es.trainer.recipe import Recipe

BOUNDS = {"S": 0.1, "F": 4000.0}


def result(metrics, bounds):
    data = DataSummary(Task("image", "digits", (1, 8, 8), 10), 1, 1, 1, "", ())
    begun = RunStarted(RunSpec(), {}, Recipe(), "", "", "", data, "", "strong", "", "", {})
    accepted = Accepted(1, 1, "s", CheckReport(ok=True, stage="done"), (), "", (), (), None, ())
    state = SearchState(bounds)
    state.best = Network(1, "", accepted, metrics, 1.0, Measurement(metrics), None)
    begun = replace(begun, spec=RunSpec(require=bounds))
    return RunResult("r", begun, None, state, 0.0, None, None)


@pytest.mark.parametrize(
    ("metrics", "bounds", "told", "required"),
    [
        (
            {"S": 0.05, "F": 5000.0},
            BOUNDS,
            "it keeps what is required: S at most 0.1 MB, F at least 4,000 1/s",
            {"bounds": BOUNDS, "kept": True},
        ),
        (
            {"S": 0.2, "F": 5000.0},
            BOUNDS,
            "no network keeps what is required: S 0.2 is more than 0.1",
            {"bounds": BOUNDS, "kept": False},
        ),
        ({"S": 0.2}, {}, None, None),
    ],
)
def test_the_summary_says_whether_the_best_network_keeps_what_is_required(tmp_path, metrics, bounds, told, required):
    found = result(metrics, bounds)
    out = io.StringIO()
    Console(file=out, width=400).print(summary(found, RunFolder(tmp_path)))
    assert ("required" in out.getvalue()) is (told is not None)
    assert told is None or told in out.getvalue()
    assert outcome(found)["required"] == required


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([{"V_Acc": 0.396, "S": 0.05}, {"V_Acc": 0.35, "S": 0.05}], True),
        ([{"V_Acc": 0.331, "S": 0.05}], False),  # no more than the leader
        ([{"V_Acc": 0.396, "S": 0.2}], False),  # beyond the bound, which the leader keeps
        ([{"V_Acc": None, "S": 0.05}], False),
    ],
)
def test_a_network_of_a_higher_accuracy_that_does_not_lead_is_named(tmp_path, others, told):
    found = result({"V_Acc": 0.331, "S": 0.05}, {"S": 0.1})
    state = found.state
    assert state.best is not None
    state.networks = [
        state.best,
        *(replace(state.best, iteration=7 + i, metrics=m, CM=0.9) for i, m in enumerate(others)),
    ]
    out = io.StringIO()
    Console(file=out, width=400).print(summary(found, RunFolder(tmp_path)))
    line = "higher V_Acc: iteration 7, 39.60% (CM 0.9000, and that of the best 1.0000); finalize and export take it"
    assert (f"{line} with --iteration 7" in out.getvalue()) is told
    assert ("higher V_Acc" in out.getvalue()) is told


@pytest.mark.parametrize(
    "changes", [{"CM": None}, {"repeats": (Measurement({}, failure=Failure("DIVERGED", "the loss became NaN")),)}]
)
def test_a_network_that_cannot_lead_is_not_named(tmp_path, changes):
    found = result({"V_Acc": 0.3}, {})
    state = found.state
    assert state.best is not None
    other = replace(state.best, iteration=2, metrics={"V_Acc": 0.4})
    state.networks = [state.best, other]
    assert state.more_accurate is other
    state.networks[1] = replace(other, **changes)
    assert state.more_accurate is None


def test_a_network_of_a_higher_metric_that_does_not_lead_says_why():
    out = io.StringIO()
    note = "S 0.11 is more than 0.1"
    PlainView(Console(file=out, width=200)).event(
        IterationEnded(2, "ok", {"V_Acc": 0.9}, 1.9, False, Seconds(2.0), note=note)
    )
    assert f"CM 1.9000  ({note})" in out.getvalue()
