"""Which line of a candidate's source is to blame, where no traceback says so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from torch import nn

FILE_NAME = "candidate.py"

_MEANT = {"NO_SUPER_INIT": "__init__", "WRONG_GRADIENT": "backward", "NOT_IMPLEMENTED": "class"}
"""The method that an error is about, where it is not forward; no method has the last name: it is the class."""

_CLASS = re.compile(
    r"'(\w+)' object has no attribute|(\w+)\.forward\(\)|Module \[(\w+)\]|abstract class (\w+)|Function (\w+)Backward"
)


def line_of(code: str, said: str, source: str) -> int | None:
    """The line that an error is about, from what it says; ``None`` if that tells nothing.

    Args:
        code: the typed reason.
        said: the error's own words.
        source: what raised it.
    """
    if code == "IN_PLACE":
        return _first(node for node in _methods(source) if _in_place(node))
    if code == "GRAPH_KEPT":
        return _first(node for node in _methods(source) if _keeps(node))
    if (match := _CLASS.search(said)) is None:
        return None
    cls = next((node for node in _classes(source) if node.name in match.groups()), None)
    if cls is None:
        return None
    method = _MEANT.get(code, "forward")
    return next((node.lineno for node in cls.body if _defines(node, method)), cls.lineno)


def built_at(layer: object, source: str) -> int | None:
    """The line that makes a layer of torch's, if it is the only one in the source that makes such a one.

    Args:
        layer: a module; anything else has no line.
        source: where it may be made.
    """
    if not isinstance(layer, nn.Module):
        return None
    name, sizes = type(layer).__name__, _sizes(layer)
    made = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and _called(node) == name]
    alike = [node for node in made if [_number(word) for word in node.args[: len(sizes)]] == sizes]
    lines = {node.lineno for node in (alike if sizes and alike else made)}
    return lines.pop() if len(lines) == 1 else None


def returned(model: nn.Module, source: str) -> int | None:
    """The last return statement of a network's forward, or else where that begins, if it is in the source.

    Of a bare ``nn.Sequential`` it is the line that makes the last layer.
    """
    code = getattr(getattr(type(model), "forward", None), "__code__", None)  # scripted networks' classes have none
    if code is None or code.co_filename != FILE_NAME:
        return built_at(model[-1], source) if isinstance(model, nn.Sequential) and len(model) else None
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            if first == code.co_firstlineno:
                lines = [inner.lineno for inner in ast.walk(node) if isinstance(inner, ast.Return)]
                return max(lines, default=node.lineno)
    return None


def using(words: frozenset[str], model: nn.Module, source: str) -> int | None:
    """The first line of a class that uses one of these functions; else what :func:`returned` says."""
    found = _first(
        node
        for cls in _classes(source)
        for node in ast.walk(cls)
        if (isinstance(node, ast.Attribute) and node.attr in words) or (isinstance(node, ast.Name) and node.id in words)
    )
    return returned(model, source) if found is None else found


def _classes(source: str) -> list[ast.ClassDef]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]


def _methods(source: str) -> Iterator[ast.AST]:
    """All that stands in methods but for constructors."""
    for cls in _classes(source):
        for node in cls.body:
            if isinstance(node, ast.FunctionDef) and node.name != "__init__":
                yield from ast.walk(node)


def _in_place(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Subscript) for target in node.targets)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr.endswith("_") and not node.func.attr.endswith("__")
    return isinstance(node, ast.AugAssign)


def _keeps(node: ast.AST) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    return any(isinstance(target, ast.Attribute) for target in targets)


def _defines(node: ast.AST, method: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == method


def _first(nodes: Iterable[ast.AST]) -> int | None:
    return min((node.lineno for node in nodes if isinstance(node, ast.stmt | ast.expr)), default=None)


def _called(node: ast.Call) -> str | None:
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def _sizes(layer: nn.Module) -> list[object]:
    """The first arguments that a layer of torch's was made with."""
    for names in (("in_features", "out_features"), ("in_channels", "out_channels"), ("num_features",)):
        if all(hasattr(layer, name) for name in names):
            return [getattr(layer, name) for name in names]
    return []


def _number(node: ast.expr) -> object:
    """What a constant, or a product of whole numbers, comes to; ``None`` for anything else."""
    match node:
        case ast.Constant(value):
            return value
        case ast.BinOp(left, ast.Mult(), right):
            first, second = _number(left), _number(right)
            return first * second if isinstance(first, int) and isinstance(second, int) else None
    return None
