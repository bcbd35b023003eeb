"""A data set's arrays in nameless files, for the zygote to map: one copy for all candidates."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.dataset import Dataset

ArrayName = Literal["train", "train_labels", "validation"]


class SharedArrays:
    """Training inputs and labels and validation inputs of a data set; its validation labels stay here.

    The files have no name: nobody else can open them, and however this process ends, they go with it.

    Args:
        dataset: whose arrays to share.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._arrays: Mapping[ArrayName, NDArray[Any]] = {
            "train": dataset.train,
            "train_labels": dataset.train_labels,
            "validation": dataset.validation,
        }
        self._files: dict[ArrayName, IO[bytes]] = {}

    @property
    def nbytes(self) -> int:
        """Of all of them."""
        return sum(array.nbytes for array in self._arrays.values())

    def described(self) -> list[dict[str, object]]:
        """Name, type and shape of each, in the order of :meth:`descriptors`."""
        return [
            {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)} for name, array in self._arrays.items()
        ]

    def descriptors(self) -> list[int]:
        """An open file for each; they are written when they are first asked for.

        Raises:
            DataError: there is no room for them.
        """
        if not self._files:
            try:
                with _room():
                    self._write()
            except DataError:
                self.close()
                raise
        return [file.fileno() for file in self._files.values()]

    @contextlib.contextmanager
    def hidden(self, name: ArrayName) -> Iterator[Callable[[int], None]]:
        """For children that have not looked yet, an array is zeros until it is shown; afterwards all of it is there.

        Args:
            name: of the array.

        Yields:
            What shows one entry, by its row, and hides the one that it showed before.

        Raises:
            DataError: there is no room for it, when an entry is shown or afterwards.
        """
        array = self._arrays[name]
        self.descriptors()
        file = self._files[name]
        number, size = file.fileno(), array[:1].nbytes
        shown: list[int] = []

        def show(row: int) -> None:
            entry = np.ascontiguousarray(array[row]).tobytes()
            with _room():
                for before in shown:
                    os.pwrite(number, bytes(size), before * size)
                os.pwrite(number, entry, row * size)
            shown[:] = [row]

        try:
            with _room():  # cut off, pages are gone for all who have mapped them, even those that they have written to
                os.ftruncate(number, 0)
                os.ftruncate(number, array.nbytes)
            yield show
        finally:
            with _room():
                file.seek(0)
                array.tofile(file)
                file.flush()

    def close(self) -> None:
        """Gives the room back."""
        for file in self._files.values():
            file.close()
        self._files = {}

    def _write(self) -> None:
        for name, array in self._arrays.items():
            self._files[name] = tempfile.TemporaryFile()  # noqa: SIM115  (it stays open)
            array.tofile(self._files[name])
            self._files[name].flush()


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Tells where the system refuses to write."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the training set cannot be written to {tempfile.gettempdir()}: {error.strerror or error}",
            hint="set TMPDIR to a folder with more room",
        ) from None
