"""The processes of a workshop: one that dies is replaced, and none outlives its user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.isolation.level import Wish
from lemonade_es.trainer.measurement import Epoch
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop
from tests.trainer.conftest import zygotes

pytestmark = pytest.mark.isolation

ENDLESS = "while True: pass\n"


def test_an_interrupt_ends_the_candidate_and_leaves_the_workshop_usable(workshop: Workshop, good: str) -> None:
    assert workshop.check(good).ok
    zygote = zygotes()[-1]
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        workshop.check(ENDLESS + good)
    timer.join()
    assert time.monotonic() - started < 2
    assert zygote.children() == []
    assert workshop.check(good).ok
    assert zygotes()[-1] == zygote


def test_an_exception_of_the_listener_ends_the_candidate(workshop: Workshop, good: str) -> None:
    def stop(index: int, epoch: Epoch) -> None:
        raise LookupError(f"seen enough after epoch {index}")

    with pytest.raises(LookupError, match="after epoch 0"):
        workshop.train(good, seed=1, on_epoch=stop)
    assert zygotes()[-1].children() == []
    assert workshop.check(good).ok


def test_a_dead_zygote_is_replaced_at_the_next_job(workshop: Workshop, good: str) -> None:
    assert workshop.check(good).ok
    before = zygotes()[-1]
    before.kill()
    assert workshop.check(good).ok
    assert before not in zygotes()


def test_a_zygote_that_dies_in_the_middle_takes_only_this_candidate_with_it(workshop: Workshop, good: str) -> None:
    assert workshop.check(good).ok
    threading.Timer(0.5, zygotes()[-1].kill).start()
    report = workshop.check(ENDLESS + good)
    assert report.code == "CRASHED"
    assert workshop.check(good).ok


@pytest.mark.parametrize("isolation", ["strong", "medium"])
def test_another_thread_can_abort_a_workshop_which_starts_no_process_again(
    toy: Dataset, quick_recipe: Recipe, good: str, isolation: Wish
) -> None:
    others = zygotes()
    with Workshop(toy, quick_recipe, device="cpu", isolation=isolation) as opened:
        assert opened.check(good).ok
        threading.Timer(0.5, opened.abort).start()
        started = time.monotonic()
        assert opened.check(ENDLESS).code == "CRASHED"
        assert time.monotonic() - started < 10
        with pytest.raises(IsolationError, match="ended for good"):
            opened.check(good)
        assert zygotes() == others


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_a_workshop_that_is_aborted_while_it_starts_comes_to_an_end(
    toy: Dataset, quick_recipe: Recipe, good: str, seconds: float
) -> None:
    others = zygotes()
    with Workshop(toy, quick_recipe, device="cpu") as opened:
        threading.Timer(seconds, opened.abort).start()
        started = time.monotonic()
        time.sleep(seconds / 2)
        with pytest.raises(IsolationError):  # a job that had begun has crashed, and the next one is refused
            _ = [opened.check(good) for _ in range(1000)]
        assert time.monotonic() - started < 10
        assert zygotes() == others


def test_closing_leaves_no_process_and_no_file(
    toy: Dataset, quick_recipe: Recipe, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    others = zygotes()
    with Workshop(toy, quick_recipe, device="cpu") as opened:
        assert opened.check(good).ok
        assert len(zygotes()) == len(others) + 1
        assert list(tmp_path.iterdir()) == []
    assert zygotes() == others


def test_starting_does_not_wait_for_torch(toy: Dataset, quick_recipe: Recipe) -> None:
    before = {zygote.pid for zygote in zygotes()}
    with Workshop(toy, quick_recipe, device="cpu"):
        started = [zygote for zygote in zygotes() if zygote.pid not in before]
        assert not any("libtorch" in place.path for zygote in started for place in zygote.memory_maps())


def test_the_parent_never_imports_torch() -> None:
    code = "import sys, lemonade_es.trainer.workshop; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ORPHAN = """
import sys
import numpy as np
from lemonade_es.task import Task
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop

labels = np.zeros(8, np.int64)
images = np.zeros((8, 3, 8, 8), np.uint8)
data = Dataset(Task("image", "x", (3, 8, 8), 4), images, labels, images, labels, ("a",), (.5,) * 3, (.5,) * 3,
               False, "x", 0)
Workshop(data, Recipe(epochs=1), device="cpu", isolation=sys.argv[1]).check("while True: pass")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("isolation", "size"), [("strong", 4), ("medium", 2)])
def test_the_death_of_the_parent_ends_everything(isolation: str, size: int) -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN, isolation])
    family: list[psutil.Process] = []
    deadline = time.monotonic() + 30
    while len(family) < size and time.monotonic() < deadline:
        family = psutil.Process(parent.pid).children(recursive=True)
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    assert len(family) == size
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
