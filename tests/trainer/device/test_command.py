"""Measuring commands: programs that are really run."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import threading
import time
from pathlib import Path

import psutil
import pytest

from lemonade_es.errors import ConfigError
from lemonade_es.task import Task
from lemonade_es.trainer.device import figures
from lemonade_es.trainer.device.command import device_command, passed_environment
from lemonade_es.trainer.device.figures import on_device
from lemonade_es.trainer.device.report import DeviceReport
from lemonade_es.trainer.measurement import Energy, Failure, Measurement

SHAPE = (1, 3, 8, 8)
TASK = Task("image", "board", SHAPE[1:], 2)


def shell(script, seconds=20.0):
    return device_command(f"sh -c {shlex.quote(script)} x {{model}} {{input_shape}}", seconds)


def test_the_command_gets_the_model_and_the_shape():
    command = shell("""test "$(cat $1)" = network && echo '{"L": 2, "device": "'$2'"}'""")
    report = command.run(b"network", SHAPE)
    assert isinstance(report, DeviceReport)
    assert report.metrics["L"] == 2
    assert report.device == "1,3,8,8"


def test_without_a_placeholder_the_path_comes_last(tmp_path):
    program = tmp_path / "board"
    program.write_text("""#!/bin/sh\ncat "$2" >&2; echo '{"L": '$1'}'\n""")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    report = device_command(f"{program} 7").run(b"network", SHAPE)
    assert isinstance(report, DeviceReport)
    assert report.metrics["L"] == 7


@pytest.mark.parametrize("name", ["{board}", "{model}"])
def test_the_folder_of_the_program_may_be_called_like_a_placeholder(name, tmp_path, monkeypatch):
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("board").write_text("""#!/bin/sh\necho '{"L": 3}'\n""")
    Path("board").chmod(0o755)
    assert isinstance(device_command("./board").run(b"network", SHAPE), DeviceReport)


def test_no_shell_reads_the_command(tmp_path):
    target = tmp_path / "made"
    outcome = device_command(f"echo {{model}} ; touch {target}").run(b"", SHAPE)
    assert isinstance(outcome, Failure)
    assert not target.exists()


def test_the_model_is_gone_afterwards():
    command = shell('dirname "$1" >&2; exit 3')
    outcome = command.run(b"network", SHAPE)
    assert isinstance(outcome, Failure)
    folder = outcome.message.rpartition(": ")[2]
    assert "lemonade-" in folder
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        ("exit 3", "DEVICE_FAILED", "exit code 3"),
        ("echo first >&2; echo no route to host >&2; exit 255", "DEVICE_FAILED", "exit code 255: no route to host"),
        ("kill -9 $$", "DEVICE_FAILED", "signal 9"),
        ("true", "DEVICE_BABBLED", "printed nothing"),
        ("echo hello", "DEVICE_BABBLED", "not JSON"),
        ("echo '{\"L\": -1}'", "DEVICE_BABBLED", "above 0"),
        ("yes", "DEVICE_BABBLED", "more than 65536 bytes"),
    ],
)
def test_what_goes_wrong_is_an_outcome(script, code, told):
    outcome = shell(script).run(b"", SHAPE)
    assert isinstance(outcome, Failure)
    assert outcome.code == code
    assert told in outcome.message


def test_complaints_without_end_do_not_matter():
    report = shell("head -c 5000000 /dev/zero >&2; echo '{\"L\": 1}'").run(b"", SHAPE)
    assert isinstance(report, DeviceReport)


def children_with(word):
    return [child for child in psutil.process_iter(["cmdline"]) if word in (child.info["cmdline"] or [])]


@pytest.mark.parametrize("script", ["sleep 4321.5", "yes 4321.5 >&2", "exec 1>&- 2>&-; sleep 4321.5"])
def test_a_slow_command_is_ended_with_all_that_it_started(script):
    started = time.monotonic()
    outcome = shell(script, 0.5).run(b"", SHAPE)
    assert isinstance(outcome, Failure)
    assert outcome.code == "DEVICE_TIMED_OUT"
    assert time.monotonic() - started < 20
    deadline = time.monotonic() + 10
    while children_with("4321.5") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children_with("4321.5") == []


def test_what_a_command_leaves_behind_is_not_waited_for_and_ended():
    started = time.monotonic()
    report = shell("sleep 4322.5 & echo '{\"L\": 1}'", 60).run(b"", SHAPE)
    assert isinstance(report, DeviceReport)
    assert time.monotonic() - started < 20
    deadline = time.monotonic() + 10
    while children_with("4322.5") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children_with("4322.5") == []


