"""The command as a user runs it: in a process of its own, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lemonade_es.cli import main
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Event, Finalized

NETWORK = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, {width}, 3, padding=1)
        self.head = nn.Linear({width}, 10)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))
"""
FINALIZE = ("finalize", "latest", "--epochs", 2, "--recipe", "lr=0.05", "--json")


def documented(heading):
    """The names that docs/json.md has for the JSON of a command."""
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    section = page.split(f"## `lemonade-es {heading}", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@dataclass
class Command:
    folder: Path

    def start(self, *words, file_bytes=None, stdout=None, **environment):
        def limit():
            if file_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

        return subprocess.Popen(
            [sys.executable, "-m", "lemonade_es.cli", *map(str, words)],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", **environment},
            stdout=subprocess.PIPE if stdout is None else os.open(stdout, os.O_WRONLY),
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,  # noqa: PLW1509 - the tests run in one thread
        )

    def __call__(self, *words, file_bytes=None, **environment):
        process = self.start(*words, file_bytes=file_bytes, **environment)
        out, err = process.communicate(timeout=240)
        return Done(process.returncode, out, err)


def read_until(process, words):
    """Take what a command prints, up to the first line that has these words in it."""
    assert any(words in line for line in process.stdout), process.stderr.read()


@pytest.fixture
def lemonade(tmp_path):
    return Command(tmp_path)


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "model.py"
    file.write_text(NETWORK.format(width=8))
    return file


@pytest.fixture
def rulebook(tmp_path, monkeypatch):
    """Runs a command in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return CliRunner().invoke(main, ["rulebook", *map(str, words)])

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run of three iterations: the command in its folder, and the JSON that the run printed."""
    command = Command(tmp_path_factory.mktemp("finished"))
    done = command("run", "--iterations", 3, "--epochs", 2, "--json")
    assert done.code == 0, done.err
    return command, done.json


@pytest.fixture(scope="session")
def patients(tmp_path_factory):
    """As ``finished``, for a regression: two iterations on the diabetes of scikit-learn."""
    command = Command(tmp_path_factory.mktemp("patients"))
    done = command("run", "--data", "diabetes", "--iterations", 2, "--epochs", 20, "--json")
    assert done.code == 0, done.err
    return command, done.json


def photographs(folder, classes=("cat", "dog"), each=12, side=10):
    """Coloured squares in a tree of one folder a class."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(each):
            pixels = rng.integers(0, 120, (side, side, 3)) + 100 * (number % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder


@pytest.fixture
def tree(tmp_path):
    return photographs(tmp_path / "photos")


def copied(finished, folder):
    """The command in a folder of its own, with a copy of a finished run."""
    ours, _ = finished
    shutil.copytree(ours.folder / "runs", folder / "runs")
    return Command(folder)


@pytest.fixture
def command(finished, tmp_path):
    """The command beside a copy of the finished run."""
    return copied(finished, tmp_path / "copy")


@pytest.fixture(scope="module")
def trained(finished, tmp_path_factory):
    """A run whose network was trained in the end: the command in its folder, and what it printed."""
    command = copied(finished, tmp_path_factory.mktemp("trained") / "copy")
    done = command(*FINALIZE)
    assert done.code == 0, done.err
    return command, done.json


def events(folder) -> list[Event]:
    """Those of the only run in a command's folder."""
    return [entry.event for entry in RunFolder(folder / "runs").entries("latest")]


def finals(folder) -> list[Finalized]:
    """The final trainings among them."""
    return [event for event in events(folder) if isinstance(event, Finalized)]
