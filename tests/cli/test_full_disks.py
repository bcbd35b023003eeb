"""What a disk that is full, or fills up, does to a run."""

from __future__ import annotations

import errno
import os

import pytest
from click.testing import CliRunner

from lemonade_es.cli import main
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.loop.search import Search


def test_output_that_cannot_be_written_is_one_line(finished):
    command, _ = finished
    process = command.start("runs", "--json", stdout="/dev/full")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == "lemonade-es: the output cannot be written: No space left on device\n"


@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_run_with_one_line_and_a_resume_loses_nothing(lemonade, finished, tmp_path):
    done = lemonade("run", "--iterations", 3, "--epochs", 2, file_bytes=180_000)
    assert done.code == 2, done.out
    assert len(done.err.strip().splitlines()) == 1
    assert not [path.name for path in tmp_path.rglob(".new-*")]
    resumed = lemonade("run", "--resume", "latest", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["instructions_per_iteration"] == finished[1]["instructions_per_iteration"]
    assert resumed.json["best"]["CM"] == finished[1]["best"]["CM"]


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_beginning_leaves_nothing_behind(lemonade, tmp_path):
    done = lemonade("run", "--iterations", 1, "--epochs", 1, "--limit", 100, file_bytes=20_000)
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("of", [(Search, "run"), (RunFolder, "leave_best")], ids=["search", "end"])
def test_a_search_that_the_system_breaks_off_says_how_it_goes_on(tmp_path, monkeypatch, of):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights")

    monkeypatch.setattr(*of, refuse)
    words = ["run", "--iterations", "1", "--epochs", "1", "--limit", "100", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("lemonade-es: ")]
    on = "weights: the system refused: No space left on device (then go on with: lemonade-es run --resume"
    assert told.startswith(f"lemonade-es: {on}")
