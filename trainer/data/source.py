"""What every kind of data gives before anything is split or decoded: labels now, pixels when asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form in which images are wanted; ``None`` leaves it to the images.

    Attributes:
        size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB).
    """

    size: tuple[int, int] | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Decoded images.

    Attributes:
        pixels: uint8 ``(N, C, H, W)``.
        notes: what was done to them that a user should know.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """All images of a data set, not yet decoded.

    Attributes:
        name: for people and prompts.
        class_names: the name of each label.
        labels: one for each image.
        keys: what each image is called: unique, and the same on every machine.
        parts: where the data set itself puts each image; splits that it lacks are taken from ``train``.
        flip: whether a mirrored input keeps its label.
        read: decodes the images of these indexes, in this order.
        notes: sentences that a user should read.
    """

    name: str
    class_names: tuple[str, ...]
    labels: Sequence[int]
    keys: Sequence[str]
    parts: Sequence[Part]
    flip: bool
    read: Callable[[Sequence[int], Wanted], Images]
    notes: tuple[str, ...] = ()
