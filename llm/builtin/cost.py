"""What a blueprint costs and is made of, exactly as the built network will be counted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from lemonade_es.llm.builtin.blueprint import Blueprint, Site, sites, strided


@dataclass(frozen=True, slots=True)
class _Layer:
    """A convolution, or a dense layer of a table's network, as built: a projection is one too."""

    inputs: int
    outputs: int
    kernel_size: int
    positions: int
    norm: bool
    bias: bool


def parameters(blueprint: Blueprint) -> int:
    """Trainable parameters."""
    total = (blueprint.vocabulary_size or 0) * (blueprint.embedding or 0)
    for layer in _convolutions(blueprint):
        total += layer.inputs * layer.outputs * layer.kernel_size
        total += 2 * layer.outputs if layer.norm else 0
        total += layer.outputs if layer.bias else 0
    for inputs, outputs in _linears(blueprint):
        total += (inputs + 1) * outputs
    return total + sum(2 * dense.width for dense in blueprint.hidden if dense.norm)


def macs(blueprint: Blueprint) -> int:
    """Multiply-accumulates of the convolutions and linear layers for one input."""
    convolutions = sum(
        layer.inputs * layer.outputs * layer.kernel_size * layer.positions for layer in _convolutions(blueprint)
    )
    return convolutions + sum(inputs * outputs for inputs, outputs in _linears(blueprint))


def census(blueprint: Blueprint) -> dict[str, int]:
    """What the network is made of, by the names of :data:`lemonade_es.vocabulary.CENSUS`."""
    units = [unit for stage in blueprint.stages for unit in stage.units]
    layers = tuple(_convolutions(blueprint))
    convolved, dense = ((), layers) if blueprint.kind == "table" else (layers, ())
    ends = (blueprint.embedding_dropout, blueprint.head_dropout)
    rates = [*ends, *(unit.dropout for unit in units), *(d.dropout for d in blueprint.hidden)]
    regularizers = [
        *(layer.norm for layer in layers),
        *(unit.stochastic_depth > 0 for unit in units),
        *(hidden.norm for hidden in blueprint.hidden),
        blueprint.noise > 0,
    ]
    return {
        "conv_layers": len(convolved),
        "kernels": sum(layer.outputs for layer in convolved),
        "dense_layers": len(dense) + len(blueprint.hidden) + 1,
        "neurons": sum(layer.outputs for layer in dense) + sum(hidden.width for hidden in blueprint.hidden),
        "dropouts": sum(round(100 * rate) for rate in rates),
        "skips": sum(unit.skip for unit in units),
        "initializers": len(blueprint.initializers),
        "regularizers": sum(regularizers),
    }


def unit_macs(blueprint: Blueprint, site: Site) -> int:
    """Multiply-accumulates of one unit for one input."""
    return sum(
        layer.inputs * layer.outputs * layer.kernel_size * layer.positions
        for layer in _of_unit(site, len(blueprint.size))
    )


def _convolutions(blueprint: Blueprint) -> Iterator[_Layer]:
    for site in sites(blueprint):
        yield from _of_unit(site, len(blueprint.size))


def _of_unit(site: Site, dimensions: int) -> Iterator[_Layer]:
    inputs, size = site.inputs, site.size
    for conv in site.unit.convs:
        size = strided(size, conv.stride)
        kernel_size = conv.kernel**dimensions
        yield _Layer(inputs, conv.width, kernel_size, math.prod(size), conv.norm, bias=not conv.norm)
        inputs = conv.width
    if site.projects:
        yield _Layer(site.inputs, site.unit.width, 1, math.prod(size), site.normalises_projection, bias=False)


def _linears(blueprint: Blueprint) -> Iterator[tuple[int, int]]:
    inputs = blueprint.features
    for outputs in (*(dense.width for dense in blueprint.hidden), blueprint.classes):
        yield inputs, outputs
        inputs = outputs
