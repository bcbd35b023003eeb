"""What `--require` looks like: beside each iteration, and in the summary."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from lemonade_es.engine.events import Accepted, DataSummary, IterationEnded, RunStarted, Seconds
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.outcome import outcome
from lemonade_es.engine.record import RunResult
from lemonade_es.engine.spec import RunSpec
from lemonade_es.engine.state import Network, SearchState
from lemonade_es.report.live import PlainView
from lemonade_es.report.summary import summary
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import CheckReport, Measurement
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


def test_a_network_of_a_higher_metric_that_does_not_lead_says_why():
    out = io.StringIO()
    note = "S 0.11 is more than 0.1"
    PlainView(Console(file=out, width=200)).event(
        IterationEnded(2, "ok", {"V_Acc": 0.9}, 1.9, False, Seconds(2.0), note=note)
    )
    assert f"CM 1.9000  ({note})" in out.getvalue()
