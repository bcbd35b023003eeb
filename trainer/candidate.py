"""A candidate: model source that becomes a network, or a typed refusal that an LLM can act on.

The policy on imports is feedback, no security boundary: foreign source runs in the isolated process only.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lemonade_es.task import Task
from lemonade_es.trainer import layout

FILE_NAME = "candidate.py"
MODULE_NAME = "_lemonade_candidate"
SOURCE_LIMIT = 100_000
"""The largest source that is accepted, in bytes."""

ALLOWED_IMPORTS = (
    "abc",
    "collections",
    "copy",
    "dataclasses",
    "enum",
    "functools",
    "itertools",
    "math",
    "numbers",
    "numpy",
    "operator",
    "torch",
    "typing",
    "warnings",
)


class Refusal(Exception):  # noqa: N818  (an outcome with a reason, not an error of the program)
    """Why a candidate is refused: a typed code, one sentence to act on, the line of its source if known."""

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class _Diagnosis:
    """What a known error of candidate code means."""

    code: str
    pattern: re.Pattern[str]
    advice: str


def _diagnosis(code: str, advice: str, *patterns: str) -> _Diagnosis:
    return _Diagnosis(code, re.compile("|".join(patterns), re.IGNORECASE), advice)


# The first that matches counts; each is matched against "ErrorType: message".
_DIAGNOSES = (
    _diagnosis(
        "OUT_OF_MEMORY",
        "Use fewer or narrower layers, or shrink the feature maps earlier.",
        r"^MemoryError",
        r"OutOfMemoryError",
        r"can't allocate memory",
        r"out of memory",
        r"Storage size calculation overflowed",
    ),
    _diagnosis("UNDEFINED_NAME", "Import or define it before it is used.", r"^(NameError|UnboundLocalError)"),
    _diagnosis("IMPORT_FAILED", "Use only names that the module has.", r"^(ImportError|ModuleNotFoundError)"),
    _diagnosis(
        "INDEX_OUT_OF_RANGE",
        "An index or a token is larger than the table: nn.Embedding needs the task's vocabulary size.",
        r"index out of range in self",
        r"^IndexError: .*embedding",
    ),
    _diagnosis(
        "WRONG_DEVICE",
        "Create tensors in forward with device=x.device; do not call .cuda() or .to() on a fixed device.",
        r"not compiled with CUDA",
        r"No CUDA GPUs|found no NVIDIA|CUDA driver",
        r"Expected all tensors to be on the same device",
    ),
    _diagnosis(
        "WRONG_DTYPE",
        "Image inputs and weights are float32, tokens are int64: convert explicitly.",
        r"scalar types?:? ",
        r"same dtype",
        r"Input type .* and (weight|bias) type",
        r"only Tensors of floating point",
        r"to have .*dtype",
    ),
    _diagnosis(
        "IN_PLACE",
        "Replace the in-place operation (+=, inplace=True, x[...] = ...) by one that makes a new tensor.",
        r"modified by an inplace operation",
        r"leaf Variable that requires grad",
        r"view .* is being modified inplace",
    ),
    _diagnosis(
        "GRAPH_KEPT",
        "Do not keep tensors of one forward pass for the next: keep them local, or detach them.",
        r"backward through the graph a second time",
        r"backward second time",
    ),
    _diagnosis(
        "SHAPE_MISMATCH",
        "Follow the shapes from the input to this line and make the layer's size fit.",
        r"shapes? .*(cannot be multiplied|invalid|not aligned|incompatible)",
        r"size of tensor a",
        r"sizes? of tensors must match",
        r"expected .*channels",
        r"same number of dimensions",
        r"padded input size|kernel size can't be greater|output size is too small|calculated output size",
        r"expected .*\d-?D|\d-?dimensional|dimension out of range|dimensionality",
        r"normalized_shape|running_(mean|var) should contain",
        r"divisible by",
        r"expected size for|size mismatch|expanded size",
        r"input.size\(-1\) must be equal|embedding dimension of|reduction dim",
        r"padding size should be less",
        r"more than 1 value per channel",
        r"^ValueError: (not enough|too many) values to unpack",
        r"einsum\(\)",
        r"must match the (size|existing size)",
        r"broadcast",
    ),
)


def build(source: str, task: Task) -> nn.Module:
    """Make the network that a source defines; lazy layers are given their shapes by one forward pass.

    Weights are drawn from torch's global generator: seed it before. Under ``torch.device("meta")`` the
    network is built there.

    Args:
        source: Python source that defines one network under any class name, constructible without
            arguments; where it has several, the one that no other class uses, and of these the last.
        task: what the network is for.

    Raises:
        Refusal: the source is refused, or its code raised.
    """
    tree = parse(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = _instance(_executed(tree, source), tree)
        except BaseException as error:  # candidate code may raise anything, SystemExit too
            raise explain(error, source, "BUILD_FAILED") from error
        if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
            try:
                with torch.no_grad():
                    model(example(task, 2))
            except BaseException as error:
                raise explain(error, source, "FORWARD_FAILED") from error
        if task.kind == "image" and not any(parameter.is_meta for parameter in model.parameters()):
            layout.settle(model, example(task, 2))
    return model


def parse(source: str) -> ast.Module:
    """Parse a source and hold it against size and imports.

    Raises:
        Refusal: with ``SOURCE_TOO_LARGE``, ``SYNTAX_ERROR`` or ``FORBIDDEN_IMPORT``.
    """
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > SOURCE_LIMIT:
        raise Refusal("SOURCE_TOO_LARGE", f"The source has {size} bytes; at most {SOURCE_LIMIT} are accepted.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, FILE_NAME)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        message = f"The source is not valid Python: {said}{_at(line, source)}. Return the whole file again."
        raise Refusal("SYNTAX_ERROR", message, line) from None
    for module, line in _imports(tree):
        if module.partition(".")[0] not in ("__future__", *ALLOWED_IMPORTS):
            allowed = ", ".join(ALLOWED_IMPORTS)
            message = f"Import of {module}{_at(line, source)} is not allowed; a model may import {allowed}."
            raise Refusal("FORBIDDEN_IMPORT", message, line)
    return tree


def explain(error: BaseException, source: str, otherwise: str = "RAISED") -> Refusal:
    """Turn whatever candidate code raised into a typed refusal.

    Args:
        error: the exception, with its traceback.
        source: the candidate's source, to quote the line where it happened: the innermost line of the
            candidate, also if torch raised further down.
        otherwise: the code for errors that are not known.
    """
    if isinstance(error, Refusal):
        return error
    line = _line(error)
    said = f"{type(error).__name__}: {_text(error)}".removesuffix(": ")
    known = next((entry for entry in _DIAGNOSES if entry.pattern.search(said)), None)
    code, advice = (known.code, known.advice) if known else (otherwise, "Correct this line." if line else "")
    return Refusal(code, f"{said}{_at(line, source)}. {advice}".rstrip(), line)


def example(task: Task, rows: int) -> Tensor:
    """A random batch of the task's shape: normalised images ``(rows, C, H, W)`` or tokens ``(rows, L)``.

    Token batches hold the largest token, and a last row that is mostly padding: real texts do.
    """
    if task.kind == "image":
        return torch.randn(rows, *task.input_shape)
    largest = (task.vocabulary_size or 2) - 1
    tokens = torch.randint(0, largest + 1, (rows, *task.input_shape))
    tokens[0, 0] = largest
    tokens[-1, 1:] = 0
    return tokens


def _executed(tree: ast.Module, source: str) -> types.ModuleType:
    module = types.ModuleType(MODULE_NAME)
    module.__file__ = FILE_NAME
    # dataclasses and inspect look the module and its lines up here
    sys.modules[MODULE_NAME] = module
    linecache.cache[FILE_NAME] = (len(source), None, source.splitlines(keepends=True), FILE_NAME)
    exec(compile(tree, FILE_NAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  (the purpose)
    return module


def _instance(module: types.ModuleType, tree: ast.Module) -> nn.Module:
    # a loss or an activation kept at module level has no parameters
    ready = [value for value in vars(module).values() if isinstance(value, nn.Module) and list(value.parameters())]
    if len(ready) == 1:
        return ready[0]
    networks = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == MODULE_NAME
    }
    if not networks:
        raise Refusal("NO_NETWORK", "The source defines no subclass of torch.nn.Module; define exactly one network.")
    used = _used_by_classes(tree)
    outermost = [cls for name, cls in networks.items() if name not in used] or list(networks.values())
    needs = {cls: _required_arguments(cls) for cls in outermost}
    free = [cls for cls, required in needs.items() if not required]
    if not free:
        cls = outermost[-1]
        definitions = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
        line = next((node.lineno for node in definitions if node.name == cls.__name__), None)
        raise Refusal(
            "NEEDS_ARGUMENTS",
            f"{cls.__name__}() needs the arguments {', '.join(needs[cls])}; give each a default value.",
            line,
        )
    return free[-1]()


def _used_by_classes(tree: ast.Module) -> set[str]:
    """Names of definitions that another class mentions, directly or through functions."""
    definitions = {
        node.name: {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} - {node.name}
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    used: set[str] = set()
    pending = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    while pending:
        for name in definitions.get(pending.pop(), set()) - used:
            used.add(name)
            pending.append(name)
    return used


def _required_arguments(cls: type[nn.Module]) -> list[str]:
    return [
        parameter.name
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), node.lineno


def _line(error: BaseException) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    found = None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == FILE_NAME:
            found = step.tb_lineno
        step = step.tb_next
    return found


def _text(error: BaseException) -> str:
    """What the error says, on one line and not too long."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  (the candidate may define exceptions that cannot be printed)
        return ""
    return (text if len(text) <= 300 else f"{text[:297]}...").rstrip(".")


def _at(line: int | None, source: str) -> str:
    lines = source.splitlines()
    return f" at line {line} `{lines[line - 1].strip()}`" if line and line <= len(lines) else ""
