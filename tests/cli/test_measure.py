"""What `lemonade-es measure` and `run --measure-with` give, as a user calls them."""

from __future__ import annotations

import json
import math
import os
import random
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
import safetensors.torch
import torch

from lemonade_es.engine import appraisal

pytestmark = pytest.mark.isolation

SOURCE = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, {width}, 3, padding=1)
        self.head = nn.Linear({width}, 10)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))
"""


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "model.py"
    file.write_text(SOURCE.format(width=8))
    return file


def program(folder, name, text):
    file = folder / name
    file.write_text(text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def until(reached, seconds=60):
    end = time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        time.sleep(0.02)


def documented(heading):
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    section = page.split(f"## `lemonade-es {heading}", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_an_untrained_network_has_every_figure_but_an_accuracy(lemonade, model):
    done = lemonade("measure", model, "--limit", 300, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert set(found) == documented("measure")
    metrics = found["metrics"]
    assert metrics["P"] == 8 * 9 + 8 + 8 * 10 + 10
    assert metrics["M"] == 64 * 8 * 9 + 80
    assert metrics["F"] == pytest.approx(1e3 / metrics["L"])
    assert metrics["B"] > metrics["F"]
    assert all(metrics[name] > 0 for name in ("S", "R", "W", "V_E"))
    assert metrics["V_Acc"] is metrics["T_Acc"] is metrics["T_E"] is None
    assert "untrained" in found["absent"]["V_Acc"]
    latency = found["latency"]
    assert latency["p10"] <= latency["p50"] <= latency["p95"]
    assert latency["spread"] >= 0
    inference = found["energy"]["inference"]
    assert inference["joules"] == pytest.approx(sum(part["joules"] for part in inference["domains"]))
    assert inference["kwh_pue"] == pytest.approx(1.58 * inference["joules"] / 3.6e6)
    assert inference["co2e_grams"] == pytest.approx(436 * inference["kwh_pue"])
    assert inference["provenance"] in ("estimated", "measured")


@pytest.mark.slow
def test_which_of_several_networks_is_measured_is_told_and_what_is_odd_about_it(lemonade, tmp_path):
    file = tmp_path / "model.py"
    restless = SOURCE.replace("self.conv(x)", "nn.functional.dropout(self.conv(x))").replace("class Net", "class Large")
    file.write_text(SOURCE.format(width=8).replace("class Net", "class Small") + restless.format(width=16))
    found = lemonade("measure", file, "--limit", 300, "--json").json
    assert found["metrics"]["P"] == 16 * 9 + 16 + 16 * 10 + 10
    assert found["note"].startswith("Large is taken for the network, not Small: leave one, or call it Net. In eval")
    told = " ".join(lemonade("measure", file, "--limit", 300).out.split())
    assert f"note: {found['note']}" in told


@pytest.fixture
def people(tmp_path):
    """Options for a table with three columns, one of them skewed."""
    generator = random.Random(1)
    rows = [[generator.random(), generator.random(), math.exp(generator.gauss(0, 2))] for _ in range(200)]
    lines = ["age,height,income,rich", *(f"{a},{b},{c},{int(c > 1)}" for a, b, c in rows)]
    (tmp_path / "people.csv").write_text("\n".join(lines))
    return "--data", tmp_path / "people.csv", "--target", "rich", "--task", "classification", "--json"


@pytest.mark.slow
@pytest.mark.parametrize(("width", "plain"), [(3, True), (4, False)])
def test_a_network_may_take_a_skewed_column_with_its_logarithm_or_without(lemonade, tmp_path, people, width, plain):
    (tmp_path / "net.py").write_text(f"import torch\n\nmodel = torch.nn.Linear({width}, 2)\n")
    told = lemonade("measure", tmp_path / "net.py", *people).json
    assert told["input_shape"] == [width]
    assert ("without their logarithms" in (told["note"] or "")) is plain


@pytest.mark.slow
def test_a_network_that_demands_a_feature_a_column_is_measured_too(lemonade, tmp_path, people):
    source = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1, 2)

    def forward(self, x):
        assert x.shape[1] == 3
        return self.head(x.sum(1, keepdim=True))
"""
    (tmp_path / "net.py").write_text(source)
    told = lemonade("measure", tmp_path / "net.py", *people).json
    assert told["input_shape"] == [3]
    assert "without their logarithms" in told["note"]


