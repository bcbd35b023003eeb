"""The zygote's service, below the workshop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.arrays import SharedArrays
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.isolation import bubblewrap
from lemonade_es.trainer.isolation.child import CandidateFailed
from lemonade_es.trainer.isolation.housing import Beside
from lemonade_es.trainer.isolation.lock import Policy
from lemonade_es.trainer.isolation.nursery import Job, Nursery
from lemonade_es.trainer.recipe import Recipe

pytestmark = pytest.mark.isolation

LOCKED = Policy(confine=True, memory_bytes=2 * 10**9, cpu_seconds=60)


def supplies(toy: Dataset, recipe: Recipe, arrays: SharedArrays) -> Mapping[str, object]:
    return {
        "task": asdict(toy.task),
        "recipe": asdict(recipe),
        "arrays": arrays.described(),
        "mean": toy.mean,
        "std": toy.std,
        "flip": toy.flip,
    }


@pytest.fixture(scope="module", params=["beside", "walled"])
def nursery(toy: Dataset, quick_recipe: Recipe, request: pytest.FixtureRequest) -> Iterator[Nursery]:
    """One without walls, and one inside bubblewrap, where processes have other numbers."""
    if request.param == "walled" and (why := bubblewrap.missing()) is not None:
        pytest.skip(why)
    arrays = SharedArrays(toy)
    housing = Beside() if request.param == "beside" else bubblewrap.housing(gpu=False)
    opened = Nursery(supplies(toy, quick_recipe, arrays), arrays.descriptors, housing)
    yield opened
    opened.close()
    arrays.close()


def test_children_live_side_by_side_and_end_in_any_order(nursery: Nursery, good: str) -> None:
    job = Job(LOCKED, "cpu", threads=1)
    nursery.wait()
    deadline = time.monotonic() + 20
    first, second = nursery.child(job), nursery.child(job)
    assert first.pid != second.pid
    for child in (second, first):
        assert child.call("build", source=good, seed=0, macs=0, deadline=deadline).message == {"parameters": 260}
    first.close()
    assert first.exit is not None
    assert second.call("predict", split="validation", deadline=deadline, tensor_limit=10_000).tensors
    second.close()
    assert second.exit.peak_bytes > 10**8
    assert second.exit.cpu_seconds > 0


def test_the_end_of_a_child_is_kept_while_others_end_and_start(nursery: Nursery, good: str) -> None:
    job = Job(LOCKED, "cpu", threads=1)
    nursery.wait()
    first, second, third = (nursery.child(job) for _ in range(3))
    for child in (second, third):
        child.call("build", source=good, seed=0, macs=0, deadline=time.monotonic() + 20)
        os.kill(child.pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(child.pid)] if psutil.pid_exists(child.pid) else [], timeout=5)
    started = time.monotonic()
    with nursery.child(job) as fourth:
        first.close()
        second.close()
        third.close()
        assert time.monotonic() - started < 8  # an end that is not heard of is waited for for 10 s
        assert second.exit.status == third.exit.status == -signal.SIGKILL
        assert second.exit.peak_bytes > 10**8
        # nobody has closed the nursery for want of an end
        deadline = time.monotonic() + 20
        assert fourth.call("build", source=good, seed=0, macs=0, deadline=deadline).message == {"parameters": 260}


def test_a_child_of_a_zygote_that_is_gone_does_not_end_the_next_one(nursery: Nursery, good: str) -> None:
    job = Job(LOCKED, "cpu", threads=1)
    first, second = nursery.child(job), nursery.child(job)
    nursery.close()
    first.close()
    with nursery.child(job) as child:
        started = time.monotonic()
        second.close()
        assert time.monotonic() - started < 8
        assert second.exit.status is None
        deadline = time.monotonic() + 20
        assert child.call("build", source=good, seed=0, macs=0, deadline=deadline).message == {"parameters": 260}


def test_resident_memory_is_watched_where_address_space_cannot_be_limited(nursery: Nursery, good: str) -> None:
    policy = Policy(confine=True, memory_bytes=None, cpu_seconds=60)
    source = f"import torch\nkept = torch.ones(100_000_000)\nwhile True: pass\n{good}"
    with nursery.child(Job(policy, "cpu", threads=1, resident_limit=10**9 // 2)) as child:
        with pytest.raises(CandidateFailed) as caught:
            child.call("build", source=source, seed=0, macs=0, deadline=time.monotonic() + 20)
        assert caught.value.failure.code == "OUT_OF_MEMORY"


BOMB = """
threading, time = map(__import__, "threading time".split())
for _ in range(20_000):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""


def test_a_child_that_starts_threads_without_end_is_ended(nursery: Nursery, good: str) -> None:
    with nursery.child(Job(Policy(confine=True, memory_bytes=None, cpu_seconds=60), "cpu", threads=1)) as child:
        with pytest.raises(CandidateFailed) as caught:
            child.call("build", source=BOMB + good, seed=0, macs=0, deadline=time.monotonic() + 60)
        assert caught.value.failure.code == "TOO_MANY_THREADS"


FORSAKEN = """
import torch
threading, ctypes, os = map(__import__, "threading ctypes os".split())
def go_on():
    kept = torch.ones(200_000_000)
    while True: pass
threading.Thread(target=go_on).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
"""


