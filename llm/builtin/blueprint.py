"""A network as the built-in executor thinks of it: stages of convolutions, then a dense head.

::

    input -> [embedding, dropout] -> [noise] -> stage 1 -> pooling -> stage 2 -> ... -> pooling to few places -> head

A table has no positions: its map has the size ``()``, one stage of dense layers takes the place of the
convolutions (a convolution over no positions is a dense layer), and nothing is pooled.

A blueprint says everything that :func:`lemonade_es.llm.builtin.source.render` writes, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lemonade_es.task import Objective, Task, TaskKind

Activation = Literal["ReLU", "SiLU", "GELU"]
Pooling = Literal["Max", "Avg"]

_MOST_PLACES = 7


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution with ``width`` kernels, its activation, and between them batch normalisation if ``norm``.

    The padding is ``kernel // 2``; kernels are odd, so that only a stride changes the size of the map. For a table
    a dense layer with ``width`` neurons, and ``kernel`` and ``stride`` are 1.
    """

    width: int
    kernel: int = 3
    stride: int = 1
    norm: bool = True


@dataclass(frozen=True, slots=True)
class Unit:
    """One convolution, or a skip connection around one or more.

    Attributes:
        convs: exactly one without a skip.
        skip: whether the input is added to the result (through a 1x1 convolution if the widths differ, in
            an image network with batch normalisation if the last layer has it).
        stochastic_depth: share of a batch for which the skipped branch is dropped in training; 0 is no layer.
        dropout: rate of the dropout after the unit; 0 is no layer.
    """

    convs: tuple[Conv, ...]
    skip: bool = False
    stochastic_depth: float = 0.0
    dropout: float = 0.0

    @property
    def width(self) -> int:
        """Channels of the result."""
        return self.convs[-1].width

    @property
    def stride(self) -> int:
        """By how much the unit as a whole shrinks the map."""
        return math.prod(conv.stride for conv in self.convs)


@dataclass(frozen=True, slots=True)
class Stage:
    """Units on maps of one size; ``pool`` is the factor of the pooling *before* them, 1 only in the first stage."""

    units: tuple[Unit, ...]
    pool: int = 2

    @property
    def width(self) -> int:
        """Channels of the result."""
        return self.units[-1].width


