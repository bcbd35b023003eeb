"""What a network can be exported to, and what each kind of file needs to be made, checked and used."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from lemonade_es.errors import ConfigError
from lemonade_es.task import TaskKind

Form = Literal["onnx", "torchscript", "executorch", "source"]


@dataclass(frozen=True, slots=True)
class FormFacts:
    """One kind of file.

    Attributes:
        name: as people write it.
        file: what the network's file is called.
        runtime: what runs it, by the name of its package.
        modules: what must be importable to make and check it, beyond PyTorch.
        extra: the extra of this package that brings them.
        rows: inputs that a batch can be limited to; ``None`` is any number.
        no_int8: why its weights stay float32; ``None`` where int8 can be had.
    """

    name: str
    file: str
    runtime: str
    modules: tuple[str, ...] = ()
    extra: str | None = None
    rows: tuple[int | None, ...] = (None, 1)
    no_int8: str | None = None


FORMS: Mapping[Form, FormFacts] = MappingProxyType(
    {
        "onnx": FormFacts("ONNX", "model.onnx", "onnxruntime", ("onnx", "onnxruntime"), "onnx"),
        "torchscript": FormFacts(
            "TorchScript",
            "model.pt",
            "torch",
            no_int8="PyTorch's own quantisation is deprecated, and needs special modules in the network",
        ),
        "executorch": FormFacts(
            "ExecuTorch",
            "model.pte",
            "executorch",
            ("executorch",),
            "executorch",
            rows=(1,),
            no_int8="its quantisers are another one for each processor",
        ),
        "source": FormFacts(
            "source", "weights.safetensors", "torch", rows=(None,), no_int8="the source computes in float32"
        ),
    }
)

RAW_DTYPES: Mapping[TaskKind, str] = MappingProxyType({"image": "uint8", "text": "int64", "table": "float32"})
"""Of inputs as they are read: pixels, tokens, numbers."""


def input_dtype(form: Form, kind: TaskKind) -> str:
    """Of what a file takes: raw pixels, where it normalises them itself; the source takes them normalised."""
    return "float32" if kind == "image" and not bakes(form) else RAW_DTYPES[kind]


def bakes(form: Form) -> bool:
    """Whether a file normalises images itself: what was exported does, the source takes what it was trained on."""
    return form != "source"


PACKAGES = (
    *("onnxruntime", "onnx", "google", "flatbuffers", "packaging", "ml_dtypes"),
    *("executorch", "torchao", "ruamel", "yaml", "mpmath", "sympy", "tabulate", "parameterized", "expecttest"),
    *("pandas", "dateutil", "pytz", "six", "tqdm", "networkx", "jinja2", "markupsafe", "filelock", "functorch"),
)
"""Installed packages that the processes which make and try these files may read, besides PyTorch's own."""


def demand_possible(form: Form, *, int8: bool) -> None:
    """Passes if this kind of file can be made here.

    Raises:
        ConfigError: a package is missing, or there is no int8 of this kind.
    """
    facts = FORMS[form]
    if int8 and facts.no_int8 is not None:
        raise ConfigError(
            f"there is no int8 for {facts.name}: {facts.no_int8}", where="--quantize", hint="choose --format onnx"
        )
    missing = [module for module in facts.modules if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"{facts.name} needs {' and '.join(missing)}, which is not installed",
            where=f"--format {form}",
            hint=f"pip install 'lemonade-es[{facts.extra}]'",
        )
