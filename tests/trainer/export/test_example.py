"""The exported example, as somebody runs it who has only the folder."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from lemonade_es.trainer.export.example import infer_file

COLUMN = {"name": "area", "kind": "number", "median": 2.0, "mean": 2.0, "std": 1.0}
ABOUT = {
    "image": {"input": {"shape": [1, 2, 2]}, "classes": ["dark", "bright"]},
    "text": {
        "input": {"shape": [3]},
        "classes": ["dark", "bright"],
        "text": {"vocabulary": "words.txt", "unknown": 1, "padding": 0, "length": 3, "word_pattern": r"(\w+)"},
    },
    "table": {
        "input": {"shape": [1]},
        "target": {"mean": 10.0, "std": 2.0},
        "table": {"columns": [COLUMN], "missing": [""], "decimal_comma": False},
    },
}


class Brightness(nn.Module):
    """The sum of an input, and twice that."""

    def forward(self, x: Tensor) -> Tensor:
        total = x.float().flatten(1).sum(1, keepdim=True)
        return torch.cat([total, 2 * total], dim=1)


def exported(folder, kind):
    """A folder as an export leaves it, and what its example does with some words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch means to give the form up
        torch.jit.trace(Brightness(), torch.ones(1, *ABOUT[kind]["input"]["shape"])).save(folder / "model.pt")
    (folder / "model.json").write_text(json.dumps({"file": "model.pt", **ABOUT[kind]}))
    (folder / "words.txt").write_text("\n?\nlight\n")
    objective = "regression" if kind == "table" else "classification"
    (folder / "infer.py").write_bytes(infer_file("torchscript", kind, objective, None))

    def run(*words):
        command = [sys.executable, "-W", "ignore::FutureWarning", folder / "infer.py", *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture
def inputs(tmp_path):
    Image.fromarray(np.full((2, 2), 200, dtype=np.uint8)).save(tmp_path / "light.png")
    (tmp_path / "rows.csv").write_text("area\n3\n")
    (tmp_path / "spaced.csv").write_text("town, area\nParis, 3\n\n")
    (tmp_path / "western.csv").write_bytes("area,ville\n3,Orl\u00e9ans\n".encode("cp1252"))
    (tmp_path / "words.csv").write_text("area\nlarge\n")
    (tmp_path / "under.csv").write_text("area\n1_0\n")
    (tmp_path / "other.csv").write_text("town,surface\nParis,3\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "odd.png").write_text("no picture")


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("kind", "word", "says"),
    [
        ("image", "light.png", "light.png: bright (100.0%)"),
        ("text", "light", "light: bright (88.1%)"),
        ("table", "rows.csv", "rows.csv, row 1: 12"),
        ("table", "spaced.csv", "spaced.csv, row 1: 12"),
        ("table", "western.csv", "western.csv, row 1: 12"),
        ("table", "words.csv", "words.csv, row 1: 10"),  # no number: the median, as in training
        ("table", "under.csv", "under.csv, row 1: 10"),
    ],
)
def test_the_example_answers_with_a_line_for_each_input(tmp_path, kind, word, says):
    done = exported(tmp_path, kind)(word)
    assert (done.returncode, done.stdout.strip()) == (0, says), done.stderr


@pytest.mark.parametrize("kind", ["image", "text", "table"])
def test_the_example_without_arguments_says_how_it_is_used(tmp_path, kind):
    done = exported(tmp_path, kind)()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python infer.py ")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("kind", "word", "says"),
    [
        ("image", "nosuch.png", "No such file or directory: 'nosuch.png'"),
        ("image", "odd.png", "cannot identify image file"),
        ("table", "nosuch.csv", "No such file or directory: 'nosuch.csv'"),
        ("table", "other.csv", "other.csv has no column area; there are town, surface"),
        ("table", "empty.csv", "empty.csv is empty"),
    ],
)
def test_the_example_tells_of_a_file_that_it_cannot_read_in_one_line(tmp_path, kind, word, says):
    done = exported(tmp_path, kind)(word)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
