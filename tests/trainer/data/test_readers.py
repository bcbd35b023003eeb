"""Thousands of files are read by several processes, with the same outcome as in one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import load, readers
from lemonade_es.trainer.data.readers import each, shared_array

needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="other systems read with threads")


@pytest.fixture
def three_processes(monkeypatch):
    """However few the files, and whatever the machine."""
    monkeypatch.setattr(readers, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(readers.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)


@pytest.fixture
def files(tmp_path):
    """Names alone; what is done with them is the test's."""
    return [tmp_path / f"{number:03}" for number in range(500)]


@needs_fork
def test_a_tree_is_the_same_data_set_however_it_is_read(make_tree, request):
    root = make_tree({"train/cat": 150, "train/dog": 150, "test/cat": 40, "test/dog": 40})
    alone = load(str(root), resize=6)
    request.getfixturevalue("three_processes")
    together = load(str(root), resize=6)
    assert together.fingerprint == alone.fingerprint
    assert np.array_equal(together.train, alone.train)
    assert together.notes == alone.notes


@needs_fork
@pytest.mark.usefixtures("three_processes")
def test_processes_share_the_work_and_give_its_results_in_order(files):
    seen = shared_array((len(files),))

    def work(index: int) -> tuple[int, int]:
        seen[index] = 1
        return index, os.getpid()

    results, failures = each(work, files)
    assert [index for index, _ in results] == list(range(len(files)))
    pids = {pid for _, pid in results}
    assert len(pids) == 3
    assert os.getpid() not in pids
    assert seen.all()
    assert failures == []
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("worth", [pytest.param(1, marks=needs_fork, id="processes"), pytest.param(9999, id="threads")])
def test_files_that_fail_are_named_with_their_reasons_in_order(files, monkeypatch, worth):
    monkeypatch.setattr(readers, "_WORTH_PROCESSES", worth)

    def work(index: int) -> int:
        if index % 100 == 7:
            raise PermissionError(13, "Permission denied", str(files[index]))
        if index == 450:
            raise ValueError("odd")
        return index

    results, failures = each(work, files)
    denied = [(files[index], "permission denied") for index in range(7, 500, 100)]
    assert failures == [*denied, (files[450], "odd")]
    assert len(results) == 494


@needs_fork
@pytest.mark.usefixtures("three_processes")
def test_a_reader_that_is_killed_is_an_error_with_its_signal_and_leaves_no_process(files):
    def work(index: int) -> int:
        if index == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    with pytest.raises(DataError, match=r"was ended \(signal 9\)"):
        each(work, files)
    assert multiprocessing.active_children() == []


@needs_fork
@pytest.mark.usefixtures("three_processes")
def test_what_no_file_is_to_blame_for_is_raised_here_as_it_was_there(files):
    def work(index: int) -> int:
        if index == 300:
            raise MemoryError("no room")
        return index

    with pytest.raises(MemoryError, match="no room"):
        each(work, files)
    assert multiprocessing.active_children() == []


HASTE = """
import itertools, os, signal, sys, time
from pathlib import Path
from lemonade_es.trainer.data import readers
readers._WORTH_PROCESSES = 1
readers.os.sched_getaffinity = lambda _: {0, 1, 2}
parent, forks = os.getpid(), itertools.count()
os.register_at_fork(before=lambda: next(forks), after_in_child=lambda: time.sleep(0.25 * (next(forks) - 1)))

def told(number, frame):
    print("the parent's handler" if os.getpid() == parent else "its own parent's handler, in a reader", flush=True)

def work(index):
    raise MemoryError

signal.signal(signal.SIGTERM, told)
try:
    readers.each(work, [Path(str(number)) for number in range(500)])
except MemoryError:
    os.kill(parent, signal.SIGTERM)
"""


@needs_fork
def test_a_reader_that_is_ended_as_soon_as_it_is_there_does_not_go_on_as_its_parent_would():
    done = subprocess.run([sys.executable, "-c", HASTE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("the parent's handler\n", "")


ORPHANS = """
import os, signal, sys
from pathlib import Path
from lemonade_es.trainer.data import readers
readers._WORTH_PROCESSES = 1
readers.os.sched_getaffinity = lambda _: {0, 1, 2}
parent = os.getpid()

def work(index):
    if index == 499:
        os.kill(parent, signal.SIGKILL)
    return b"x" * 10_000  # more than a pipe holds

readers.each(work, [Path(str(number)) for number in range(500)])
"""


@needs_fork
def test_readers_end_when_their_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS], start_new_session=True)
    assert parent.wait(60) == -signal.SIGKILL
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.killpg(parent.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        os.killpg(parent.pid, signal.SIGKILL)
        pytest.fail("readers outlived their parent")
