"""A network becomes a file only if the file says what the network says, and nothing that a child tells is believed."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from lemonade_es.errors import ConfigError
from lemonade_es.trainer.data.spec import load
from lemonade_es.trainer.export import form as forms
from lemonade_es.trainer.export.delivery import Delivery, Format, demand_plain
from lemonade_es.trainer.export.example import infer_file
from lemonade_es.trainer.isolation.child import CandidateFailed
from lemonade_es.trainer.isolation.protocol import manifest
from lemonade_es.trainer.measurement import Failure
from lemonade_es.trainer.weights import Weights
from lemonade_es.trainer.workshop import Workshop

SLOW = pytest.mark.slow


def trained(workshop, source):
    content = workshop.train(source, seed=0).weights
    return Weights("weights", content, manifest(content))


def delivered(workshop, toy, source, weights, form, *, int8=False):
    deadline = time.monotonic() + 120
    return Delivery(workshop.hand, toy, source, weights, Format(form, int8), deadline, 60).run()


COUNTS = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4))

    def forward(self, x):
        return self.layers(x)
"""
BRANCHES = COUNTS.replace("return self.layers(x)", "return self.layers(x) if x.max() > 1.9 else -self.layers(x)")
RESTLESS = COUNTS.replace("self.layers(x)", "nn.functional.dropout(self.layers(x), 0.2)")
BUILT_IN = COUNTS.replace("return self.layers(x)", "return self.layers(x.view(int(x.shape[0]), 3, 8, 8)) * 1.0")


@pytest.mark.isolation
@pytest.mark.parametrize("form", ["onnx", "torchscript", "executorch", "source"])
def test_a_file_that_agrees_comes_with_its_figures(workshop, toy, form):
    for package in forms.FORMS[form].modules:
        pytest.importorskip(package)
    weights = trained(workshop, COUNTS)
    found = delivered(workshop, toy, COUNTS, weights, form)
    assert not isinstance(found, Failure), found
    assert found.inputs == len(toy.validation)
    assert found.file.max_abs_difference <= found.limit
    assert found.file.equal_share == 1
    assert found.file.accuracy == found.pytorch.accuracy
    assert found.file.megabytes == len(found.content) / 1e6
    assert (found.making == "source.Net()") == (form == "source")


DENSE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, 4), nn.ReLU(), nn.Linear(4, 1))

    def forward(self, x):
        return self.layers(x)
"""
WORDS = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.words(x).mean(1))
"""


@pytest.mark.isolation
@pytest.mark.parametrize(
    "form",
    ["onnx", pytest.param("torchscript", marks=SLOW), "executorch", pytest.param("source", marks=SLOW)],
)
@pytest.mark.parametrize("kind", ["table", "text"])
def test_a_network_for_tables_or_texts_becomes_a_file(tmp_path, quick_recipe, form, kind):
    for package in forms.FORMS[form].modules:
        pytest.importorskip(package)
    if kind == "text":
        rows = [f"{'good' if n % 2 else 'bad'} film number {n},{n % 2}" for n in range(60)]
        (tmp_path / "reviews.csv").write_text("\n".join(["text,label", *rows]))
    data = load("diabetes" if kind == "table" else str(tmp_path / "reviews.csv"))
    source = DENSE if kind == "table" else WORDS
    with Workshop(data, quick_recipe, device="cpu") as opened:
        found = delivered(opened, data, source, trained(opened, source), form)
    assert not isinstance(found, Failure), found
    assert found.file.max_abs_difference <= found.limit


@pytest.mark.isolation
def test_a_network_whose_path_depends_on_its_input_is_not_delivered(workshop, toy):
    """Tracing follows one path; random pixels take another one than these images, which are never as bright."""
    found = delivered(workshop, toy, BRANCHES, trained(workshop, BRANCHES), "torchscript")
    assert isinstance(found, Failure)
    assert found.code == "NOT_EQUAL"
    assert "differs from PyTorch by up to" in found.message


@pytest.mark.isolation
@pytest.mark.parametrize("form", [pytest.param("torchscript", marks=SLOW), "source"])
def test_a_network_that_answers_otherwise_each_time_is_said_to_be_so(workshop, toy, form):
    found = delivered(workshop, toy, RESTLESS, trained(workshop, RESTLESS), form)
    assert isinstance(found, Failure)
    assert found.code == "NOT_EQUAL"
    assert found.message.startswith("the network itself answers the same input in another way each time")
    assert "is dropout always on?" in found.message


@pytest.mark.isolation
def test_a_network_with_a_size_of_batch_built_in_is_exported_for_single_inputs(workshop, toy):
    found = delivered(workshop, toy, BUILT_IN, trained(workshop, BUILT_IN), "torchscript")
    assert not isinstance(found, Failure), found
    assert found.rows == 1
    assert found.file.equal_share == 1


