"""What is printed, and what is said where that, or anything else, is refused by the system."""

from __future__ import annotations

import errno
import os

import pytest
from click.testing import CliRunner

from lemonade_es.cli import main


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "the system refused: Too many open files"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x"), "/tmp/x: the system refused: No space left"),
        (TimeoutError("no answer in 5 s"), "the system refused: no answer in 5 s"),
    ],
)
def test_what_has_nothing_to_do_with_the_output_is_told_as_it_is(monkeypatch, refused, said):
    def diagnose(*_):
        raise refused

    monkeypatch.setattr("lemonade_es.report.doctor.diagnose", diagnose)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 2
    assert said in done.output
    assert len(done.output.splitlines()) == 1
