from __future__ import annotations

import sqlite3

from lemonade_es.engine.events import IterationEnded, Seconds
from lemonade_es.engine.journal import DATABASE, Journal
from lemonade_es.report.tables import run_lines


def test_a_damaged_run_is_listed_and_hides_no_other(tmp_path):
    journal = Journal.in_folder(tmp_path, create=True)
    journal.append("2026-a", 0, IterationEnded(1, "ok", {}, 1.0, True, Seconds()))
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("update events set payload = '{}'")
    database.close()
    assert [(line.run, line.status) for line in run_lines(journal)] == [("2026-a", "unreadable")]
    journal.close()
