"""What the parts of a network are called: convolutions and kernels, or for tables dense layers and neurons."""

from __future__ import annotations

from lemonade_es.llm.builtin.blueprint import Blueprint, Site


def layer(blueprint: Blueprint) -> str:
    """A layer of a stage."""
    return "dense layer" if blueprint.kind == "table" else "convolution"


def widths(blueprint: Blueprint) -> str:
    """What such a layer has many of."""
    return "neurons" if blueprint.kind == "table" else "kernels"


def stage(blueprint: Blueprint, number: int) -> str:
    """A stage by its index; a table has one."""
    return "the body" if blueprint.kind == "table" else f"stage {number + 1}"


def unit(blueprint: Blueprint, site: Site) -> str:
    """A unit by its place."""
    return f"unit {site.index + 1} of {stage(blueprint, site.stage)}"


def skip(blueprint: Blueprint, *, identity: bool) -> str:
    """A skip connection."""
    if identity:
        return "an identity skip"
    return "a projection skip" if blueprint.kind == "table" else "a 1x1 projection skip"
