"""The example that goes with an exported network: ``infer.py``, which needs nothing of this package.

It holds no text of a generated network but the expression that makes it, which was held against a grammar; all
names and figures are read from ``model.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from lemonade_es.task import Objective, TaskKind
from lemonade_es.trainer.data.columns import DECIMAL_COMMA, GROUPED
from lemonade_es.trainer.data.decoding import FORMATS
from lemonade_es.trainer.data.delimited import LONGEST_FIELD
from lemonade_es.trainer.data.thousands import HAS_COMMA
from lemonade_es.trainer.data.words import NORMAL_FORM
from lemonade_es.trainer.export.form import FORMS, RAW_DTYPES, Form

_USE: Mapping[TaskKind, str] = MappingProxyType(
    {"image": "python infer.py IMAGE...", "text": "python infer.py 'a text'...", "table": "python infer.py ROWS.csv"}
)

_IMPORTS: Mapping[TaskKind, str] = MappingProxyType(
    {
        "image": "import os\nimport sys",
        "text": "import html\nimport os\nimport re\nimport sys\nimport unicodedata",
        "table": "import csv\nimport io\nimport os\nimport re\nimport sys",
    }
)

_READ: Mapping[TaskKind, str] = MappingProxyType(
    {
        "image": """
def is_turned(image):
    try:  # an orientation in XMP alone does not count
        return "exif" in image.info and int(image.getexif().get(0x0112, 1)) != 1
    except Exception:  # damaged metadata
        return False


def pixels(path):  # as in training
    channels, height, width = ABOUT["input"]["shape"]
    image = Image.open(path, formats={formats})
    wide = image.format == "TIFF" and image.mode == "I" and 32 in image.tag_v2.get(258, ())
    turned = is_turned(image)
    image.draft(None, (2 * width, 2 * height))  # JPEG files shrink while they are decoded
    if turned:
        image = ImageOps.exif_transpose(image)
    if image.mode[0] in "IF":  # 16 bits: the upper 8
        samples = np.asarray(image)
        if image.mode == "F" or wide or samples.min() < 0 or samples.max() > 65535:
            raise ValueError("samples that are no integers of 16 bits")
        image = Image.fromarray((samples >> 8).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:  # on white
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)


def read(paths):
    for path in paths:
        try:
            yield path, pixels(path)
        except Exception as error:  # a damaged file can fail in many ways
            raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
""",
        "text": """
def read(texts):
    rules = ABOUT["text"]
    vocabulary = (HERE / rules["vocabulary"]).read_text(encoding="utf-8").split("\\n")[:-1]
    token = {word: number for number, word in enumerate(vocabulary) if number > rules["unknown"]}
    for text in texts:
        plain = unicodedata.normalize("{normal_form}", html.unescape(text).lower())
        found = re.finditer(rules["word_pattern"], plain)
        words = [match[1].replace("\\u2019", "'") for match in found if match[1]][: rules["length"]]
        tokens = [token.get(word, rules["unknown"]) for word in words]
        if not words:
            print(f"warning: no word is left of {text!r}: no answer", file=sys.stderr)
            continue
        if not any(word in token for word in words):
            print(f"warning: training knew no word of {text!r}", file=sys.stderr)
        yield text, np.array(tokens + [rules["padding"]] * (rules["length"] - len(tokens)))
""",
        "table": """
def number(cell, decimal_comma):
    if decimal_comma and re.fullmatch({decimal_comma}, cell, re.IGNORECASE):
        cell = cell.replace(".", "").replace(",", ".")
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in cell else None


def features(column, cell, decimal_comma, where):
    missing = cell.lower() in ABOUT["table"]["missing"]
    if column["kind"] == "category":
        if not (missing or column["rest"] or cell in column["categories"]):
            print(f"warning: {where}: training knew no {cell!r} in {column['name']!r}", file=sys.stderr)
        return [float(value == ("" if missing else cell)) for value in column["categories"]]
    value = number(cell, decimal_comma)
    if value is None and not missing:
        print(f"warning: {where}: {cell!r} in {column['name']!r} is no number, and counts as missing", file=sys.stderr)
    value = column["median"] if value is None else value
    scaled, log = [(value - column["mean"]) / column["std"]], column["log"]
    if log:  # a skewed column
        scaled.append((np.sign(value) * np.log1p(abs(value) / log["scale"]) - log["mean"]) / log["std"])
    return scaled


