"""A C header with what a device must know of a network: shapes, normalisation, classes, and int8 weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import safetensors.numpy

from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.export.delivery import Exported
from lemonade_es.trainer.export.form import bakes, input_dtype

MOST_WEIGHTS = 2_000_000
"""int8 weights that a header may hold: some 8 MB of text."""

_PER_LINE = 24
_C_TYPES = {"uint8": "uint8_t", "int64": "int64_t", "float32": "float"}


def header_file(dataset: Dataset, exported: Exported) -> bytes:
    """The header. With int8 there is an array for each quantised tensor, in the order of the computation.

    Args:
        dataset: what the network was made for.
        exported: its file.
    """
    task = dataset.task
    lines = [
        "/* Written by lemonade-es export; model.json says the same, and more. */",
        "#ifndef LEMONADE_MODEL_H",
        "#define LEMONADE_MODEL_H",
        "",
        "#include <stdint.h>",
        "",
        f"typedef {_C_TYPES[input_dtype(exported.wanted.form, task.kind)]} lemonade_input_t;",
        f"#define LEMONADE_INPUT_DIMENSIONS {len(task.input_shape)}",
        f"#define LEMONADE_INPUT_SIZE {math.prod(task.input_shape)}",
        f"#define LEMONADE_OUTPUT_SIZE {task.classes}",
        f"#define LEMONADE_INT8 {int(exported.wanted.int8)}",
        _array("int32_t", "lemonade_input_shape", map(str, task.input_shape)),
    ]
    if task.kind == "image":
        baked = int(bakes(exported.wanted.form))
        lines += [
            f"/* (pixel / 255 - mean) / std{'; the network does it itself' if baked else ''} */",
            f"#define LEMONADE_NORMALISATION_BAKED {baked}",
            _array("float", "lemonade_mean", map(_float, dataset.mean)),
            _array("float", "lemonade_std", map(_float, dataset.std)),
        ]
    if dataset.text is not None:
        lines.append(f"#define LEMONADE_VOCABULARY_SIZE {len(dataset.text.vocabulary)}")
    if dataset.target is not None:
        lines += [
            "/* the answer is output * std + mean */",
            _constant("lemonade_target_mean", dataset.target.mean, dataset.target.std),
            _constant("lemonade_target_std", dataset.target.std, dataset.target.std),
        ]
    if dataset.class_names:
        lines.append(_array("char *const", "lemonade_classes", map(_string, dataset.class_names)))
    lines += _weights(exported.int8_weights)
    return "\n".join([*lines, "", "#endif", ""]).encode("ascii")


_ROUNDING = 1e-4
"""By so much of a target's standard deviation its scale may be rounded."""


def _weights(content: bytes | None) -> list[str]:
    if content is None:
        return []
    tensors = safetensors.numpy.load(content)
    names = sorted((name for name in tensors if "." not in name), key=lambda name: int(name.rpartition("_")[2]))
    count = sum(tensors[name].size for name in names)
    if count > MOST_WEIGHTS:
        return ["", f"/* {count} int8 weights are too many for a header: they are in model.onnx */"]
    lines = ["", "/* weight = int8 * scale; a scale for each output channel, or one for all */"]
    for name in names:
        values, scales = tensors[name], tensors[f"{name}.scale"]
        called = f"lemonade_{name}"
        lines += [
            f"/* {' x '.join(map(str, values.shape))} */",
            _array("int8_t", called, map(str, values.reshape(-1).tolist())),
            _array("float", f"{called}_scale", map(_float, scales.reshape(-1).tolist())),
        ]
    return lines


def _array(kind: str, name: str, values: Iterable[str]) -> str:
    written: Sequence[str] = list(values)
    rows = [", ".join(written[at : at + _PER_LINE]) for at in range(0, len(written), _PER_LINE)]
    body = rows[0] if len(rows) == 1 else "\n    " + ",\n    ".join(rows) + "\n"
    return f"static const {kind} {name}[{len(written)}] = {{{body}}};"


def _constant(name: str, value: float, spread: float) -> str:
    """A number of type ``float``, or ``double`` where that has no room for it, or rounds by a part of the spread."""
    room = np.finfo(np.float32)
    has_room = not value or float(room.tiny) <= abs(value) <= float(room.max)
    if not has_room or abs(float(np.float32(value)) - value) > _ROUNDING * spread:
        return f"static const double {name} = {float(value)!r};"
    return f"static const float {name} = {_float(value)};"


def _float(value: float) -> str:
    text = np.format_float_scientific(np.float32(value), unique=True, trim="0")
    return f"{text}f"


def _string(text: str) -> str:
    """A C string; what is no plain letter is written byte by byte: nothing ends the string early."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8", "replace")
    )
    return f'"{plain}"'
