"""What a signal, a kill or a reader that leaves does to a run."""

from __future__ import annotations

import atexit
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from lemonade_es.cli import main
from lemonade_es.commands import signals
from lemonade_es.commands.signals import interrupt_by_signals
from lemonade_es.engine import run as run_module
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import RunInterrupted
from tests.cli.conftest import read_until


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_a_resume_ends_as_an_unbroken_run_does(lemonade, finished):
    process = lemonade.start("run", "--iterations", 3, "--epochs", 2)
    read_until(process, "iteration 1:")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "lemonade-es run --resume" in err
    assert "Traceback" not in err
    resumed = lemonade("run", "--resume", "latest", "--json").json
    assert resumed["instructions_per_iteration"] == finished[1]["instructions_per_iteration"]
    assert resumed["best"]["CM"] == finished[1]["best"]["CM"]


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_that_is_ignored_on_purpose_stays_ignored(ignored):
    """As SIGHUP is under nohup."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(ignored, signal.SIG_IGN)
        interrupt_by_signals()
        assert signal.getsignal(ignored) is signal.SIG_IGN
        other = signal.SIGTERM if ignored is signal.SIGHUP else signal.SIGHUP
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(other)
    finally:
        atexit.unregister(signals._ignore)
        for number, handler in before.items():
            signal.signal(number, handler)


IMPATIENT = """
import os, signal, sys
from lemonade_es.commands import signals

class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)  # when Python has taken its handlers away

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # as it is ignored in whatever a shell runs beside other things
signals.interrupt_by_signals()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.raise_signal(number)
    print("recorded")
late = Late()
signals.GRACE = float(sys.argv[1])
signal.raise_signal(signal.SIGTERM)
sys.exit(130)
"""


def test_after_an_interrupt_no_other_signal_disturbs_what_is_recorded_and_told():
    done = subprocess.run([sys.executable, "-c", IMPATIENT, "10"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "recorded\n", "")


def test_what_hangs_after_an_interrupt_can_be_interrupted_again():
    done = subprocess.run([sys.executable, "-c", IMPATIENT, "0"], capture_output=True, text=True, check=False)
    assert done.stdout == "recorded\n"
    assert done.stderr.endswith("KeyboardInterrupt\n")


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.02, 0.05, 0.15, 0.3])
def test_two_interrupts_in_a_row_are_as_good_as_one(lemonade, gap):
    process = lemonade.start("run", "--iterations", 5, "--epochs", 30)
    read_until(process, "iteration 1:")
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(gap)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err.startswith("interrupted; go on with: lemonade-es run --resume ")
    assert len(err.splitlines()) == 1


def _interrupted_once(monkeypatch, place, name):
    """Make a signal come in the middle of a call, the first time."""
    left = [KeyboardInterrupt()]
    real = getattr(place, name)

    def call(*words, **options):
        if left:
            raise left.pop()
        return real(*words, **options)

    monkeypatch.setattr(place, name, call)
    monkeypatch.setattr("lemonade_es.commands.run.interrupt_by_signals", lambda: None)


def test_an_interrupt_just_after_a_run_is_taken_up_says_how_to_go_on(finished, tmp_path, monkeypatch):
    command, result = finished
    out = tmp_path / "runs"
    shutil.copytree(command.folder / "runs", out)
    _interrupted_once(monkeypatch, run_module, "Advisor")

    done = CliRunner().invoke(main, ["run", "--resume", "latest", "--iterations", "9", "--json", "--out", str(out)])

    assert done.exit_code == 130
    assert done.stderr == f"interrupted; go on with: lemonade-es run --resume {result['run']} --out {out}\n"
    told = json.loads(done.stdout)
    assert (told["status"], told["iterations"], told["best"]["CM"]) == ("stopped", 3, result["best"]["CM"])
    assert isinstance(RunFolder(out).entries("latest")[-1].event, RunInterrupted)


def test_an_interrupt_while_the_best_network_is_left_comes_too_late(tmp_path, monkeypatch):
    out = tmp_path / "runs"
    _interrupted_once(monkeypatch, RunFolder, "leave_best")

    done = CliRunner().invoke(
        main, ["run", "--iterations", "1", "--epochs", "1", "--limit", "200", "--json", "--out", str(out)]
    )

    assert done.exit_code == 0, done.stderr
    assert Path(json.loads(done.stdout)["best"]["model"]).is_file()


def test_an_interrupt_that_its_reader_got_too_ends_as_one(finished, tmp_path, monkeypatch):
    def gone(*_, **__):
        raise BrokenPipeError

    command, _ = finished
    shutil.copytree(command.folder / "runs", tmp_path / "runs")
    _interrupted_once(monkeypatch, run_module, "Advisor")
    monkeypatch.setattr(signals, "echo", gone)
    words = ["run", "--resume", "latest", "--iterations", "9", "--json", "--out", str(tmp_path / "runs")]
    assert CliRunner().invoke(main, words).exit_code == 130


def test_a_termination_ends_as_ctrl_c_does(lemonade):
    process = lemonade.start("run", "--iterations", 40, "--epochs", 1)
    read_until(process, "iteration 1:")
    process.terminate()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "lemonade-es run --resume" in err


@pytest.mark.slow
def test_a_reader_that_leaves_does_not_end_the_search(lemonade):
    process = lemonade.start("run", "--iterations", 2, "--epochs", 1)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0, process.stderr.read()
    process.stderr.close()
    assert lemonade("runs", "--json").json[0]["status"] == "finished"


@pytest.mark.slow
def test_a_killed_run_is_taken_up_where_it_was(lemonade, finished):
    process = lemonade.start("run", "--iterations", 3, "--epochs", 2)
    read_until(process, "iteration 2:")
    process.kill()
    process.communicate(timeout=60)
    resumed = lemonade("run", "--resume", "latest", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["best"]["CM"] == finished[1]["best"]["CM"]
