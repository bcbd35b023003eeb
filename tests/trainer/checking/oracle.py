"""Whether plain PyTorch can train networks, one forked process each: a script that knows nothing of this project.

It reads a JSON list of ``{source, net, kind, shape, classes, vocabulary}`` and prints a list of
``{ok, shapes, why}``. ``shapes``: the network builds, and a batch of two gives ``(2, classes)`` real numbers.
``ok``: moreover it has trainable parameters; in train mode batches of four and of three give logits whose cross
entropy is finite and goes back, by finite gradients, to at least one of them; and a single input gives ``(1,
classes)`` in eval mode.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import signal
import sys
import traceback
import types
import warnings

import torch
import torchvision  # noqa: F401 - most sources need it, and a fork has it at once
from torch.nn import functional

SECONDS = 60


def main() -> None:
    torch.set_num_threads(1)
    sys.stdout.write(json.dumps([in_a_fork(case) for case in json.load(sys.stdin)]))


def in_a_fork(case: dict) -> dict:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        signal.alarm(SECONDS)
        with os.fdopen(writing, "w") as file:
            json.dump(judged(case), file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else {"ok": False, "shapes": False, "why": "it crashed, or took too long"}


def judged(case: dict) -> dict:
    found = {"ok": False, "shapes": False, "why": None}
    warnings.simplefilter("ignore")
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            model = built(case)
            demand(model(batch(case, 2)), 2, case)
            found["shapes"] = True
            train(model, case)
        found["ok"] = True
    except BaseException as error:  # noqa: BLE001 - a source may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        found["why"] = f"{type(error).__name__}: {str(error)[:200]} ({last.filename.rpartition('/')[2]}:{last.lineno})"
    return found


def built(case: dict) -> torch.nn.Module:
    module = types.ModuleType("network")
    module.__file__ = "network.py"
    sys.modules["network"] = module
    # jit.script looks the source up
    linecache.cache["network.py"] = (len(case["source"]), None, case["source"].splitlines(keepends=True), "network.py")
    exec(compile(case["source"], "network.py", "exec", dont_inherit=True), vars(module))
    torch.manual_seed(0)
    model = eval(case["net"], vars(module))
    assert isinstance(model, torch.nn.Module), "no module"
    return model.train()


def batch(case: dict, rows: int) -> torch.Tensor:
    if case["kind"] == "image":
        return torch.randn(rows, *case["shape"])
    tokens = torch.randint(0, case["vocabulary"], (rows, *case["shape"]))
    tokens[0, 0] = case["vocabulary"] - 1
    tokens[-1, 1:] = 0
    return tokens


def demand(output: object, rows: int, case: dict) -> None:
    assert isinstance(output, torch.Tensor), f"returned {type(output).__name__}"
    assert tuple(output.shape) == (rows, case["classes"]), f"returned {tuple(output.shape)}"
    assert output.is_floating_point(), f"returned {output.dtype}"


def train(model: torch.nn.Module, case: dict) -> None:
    assert any(p.requires_grad for p in model.parameters()), "no parameters"
    for rows in (4, 3):
        model.zero_grad()
        output = model(batch(case, rows))
        demand(output, rows, case)
        loss = functional.cross_entropy(output, torch.arange(rows) % case["classes"])
        assert torch.isfinite(loss), f"the loss is {loss.item()}"
        loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in gradients), "a gradient is not finite"
    assert any(g.any() for g in gradients), "no gradient"
    model.eval()
    with torch.no_grad():
        demand(model(batch(case, 1)), 1, case)


if __name__ == "__main__":
    main()
