"""What a candidate may import: feedback for its author, no security boundary.

Modules that a network needs are imported. Any other that is installed becomes a stand-in, which refuses as
soon as something is done with it: many files import what only their training script or their plots use.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from typing import NoReturn

from lemonade_es.trainer.network.refusal import Refusal, quoted

ALLOWED_IMPORTS = (
    *("abc", "argparse", "bisect", "cmath", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal"),
    *("enum", "fractions", "functools", "gc", "hashlib", "heapq", "inspect", "itertools", "json", "logging", "math"),
    *("numbers", "numpy", "operator", "pprint", "random", "re", "statistics", "string", "sys", "textwrap", "time"),
    *("torch", "torchvision", "traceback", "types", "typing", "typing_extensions", "uuid", "warnings", "weakref"),
)
"""The top-level modules that a model may use."""

_LOGS = "torch.utils.tensorboard"
"""The part of a module on the list that is not for a model: it wants a package that training scripts write with."""

STAND_IN = "_lemonade_outside"
"""The name under which the rewritten source finds :func:`outside`."""

# what scripts ask of the machine without touching it
_HARMLESS = {"os": frozenset({"cpu_count", "environ", "getenv", "getpid", "name", "path", "sep"})}


def screened(tree: ast.Module, source: str) -> ast.Module:
    """The tree with stand-ins for imports that are not for a model.

    Args:
        tree: the parsed source; it is changed.
        source: to quote lines of.

    Raises:
        Refusal: with ``FORBIDDEN_IMPORT``: a module that is not here, or all names of one that is not allowed.
    """
    for module, line in _surely_imported(tree):
        if not _allowed(module) and not _installed(module):
            raise _forbidden(module, line, source)
    screen: ast.Module = _Screen(source).visit(tree)
    return ast.fix_missing_locations(screen)


class ForbiddenImport(ImportError):  # noqa: N818  (its name is what its reader sees)
    """Something was done with an import that is not for a model."""


def outside(module: str, name: str | None = None) -> object:
    """What an import that is not for a model gives instead.

    Args:
        module: the module's full name.
        name: what is taken from it; ``None`` for the module itself.
    """
    package, _, inner = module.partition(".")
    if inner in _HARMLESS.get(package, ()):  # os.path
        found = importlib.import_module(module)
        return found if name is None else getattr(found, name)
    if name is not None and name in _HARMLESS.get(module, ()):
        return getattr(importlib.import_module(module), name)
    return _Outside(module if name is None else f"{module}.{name}")


class _Outside:
    """Stands in for a module or a name of it, and refuses to be used."""

    def __init__(self, name: str) -> None:
        self._lemonade_name = name

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what inspect and typing ask of everything
            raise AttributeError(name)
        if name in _HARMLESS.get(self._lemonade_name, ()):
            return outside(self._lemonade_name, name)
        raise _forbidden_use(f"{self._lemonade_name}.{name}")

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise _forbidden_use(self._lemonade_name)

    def __mro_entries__(self, _bases: object) -> NoReturn:
        raise _forbidden_use(self._lemonade_name)


def _forbidden_use(name: str) -> ForbiddenImport:
    return ForbiddenImport(f"{name} is not for a model, which may use {', '.join(ALLOWED_IMPORTS)}")


class _Screen(ast.NodeTransformer):
    """Replaces imports that are not allowed, wherever they stand."""

    def __init__(self, source: str) -> None:
        self._source = source

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        if not any(_replaced(alias.name) for alias in node.names):
            return [node]
        return [_import(alias, node) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | list[ast.stmt]:
        module = node.module or ""
        if node.level or not any(_replaced(name) for name in (module, *_parts(node))):
            return node
        if node.names[0].name == "*":
            raise _forbidden(module, node.lineno, self._source)
        return [_taken(module, alias, node) for alias in node.names]


def _parts(node: ast.ImportFrom) -> list[str]:
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _taken(module: str, alias: ast.alias, node: ast.ImportFrom) -> ast.stmt:
    if not _replaced(module) and not _replaced(f"{module}.{alias.name}"):
        return ast.copy_location(ast.ImportFrom(module, [alias], 0), node)
    return _bound(alias.asname or alias.name, (module, alias.name), node)


def _import(alias: ast.alias, node: ast.Import) -> ast.stmt:
    if not _replaced(alias.name):
        return ast.copy_location(ast.Import([alias]), node)
    top = alias.name.partition(".")[0]
    if _allowed(top) and alias.asname is None:
        return ast.copy_location(ast.Import([ast.alias(top)]), node)
    return _bound(alias.asname or top, (alias.name if alias.asname else top,), node)


def _bound(name: str, what: tuple[str, ...], node: ast.stmt) -> ast.stmt:
    call = ast.Call(ast.Name(STAND_IN, ast.Load()), [ast.Constant(word) for word in what], [])
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], call), node)


def _surely_imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The modules that running the source is bound to import: those of statements at its left edge."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), node.lineno


def _allowed(module: str) -> bool:
    return module.partition(".")[0] in ("__future__", *ALLOWED_IMPORTS) and not f"{module}.".startswith(f"{_LOGS}.")


def _replaced(module: str) -> bool:
    # what is not here raises ImportError, which a source may be prepared for
    return not _allowed(module) and _installed(module)


def _installed(module: str) -> bool:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    try:
        return bool(top) and importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def _forbidden(module: str, line: int, source: str) -> Refusal:
    allowed = ", ".join(ALLOWED_IMPORTS)
    message = f"Import of {module}{quoted(line, source)} is not possible; a model may import {allowed}."
    return Refusal("FORBIDDEN_IMPORT", message, line)