@pytest.mark.slow
def test_weights_for_a_feature_a_column_fit_a_network_that_is_told_its_width(lemonade, tmp_path, people):
    source = """from torch import nn


class Net(nn.Module):
    def __init__(self, in_features):
        super().__init__()
        self.layer = nn.Linear(in_features, 2)

    def forward(self, x):
        return self.layer(x)
"""
    (tmp_path / "net.py").write_text(source)
    for width in (3, 5):
        tensors = {"layer.weight": torch.zeros(2, width), "layer.bias": torch.zeros(2)}
        safetensors.torch.save_file(tensors, tmp_path / f"{width}.safetensors")
    told = lemonade("measure", tmp_path / "net.py", *people, "--weights", tmp_path / "3.safetensors").json
    assert told["input_shape"] == [3]
    assert "without their logarithms" in told["note"]
    refused = lemonade("measure", tmp_path / "net.py", *people, "--weights", tmp_path / "5.safetensors")
    assert refused.code == 2
    assert "the network's is F32 [2, 4]" in refused.err


def test_a_byte_order_mark_is_no_part_of_a_source(tmp_path):
    file = tmp_path / "model.py"
    file.write_text("x = 1\n", encoding="utf-8-sig")
    assert appraisal._source(file) == "x = 1\n"


@pytest.mark.slow
def test_the_weights_of_a_run_give_its_accuracy_again(finished):
    command, result = finished
    best = result["best"]
    words = ("--weights", best["weights"], "--grid-gco2e-per-kwh", 50)
    done = command("measure", best["model"], *words, "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["V_Acc"] == best["metrics"]["V_Acc"]
    assert done.json["metrics"]["T_Acc"] == best["metrics"]["T_Acc"]
    assert done.json["metrics"]["P"] == best["metrics"]["P"]
    course = {"loss_slope", "loss_noise", "grad_low", "grad_high", "best_epoch"}
    assert done.json["absent"] == dict.fromkeys({"T_E", *course}, "it was not trained here")
    assert done.json["assumed_grid_gco2e_per_kwh"] == 50
    told = command("measure", best["model"], *words).out
    assert "a kWh is 50 g" in " ".join(told.split())


def test_weights_of_another_network_are_refused_with_the_names(finished, tmp_path):
    command, result = finished
    other = tmp_path / "other.py"
    other.write_text(SOURCE.format(width=8))
    done = command("measure", other, "--weights", result["best"]["weights"])
    assert done.code == 2
    assert "the weights are not this network's; missing: conv.bias, conv.weight, head.bias" in done.err
    assert "Traceback" not in done.err


def test_weights_that_are_not_finite_give_no_accuracy(finished, tmp_path):
    command, result = finished
    weights = safetensors.torch.load_file(result["best"]["weights"])
    next(reversed(weights.values())).fill_(float("nan"))
    safetensors.torch.save_file(weights, tmp_path / "nan.safetensors")
    done = command("measure", result["best"]["model"], "--weights", tmp_path / "nan.safetensors", "--json")
    assert done.code == 1
    assert (
        done.json["failure"]["message"] == "with these weights the network has weights or outputs that are not finite"
    )
    assert {done.json["metrics"][name] for name in ("T_Acc", "V_Acc", "class_gap")} == {None}


def test_a_hostile_file_does_nothing_to_this_machine(lemonade, model, tmp_path):
    target = tmp_path / "pwned"
    model.write_text(f"open({str(target)!r}, 'w').write('x')\n{model.read_text()}")
    done = lemonade("measure", model, "--json")
    assert done.code == 1
    assert done.json["failure"]["code"]
    assert not target.exists()


def test_a_broken_network_is_told_with_its_line(lemonade, model):
    model.write_text(model.read_text().replace("nn.Linear(8, 10)", "nn.Linear(9, 10)"))
    done = lemonade("measure", model)
    assert done.code == 1
    assert "SHAPE_MISMATCH, line" in done.out
    assert done.out.count("SHAPE_MISMATCH") == 1
    assert "see the failure above" in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none.py",), "there is no such file"),
        ((), "name the file of a network"),
        (("model.py", "--weights", "model.py"), "no safetensors file"),
        (("model.py", "--measure-with", "no-such-program"), "there is no program"),
        (("model.py", "--measure-seconds", "0"), "--measure-seconds"),
        (("model.py", "--grid-gco2e-per-kwh", "-1"), "--grid-gco2e-per-kwh"),
    ],
)
def test_a_mistake_is_one_line(lemonade, model, words, told):
    done = lemonade("measure", *words)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


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


def test_energy_and_co2e_of_a_run_say_what_they_rest_on(finished):
    command, result = finished
    energy = result["energy"]
    assert set(energy) == {"kwh_pue", "source", "complete", "co2e_grams", "assumed_grid_gco2e_per_kwh"}
    assert energy["kwh_pue"] == result["energy_kwh_pue"] > 0
    assert energy["co2e_grams"] == pytest.approx(436 * energy["kwh_pue"])
    assert energy["source"] in ("estimated", "measured")
    assert energy["complete"] is True
    page = command("runs", "show", "latest").out
    assert f"({energy['source']})" in page
    assert "g CO2e if a kWh is 436 g" in " ".join(page.split())
    assert json.loads(command("runs", "show", "latest", "--json").out)["energy_spent"] == energy
