"""The zygote's service, below the workshop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.arrays import SharedArrays
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.isolation.child import CandidateFailed
from lemonade_es.trainer.isolation.lock import Policy
from lemonade_es.trainer.isolation.nursery import Job, Nursery
from lemonade_es.trainer.recipe import Recipe

pytestmark = pytest.mark.isolation

LOCKED = Policy(confine=True, memory_bytes=2 * 10**9, cpu_seconds=60)


def nursery_for(toy: Dataset, recipe: Recipe, arrays: SharedArrays) -> Nursery:
    supplies = {
        "task": asdict(toy.task),
        "recipe": asdict(recipe),
        "arrays": arrays.described(),
        "mean": toy.mean,
        "std": toy.std,
        "flip": toy.flip,
    }
    return Nursery(supplies, arrays.descriptors)


@pytest.fixture(scope="module")
def nursery(toy: Dataset, quick_recipe: Recipe) -> Iterator[Nursery]:
    arrays = SharedArrays(toy)
    opened = nursery_for(toy, quick_recipe, arrays)
    yield opened
    opened.close()
    arrays.close()


def test_children_live_side_by_side_and_end_in_any_order(nursery: Nursery, good: str) -> None:
    job = Job(LOCKED, "cpu", threads=1)
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


def test_resident_memory_is_watched_where_address_space_cannot_be_limited(nursery: Nursery, good: str) -> None:
    policy = Policy(confine=True, memory_bytes=None, cpu_seconds=60)
    source = f"import torch\nkept = torch.ones(100_000_000)\nwhile True: pass\n{good}"
    with nursery.child(Job(policy, "cpu", threads=1, resident_limit=10**9 // 2)) as child:
        with pytest.raises(CandidateFailed) as caught:
            child.call("build", source=source, seed=0, macs=0, deadline=time.monotonic() + 20)
        assert caught.value.failure.code == "OUT_OF_MEMORY"


def test_the_lock_that_leaves_the_way_to_a_gpu_open_can_be_taken(nursery: Nursery) -> None:
    policy = Policy(confine=True, memory_bytes=None, cpu_seconds=60, cuda=True)
    with nursery.child(Job(policy, "cuda", threads=1, probe=True)) as child:
        said = child.listen(time.monotonic() + 60).message
    assert isinstance(said["cuda"], bool)
    assert said["why"]


def test_a_lock_that_cannot_be_taken_stops_the_job(nursery: Nursery) -> None:
    impossible = Policy(confine=True, memory_bytes=2**63 - 1, cpu_seconds=60)
    with pytest.raises(IsolationError, match="cannot be locked"):
        nursery.child(Job(impossible, "cpu", threads=1))
    nursery.child(Job(LOCKED, "cpu", threads=1)).close()


def test_a_zygote_that_does_not_start_says_why(toy: Dataset, quick_recipe: Recipe) -> None:
    broken = Nursery({"task": asdict(toy.task), "recipe": asdict(quick_recipe), "arrays": []}, list)
    with pytest.raises(IsolationError, match="KeyError"):
        broken.child(Job(LOCKED, "cpu", threads=1))
    broken.close()