@pytest.mark.isolation
def test_weights_of_another_network_are_refused(workshop, toy, good):
    with pytest.raises(ConfigError, match="not this network's"):
        delivered(workshop, toy, good, trained(workshop, COUNTS), "torchscript")


@pytest.mark.parametrize(
    "expression",
    ["source.Net()", "source.model", "source.Net(num_classes=10, input_shape=(3, 8, 8), config=source.Config())"],
)
def test_an_expression_that_makes_a_network_is_taken(expression):
    assert demand_plain(expression) == expression


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "source.Net(name='x')",
        "source.os.system()",
        "[source for _ in (1,)]",
        "source.Net()\nimport os",
        "source.Net(" + "a=1," * 400 + ")",
        "source.Net(\u202e)",
        "(lambda: source)()",
        None,
        7,
        "(" * 999,
    ],
)
def test_an_expression_that_could_do_more_is_refused(expression):
    with pytest.raises(CandidateFailed):
        demand_plain(expression)


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr(forms.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        forms.demand_possible("onnx", int8=False)
    assert str(caught.value) == (
        "--format onnx: ONNX needs onnx and onnxruntime, which is not installed (pip install 'lemonade-es[onnx]')"
    )
    with pytest.raises(ConfigError, match=r"pip install 'lemonade-es\[executorch\]'"):
        forms.demand_possible("executorch", int8=False)
    forms.demand_possible("torchscript", int8=False)


def test_a_mask_of_minus_infinity_does_not_spoil_the_scales_of_int8():
    pytest.importorskip("onnxruntime")
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415

    from lemonade_es.task import Task  # noqa: PLC0415
    from lemonade_es.trainer.export import graph, quantisation, runtime  # noqa: PLC0415

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 16), nn.Linear(16, 3)

        def forward(self, x):
            hidden = self.first(x)
            masked = torch.where(x[:, :1] > 0, hidden, hidden.new_full((), -torch.inf))
            return self.last(torch.softmax(torch.cat([hidden, masked], 1), 1)[:, :16])

    torch.manual_seed(0)
    task = Task("table", "x", (6,), 3)
    content = graph.written(Net().eval(), task, (), (), "onnx", None)
    rows = np.random.default_rng(0).standard_normal((64, 6)).astype(np.float32)
    wanted = runtime.answers(runtime.opened("onnx", content), rows, task, None)
    integers = quantisation.quantised(content, [rows])
    found = runtime.answers(runtime.opened("onnx", integers), rows, task, None)
    assert 0 < np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()
    weights = quantisation.int8_weights(integers)
    assert weights["weight_0"].dtype == np.int8
    assert weights["weight_0.scale"].shape == (16,)


CORNERS = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))

    def forward(self, x):
        return self.layers(x)
"""


@pytest.mark.isolation
@pytest.mark.parametrize("form", ["onnx", pytest.param("torchscript", marks=SLOW), "executorch", "source"])
def test_the_example_answers_coloured_pictures_as_the_network_does(tmp_path, workshop, toy, form):
    for package in forms.FORMS[form].modules:
        pytest.importorskip(package)
    weights = trained(workshop, CORNERS)
    found = delivered(workshop, toy, CORNERS, weights, form)
    assert not isinstance(found, Failure), found
    state = safetensors.numpy.load(weights.content)
    pictures = np.random.default_rng(1).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    inputs = ((pictures / 255 - 0.5) / 0.25).reshape(4, -1).astype(np.float32)
    logits = inputs @ state["layers.1.weight"].T + state["layers.1.bias"]
    odds = np.exp(logits - logits.max(1, keepdims=True))
    shares = odds / odds.sum(1, keepdims=True)
    normalisation = {"mean": [0.5] * 3, "std": [0.25] * 3} if form == "source" else None
    about = {"file": "net", "input": {"shape": [3, 8, 8], "dtype": "float32"}, "normalisation": normalisation}
    (tmp_path / "model.json").write_text(json.dumps(about | {"classes": list("abcd")}))
    (tmp_path / "model.py").write_text(CORNERS)
    (tmp_path / "net").write_bytes(found.content)
    (tmp_path / "infer.py").write_bytes(infer_file(form, "image", "classification", found.making))
    names = [f"{number}.png" for number in range(4)]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture.transpose(1, 2, 0)).save(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "infer.py", *names], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    told = [f"{name}: {'abcd'[row.argmax()]} ({row.max():.1%})" for name, row in zip(names, shares, strict=True)]
    assert done.stdout.splitlines() == told, done.stderr
