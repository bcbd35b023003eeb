"""The page of a run: what it says of predictions that cannot be meant."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Accepted, DataSummary, Measured, Replied, RunStarted
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.executor import Reply
from lemonade_es.llm.patch import Predicted
from lemonade_es.report.run_report import report_page, run_report
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import CheckReport, Measurement
from lemonade_es.trainer.recipe import Recipe

BEGUN = RunStarted(
    RunSpec(),
    {},
    Recipe(),
    "",
    "",
    "",
    DataSummary(Task("image", "digits", (1, 8, 8), 10), 1, 1, 1, "", ()),
    "",
    "strong",
    "",
    "",
    {},
)


def page(predicted):
    check = CheckReport(ok=True, stage="done")
    events = (
        BEGUN,
        Replied(1, 1, Reply("{}", "openai:m")),
        Accepted(1, 1, "s", check, (), "words", (), (), predicted, ()),
        Measured(1, Measurement({"T_Acc": 0.5, "V_Acc": 0.5}), None),
    )
    entries = tuple(Entry("r", number, "2026-11-29T00:00:00", event) for number, event in enumerate(events))
    console = Console(width=200, file=StringIO())
    console.print(report_page(run_report(entries, RunFolder(Path("runs")))))
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_predictions_in_percent_are_told_to_be_out_of_range_and_not_passed_over():
    told = page(Predicted(T_Acc=95.0, V_Acc=0.75))
    assert ["T_Acc", "0", "-", "-", "1"] in told
    assert ["V_Acc", "1", "25.00%", "25.00%", "-"] in told
    assert ["V_Acc", "1", "25.00%", "25.00%"] in page(Predicted(V_Acc=0.75))
