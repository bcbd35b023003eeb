"""The example that goes with an exported network: ``infer.py``, which needs nothing of this package.

It holds no text of a generated network but the expression that makes it, which was held against a grammar; all
names and figures are read from ``model.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lemonade_es.task import Objective, TaskKind
from lemonade_es.trainer.export.form import FORMS, Form

_USE: Mapping[TaskKind, str] = MappingProxyType(
    {"image": "python infer.py IMAGE...", "text": "python infer.py 'a text'...", "table": "python infer.py ROWS.csv"}
)

_IMPORTS: Mapping[TaskKind, str] = MappingProxyType(
    {
        "image": "import sys",
        "text": "import html\nimport re\nimport sys",
        "table": "import csv\nimport io\nimport re\nimport sys",
    }
)

_READ: Mapping[TaskKind, str] = MappingProxyType(
    {
        "image": """
def read(paths):
    channels, height, width = ABOUT["input"]["shape"]
    for path in paths:
        image = Image.open(path)
        image.draft(None, (2 * width, 2 * height))  # as in training: JPEG files shrink while they are decoded
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits: the upper 8
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:  # on white
            layer = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        yield path, np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
""",
        "text": """
def read(texts):
    rules = ABOUT["text"]
    vocabulary = (HERE / rules["vocabulary"]).read_text(encoding="utf-8").split("\\n")[:-1]
    token = {word: number for number, word in enumerate(vocabulary) if number > rules["unknown"]}
    for text in texts:
        found = re.finditer(rules["word_pattern"], html.unescape(text).lower())
        words = [match[1].replace("\\u2019", "'") for match in found if match[1]][: rules["length"]]
        tokens = [token.get(word, rules["unknown"]) for word in words]
        yield text, np.array(tokens + [rules["padding"]] * (rules["length"] - len(tokens)))
""",
        "table": """
def number(cell):
    if ABOUT["table"]["decimal_comma"] and re.fullmatch(r"[+-]?\\d*,\\d+(?:e[+-]?\\d+)?", cell, re.IGNORECASE):
        cell = cell.replace(",", ".")
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in cell else None


def features(column, cell):
    missing = cell.lower() in ABOUT["table"]["missing"]
    if column["kind"] == "category":
        return [float(value == ("" if missing else cell)) for value in column["categories"]]
    value = None if missing else number(cell)
    return [((column["median"] if value is None else value) - column["mean"]) / column["std"]]


def read(paths):
    columns = ABOUT["table"]["columns"]
    for path in paths:
        content = Path(path).read_bytes()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:  # Western European, as in training
            text = content.decode("cp1252", "replace")
        separator = max(",;\\t|", key=text.partition("\\n")[0].count)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        header = next(rows, None)
        if header is None:
            raise ValueError(f"{path} is empty")
        names = [name.strip() or f"column {at}" for at, name in enumerate(header, 1)]
        lost = [column["name"] for column in columns if column["name"] not in names]
        if lost:
            raise ValueError(f"{path} has no column {', '.join(lost)}; there are {', '.join(names)}")
        for at, row in enumerate(filter(None, rows), 1):
            cells = dict(zip(names, map(str.strip, row)))
            found = [features(column, cells.get(column["name"], "")) for column in columns]
            yield f"{path}, row {at}", np.array(sum(found, []))
""",
    }
)

_RUN: Mapping[Form, str] = MappingProxyType(
    {
        "onnx": """
session = onnxruntime.InferenceSession(HERE / ABOUT["file"], providers=["CPUExecutionProvider"])


def run(batch):
    return session.run(None, {"input": batch})[0]
""",
        "torchscript": """
network = torch.jit.load(HERE / ABOUT["file"])


def run(batch):
    with torch.no_grad():
        return network(torch.from_numpy(batch)).numpy()
""",
        "executorch": """
method = Runtime.get().load_program(HERE / ABOUT["file"]).load_method("forward")


def run(batch):
    return method.execute([torch.from_numpy(batch)])[0].numpy()
""",
        "source": """
import model as source  # model.py beside this file: the network's code, run with all your rights

network = {making}.eval()
with torch.no_grad():  # what lazy layers wait for
    network(torch.zeros(2, *ABOUT["input"]["shape"], dtype=getattr(torch, ABOUT["input"]["dtype"])))
network.load_state_dict(load_file(HERE / ABOUT["file"]))


def run(batch):
    inputs = torch.from_numpy(batch)
    if ABOUT["normalisation"]:
        mean, std = (torch.tensor(ABOUT["normalisation"][name]).view(1, -1, 1, 1) for name in ("mean", "std"))
        inputs = (inputs / 255 - mean) / std
    with torch.no_grad():
        return network(inputs).numpy()
""",
    }
)

_PACKAGES: Mapping[Form, tuple[str, ...]] = MappingProxyType(
    {
        "onnx": ("import onnxruntime",),
        "torchscript": ("import torch",),
        "executorch": ("import torch", "from executorch.runtime import Runtime"),
        "source": ("import torch", "from safetensors.torch import load_file"),
    }
)

_DTYPE: Mapping[TaskKind, str] = MappingProxyType({"image": "uint8", "text": "int64", "table": "float32"})

_ANSWER: Mapping[Objective, str] = MappingProxyType(
    {
        "classification": """        odds = np.exp(logits - logits.max())
        best = int(logits.argmax())
        print(f"{name}: {ABOUT['classes'][best]} ({odds[best] / odds.sum():.1%})")
""",
        "regression": """        print(f"{name}: {logits[0] * ABOUT['target']['std'] + ABOUT['target']['mean']:.6g}")
""",
    }
)


def infer_file(form: Form, kind: TaskKind, objective: Objective, making: str | None) -> bytes:
    """The example for a kind of file and a kind of input.

    Args:
        form: of the network's file.
        kind: what its inputs are.
        objective: what its answers are.
        making: for ``source``, the expression that makes the network.
    """
    packages = ["import numpy as np", *_PACKAGES[form]]
    needed = ["numpy", "torch and safetensors" if form == "source" else FORMS[form].runtime]
    if kind == "image":
        packages.append("from PIL import Image, ImageOps")
        needed.append("Pillow")
    answers = "a number for each input" if objective == "regression" else "the class of each input and its share"
    return f'''"""{_USE[kind]} prints {answers}. It needs {", ".join(needed[:-1])} and {needed[-1]}."""

import json
{_IMPORTS[kind]}
from pathlib import Path

{chr(10).join(sorted(packages, key=lambda line: (line.startswith("from"), line)))}

HERE = Path(__file__).resolve().parent
ABOUT = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
if not sys.argv[1:]:
    print("usage: {_USE[kind]}", file=sys.stderr)
    sys.exit(2)
{_RUN[form].replace("{making}", making or "")}
{_READ[kind]}

try:
    for name, values in read(sys.argv[1:]):
        logits = run(values[None].astype(np.{_DTYPE[kind]}))[0]
{_ANSWER[objective]}except (OSError, ValueError) as error:  # a file that is not there, or not what it should be
    print(f"error: {{error}}", file=sys.stderr)
    sys.exit(2)
'''.encode()
