from __future__ import annotations

import sqlite3

from lemonade_es.engine.events import IterationEnded, Seconds
from lemonade_es.engine.journal import DATABASE, Journal
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