def test_a_program_that_vanished_is_an_outcome(tmp_path):
    program = tmp_path / "board"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = device_command(str(program))
    program.unlink()
    outcome = command.run(b"", SHAPE)
    assert isinstance(outcome, Failure)
    assert outcome.code == "DEVICE_FAILED"
    assert "cannot be run" in outcome.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("sh -c 'x", "cannot be read"),
        ("no-such-program-here {model}", "no program"),
        ("sh {modle}", "did you mean {model}"),
        ("sh {zzz}", "there are {model} and {input_shape}"),
    ],
)
def test_a_command_that_cannot_be_run_is_found_before(text, told):
    with pytest.raises(ConfigError, match=told.replace("{", r"\{")):
        device_command(text)


@pytest.mark.parametrize("text", ["./measure.sh {model}", "tools/measure.sh"])
def test_a_path_that_holds_where_a_run_was_started_says_so_elsewhere(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="; a run with it is resumed in the folder that it was started in"):
        device_command(text)


def test_keys_stay_here(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("LEMONADE_STORE", "postgresql://user:secret@db")
    monkeypatch.setenv("LEMONADE_DEVICE_THREADS", "4")
    command = shell(
        """env | grep -q secret && exit 9; echo '{"L": '$LEMONADE_DEVICE_THREADS'}'""",
    )
    report = command.run(b"", SHAPE)
    assert isinstance(report, DeviceReport)
    assert report.metrics["L"] == 4
    assert set(passed_environment({"PATH": "a", "AWS_SECRET_ACCESS_KEY": "b", "LC_ALL": "C"})) == {"PATH", "LC_ALL"}


def measured():
    return Measurement(
        metrics={"V_Acc": 0.5, "V_E": 1e-6, "L": None, "F": None, "B": None, "W": None, "R": 100.0},
        absent={"L": "not timed here"},
        energy={"validation": Energy(1.0, 1.0, "estimated", "m", "process")},
        measuring_seconds=1.0,
    )


def test_the_devices_figures_take_the_place_of_this_machines():
    found = on_device(measured(), shell('echo \'{"L": 2, "W": 1000, "device": "Pi"}\''), b"network", TASK)
    assert found.metrics == {"V_Acc": 0.5, "V_E": 1e-6, "L": 2.0, "F": 500.0, "B": None, "W": 1000.0, "R": None}
    assert found.sources == {"L": "device", "F": "device", "W": "device"}
    assert set(found.absent) == {"B", "R"}
    assert found.energy["inference"].joules == pytest.approx(0.002)
    assert found.energy["inference"].method == "device Pi"
    assert found.energy["validation"].provenance == "estimated"
    assert found.device.device == "Pi"
    assert found.measuring_seconds > 1.0


def test_how_many_tokens_there_are_is_in_the_environment_where_inputs_are_tokens():
    command = shell("""echo '{"L": 1, "device": "'${LEMONADE_DEVICE_VOCABULARY-none}'"}'""")
    texts = Task("text", "reviews", (20,), 2, 5000)
    told = [on_device(measured(), command, b"network", task).device.device for task in (TASK, texts)]
    assert told == ["none", "5000"]


@pytest.mark.parametrize(
    ("first", "tries", "code"),
    [
        ("echo no route to host >&2; exit 255", 2, None),
        ("echo '{}'", 1, "DEVICE_BABBLED"),
        ("sleep 60", 1, "DEVICE_TIMED_OUT"),
    ],
)
def test_a_command_that_fails_is_tried_once_more_and_one_that_is_slow_or_babbles_is_not(
    monkeypatch, tmp_path, first, tries, code
):
    monkeypatch.setattr(figures, "AGAIN_AFTER", 0.0)
    tried = tmp_path / "tried"
    command = shell(f"""echo >> {tried}; test $(wc -l < {tried}) -gt 1 || {{ {first}; exit; }}; echo '{{"L": 2}}'""", 2)
    found = on_device(measured(), command, b"network", TASK)
    assert len(tried.read_text()) == tries
    assert found.metrics["L"] == (2.0 if code is None else None)
    assert (found.device.failure and found.device.failure.code) == code


def test_where_the_device_fails_nothing_of_this_machine_stands_in(monkeypatch):
    monkeypatch.setattr(figures, "AGAIN_AFTER", 0.0)
    found = on_device(measured(), shell("exit 1"), b"network", TASK)
    assert [found.metrics[name] for name in ("L", "F", "B", "W", "R")] == [None] * 5
    assert found.metrics["V_Acc"] == 0.5
    assert found.absent["R"].startswith("DEVICE_FAILED: it ended with exit code 1")
    assert "inference" not in found.energy
    assert found.device.failure.code == "DEVICE_FAILED"
    assert found.failure is None


def test_a_network_that_cannot_be_exported_is_told_so_and_no_command_runs(tmp_path):
    failure = Failure("EXPORT_FAILED", "no ONNX for aten::magic")
    found = on_device(measured(), shell(f"touch {tmp_path}/ran"), failure, TASK)
    assert found.device.failure == failure
    assert not (tmp_path / "ran").exists()


def test_an_interrupt_ends_the_command():
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        shell("sleep 4322.5").run(b"", SHAPE)
    deadline = time.monotonic() + 10
    while children_with("4322.5") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children_with("4322.5") == []