def refuse_thousands(path, column, cells, commas):  # beside decimal commas and whole numbers, a point may part them
    pointed = {cell for cell in cells if "." in cell and "," not in cell}
    grouped = {cell for cell in pointed if re.fullmatch({grouped}, cell)}
    plain = {cell for cell in cells if cell.lstrip("+-").isdecimal() and cell.lstrip("+-0") not in ("", "1")}
    whole = len(plain) > 1 or any(cell.count(".") > 1 for cell in grouped)
    if (commas or whole) and grouped and all(number(cell, False) is None for cell in pointed - grouped):
        raise ValueError(f"{path}: {min(grouped)!r} in {column!r} may mean thousands: write 3110, or 3,110")


def parsed(text, delimiter, spaced, quoting=csv.QUOTE_MINIMAL):
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced, quoting=quoting, strict=True)
    return list(filter(None, reader))  # without lines that hold nothing, not even a delimiter


def sheet(path):  # header and rows, by the rules of the training
    content = Path(path).read_bytes().removeprefix(b"\\xef\\xbb\\xbf")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\\xff\\xfe", b"\\xfe\\xff") else "utf-8")
    except UnicodeDecodeError:  # UTF-8 with mistakes, or Western European
        text = content.decode("utf-8", "replace")
        if len(text) - len(text.encode("ascii", "ignore")) <= 2 * text.count("\\ufffd"):
            text = content.decode("cp1252", "replace")
    if "\\0" in text:
        raise ValueError(f"{path} is no text, or in an encoding without a byte-order mark")
    said = re.match(r'"?sep=([,;\\t|])"?[ \\t]*(\\r\\n|\\r|\\n)', text, re.IGNORECASE)  # a line of Excel's
    text = text[said.end() :] if said else text
    first = "".join(next(filter(str.strip, text.split("\\n")), "").split('"')[::2])  # without what is in quotes
    marks = "\\t" if path.lower().endswith(".tsv") and "\\t" in first else ",;\\t|"
    delimiter = said[1] if said else max(marks, key=first.count)
    csv.field_size_limit({longest})
    records = None
    for spaced in [True, False] if re.search(re.escape(delimiter) + ' +"', text) else [False]:
        try:
            records = parsed(text, delimiter, spaced)
            break
        except csv.Error as error:
            reason = error
    cells = [cell for record in records or [] if any(map(str.strip, record)) for cell in record]
    along = any("\\t" in cell and ("\\n" in cell or "\\r" in cell) for cell in cells)
    if delimiter == "\\t" and (records is None or along):
        plain = parsed(text, delimiter, False, csv.QUOTE_NONE)  # quotes may be part of the fields
        records = plain if len({len(row) for row in plain if any(map(str.strip, row))}) == 1 else records
    if records is None:
        raise ValueError(f"{path}: {reason}")
    while records and not any(map(str.strip, records[0])):
        records.pop(0)
    if not records:
        raise ValueError(f"{path} is empty")
    header, *rows = [[cell.strip() for cell in record] for record in records]
    while rows and not any(rows[-1]):
        rows.pop()
    rows = [row if any(row) else [""] * len(header) for row in rows]
    for at, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise ValueError(f"{path}, row {at}: {len(row)} is not the number of fields of the header, {len(header)}")
    return [name or f"column {at}" for at, name in enumerate(header, 1)], rows, delimiter


