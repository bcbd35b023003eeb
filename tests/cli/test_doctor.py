"""What the doctor says about isolation."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.isolation]

ALWAYS = {"read", "environment", "write", "connect", "fork", "memory", "execute"}


def test_the_doctor_tells_every_level_and_each_canary(lemonade):
    found = lemonade("doctor", "--json").json["isolation"]
    levels = {level["level"]: level for level in found["levels"]}
    assert list(levels) == ["strong", "medium", "container", "none"]
    assert found["level"] in levels
    for name in ("strong", "medium"):
        if levels[name]["available"]:
            canaries = {canary["name"]: canary for canary in levels[name]["canaries"]}
            assert set(canaries) >= ALWAYS
            assert all(canary["held"] and canary["said"] and canary["seconds"] < 5 for canary in canaries.values())
    assert levels["none"]["canaries"] == []


def test_the_doctor_says_why_a_level_is_not_to_be_had(lemonade, tmp_path):
    done = lemonade("doctor", PATH=str(tmp_path), COLUMNS="400")
    assert done.code == 0
    assert "strong: not to be had: bubblewrap is not installed" in done.out
    assert "container: not to be had: neither docker nor podman is on the PATH" in done.out
    assert "medium is what --isolation auto takes here" in done.out
    assert "canaries held back: read program, read, environment" in done.out


def test_a_level_that_cannot_be_had_ends_the_command_with_the_reason(lemonade, tmp_path):
    done = lemonade("run", "--isolation", "strong", "--iterations", 1, PATH=str(tmp_path))
    assert done.code == 2
    assert "the isolation level strong cannot be had here: bubblewrap is not installed" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_run_says_its_level_and_keeps_what_the_canaries_said(lemonade):
    done = lemonade("run", "--isolation", "medium", "--iterations", 1, "--epochs", 1)
    assert done.code == 0, done.err
    assert "isolation medium: Landlock" in done.out
    assert "canaries were held back" in done.out
    shown = lemonade("runs", "show", "latest", "--json").json
    assert shown["isolation"] == "medium"
    assert {canary["name"] for canary in shown["canaries"] if canary["held"]} >= ALWAYS