@dataclass(frozen=True, slots=True)
class Dense:
    """A hidden dense layer: linear, then layer normalisation if ``norm``, activation, dropout if not 0."""

    width: int
    norm: bool = False
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A whole network.

    Attributes:
        kind: image networks convolve over height and width, text networks over time, table networks not at all.
        input_shape: ``(C, H, W)``, ``(L,)`` or ``(F,)``.
        classes: width of the last linear layer: 1 for regression.
        stages: one or more.
        hidden: hidden dense layers; the classifier follows them.
        head_dropout: rate of the dropout between the convolutions and the head; 0 is no layer.
        noise: standard deviation of the multiplicative Gaussian noise on the input; 0 is no layer.
        activation: of all convolutions and hidden layers.
        pooling: of the pooling between stages.
        readout: of the pooling to a few places before the head.
        places: of images, to a grid of so many rows and columns, which divides the map evenly; 1 is one place.
        initializers: names from :data:`lemonade_es.llm.builtin.source.INITIALIZERS`, in that order.
        vocabulary_size: for text, the number of tokens.
        embedding: for text, the width of the embedding.
        embedding_dropout: for text, rate of the dropout of the embedding's numbers; 0 is no layer.
        objective: whether classes are told apart or a number is predicted.
    """

    kind: TaskKind
    input_shape: tuple[int, ...]
    classes: int
    stages: tuple[Stage, ...]
    hidden: tuple[Dense, ...] = ()
    head_dropout: float = 0.0
    noise: float = 0.0
    activation: Activation = "ReLU"
    pooling: Pooling = "Max"
    readout: Pooling = "Avg"
    places: int = 1
    initializers: tuple[str, ...] = ()
    vocabulary_size: int | None = None
    embedding: int | None = None
    embedding_dropout: float = 0.0
    objective: Objective = "classification"

    @property
    def channels(self) -> int:
        """Channels of what the first convolution sees."""
        return self.input_shape[0] if self.embedding is None else self.embedding

    @property
    def size(self) -> tuple[int, ...]:
        """Size of the map that the first convolution sees."""
        return self.input_shape if self.kind == "text" else self.input_shape[1:]

    @property
    def features(self) -> int:
        """What the head sees of the last stage: its channels at each place."""
        return self.stages[-1].width * math.prod(self.places for _ in self.size)

    def fits(self, task: Task) -> bool:
        """Whether the network takes and gives what the task asks for."""
        return (self.kind, self.input_shape, self.classes, self.vocabulary_size, self.objective) == (
            task.kind,
            task.input_shape,
            task.classes,
            task.vocabulary_size if task.kind == "text" else None,
            task.objective,
        )

    def with_stage(self, index: int, stage: Stage) -> Blueprint:
        """The same network with another stage at ``index``."""
        return replace(self, stages=(*self.stages[:index], stage, *self.stages[index + 1 :]))

    def with_units(self, index: int, start: int, stop: int, *units: Unit) -> Blueprint:
        """The same network with units ``start`` to ``stop`` (exclusive) of stage ``index`` replaced."""
        stage = self.stages[index]
        changed = (*stage.units[:start], *units, *stage.units[stop:])
        return self.with_stage(index, replace(stage, units=changed))


@dataclass(frozen=True, slots=True)
class Site:
    """Where a unit stands: its stage and place in it, and what it sees and gives."""

    stage: int
    index: int
    unit: Unit
    inputs: int
    size: tuple[int, ...]

    @property
    def projects(self) -> bool:
        """Whether the skip connection needs a 1x1 convolution to fit the result's shape."""
        return self.unit.skip and (self.inputs != self.unit.width or self.unit.stride != 1)

    @property
    def normalises_projection(self) -> bool:
        """Whether that convolution has batch normalisation, as the layers that its result is added to.

        Without, photographs lost more from such a skip: 4.3 points of accuracy instead of 1.9 (2,125 images, 6 epochs,
        four networks, two seeds), and 4.6 instead of 3.4 (8,000 images, 12 epochs, three networks, one seed). Reviews
        lost 0.4 points without, and 5.8 with it (1,747 texts, 10 epochs, one network, three seeds).
        """
        return self.projects and self.unit.convs[-1].norm and len(self.size) > 1


def sites(blueprint: Blueprint) -> Iterator[Site]:
    """Every unit from input to output."""
    inputs, size = blueprint.channels, blueprint.size
    for number, stage in enumerate(blueprint.stages):
        size = tuple(side // stage.pool for side in size)
        for index, unit in enumerate(stage.units):
            yield Site(number, index, unit, inputs, size)
            inputs = unit.width
            for conv in unit.convs:
                size = strided(size, conv.stride)


def strided(size: tuple[int, ...], stride: int) -> tuple[int, ...]:
    """The map's size after a convolution with this stride."""
    return tuple((side - 1) // stride + 1 for side in size)


def final_size(blueprint: Blueprint) -> tuple[int, ...]:
    """The map's size before it is pooled for the head."""
    last = tuple(sites(blueprint))[-1]
    return strided(last.size, last.unit.stride)


def grids(blueprint: Blueprint) -> tuple[int, ...]:
    """What ``places`` may be, ascending: what divides both sides of an image's map, up to 7; 1 for anything else.

    A grid that does not divide the map evenly cannot be exported to ONNX.
    """
    side = math.gcd(*final_size(blueprint)) if blueprint.kind == "image" else 1
    return tuple(places for places in range(1, _MOST_PLACES + 1) if side % places == 0)
