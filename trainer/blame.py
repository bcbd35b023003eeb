"""Which line of a candidate's source is to blame, where no traceback says so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from torch import nn

FILE_NAME = "candidate.py"

_CLASS = re.compile(r"'(\w+)' object has no attribute|(\w+)\.forward\(\)|Module \[(\w+)\]")


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
    method = "__init__" if code == "NO_SUPER_INIT" else "forward"
    return next((node.lineno for node in cls.body if _defines(node, method)), cls.lineno)


def returned(model: nn.Module, source: str) -> int | None:
    """The last return statement of a network's forward, or else where that begins, if it is in the source."""
    code = getattr(type(model).forward, "__code__", None)
    if code is None or code.co_filename != FILE_NAME:
        return None
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
