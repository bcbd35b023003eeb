"""The embedded default: 1797 handwritten digits, 8x8, grey, from scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

from lemonade_es.trainer.data.decoding import resized
from lemonade_es.trainer.data.source import Inputs, Source, Wanted


def digits() -> Source:
    """The digits of scikit-learn (a copy of the UCI test set), all of them still to be split."""
    import numpy as np
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]

    def read(_: Sequence[int], indexes: Sequence[int], wanted: Wanted) -> Inputs:
        return Inputs(resized(pixels[list(indexes)], wanted.size))

    return Source(
        name="digits",
        class_names=tuple(str(digit) for digit in range(10)),
        labels=[int(label) for label in bunch.target],
        keys=[str(index) for index in range(len(pixels))],
        parts=["train"] * len(pixels),
        flip=False,
        read=read,
    )
