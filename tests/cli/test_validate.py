"""``lemonade-es validate``: what a user and a program see of it."""

from __future__ import annotations

import json
import signal
import time

import psutil
import pytest

from tests.cli.conftest import documented

pytestmark = pytest.mark.isolation

GOOD = """
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))

    def forward(self, x):
        return self.net(x)
"""
WRONG = GOOD.replace("192", "191")
IMAGE = ("--input-shape", "3,8,8", "--classes", 10)
KEYS = ["file", "ok", "stage", "code", "message", "line", "params", "macs", "seconds"]


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "a.py").write_text(GOOD)
    (folder / "b.py").write_text(WRONG)
    return folder


def test_json_is_one_object_a_line_in_the_order_of_the_files(lemonade, models):
    done = lemonade("validate", "models/b.py", "models", *IMAGE, "--json")
    assert done.code == 1
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["file"] for line in lines] == ["models/b.py", "models/a.py", "models/b.py"]
    assert all(list(line) == KEYS for line in lines)
    assert documented("validate") == set(KEYS)
    wrong, good, _ = lines
    seconds = good.pop("seconds")
    assert 0 < seconds < 60
    assert good == {
        "file": "models/a.py",
        "ok": True,
        "stage": "done",
        "code": None,
        "message": None,
        "line": None,
        "params": 1930,
        "macs": 1920,
    }
    assert (wrong["ok"], wrong["stage"], wrong["code"], wrong["line"]) == (False, "forward", "SHAPE_MISMATCH", 11)
    assert wrong["params"] == 1920
    assert wrong["macs"] is None


def test_a_person_gets_the_reasons_and_a_summary(lemonade, models):
    done = lemonade("validate", "models", *IMAGE)
    assert done.code == 1
    assert "ok    models/a.py  1.93k parameters, 1.92k MACs" in done.out
    assert "wrong models/b.py:11  SHAPE_MISMATCH (forward)" in done.out
    assert "return self.net(x)" in done.out
    assert done.out.splitlines()[-1].startswith("1 of 2 pass, in ")
    assert done.out.splitlines()[-1].endswith("; SHAPE_MISMATCH 1")


def test_all_passing_is_exit_code_0_and_a_budget_can_change_that(lemonade, models):
    assert lemonade("validate", "models/a.py", *IMAGE).code == 0
    done = lemonade("validate", "models/a.py", *IMAGE, "--max-macs", 1000, "--json")
    assert (done.code, json.loads(done.out)["code"]) == (1, "OVER_BUDGET_MACS")


def test_an_unreadable_file_is_exit_code_2_and_the_others_are_validated(lemonade, models):
    (models / "c.py").write_bytes(b"\xff\xfe")
    done = lemonade("validate", "models", "nosuch.py", *IMAGE, "--json")
    assert done.code == 2
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["code"] for line in lines] == [None, "SHAPE_MISMATCH", "NOT_UTF8", "NO_SUCH_FILE"]
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (IMAGE, "Missing argument 'FILE...'"),
        (("models", "--classes", 10), "Missing option '--input-shape'"),
        (("models", "--input-shape", "3,8,y", "--classes", 10), "is not C,H,W"),
        (("models", "--input-shape", "3,8", "--classes", 10), "neither an image nor"),
        (("models", "--input-shape", "3,8,8", "--classes", 1), "in 1 class there is nothing to tell apart"),
        (("models", *IMAGE, "--vocabulary", 10), "--vocabulary"),
        (("models", *IMAGE, "--jobs", 0), "--jobs"),
    ],
)
def test_words_that_make_no_sense_are_exit_code_2(lemonade, models, words, message):
    done = lemonade("validate", *words)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""


@pytest.mark.slow
def test_an_interrupt_ends_everything_at_once(lemonade, models):
    (models / "endless.py").write_text("while True: pass\n")
    process = lemonade.start("validate", "models", *IMAGE, "--json", "--seconds", 1000, "--jobs", 2)
    assert json.loads(process.stdout.readline())["file"] == "models/a.py"
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "lemonade-es: interrupted"
    assert time.monotonic() - started < 30
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


@pytest.mark.parametrize(("words", "passes"), [(("medium",), False), (("none", "--unsafe-no-isolation"), True)])
def test_the_level_that_is_asked_for_is_kept(lemonade, models, words, passes):
    (models / "a.py").write_text(f'open("/etc/passwd").close()\n{GOOD}')
    done = lemonade("validate", "models/a.py", *IMAGE, "--json", "--isolation", *words)
    assert done.code == (0 if passes else 1), done.err
    assert done.json["ok"] is passes


def test_a_level_that_cannot_be_had_is_refused_by_its_name(lemonade, models, monkeypatch):
    monkeypatch.setenv("PATH", "")
    done = lemonade("validate", "models/a.py", *IMAGE, "--isolation", "container")
    assert done.code == 2
    assert "the isolation level container cannot be had here" in done.err