def test_memory_is_watched_when_the_first_thread_has_left(nursery: Nursery, good: str) -> None:
    policy = Policy(confine=True, memory_bytes=None, cpu_seconds=60)
    with nursery.child(Job(policy, "cpu", threads=1, resident_limit=10**9 // 2)) as child:
        with pytest.raises(CandidateFailed) as caught:
            child.call("build", source=FORSAKEN + good, seed=0, macs=0, deadline=time.monotonic() + 20)
        assert caught.value.failure.code == "OUT_OF_MEMORY"


@pytest.mark.slow
@pytest.mark.parametrize("action", ["pass", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)"])
def test_processor_time_that_is_used_up_is_no_lack_of_memory(nursery: Nursery, good: str, action: str) -> None:
    policy = Policy(confine=True, memory_bytes=2 * 10**9, cpu_seconds=1)
    source = f'import torch\nsignal = __import__("signal")\n{action}\nwhile True: pass\n{good}'
    with nursery.child(Job(policy, "cpu", threads=1)) as child:
        with pytest.raises(CandidateFailed) as caught:
            child.call("build", source=source, seed=0, macs=0, deadline=time.monotonic() + 60)
        assert caught.value.failure.code == "TIMED_OUT"
        assert "processor time" in caught.value.failure.message
        assert child.exit.status == (-signal.SIGKILL if "IGN" in action else -signal.SIGXCPU)


def test_a_child_is_named_by_the_number_that_others_know_it_by(nursery: Nursery) -> None:
    with nursery.child(Job(LOCKED, "cpu", threads=1)) as child:
        process = psutil.Process(child.pid)
        assert process.memory_info().rss > 10**8
        assert os.getpid() in [parent.pid for parent in process.parents()]
    assert not process.is_running()


def test_the_lock_that_leaves_the_way_to_a_gpu_open_can_be_taken(nursery: Nursery) -> None:
    policy = Policy(confine=True, memory_bytes=None, cpu_seconds=60, cuda=True)
    with nursery.child(Job(policy, "cuda", threads=1, work="cuda")) as child:
        said = child.listen(time.monotonic() + 60).message
    assert isinstance(said["cuda"], bool)
    assert said["why"]


def test_the_lock_for_a_gpu_shows_no_other_process(nursery: Nursery, good: str) -> None:
    policy = Policy(confine=True, memory_bytes=None, cpu_seconds=60, cuda=True)
    source = f"""
import torch
os = __import__("os")
seen = []
for pid in ("self", os.getppid(), 1):
    try:
        seen.append(len(open(f"/proc/{{pid}}/maps").read()) > 0)
    except OSError:
        seen.append(False)
raise RuntimeError(f"seen: {{seen}}")
{good}"""
    with nursery.child(Job(policy, "cpu", threads=1)) as child:
        with pytest.raises(CandidateFailed) as caught:
            child.call("build", source=source, seed=0, macs=0, deadline=time.monotonic() + 20)
        assert "seen: [True, False, False]" in caught.value.failure.message


def test_the_lock_for_a_gpu_lets_threads_be_named_and_no_file_be_made(nursery: Nursery, good: str) -> None:
    policy = Policy(confine=True, memory_bytes=None, cpu_seconds=60, cuda=True)
    source = f"""
import torch
threading = __import__("threading")
os = __import__("os")
done = []
def tried(what, *arguments):
    try:
        what(*arguments)
        done.append("done")
    except OSError as error:
        done.append(__import__("errno").errorcode[error.errno])
def named():
    with open(f"/proc/self/task/{{threading.get_native_id()}}/comm", "w") as file:
        file.write("worker")
thread = threading.Thread(target=tried, args=(named,))
thread.start()
thread.join()
for folder in ("/dev/shm", "/tmp"):
    tried(open, folder + "/made", "w")
tried(open, "/proc/self/oom_score_adj", "w")
tried(os.unlink, "/dev/null")
raise RuntimeError(f"done: {{done}}")
{good}"""
    with nursery.child(Job(policy, "cpu", threads=1)) as child, pytest.raises(CandidateFailed) as caught:
        child.call("build", source=source, seed=0, macs=0, deadline=time.monotonic() + 20)
    refused = ["EACCES"] * 3
    assert f"done: {['done', *refused, 'ENOENT']}" in caught.value.failure.message


def test_a_lock_that_cannot_be_taken_stops_the_job(nursery: Nursery) -> None:
    impossible = Policy(confine=True, memory_bytes=2**63 - 1, cpu_seconds=60)
    with pytest.raises(IsolationError, match="cannot be locked"):
        nursery.child(Job(impossible, "cpu", threads=1))
    nursery.child(Job(LOCKED, "cpu", threads=1)).close()


@pytest.mark.parametrize("way", ["close", "abort"])
def test_a_zygote_that_is_ended_while_it_starts_leaves_nobody_behind(way: str, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    wall = ("sh", "-c", f'sleep 600 & echo $! > {told}.new; mv {told}.new {told}; exec "$@"', "sh")
    nursery = Nursery({}, list, Beside(wall))
    nursery.start()
    while not told.exists():
        time.sleep(0.01)
    inside = psutil.Process(int(told.read_text()))
    getattr(nursery, way)()
    inside.wait(timeout=10)
    nursery.close()


def test_a_zygote_that_does_not_start_says_why(toy: Dataset, quick_recipe: Recipe) -> None:
    broken = Nursery({"task": asdict(toy.task), "recipe": asdict(quick_recipe), "arrays": []}, list, Beside())
    with pytest.raises(IsolationError, match="KeyError"):
        broken.child(Job(LOCKED, "cpu", threads=1))
    broken.close()
