"""Published batches that are Python pickles, read by an unpickler that can build arrays and containers alone.

A file that was tampered with cannot run code: every other name in it is refused before it is called.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, BinaryIO

from lemonade_es.errors import DataError

_NUMBERS = frozenset(f"{letter}{size}" for letter in "iuf" for size in (1, 2, 4, 8)) - {"f1"}

_DAMAGED = (
    *(OSError, pickle.UnpicklingError, ValueError, TypeError, LookupError, EOFError, AttributeError),
    *(MemoryError, OverflowError),  # of lengths that no file has
)


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a file: numbers, texts, lists and arrays of numbers.

    Raises:
        DataError: the file cannot be read, is damaged, asks for anything else, or holds no dictionary.
    """
    try:
        with path.open("rb") as file:
            content = _ArrayUnpickler(file).load()
    except _DAMAGED as error:
        raise strange(path, str(error) or type(error).__name__) from error
    if not isinstance(content, dict):
        raise strange(path, f"a {type(content).__name__} where a dictionary should be")
    return content


def image_batch(path: Path, side: int, labels: str, allowed: range) -> tuple[Any, list[int]]:
    """Pixels, uint8 ``(N, 3, side, side)``, and labels of one file.

    Args:
        path: the file; its pixels are under ``data``, the red plane first.
        side: of an image, in pixels.
        labels: the key of the labels.
        allowed: labels that there may be.

    Raises:
        DataError: it is no such file.
    """
    import numpy as np

    entry = read_pickle(path)
    pixels, found = entry.get("data"), entry.get(labels)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3 * side**2,):
        raise strange(path, f"'data' is no uint8 array of {3 * side**2} columns")
    if isinstance(found, np.ndarray):
        found = found.tolist()
    if not isinstance(found, list) or len(found) != len(pixels):
        raise strange(path, f"{labels!r} is no list of {len(pixels)} labels")
    if not all(isinstance(label, int) and label in allowed for label in found):
        raise strange(path, f"{labels!r} holds something else than labels from {allowed.start} to {allowed.stop - 1}")
    return pixels.reshape(-1, 3, side, side), found


def strange(path: Path, what: str) -> DataError:
    """The error for a file that is not what its name says."""
    return DataError(
        f"not a file of the published data set: {what}",
        where=str(path),
        hint="remove its folder and fetch the data set anew",
    )


class _ArrayUnpickler(pickle.Unpickler):
    """Numpy arrays of numbers in plain containers, as Python 2 pickled them; every other name is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        import numpy as np

        match module, name:
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return np.empty(0).__reduce__()[0]  # the same function under numpy 1's and numpy 2's name
            case "numpy", "ndarray":
                return np.ndarray
            case "numpy", "dtype":
                return _dtype
            case "_codecs", "encode":  # how Python 3 writes bytes for protocol 2
                return _encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no such file needs")


def _dtype(name: str, align: object = False, copy: object = False) -> Any:
    """A type of plain numbers; its flags come as 0 and 1, which numpy 2.4 begins to deprecate."""
    import numpy as np

    if name not in _NUMBERS:
        raise pickle.UnpicklingError(f"an array of {name!r}, which no such file has")
    return np.dtype(name, bool(align), bool(copy))


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}, which no such file has")
    return text.encode("latin1")
