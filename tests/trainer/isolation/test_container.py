"""The level ``container``, with a stand-in for docker: a real program that builds what it is told from bubblewrap.

No daemon is asked here; what a real one makes of the same arguments is not tested.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.isolation.proof import demands
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop

pytestmark = pytest.mark.isolation

STAND_IN = """#!{python}
import json, os, sys

words = sys.argv[1:]
with open({record!r}, "a") as file:
    print(json.dumps(words), file=file)
if words[0] != "run":
    sys.exit(0)
takes = set(
    "--pull --name --network --ipc --cap-drop --user --security-opt --pids-limit --memory --memory-swap --tmpfs "
    "--workdir --volume --device --env --entrypoint".split()
)
given, rest = [], words[1:]
while rest[0].startswith("--"):
    name = rest.pop(0)
    given.append((name, rest.pop(0) if name in takes else ""))
image, *arguments = rest
inside = ["bwrap", "--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev", "--clearenv"]
for folder in ("bin", "sbin", "lib", "lib64"):
    inside += ["--symlink", "usr/" + folder, "/" + folder]
inside += ["--ro-bind", "/sys", "/sys"]
entry = None
for name, value in given:
    if name == "--tmpfs":
        inside += ["--tmpfs", value.partition(":")[0]]
    elif name == "--user":
        user, group = value.split(":")
        inside += ["--uid", user, "--gid", group]
    elif name == "--env":
        inside += ["--setenv", *value.split("=", 1)]
    elif name == "--workdir":
        inside += ["--chdir", value]
    elif name == "--entrypoint":
        entry = value
for name, value in given:
    if name == "--volume":
        here, there, *mode = value.split(":")
        inside += ["--ro-bind" if mode == ["ro"] else "--bind", here, there]
if ("--read-only", "") in given:
    inside += ["--remount-ro", "/"]
os.execvp("bwrap", [*inside, "--", entry, *arguments])
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in notes how it was called."""
    kept = tmp_path / "calls"
    docker = tmp_path / "docker"
    docker.write_text(STAND_IN.format(python=sys.executable, record=str(kept)))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    return kept


@pytest.fixture
def boxed(toy: Dataset, quick_recipe: Recipe, record: Path) -> Iterator[Workshop]:
    assert not record.exists()
    limits = Limits(check_seconds=10, train_seconds=30, memory_mb=2000)
    with Workshop(
        toy, quick_recipe, device="cpu", isolation="container", container_image="mine", limits=limits
    ) as opened:
        yield opened


def calls(record: Path) -> list[list[str]]:
    return [json.loads(line) for line in record.read_text().splitlines()]


@pytest.mark.slow
def test_a_candidate_is_trained_in_a_container_whose_canaries_held(boxed: Workshop, good: str, record: Path) -> None:
    assert boxed.isolation == "container"
    assert boxed.isolation_reason.startswith("a container of mine by docker, Landlock")
    assert [canary.name for canary in boxed.canaries] == list(demands("container", landlock=True))
    assert boxed.check(good).ok
    measurement = boxed.train(good, seed=1).measurement
    assert measurement.failure is None
    assert set(measurement.absent) == {"loss_noise"}  # of two epochs
    inspect, run = calls(record)
    assert inspect == ["image", "inspect", "mine"]
    told = " ".join(run)
    for option in (
        "--rm",
        "--pull never",
        "--network none",
        "--ipc none",
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--user 65534:65534",
        "--pids-limit 1024",
        "--memory 6096000000 --memory-swap 6096000000",
    ):
        assert option in told
    volumes = [value for name, value in itertools.pairwise(run) if name == "--volume"]
    assert [value for value in volumes if not value.endswith(":ro")] == [
        value for value in volumes if value.endswith(":/run/lemonade")
    ]
    assert "sk-secret" not in told
    assert str(Path.home()) not in [value.split(":")[0] for value in volumes]


@pytest.mark.slow
def test_an_attack_in_a_container_is_an_outcome(boxed: Workshop, good: str) -> None:
    source = f'import torch\nos = __import__("os")\nopen(os.environ["HOME"] + "/x", "w")\n{good}'
    report = boxed.check(source)
    assert not report.ok
    assert boxed.check(f"import torch\nwhile True: pass\n{good}").code == "TIMED_OUT"
    assert boxed.check(good).ok


@pytest.fixture
def long_path(tmp_path: Path) -> Path:
    """A folder whose path leaves no room for that of a socket, which has a hundred characters at most."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    return folder


def test_closing_leaves_neither_container_nor_folder(
    toy: Dataset, quick_recipe: Recipe, record: Path, long_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(long_path))
    with Workshop(toy, quick_recipe, device="cpu", isolation="container") as opened:
        assert opened.isolation == "container"
        assert len(list(long_path.iterdir())) == 1
    assert list(long_path.iterdir()) == []
    (run,) = (words for words in calls(record) if words[0] == "run")
    assert not [
        path for path in Path("/proc").glob("[0-9]*/cmdline") if run[run.index("--volume") + 1].encode() in _read(path)
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_container_that_does_not_start_is_refused_with_its_last_words(
    toy: Dataset, quick_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = image ] && exit 0\necho "docker: exec format error" >&2\nexit 125\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with (
        Workshop(toy, quick_recipe, device="cpu", isolation="container") as opened,
        pytest.raises(IsolationError, match=r"container cannot be had here: .*exec format error"),
    ):
        _ = opened.isolation
