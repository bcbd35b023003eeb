"""The Makefile says what a fresh machine lacks, and never takes a broken installation for a good one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# Stands for .venv/bin/python: its pip notes each call, then does what the test wants.
INTERPRETER = """#!/bin/sh
case "$*" in
*--version*) exit 0 ;;
*install*) echo "$*" >> calls; {install} ;;
esac
"""


@pytest.fixture
def checkout(repository, tmp_path) -> Path:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(repository.root / name, tmp_path / name)
    return tmp_path


def _script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def _python_that_runs_after(checkout: Path, line: str) -> Path:
    """An interpreter that is like ours but for what the line changes."""
    return _script(
        checkout / "other-python",
        f"#!/bin/sh\nexec {sys.executable} -c 'import sys; {line}; exec(sys.argv[1])' \"$2\"\n",
    )


def _make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_old_python_is_refused_with_the_way_out(checkout):
    python = _python_that_runs_after(checkout, "sys.version_info = (3, 9, 2)")
    done = _make(checkout, "run", f"PYTHON={python}")
    assert done.returncode != 0
    assert "is Python 3.9; lemonade-es needs 3.11 or newer: add PYTHON=" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_is_refused_with_the_package_to_install(checkout):
    python = _python_that_runs_after(checkout, 'sys.modules["ensurepip"] = None')
    done = _make(checkout, "test", f"PYTHON={python}")
    assert done.returncode != 0
    assert f"apt install python3.{sys.version_info.minor}-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_not_there_is_named(checkout):
    done = _make(checkout, "run", "PYTHON=python9.9")
    assert done.returncode != 0
    assert "python9.9 is not here; install Python 3.11 or newer" in done.stderr


def test_a_failed_installation_is_done_again_and_a_good_one_is_not(checkout):
    interpreter = checkout / ".venv" / "bin" / "python"
    calls = checkout / "calls"

    _script(interpreter, INTERPRETER.format(install="exit 1"))
    assert _make(checkout, ".venv/.run").returncode != 0
    assert not (checkout / ".venv" / ".run").exists()

    _script(interpreter, INTERPRETER.format(install="exit 0"))
    assert _make(checkout, ".venv/.run").returncode == 0
    assert calls.read_text().splitlines() == ["-m pip install -e ."] * 2

    assert _make(checkout, ".venv/.run").returncode == 0
    assert len(calls.read_text().splitlines()) == 2

    later = time.time() + 10
    os.utime(checkout / "pyproject.toml", (later, later))
    assert _make(checkout, ".venv/.run").returncode == 0
    assert len(calls.read_text().splitlines()) == 3


def test_the_tools_of_development_come_with_all_that_a_run_needs(checkout):
    _script(checkout / ".venv" / "bin" / "python", INTERPRETER.format(install="exit 0"))
    assert _make(checkout, ".venv/.dev").returncode == 0
    assert _make(checkout, ".venv/.run").returncode == 0
    assert (checkout / "calls").read_text() == "-m pip install -e .[dev]\n"


def test_an_interrupted_installation_leaves_no_stamp(checkout):
    _script(checkout / ".venv" / "bin" / "python", INTERPRETER.format(install="exec sleep 60"))
    with subprocess.Popen(
        ["make", ".venv/.dev"],
        cwd=checkout,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 30
        while not (checkout / "calls").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) != 0
    assert (checkout / "calls").exists()
    assert [path.name for path in (checkout / ".venv").iterdir()] == ["bin"]


def test_options_reach_the_command_and_its_status_comes_back(checkout):
    _script(checkout / ".venv" / "bin" / "python", INTERPRETER.format(install="exit 0"))
    _script(checkout / ".venv" / "bin" / "lemonade-es", '#!/bin/sh\necho "asked: $*"\nexit 3\n')
    done = _make(checkout, "run", "RUN_ARGS=--iterations 2 --data 'my images'")
    assert "asked: run --iterations 2 --data my images" in done.stdout
    assert done.returncode != 0


def test_help_lists_every_target(checkout):
    phony = re.search(r"^\.PHONY: (.*)$", (checkout / "Makefile").read_text(), re.M)
    assert phony
    listed = re.findall(r"^  (\w+) ", _make(checkout).stdout, re.M)
    assert sorted(listed) == sorted(phony[1].split())
