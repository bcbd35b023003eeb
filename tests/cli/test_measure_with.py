"""What `--measure-with` makes of the device that a user has, for `lemonade-es measure` and `run`."""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.isolation


def program(folder, name, text):
    file = folder / name
    file.write_text(text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def until(reached, seconds=60):
    end = time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        time.sleep(0.02)


CHECKED = """#!{python}
import json, sys
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
batch = numpy.zeros([int(side) for side in sys.argv[2].split(",")], numpy.float32)
logits = session.run(None, {{session.get_inputs()[0].name: batch}})[0]
print(json.dumps({{"L": 3.0, "W": 2000, "R": 20, "device": f"board {{logits.shape}}"}}))
"""


def test_a_command_measures_the_exported_network(lemonade, model, tmp_path):
    pytest.importorskip("onnxruntime")
    board = program(tmp_path, "board", CHECKED.format(python=sys.executable))
    done = lemonade("measure", model, "--measure-with", f"{board} {{model}} {{input_shape}}", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["measured_with"]["device"] == "board (1, 10)"
    assert {name: found["metrics"][name] for name in ("L", "F", "W", "R")} == {
        "L": 3.0,
        "F": pytest.approx(1000 / 3),
        "W": 2000,
        "R": 20,
    }
    assert found["sources"] == dict.fromkeys(("L", "F", "W", "R"), "device")
    assert found["absent"]["B"] == "the device did not tell it"
    assert found["energy"]["inference"]["joules"] == pytest.approx(0.006)


@pytest.mark.slow
def test_a_command_that_fails_leaves_the_rest_of_the_figures(lemonade, model):
    done = lemonade("measure", model, "--measure-with", "false")
    assert done.code == 1, done.err
    assert "DEVICE_FAILED: it ended with exit code 1" in " ".join(done.out.split())
    assert "trainable parameters" in done.out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_as_well(lemonade, model, tmp_path, number):
    told = tmp_path / "told"
    board = program(tmp_path, "board", f"#!/bin/sh\necho $$ $1 > {told}.new\nmv {told}.new {told}\nsleep 600\n")
    process = lemonade.start("measure", model, "--measure-with", board)
    until(lambda: told.exists() or process.poll() is not None)
    pid, file = told.read_text().split()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "lemonade-es: interrupted\n")
    until(lambda: not psutil.pid_exists(int(pid)))
    assert not psutil.pid_exists(int(pid))
    assert not Path(file).parent.exists()


@pytest.mark.slow
def test_a_search_is_steered_by_the_devices_figures(lemonade, tmp_path):
    board = program(tmp_path, "board", '#!/bin/sh\necho \'{"L": 50, "device": "Pi"}\'\n')
    words = ("--preset", "edge", "--iterations", 2, "--epochs", 1, "--limit", 300)
    done = lemonade("run", *words, "--measure-with", board, "--json")
    assert done.code == 0, done.err
    assert done.json["best"]["metrics"]["F"] == 20
    assert done.json["best"]["metrics"]["W"] is None
    assert done.json["device"] == {"command": str(board), "asked": 2, "failed": 0}
    facts = lemonade("explain", "latest", "--iteration", 2, "--json").json["facts"]
    assert (facts["L"], facts["F"]) == (50, 20)


@pytest.mark.slow
def test_a_board_that_is_gone_never_ends_the_search_and_is_warned_of_once(lemonade, tmp_path):
    board = program(tmp_path, "board", "#!/bin/sh\necho no route to host >&2\nexit 255\n")
    words = ("--iterations", 4, "--epochs", 1, "--limit", 300)
    done = lemonade("run", *words, "--measure-with", board)
    assert done.code == 0, done.err
    assert done.out.count("not measured on the device: it ended with exit code 255: no route to host") == 4
    assert done.out.count("warning: the measuring command failed 3 times in a row") == 1
    assert "measuring on the device failed for 4 of 4 trainings" in done.out
    facts = lemonade("explain", "latest", "--iteration", 2, "--json").json
    assert facts["facts"]["F"] is None
    assert "measured on a device: 0 of 4 trainings" in lemonade("runs", "show", "latest").out


SSH = """#!/bin/sh
# runs here what would run there
echo "ssh $*" >> "$LEMONADE_DEVICE_LOG"
while [ $# -gt 0 ]; do case $1 in -o) shift 2 ;; *) break ;; esac; done
shift
exec sh -c "$*"
"""
SCP = """#!/bin/sh
echo "scp $*" >> "$LEMONADE_DEVICE_LOG"
for last; do :; done
while [ $# -gt 2 ]; do shift; done
cp "$1" "${last#*:}"
"""


def over_ssh(lemonade, model, tmp_path, *, ssh=SSH, scp=SCP):
    commands = tmp_path / "bin"
    commands.mkdir()
    program(commands, "ssh", ssh)
    program(commands, "scp", scp)
    script = program(tmp_path, "measure_over_ssh.sh", lemonade("measure", "--print-device-script").out)
    done = lemonade(
        "measure",
        model,
        "--measure-with",
        f"{shlex.quote(str(script))} pi@board {{model}} {{input_shape}}",
        "--json",
        PATH=f"{commands}:{os.environ['PATH']}",
        LEMONADE_DEVICE_LOG=str(tmp_path / "log"),
        LEMONADE_DEVICE_PYTHON=sys.executable,
        LEMONADE_DEVICE_SECONDS="0.2",
    )
    measured = done.json
    assert done.code == (measured["measured_with"]["failure"] is not None), done.err
    return measured


def test_the_ready_script_measures_over_ssh_and_tidies_up(lemonade, model, tmp_path):
    pytest.importorskip("onnxruntime")
    found = over_ssh(lemonade, model, tmp_path)
    assert found["measured_with"]["failure"] is None
    assert found["metrics"]["L"] > 0
    assert found["metrics"]["R"] > 10
    assert found["measured_with"]["device"]
    log = (tmp_path / "log").read_text()
    folder = re.search(r"pi@board:(/tmp/lemonade-\w{8})/model\.onnx", log)[1]
    assert f"rm -rf {folder}" in log
    assert not Path(folder).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"ssh": "#!/bin/sh\necho 'ssh: connect to host board: No route to host' >&2\nexit 255\n"}, "No route to host"),
        ({"ssh": "#!/bin/sh\necho 'x; rm -rf /'\n"}, "the board gave no folder"),
        ({"scp": "#!/bin/sh\necho 'scp: disk full' >&2\nexit 1\n"}, "disk full"),
    ],
)
def test_what_breaks_between_here_and_the_board_is_the_outcome(lemonade, model, tmp_path, broken, told):
    failure = over_ssh(lemonade, model, tmp_path, **broken)["measured_with"]["failure"]
    assert failure["code"] == "DEVICE_FAILED"
    assert told in failure["message"]


def test_the_ready_script_is_a_posix_script(lemonade, tmp_path):
    script = program(tmp_path, "script", lemonade("measure", "--print-device-script").out)
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    usage = subprocess.run([str(script)], capture_output=True, text=True, check=False)
    assert usage.returncode == 2
    assert "usage" in usage.stderr
