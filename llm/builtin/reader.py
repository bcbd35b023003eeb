"""Source back to a blueprint, read as a syntax tree and never run.

Source is *ours* if and only if rendering the blueprint read from it gives the same text again; so the reader
may look at a few places only, and what it did not look at cannot differ.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from lemonade_es.errors import ReplyError
from lemonade_es.llm.builtin.blueprint import (
    Activation,
    Blueprint,
    Conv,
    Dense,
    Pooling,
    Stage,
    Unit,
)
from lemonade_es.llm.builtin.source import INITIALIZERS, render
from lemonade_es.llm.codes import Code
from lemonade_es.task import TaskKind

_SUBJECT = re.compile(
    r"network for (?:(?P<image>\d+x\d+x\d+) images|texts of (?P<text>\d+) tokens out of (?P<vocabulary>\d+)"
    r"|table rows of (?P<table>\d+) features) and (?:(?P<classes>\d+) classes|one number)"
)


class _UnknownError(Exception):
    """A piece of source that we never write."""


def parse(source: str) -> Blueprint:
    """The blueprint of source that :func:`~lemonade_es.llm.builtin.source.render` wrote.

    Raises:
        ReplyError: ``FOREIGN_SOURCE``: someone else wrote it, or changed it.
    """
    try:
        blueprint = _blueprint(ast.parse(source))
        if render(blueprint) == source:
            return blueprint
        reason = "it differs from what the built-in executor would have written for the same network"
    # RecursionError and MemoryError are how ast.parse refuses deeply nested text.
    except (_UnknownError, SyntaxError, ValueError, RecursionError, MemoryError, ArithmeticError) as error:
        reason = str(error) or type(error).__name__
    raise ReplyError(
        Code.FOREIGN_SOURCE,
        f"the built-in executor edits only networks that it wrote itself: {reason}",
        hint="use an LLM executor, or start without this model",
    )


@dataclass(slots=True)
class _Call:
    """A call with a dotted name and literal arguments: ``nn.Linear(48, 10)``."""

    name: str
    arguments: list[Any]
    options: dict[str, Any] = field(default_factory=dict)
    layers: list[_Call] = field(default_factory=list)

    @property
    def layer(self) -> str:
        """The name without ``nn.`` and without the dimensions: ``MaxPool`` for ``nn.MaxPool2d``."""
        return re.sub(r"[12]d$", "", self.name.removeprefix("nn."))

    def argument(self, index: int) -> Any:
        """A positional argument.

        Raises:
            _UnknownError: there are not so many.
        """
        if index >= len(self.arguments):
            raise _UnknownError(f"{self.name} lacks argument {index + 1}")
        return self.arguments[index]


def _blueprint(tree: ast.Module) -> Blueprint:
    doc = ast.get_docstring(tree) or ""
    subject = _SUBJECT.search(doc)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    block = classes.get("ConvBlock", classes.get("DenseBlock"))
    if "Network" not in classes or block is None or subject is None:
        raise _UnknownError("its opening words, its class of blocks or class Network is missing")
    assigned = dict(_assigned(classes["Network"]))
    if "features" not in assigned or "head" not in assigned:
        raise _UnknownError("Network has no features or no head")
    features, head = assigned["features"].layers, assigned["head"].layers
    embedding_dropout, noise = (_leading(features, layer) for layer in ("Dropout", "GaussianNoise"))
    stages, pooling = _stages(features)
    readout, places, head_dropout, hidden = _head(head)
    kind = next(kind for kind in get_args(TaskKind) if subject[kind])
    embedding = assigned.get("embedding")
    return Blueprint(
        kind=kind,
        input_shape=tuple(map(int, subject[kind].split("x"))),
        classes=int(subject["classes"] or 1),
        stages=stages,
        hidden=hidden,
        head_dropout=head_dropout,
        noise=noise,
        activation=_activation(block),
        pooling=pooling,
        readout=readout,
        places=places,
        initializers=_initializers(tree),
        vocabulary_size=int(subject["vocabulary"]) if kind == "text" else None,
        embedding=embedding.argument(1) if kind == "text" and embedding is not None else None,
        embedding_dropout=embedding_dropout,
        objective="classification" if subject["classes"] else "regression",
    )


def _leading(layers: list[_Call], name: str) -> float:
    """Take a layer off the front, and give its number; 0 if another one stands there."""
    return float(layers.pop(0).argument(0)) if layers and layers[0].layer == name else 0.0


def _assigned(network: ast.ClassDef) -> Iterator[tuple[str, _Call]]:
    for node in ast.walk(network):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=ast.Call() as value):
                yield name, _call(value)


def _call(node: ast.expr) -> _Call:
    if not isinstance(node, ast.Call):
        raise _UnknownError(f"line {node.lineno} is not a layer")
    call = _Call(ast.unparse(node.func), [])
    for argument in node.args:
        if isinstance(argument, ast.Call):
            call.layers.append(_call(argument))
        else:
            call.arguments.append(_number(argument))
    call.options = {option.arg: _number(option.value) for option in node.keywords if option.arg}
    return call


def _number(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    raise _UnknownError(f"line {node.lineno} holds something else than a number")


def _stages(layers: Sequence[_Call]) -> tuple[tuple[Stage, ...], Pooling]:
    stages: list[Stage] = []
    units: list[Unit] = []
    pool, pooling = 1, "Max"
    for call in layers:
        match call.layer:
            case "MaxPool" | "AvgPool":
                stages.append(Stage(tuple(units), pool))
                units, pool, pooling = [], call.argument(0), call.layer.removesuffix("Pool")
            case "Dropout" if units:
                last = units.pop()
                units.append(Unit(last.convs, last.skip, last.stochastic_depth, call.argument(0)))
            case "ConvBlock" | "DenseBlock":
                units.append(Unit((_conv(call),)))
            case "Residual":
                units.append(_residual(call))
            case other:
                raise _UnknownError(f"{other} is no layer of a stage")
    stages.append(Stage(tuple(units), pool))
    if not all(stage.units for stage in stages):
        raise _UnknownError("a stage has no convolution")
    return tuple(stages), cast("Pooling", pooling)


def _residual(call: _Call) -> Unit:
    _, *layers = call.layers or [call]
    depth = layers.pop().argument(0) if layers and layers[-1].layer == "StochasticDepth" else 0.0
    if not layers or any(layer.layer not in ("ConvBlock", "DenseBlock") for layer in layers):
        raise _UnknownError("a Residual holds something else than blocks")
    return Unit(tuple(map(_conv, layers)), skip=True, stochastic_depth=depth)


def _conv(call: _Call) -> Conv:
    kernel, stride = call.options.get("kernel", 1 if call.layer == "DenseBlock" else 3), call.options.get("stride", 1)
    if kernel % 2 != 1 or stride < 1:
        raise _UnknownError(f"a kernel of {kernel} with stride {stride} is none of ours")
    return Conv(call.argument(1), kernel, stride, call.options.get("norm", True))


def _head(layers: Sequence[_Call]) -> tuple[Pooling, int, float, tuple[Dense, ...]]:
    readout: str = "Avg"
    places = 1
    dropout = 0.0
    hidden: list[Dense] = []
    for call in layers:
        match call.layer:
            case "AdaptiveMaxPool" | "AdaptiveAvgPool":
                readout, places = call.layer.removeprefix("Adaptive").removesuffix("Pool"), call.argument(0)
            case "Linear":
                hidden.append(Dense(call.argument(1)))
            case "LayerNorm" if hidden:
                hidden[-1] = Dense(hidden[-1].width, norm=True)
            case "Dropout" if hidden:
                hidden[-1] = Dense(hidden[-1].width, hidden[-1].norm, call.argument(0))
            case "Dropout":
                dropout = call.argument(0)
            case _:  # Flatten and activations say nothing new; render() checks that they are in place
                continue
    return cast("Pooling", readout), places, dropout, tuple(hidden[:-1])


def _activation(block: ast.ClassDef) -> Activation:
    names = {node.attr for node in ast.walk(block) if isinstance(node, ast.Attribute)}
    found: list[Activation] = [name for name in ("ReLU", "SiLU", "GELU") if name in names]
    if not found:
        raise _UnknownError("the blocks have no activation that the built-in executor uses")
    return found[0]


def _initializers(tree: ast.Module) -> tuple[str, ...]:
    calls = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return tuple(name for name, call in INITIALIZERS.items() if ast.unparse(ast.parse(call, mode="eval")) in calls)
