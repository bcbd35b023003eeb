"""Networks as ONNX give what they give in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lemonade_es.task import Task
from lemonade_es.trainer.export.graph import INPUT, OUTPUT, to_onnx, written
from lemonade_es.trainer.network.candidate import Refusal, build, example

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

IMAGES = Task("image", "x", (3, 16, 16), 7)
TEXTS = Task("text", "x", (12,), 3, vocabulary_size=50)

CONVOLUTIONS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        self.deep = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(16, 7)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.deep(x))
        return self.head(self.drop(x.mean((2, 3))))
"""
TOKENS = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.mix = nn.LSTM(16, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens):
        return self.head(self.mix(self.words(tokens))[0][:, -1])
"""


@pytest.mark.parametrize(("source", "task"), [(CONVOLUTIONS, IMAGES), (TOKENS, TEXTS)])
def test_an_exported_network_gives_the_same_logits(source, task):
    torch.manual_seed(0)
    model = build(source, task).eval()
    content = to_onnx(model, task)
    onnx.checker.check_model(onnx.load_from_string(content))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    batch = example(task, 1)
    assert [entry.name for entry in session.get_inputs()] == [INPUT]
    (logits,) = session.run([OUTPUT], {INPUT: batch.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, model(batch).numpy(), rtol=1e-4, atol=1e-5)


CUT = TOKENS.replace("self.words(tokens)", "self.words(tokens[:, : int((tokens != 0).sum(1).max())])")


def test_a_network_that_cuts_padding_off_is_exported_for_the_whole_length():
    torch.manual_seed(0)
    model = build(CUT, TEXTS).eval()
    session = onnxruntime.InferenceSession(to_onnx(model, TEXTS), providers=["CPUExecutionProvider"])
    batch = torch.randint(1, 50, (1, 12))
    (logits,) = session.run([OUTPUT], {INPUT: batch.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, model(batch).numpy(), rtol=1e-4, atol=1e-5)


def test_exporting_leaves_the_network_as_it_was():
    model = build(CONVOLUTIONS, IMAGES).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    to_onnx(model, IMAGES)
    assert not model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 7)

    def forward(self, x):
        return self.head(torch.linalg.eigvals(x[:, :, :3, :3].sum(1)).real)


def test_what_onnx_has_no_word_for_is_refused_with_the_reason():
    with pytest.raises(Refusal) as caught:
        to_onnx(Odd().eval(), IMAGES)
    assert caught.value.code == "EXPORT_FAILED"
    assert "eigvals" in caught.value.message


PACKED = TOKENS.replace(
    "return self.head(self.mix(self.words(tokens))[0][:, -1])",
    """lengths = (tokens != 0).sum(1).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(self.words(tokens), lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.mix(packed)[1][0][-1])""",
)
GATHERED = TOKENS.replace(
    "return self.head(self.mix(self.words(tokens))[0][:, -1])",
    """lengths = (tokens != 0).sum(1).clamp(min=1)
        outputs = self.mix(self.words(tokens))[0]
        last = (lengths - 1).view(-1, 1, 1).expand(-1, 1, outputs.size(2))
        return self.head(outputs.gather(1, last).squeeze(1))""",
)


@pytest.mark.parametrize("rows", [None, 1])
def test_packed_sequences_are_named_where_onnx_has_none(rows):
    with pytest.raises(Refusal, match=r"to ONNX: packed sequences .* exported to TorchScript alone; .* with gather"):
        written(build(PACKED, TEXTS), TEXTS, (), (), "onnx", rows)
    assert written(build(PACKED, TEXTS), TEXTS, (), (), "torchscript", rows)


def test_what_is_said_to_take_their_place_does():
    torch.manual_seed(0)
    packed, gathered = build(PACKED, TEXTS).eval(), build(GATHERED, TEXTS).eval()
    gathered.load_state_dict(packed.state_dict())
    session = onnxruntime.InferenceSession(written(gathered, TEXTS, (), (), "onnx", None))
    batch = torch.randint(1, 50, (5, 12)).masked_fill(torch.arange(12) > 2 * torch.arange(5).view(-1, 1), 0)
    (logits,) = session.run([OUTPUT], {INPUT: batch.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, packed(batch).numpy(), rtol=1e-4, atol=1e-5)


NORMED = CONVOLUTIONS.replace("nn.Linear(16, 7)", "nn.utils.parametrizations.spectral_norm(nn.Linear(16, 7))")


def test_weights_that_are_made_of_others_are_plain_ones_in_the_file():
    torch.manual_seed(0)
    model = build(NORMED, IMAGES).eval()
    before, batch = list(model.state_dict()), example(IMAGES, 1)
    content = to_onnx(model, IMAGES)
    assert [7, 16] in [list(weight.dims) for weight in onnx.load_from_string(content).graph.initializer]
    (logits,) = onnxruntime.InferenceSession(content).run([OUTPUT], {INPUT: batch.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, model(batch).numpy(), rtol=1e-4, atol=1e-5)
    assert list(model.state_dict()) == before


@pytest.mark.parametrize("norm", ["nn.RMSNorm(16)", "nn.RMSNorm([16, 16], eps=0.1, elementwise_affine=False)"])
def test_rms_norm_and_mt_are_exported_in_other_words(norm):
    source = CONVOLUTIONS.replace("nn.Dropout(0.5)", norm).replace(
        "self.drop(x.mean((2, 3)))", "self.drop(x.mT).sum((2, 3))"
    )
    torch.manual_seed(0)
    model = build(source, IMAGES).eval()
    batch = example(IMAGES, 1)
    (logits,) = onnxruntime.InferenceSession(to_onnx(model, IMAGES)).run([OUTPUT], {INPUT: batch.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, model(batch).numpy(), rtol=1e-4, atol=1e-5)


PLAIN = """
import torch
from torch import nn

class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(768, 7)

    def forward(self, x):
        return self.head(Twice.apply(x).flatten(1))
"""


@pytest.mark.parametrize(
    ("source", "form", "says"),
    [
        (
            PLAIN.replace("Twice.apply(x)", "x.expm1()"),
            "onnx",
            "ONNX (opset 17) has no expm1; write it in other operations, or export to another format",
        ),
        (
            PLAIN,
            "torchscript",
            "Twice is a torch.autograd.Function, which stays in Python; write its operations without one",
        ),
    ],
    ids=["operator", "function"],
)
def test_what_an_exporter_does_not_take_comes_with_what_to_do(source, form, says):
    with pytest.raises(Refusal) as caught:
        written(build(source, IMAGES), IMAGES, (0.5,) * 3, (0.2,) * 3, form, None)
    assert caught.value.message.endswith(says)
