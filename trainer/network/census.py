"""What a network is made of, and whether two networks are the same."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

import torch
from torch import nn

from lemonade_es.task import Task
from lemonade_es.trainer.network.candidate import example
from lemonade_es.trainer.network.trace import Trace, trace

_FILLERS = frozenset({"fill_", "zero_", "normal_", "uniform_", "copy_"})


def census(model: nn.Module, source: str, task: Task) -> dict[str, float]:
    """Count what a network is made of (the keys of :data:`lemonade_es.vocabulary.CENSUS`).

    Only layers that a forward pass uses count, whether written as modules or as functions.

    Args:
        model: the network, on any device; it is run forward once.
        source: what it was built from, for its explicit weight initialisations.
        task: what the network is for.
    """
    return counted(_trace(model, task), source)


def architecture(model: nn.Module, source: str, task: Task) -> str:
    """A digest that is equal for two sources that compute, and initialise, the same thing.

    Names, comments and layout of the source do not count. Networks on different devices may differ.

    Args:
        model: the network; it is run forward once.
        source: what it was built from, for its explicit weight initialisations.
        task: what the network is for.
    """
    return digest(_trace(model, task), model, source)


def counted(seen: Trace, source: str) -> dict[str, float]:
    """The census of a network whose forward pass has been traced."""
    return {
        "conv_layers": float(len(seen.kernels)),
        "kernels": float(sum(seen.kernels.values())),
        "dense_layers": float(len(seen.neurons)),
        "neurons": float(sum(list(seen.neurons.values())[:-1])),
        "dropouts": round(100 * sum(seen.dropouts), 6),
        "skips": float(seen.skips),
        "initializers": float(len(initializations(source))),
        "regularizers": float(seen.regularizers),
    }


def digest(seen: Trace, model: nn.Module, source: str) -> str:
    """The architecture digest of a network whose forward pass has been traced: SHA-256, in hex."""
    shapes = sorted(str(list(parameter.shape)) for parameter in model.parameters())
    lines = [*seen.operations, *shapes, *map(str, seen.dropouts), *initializations(source)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def initializations(source: str) -> list[str]:
    """The explicit weight initialisations in a source, in order: each its function with its constants.

    They are calls of ``torch.nn.init`` functions, and of filling methods (``normal_``, ``zero_``, ...) on
    something called a weight or a bias.
    """
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "torch.nn.init"
        for alias in node.names
    }
    calls = sorted(
        (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _initializes(node.func, imported)),
        key=lambda node: (node.lineno, node.col_offset),
    )
    return [f"{ast.unparse(call.func).rpartition('.')[2]}({', '.join(_constants(call))})" for call in calls]


def _initializes(function: ast.expr, imported: set[str]) -> bool:
    if isinstance(function, ast.Name):
        return function.id in imported
    if not isinstance(function, ast.Attribute):
        return False
    owner = ast.unparse(function.value)
    if owner.rpartition(".")[2] == "init":
        return function.attr.endswith("_")
    return function.attr in _FILLERS and ("weight" in owner or "bias" in owner)


def _constants(call: ast.Call) -> Iterator[str]:
    values = [("", value) for value in call.args] + [(f"{word.arg}=", word.value) for word in call.keywords]
    for name, value in values:
        try:
            yield f"{name}{ast.literal_eval(value)!r}"
        except ValueError:
            continue


def _trace(model: nn.Module, task: Task) -> Trace:
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with device:
        return trace(model, example(task, 2))[0]
