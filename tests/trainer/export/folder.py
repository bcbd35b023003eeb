"""A folder as an export leaves it, with its example run as somebody would who has only that."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import subprocess
import sys
import traceback
import warnings
from unittest import mock

import torch
from torch import Tensor, nn

from lemonade_es.trainer.export.example import infer_file

COLUMN = {
    "name": "area",
    "kind": "number",
    "median": 2.0,
    "mean": 2.0,
    "std": 1.0,
    "decimal_comma": False,
    "decimal_points": False,
    "log": None,
}


TARGET = {"mean": 10.0, "std": 2.0}


ABOUT = {
    "image": {"input": {"shape": [1, 2, 2]}, "classes": ["dark", "bright"]},
    "text": {
        "input": {"shape": [3]},
        "classes": ["dark", "bright"],
        "text": {"vocabulary": "words.txt", "unknown": 1, "padding": 0, "length": 3, "word_pattern": r"(\w+)"},
    },
    "table": {
        "input": {"shape": [1]},
        "target": TARGET,
        "table": {"columns": [COLUMN], "missing": ["", "-"], "delimiter": ","},
    },
}


class Brightness(nn.Module):
    """The sum of an input, and twice that."""

    def forward(self, x: Tensor) -> Tensor:
        total = x.float().flatten(1).sum(1, keepdim=True)
        return torch.cat([total, 2 * total], dim=1)


class Places(nn.Module):
    """The sum of an input's values, each times its place."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.float().flatten(1)
        return (flat * torch.arange(1, flat.shape[1] + 1)).sum(1, keepdim=True)


def exported(folder, kind, network=None, **changed):
    """A folder as an export leaves it, and what its example does with some words."""
    about = {"file": "model.pt", **ABOUT[kind], **changed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch means to give the form up
        torch.jit.trace(network or Brightness(), torch.ones(1, *about["input"]["shape"])).save(folder / "model.pt")
    (folder / "model.json").write_text(json.dumps(about))
    (folder / "words.txt").write_text("\n?\nlight\ncaf\u00e9\n", encoding="utf-8")
    objective = "regression" if "target" in about else "classification"
    (folder / "infer.py").write_bytes(infer_file("torchscript", kind, objective, None))

    return lambda *words: started(folder / "infer.py", *map(str, words))


READ_HERE = object()
"""Standard output goes into the answer."""


def started(script, *words, encoding="utf-8", stdout=READ_HERE):
    """A script, run as a program would be, but in this process, which has PyTorch already.

    Args:
        script: its file.
        words: what it is called with.
        encoding: of what it prints.
        stdout: where it prints; ``None`` if that is closed.
    """
    out, err, code = io.TextIOWrapper(io.BytesIO(), encoding), io.StringIO(), 0
    with (
        contextlib.chdir(script.parent),
        contextlib.redirect_stdout(out if stdout is READ_HERE else stdout),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", [str(script), *words]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")  # nor does anybody want to read warnings
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            print(end.code if isinstance(end.code, str) else "", end="", file=err)
        except BaseException:  # noqa: BLE001  (what a program would end with)
            traceback.print_exc(file=err)
            code = 1
    out.seek(0)
    return subprocess.CompletedProcess(words, code, out.read(), err.getvalue())
