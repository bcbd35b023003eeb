"""What was learned from the training split on the way to numbers: a vocabulary, columns, a target's scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TextTraits:
    """How texts became tokens.

    Attributes:
        vocabulary: the word of each token; token 0 is padding, token 1 stands for all words that are not in it.
        length: tokens that a text is cut or padded to.
        lengths: of the training texts before cutting, in tokens: the smallest, the 10th, 50th and 90th
            percentile, and the largest.
        cut: share of the training texts that are longer than ``length``.
        unknown: share of the training and validation words that are not in the vocabulary.
    """

    vocabulary: tuple[str, ...]
    length: int
    lengths: tuple[int, int, int, int, int]
    cut: float
    unknown: float


@dataclass(frozen=True, slots=True)
class Log:
    """The logarithm of skewed numbers: ``sign(value) log(1 + |value| / scale)``, standardised.

    Attributes:
        scale: where it begins: smaller numbers stay nearly as they are.
        mean: of the logarithms, over the training split.
        std: likewise.
    """

    scale: float
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Column:
    """What became of one column of a table; figures are those of the training split.

    Attributes:
        name: as in the header.
        kind: ``number`` (standardised, a skewed one as logarithm, too), ``category`` (one feature for each value), or
            ``unused``.
        features: how many features it gives.
        missing: cells without a value.
        mean: of a number.
        std: of a number; at least the smallest normal one.
        median: of a number; it stands in for missing values.
        categories: the values of a category that have a feature, most frequent first; an empty one is missing.
        rest: how many values of a category have no feature.
        why: why an unused column is not used.
        decimal_comma: whether its numbers may be written ``3,14``.
        decimal_points: whether one of its numbers has a point that can part no thousands.
        log: of a skewed number, the logarithm that is its second feature.
    """

    name: str
    kind: Literal["number", "category", "unused"]
    features: int
    missing: int
    mean: float | None = None
    std: float | None = None
    median: float | None = None
    categories: tuple[str, ...] = ()
    rest: int = 0
    why: str | None = None
    decimal_comma: bool = False
    decimal_points: bool = False
    log: Log | None = None


@dataclass(frozen=True, slots=True)
class TableTraits:
    """How columns became features, in the order of the file.

    Attributes:
        columns: of the file, but for the target and the column that names splits.
        delimiter: what separates the fields of the file.
    """

    columns: tuple[Column, ...]
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Target:
    """The scale of a regression's target: labels are ``(value - mean) / std``.

    Attributes:
        name: of the column.
        mean: over the training split, in the target's own unit.
        std: likewise.
        low: the smallest value in the training split.
        high: the largest.
    """

    name: str
    mean: float
    std: float
    low: float
    high: float
