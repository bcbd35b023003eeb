from __future__ import annotations

import sqlite3
from io import StringIO

from rich.console import Console

from lemonade_es.engine.history.events import IterationEnded, Seconds
from lemonade_es.engine.history.journal import DATABASE, Journal
from lemonade_es.report.tables import RunLine, dynamics_table, run_lines, runs_table


def test_a_damaged_run_is_listed_and_hides_no_other(tmp_path):
    journal = Journal.in_folder(tmp_path, create=True)
    journal.append("2026-a", 0, IterationEnded(1, "ok", {}, 1.0, True, Seconds()))
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("update events set payload = '{}'")
    database.close()
    (line,) = run_lines(journal)
    assert line == RunLine("2026-a", "unreadable")
    assert [list(column.cells) for column in runs_table([line]).columns][1:4] == [["-"], ["-"], ["-"]]
    journal.close()


def test_how_each_training_went_has_a_row_with_a_dash_for_what_is_unknown():
    ended = [IterationEnded(2, "ok", {"dead_units": 0.25, "loss_slope": -0.5}, 1.0, True, Seconds())]
    table = dynamics_table(ended)
    cells = {str(column.header).replace("\n", ""): list(column.cells) for column in table.columns}
    assert cells[""] == ["2"]
    assert cells["dead_units"] == ["0.25"]
    assert cells["loss_slope"] == ["-0.5"]
    assert cells["best_epoch"] == ["-"]


def test_figures_of_a_list_of_runs_are_never_cut_off():
    lines = [
        RunLine(
            "2026-a",
            "finished",
            data="diabetes",
            iterations=3,
            wanted=30,
            CM=0.5312,
            V_Acc=0.29,
            objective="regression",
        ),
        RunLine("2026-b", "finished", data="digits", iterations=30, wanted=30, CM=1.4231, V_Acc=0.98),
    ]
    console = Console(width=60, file=StringIO())
    console.print(runs_table(lines))
    said = console.file.getvalue()
    for figure in ("3/30", "R2 29.00%", "0.5312", "1.4231"):
        assert figure in said
