"""What every kind of data gives before anything is split or read: labels now, inputs when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from lemonade_es.task import TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lemonade_es.trainer.data.traits import TableTraits, TextTraits

Part = Literal["train", "validation", "test"]

PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "val": "validation",
        "valid": "validation",
        "validation": "validation",
        "dev": "validation",
        "test": "test",
        "testing": "test",
    }
)
"""What files and folders call the splits, in lower case."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form in which inputs are wanted; ``None`` leaves it to the data.

    Attributes:
        size: height and width of images, in pixels.
        channels: of images: 1 (grey) or 3 (RGB).
        length: of texts, in tokens.
        checked: other images, by their indexes: of these it is only checked whether they can be read in this form.
        logs: whether skewed columns of a table are logarithms as well.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    length: int | None = None
    checked: Sequence[int] = ()
    logs: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What networks are given.

    Attributes:
        values: uint8 images ``(N, C, H, W)``, int32 tokens ``(N, L)`` or float32 table rows ``(N, F)``.
        notes: what was done to them that a user should know.
        text: of texts, how they became tokens.
        table: of tables, how columns became features.
    """

    values: NDArray[Any]
    notes: tuple[str, ...] = ()
    text: TextTraits | None = None
    table: TableTraits | None = None


@dataclass(frozen=True, slots=True)
class Portions:
    """Percent of all inputs that become test and validation split, where the data bring neither."""

    test: int = 15
    validation: int = 15


PAPER_PORTIONS = Portions(test=20, validation=8)
"""The paper's 8:2. The search may not see the test split, so a tenth of the 80 % validates."""


Read = Callable[[Sequence[int], Sequence[int], Wanted], Inputs]
"""Reads the inputs of the second indexes, in their order; what is learned from data (a vocabulary, means) is learned
from the first indexes, the training split."""


@dataclass(frozen=True, slots=True)
class Source:
    """All of a data set, not yet read.

    Attributes:
        name: for people and prompts.
        class_names: the name of each label; empty for regression.
        labels: one for each input; for regression all 0, since there is nothing to stratify by.
        keys: what each input is called: unique, and the same on every machine.
        parts: where the data set itself puts each input; splits that it lacks are taken from ``train``.
        flip: whether a mirrored input keeps its label.
        read: reads inputs.
        notes: sentences that a user should read.
        few: those of the notes that may be why a class has few inputs.
        kind: of the inputs.
        portions: how large the splits are that the data lack.
        side: of the square that images are brought to if the user names none.
        targets: for regression, the number to predict for each input.
        target_name: of what is predicted, for regression.
    """

    name: str
    class_names: tuple[str, ...]
    labels: Sequence[int]
    keys: Sequence[str]
    parts: Sequence[Part]
    flip: bool
    read: Read
    notes: tuple[str, ...] = ()
    few: tuple[str, ...] = ()
    kind: TaskKind = "image"
    portions: Portions = Portions()
    side: int | None = None
    targets: Sequence[float] | None = None
    target_name: str = "target"

    @property
    def noun(self) -> str:
        """What an input is called: ``image``, ``text`` or ``row``."""
        return "row" if self.kind == "table" else self.kind