def read(paths):
    columns, trained_with = ABOUT["table"]["columns"], ABOUT["table"]["delimiter"]
    numbers = [column for column in columns if column["kind"] == "number"]
    for path in paths:
        names, rows, delimiter = sheet(path)
        commas = {column["name"] for column in numbers if column["decimal_comma"] and delimiter == trained_with}
        commas = {column["name"] for column in numbers} if delimiter == ";" else commas
        lost = [column["name"] for column in columns if column["name"] not in names]
        if lost:
            raise ValueError(f"{path} has no column {', '.join(lost)}; there are {', '.join(names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"{path} has several columns of one name")
        cells = {name: [row[names.index(name)] for row in rows] for name in commas}
        beside = any(re.fullmatch({has_comma}, cell) for row in rows for cell in row)
        for column in numbers:
            if column["name"] in commas and not column["decimal_points"]:
                refuse_thousands(path, column["name"], cells[column["name"]], beside)
        for at, row in enumerate(rows, 1):
            where, named = f"{path}, row {at}", dict(zip(names, row))
            if not any(row):
                print(f"warning: {where}: it is empty, and gets no answer", file=sys.stderr)
                continue
            found = [features(column, named[column["name"]], column["name"] in commas, where) for column in columns]
            values = np.array(sum(found, []))
            if not (abs(values) <= np.finfo(np.float32).max).all():
                raise ValueError(f"{where}: a number is too far from those of the training")
            yield where, values
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
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # PyTorch means to give TorchScript up
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
sys.path.insert(0, str(HERE))
import model as source  # model.py beside this file: the network's code, run with all your rights

network = {making}
network.eval()
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

_ANSWER: Mapping[Objective, str] = MappingProxyType(
    {
        "classification": """        odds = np.exp(logits - logits.max())
        best = int(logits.argmax())
        print(f"{name}: {ABOUT['classes'][best]} ({odds[best] / odds.sum():.1%})")
""",
        "regression": """        scale = ABOUT["target"]
        answer = float(logits[0]) * scale["std"] + scale["mean"]
        whole, apart = (1 + int(np.log10(1 + abs(answer) / unit)) for unit in (1, scale["std"]))
        print(f"{name}: {answer:.{min(max(whole, 5 + apart), 15)}g}")  # with the digits that tell answers apart
""",
    }
)


def _raw(pattern: re.Pattern[str]) -> str:
    """A regular expression as it stands in a program."""
    return f'r"{pattern.pattern}"'


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
    read = _READ[kind]
    library = _IMPORTS[kind] + ("\nimport warnings" if form == "torchscript" else "")
    for name, value in (
        ("formats", json.dumps(FORMATS)),
        ("longest", str(LONGEST_FIELD)),
        ("normal_form", NORMAL_FORM),
        ("decimal_comma", _raw(DECIMAL_COMMA)),
        ("grouped", _raw(GROUPED)),
        ("has_comma", _raw(HAS_COMMA)),
    ):
        read = read.replace(f"{{{name}}}", value)
    answers = "a number for each input" if objective == "regression" else "the class of each input and its share"
    return f'''"""{_USE[kind]} prints {answers}. It needs {", ".join(needed[:-1])} and {needed[-1]}."""

import json
{library}
from pathlib import Path

{chr(10).join(sorted(packages, key=lambda line: (line.startswith("from"), line)))}

HERE = Path(__file__).resolve().parent
ABOUT = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
if not sys.argv[1:] or sys.argv[1] in ("-h", "--help"):
    print("usage: {_USE[kind]}", file=sys.stderr)
    sys.exit(0 if sys.argv[1:] else 2)
if sys.stdout is None:
    print("error: standard output is closed", file=sys.stderr)
    sys.exit(2)
sys.stdout.reconfigure(errors="backslashreplace")  # letters that a terminal or a pipe has no code for
{_RUN[form].replace("{making}", making or "")}
{read}

try:
    for name, values in read(sys.argv[1:]):
        logits = run(np.array(values[None], np.{RAW_DTYPES[kind]}, order="C"))[0]
{_ANSWER[objective]}    print(end="", flush=True)
except BrokenPipeError:  # its reader has enough, as head has
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still kept for it
    sys.exit(1)
except (OSError, ValueError) as error:  # a file that is not there, or not what it should be
    print(f"error: {{error}}", file=sys.stderr)
    sys.exit(2)
'''.encode()
