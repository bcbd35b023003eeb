"""What `lemonade-es measure` gives, as a user calls it."""

from __future__ import annotations

import json
import math
import random
import re
from io import StringIO
from pathlib import Path

import pytest
import safetensors.torch
import torch
from rich.console import Console

from lemonade_es.engine import appraisal
from lemonade_es.report.measured import figures_table
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import Measurement
from tests.cli.conftest import NETWORK

pytestmark = pytest.mark.isolation


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


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (Task("image", "photos", (3, 32, 32), 5), "net.py on photos (3x32x32), cpu"),
        (Task("text", "mail", (200,), 2, 900), "net.py on mail (200 tokens), cpu"),
        (Task("table", "houses", (48,), 1, objective="regression"), "net.py on houses (48 features), cpu"),
    ],
)
def test_what_one_input_is_is_told_with_its_unit(task, told):
    measured = appraisal.Appraisal("net.py", None, task, "cpu", "strong", "estimated", 436.0, Measurement({}))
    console = Console(width=200, file=StringIO())
    console.print(figures_table(measured))
    assert console.file.getvalue().startswith(told)


@pytest.mark.slow
def test_which_of_several_networks_is_measured_is_told_and_what_is_odd_about_it(lemonade, tmp_path):
    file = tmp_path / "model.py"
    restless = NETWORK.replace("self.conv(x)", "nn.functional.dropout(self.conv(x))").replace(
        "class Net", "class Large"
    )
    file.write_text(NETWORK.format(width=8).replace("class Net", "class Small") + restless.format(width=16))
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
    other.write_text(NETWORK.format(width=8))
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
        (("model.py", "--measure-seconds", "5"), "there is no command that may take so long"),
        (("model.py", "--grid-gco2e-per-kwh", "-1"), "--grid-gco2e-per-kwh"),
    ],
)
def test_a_mistake_is_one_line(lemonade, model, words, told):
    done = lemonade("measure", *words)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


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
