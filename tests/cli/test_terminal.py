"""On a terminal the search is shown while it runs, and leaves a table behind."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def on_a_terminal(folder, *words):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        [sys.executable, "-m", "lemonade_es.cli", *words], cwd=folder, env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(timeout=60), shown.decode()


def test_the_live_view_shows_state_rules_and_measures_and_ends_with_the_table(tmp_path):
    code, shown = on_a_terminal(tmp_path, "run", "--iterations", "2", "--epochs", "4")
    assert code == 0, shown
    assert "reading the data" in shown
    assert "iteration 1/2" in shown
    assert "training" in shown
    assert "refine" in shown or "underfitting" in shown or "low-validation-accuracy" in shown
    assert "measured at iteration 1" in shown
    assert "lemonade-es explain" in shown.rsplit("finished", 1)[1]


def test_an_error_before_the_search_leaves_one_line_on_the_terminal(tmp_path):
    code, shown = on_a_terminal(tmp_path, "run", "--data", "nosuch")
    assert code == 2
    assert "Traceback" not in shown
    assert "'nosuch' is neither" in shown
