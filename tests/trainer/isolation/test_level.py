"""What may run where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation import level as levels
from lemonade_es.trainer.isolation.level import LEVELS, Level, available, choices, permit

NOTHING = Level("none", "the kernel has no Landlock")


def program(folder: Path, name: str, text: str) -> Path:
    """A program in a folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_foreign_source_without_isolation_is_refused_with_the_reason() -> None:
    with pytest.raises(IsolationError, match="the kernel has no Landlock") as caught:
        permit(NOTHING, foreign=True, unsafe=False)
    assert "--unsafe-no-isolation" in (caught.value.hint or "")


@pytest.mark.parametrize(("foreign", "unsafe"), [(False, False), (True, True)])
def test_own_source_and_accepted_risk_run_anywhere(foreign: bool, unsafe: bool) -> None:
    permit(NOTHING, foreign=foreign, unsafe=unsafe)


@pytest.mark.isolation
def test_foreign_source_runs_where_it_is_isolated() -> None:
    level = available("medium")
    assert level.available
    assert "Landlock version" in level.reason
    permit(level, foreign=True, unsafe=False)


@pytest.mark.isolation
def test_without_bubblewrap_the_next_level_is_chosen_and_an_explicit_wish_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    strong = available("strong")
    assert not strong.available
    assert "no bwrap on the PATH" in strong.reason
    assert choices("auto") == (strong, available("medium"))
    with pytest.raises(IsolationError, match="level strong cannot be had here: bubblewrap is not installed"):
        choices("strong")


@pytest.mark.isolation
def test_a_bubblewrap_that_is_not_allowed_to_work_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "bwrap", "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    strong = available("strong")
    assert not strong.available
    assert "setting up uid map: Permission denied" in strong.reason


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "docker does not work here: Cannot"),
        ("Error response from daemon: No such image: debian:stable-slim", "docker pull debian:stable-slim"),
    ],
)
@pytest.mark.isolation
def test_a_container_is_to_be_had_with_an_engine_that_works_and_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert available("container").reason == "neither docker nor podman is on the PATH"
    docker = program(tmp_path, "docker", f"echo '{said}' >&2; exit 1")
    assert told in available("container").reason
    docker.write_text("#!/bin/sh\nexit 0\n")
    level = available("container", image="mine")
    assert level.available
    assert level.reason.startswith("a container of mine by docker")


def test_another_system_has_no_isolation_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels.sys, "platform", "darwin")
    reasons = {name: available(name) for name in LEVELS}
    assert [name for name, level in reasons.items() if level.available] == ["none"]
    with pytest.raises(IsolationError, match=r"level medium cannot be had here.*this is darwin"):
        choices("medium")
