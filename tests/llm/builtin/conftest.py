"""Tasks of several shapes, and ways to build, count and patch networks for them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lemonade_es.llm.builtin import BuiltinExecutor
from lemonade_es.llm.request import EditRequest, Instruction
from lemonade_es.task import Task

TASKS = {
    "digits": Task("image", "digits", (1, 8, 8), 10),
    "photographs": Task("image", "cifar10", (3, 32, 32), 10),
    "large": Task("image", "large", (3, 64, 64), 3),
    "text": Task("text", "reviews", (200,), 2, 1000),
    "table": Task("table", "churn", (9,), 3),
    "regression": Task("table", "houses", (6,), 1, objective="regression"),
}


@pytest.fixture(params=TASKS)
def task(request):
    return TASKS[request.param]


def ask(task, source=None, ids=(), *, feedback=(), **fields):
    """The patch, as JSON data, that the executor returns."""
    instructions = tuple(one if isinstance(one, Instruction) else Instruction(one, one, 1.0) for one in ids)
    request = EditRequest(task, fields.pop("iteration", 2), model_py=source, instructions=instructions, **fields)
    reply = BuiltinExecutor().ask(request, feedback)
    return json.loads(reply.text)


def patched(source, patch):
    """The source after a patch, its edits applied one after another, each matching exactly once."""
    if patch["edits"] is None:
        return patch["model_py"]
    for edit in patch["edits"]:
        assert source.count(edit["search"]) == 1
        source = source.replace(edit["search"], edit["replace"])
    return source


def build(source):
    namespace = {"__name__": "candidate"}
    exec(compile(source, "candidate.py", "exec"), namespace)
    return namespace["Network"]()


def inputs(task, rows=4):
    if task.kind == "text":
        return torch.randint(0, task.vocabulary_size, (rows, *task.input_shape))
    return torch.randn(rows, *task.input_shape)


def count(source, task):
    """A census of the built network, by its modules and by what a forward pass multiplies."""
    network = build(source)
    macs = 0

    def convolved(module, _, output):
        nonlocal macs
        macs += module.weight.numel() * output[0, 0].numel()

    def multiplied(module, _, output):
        nonlocal macs
        macs += module.weight.numel()

    modules = list(network.modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv1d | nn.Conv2d)]
    linears = [m for m in modules if isinstance(m, nn.Linear)]
    for module in convolutions:
        module.register_forward_hook(convolved)
    for module in linears:
        module.register_forward_hook(multiplied)
    network.eval()(inputs(task, 2))
    names = [type(m).__name__ for m in modules]
    norms = ("BatchNorm1d", "BatchNorm2d", "LayerNorm", "GaussianNoise", "StochasticDepth")
    census = {
        "conv_layers": len(convolutions),
        "kernels": sum(m.out_channels for m in convolutions),
        "dense_layers": len(linears),
        "neurons": sum(m.out_features for m in linears[:-1]),
        "dropouts": sum(round(100 * m.p) for m in modules if isinstance(m, nn.Dropout)),
        "skips": names.count("Residual"),
        "initializers": source.count("nn.init."),
        "regularizers": sum(name in norms for name in names),
    }
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return SimpleNamespace(census=census, macs=macs, parameters=parameters)


def train_a_step(source, task):
    """Logits of one batch, and whether each parameter got a finite gradient."""
    torch.manual_seed(0)
    network = build(source).train()
    logits = network(inputs(task))
    if task.objective == "regression":
        loss = nn.functional.mse_loss(logits.squeeze(1), torch.randn(4))
    else:
        loss = nn.functional.cross_entropy(logits, torch.arange(4) % task.classes)
    loss.backward()
    torch.optim.SGD(network.parameters(), lr=0.01).step()
    graded = all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
    return logits, graded


@pytest.fixture(scope="session")
def bench():
    """What the tests of the built-in executor work with."""
    return SimpleNamespace(ask=ask, patched=patched, build=build, inputs=inputs, count=count, train_a_step=train_a_step)
