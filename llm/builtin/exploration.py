"""Small changes that no instruction asks for: what is tried where none can be carried out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import get_args

from lemonade_es.llm.builtin import wording
from lemonade_es.llm.builtin.blueprint import Activation, Blueprint, Pooling, final_size, grids, sites
from lemonade_es.llm.builtin.change import Change
from lemonade_es.llm.builtin.convolutions import narrower, wider

_OTHER: Mapping[Pooling, Pooling] = MappingProxyType({"Max": "Avg", "Avg": "Max"})
_NAMES: Mapping[Pooling, str] = MappingProxyType({"Max": "the maximum", "Avg": "the average"})


def variations(blueprint: Blueprint) -> Iterator[Change]:
    """Other widths and activations, and where there are positions other kernel sizes and kinds of pooling."""
    for width in (*wider(blueprint), *narrower(blueprint)):
        yield replace(width, preference=0.3 * width.preference)
    for site in sites(blueprint):
        for place, conv in enumerate(site.unit.convs):
            if conv.stride != 1 or blueprint.kind == "table":
                continue
            for kernel in (conv.kernel - 2, conv.kernel + 2):
                if 3 <= kernel <= 7 and kernel // 2 < min(site.size):
                    convs = list(site.unit.convs)
                    convs[place] = replace(conv, kernel=kernel)
                    unit = replace(site.unit, convs=tuple(convs))
                    changed = blueprint.with_units(site.stage, site.index, site.index + 1, unit)
                    how = f"changed a kernel of {wording.unit(blueprint, site)} to {kernel}"
                    yield Change(changed, how, 0.5)
    for activation in get_args(Activation):
        if activation != blueprint.activation:
            changed = replace(blueprint, activation=activation)
            yield Change(changed, f"changed the activation to {activation}", 0.7)
    if len(blueprint.stages) > 1:
        pooling = _OTHER[blueprint.pooling]
        changed = replace(blueprint, pooling=pooling)
        yield Change(changed, f"changed the pooling between stages to {_NAMES[pooling]}", 0.5)
    for places in grids(blueprint):
        if places != blueprint.places:
            changed = replace(blueprint, places=places)
            yield Change(changed, f"changed the pooling before the head to {places}x{places} places", 0.5)
    if blueprint.kind == "table" or max(final_size(blueprint)) == blueprint.places:
        return
    readout = _OTHER[blueprint.readout]
    changed = replace(blueprint, readout=readout)
    yield Change(changed, f"changed the pooling before the head to {_NAMES[readout]}", 0.5)
