"""A space of convolutional networks as wide as what the built-in executor can reach, for optimisers that need one.

A point is a choice for each name; whoever chooses may be asked for some names only, depending on earlier choices.
The networks are the executor's own blueprints, so that both sides build from the same blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lemonade_es.llm.builtin.blueprint import Blueprint, Conv, Dense, Stage, Unit, grids
from lemonade_es.llm.builtin.convolutions import narrower, shallower
from lemonade_es.llm.builtin.cost import macs
from lemonade_es.task import Task

Choose = Callable[[str, tuple[Any, ...]], Any]
"""Told a name and its options, it says which one."""

WIDTHS = (8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128)
UNITS, CONVS, KERNELS = (1, 2, 3), (1, 2), (3, 5, 7)
UNIT_DROPOUTS, STOCHASTIC_DEPTHS = (0.0, 0.05, 0.1, 0.2), (0.0, 0.05, 0.1, 0.2)
HIDDEN, HIDDEN_WIDTHS = (0, 1, 2), (48, 64, 96, 128, 192, 256)
DROPOUTS, NOISES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), (0.0, 0.05, 0.1)
CONV_INITIALIZERS = ("none", "kaiming_normal_conv", "kaiming_uniform_conv")
DENSE_INITIALIZERS = ("none", "xavier_dense", "orthogonal_dense")
ACTIVATIONS, POOLINGS = ("ReLU", "SiLU", "GELU"), ("Max", "Avg")
PLACES = (1, 2, 4)
YES_NO = (False, True)


def most_stages(task: Task) -> int:
    """Halving ends at two pixels."""
    return int(math.log2(min(task.input_shape[1:])))


def blueprint(task: Task, choose: Choose) -> Blueprint:
    """The network that the choices stand for.

    Args:
        task: images and classes.
        choose: asked by name; only for what the choices so far leave open.
    """
    side, stages = min(task.input_shape[1:]), []
    norm = choose("norm", YES_NO)
    for number in range(choose("stages", tuple(range(1, most_stages(task) + 1)))):
        stages.append(_stage(number, side >> number, choose, norm=norm))
    hidden = tuple(
        Dense(
            choose(f"hidden_width_{number}", HIDDEN_WIDTHS),
            choose(f"hidden_norm_{number}", YES_NO),
            choose(f"hidden_dropout_{number}", DROPOUTS),
        )
        for number in range(choose("hidden", HIDDEN))
    )
    skips = any(stage.units[0].skip for stage in stages)
    residual = ("small_residual",) if skips and norm and choose("small_residual", YES_NO) else ()
    initializers = (
        choose("conv_initializer", CONV_INITIALIZERS),
        choose("dense_initializer", DENSE_INITIALIZERS),
    )
    made = Blueprint(
        "image",
        task.input_shape,
        task.classes,
        tuple(stages),
        hidden=hidden,
        head_dropout=choose("head_dropout", DROPOUTS),
        noise=choose("noise", NOISES),
        activation=choose("activation", ACTIVATIONS),
        pooling=choose("pooling", POOLINGS),
        readout=choose("readout", POOLINGS),
        initializers=(*(name for name in initializers if name != "none"), *residual),
    )
    places = choose("places", PLACES)
    return replace(made, places=max(fitting for fitting in grids(made) if fitting <= places))


def _stage(number: int, side: int, choose: Choose, *, norm: bool) -> Stage:
    width = choose(f"width_{number}", WIDTHS)
    kernel = min(choose(f"kernel_{number}", KERNELS), 2 * ((side + 1) // 2) - 1)
    skip = choose(f"skip_{number}", YES_NO)
    conv = Conv(width, kernel=max(kernel, 3), norm=norm)
    unit = Unit(
        (conv,) * choose(f"convs_{number}", CONVS),
        skip=skip,
        stochastic_depth=choose(f"stochastic_depth_{number}", STOCHASTIC_DEPTHS) if skip else 0.0,
        dropout=choose(f"dropout_{number}", UNIT_DROPOUTS),
    )
    return Stage((unit,) * choose(f"units_{number}", UNITS), pool=2 if number else 1)


def names(task: Task) -> dict[str, tuple[Any, ...]]:
    """Every name with its options, for optimisers that take flat spaces."""
    found: dict[str, tuple[Any, ...]] = {}

    def most(name: str, options: tuple[Any, ...]) -> Any:
        found[name] = options
        return options[-1]

    blueprint(task, most)
    return found


def fitted(made: Blueprint, max_macs: int) -> Blueprint:
    """The network, narrower and if need be shallower until it keeps the budget: no evaluation is lost to it."""
    while (cost := macs(made)) > max_macs:
        changes = [*narrower(made)], [*shallower(made)]
        smaller = [[change.blueprint for change in ways if macs(change.blueprint) < cost] for ways in changes]
        made = max(smaller[0] or smaller[1], key=macs)
    return made


def choices_of(made: Blueprint, task: Task) -> dict[str, Any]:
    """The choices that stand for a network of the space, with the first option where it leaves a name open.

    Raises:
        ValueError: the space does not have the network.
    """
    chosen: dict[str, Any] = {name: options[0] for name, options in names(task).items()}
    convs = [conv for stage in made.stages for unit in stage.units for conv in unit.convs]
    chosen |= {
        "norm": convs[0].norm,
        "stages": len(made.stages),
        "hidden": len(made.hidden),
        "small_residual": "small_residual" in made.initializers,
        "conv_initializer": next((name for name in made.initializers if name in CONV_INITIALIZERS), "none"),
        "dense_initializer": next((name for name in made.initializers if name in DENSE_INITIALIZERS), "none"),
        "head_dropout": made.head_dropout,
        "noise": made.noise,
        "activation": made.activation,
        "pooling": made.pooling,
        "readout": made.readout,
        "places": made.places,
    }
    for number, stage in enumerate(made.stages):
        unit = stage.units[0]
        chosen |= {
            f"width_{number}": unit.width,
            f"kernel_{number}": unit.convs[0].kernel,
            f"skip_{number}": unit.skip,
            f"convs_{number}": len(unit.convs),
            f"stochastic_depth_{number}": unit.stochastic_depth,
            f"dropout_{number}": unit.dropout,
            f"units_{number}": len(stage.units),
        }
    for number, dense in enumerate(made.hidden):
        chosen |= {
            f"hidden_width_{number}": dense.width,
            f"hidden_norm_{number}": dense.norm,
            f"hidden_dropout_{number}": dense.dropout,
        }
    again = blueprint(task, _reading(chosen))
    if replace(again, initializers=made.initializers) != made or set(again.initializers) != set(made.initializers):
        raise ValueError("the space does not have this network")
    return chosen


def _reading(chosen: Mapping[str, Any]) -> Choose:
    def choose(name: str, options: tuple[Any, ...]) -> Any:
        if chosen[name] not in options:
            raise ValueError(f"{chosen[name]!r} is no option of {name}")
        return chosen[name]

    return choose
