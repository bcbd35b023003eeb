"""A data set's arrays in nameless files, for the zygote to map: one copy for all candidates."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import IO, Any

from numpy.typing import NDArray

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.dataset import Dataset


class SharedArrays:
    """Training inputs and labels and validation inputs of a data set; its validation labels stay here.

    The files have no name: nobody else can open them, and however this process ends, they go with it.

    Args:
        dataset: whose arrays to share.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._arrays: Mapping[str, NDArray[Any]] = {
            "train": dataset.train,
            "train_labels": dataset.train_labels,
            "validation": dataset.validation,
        }
        self._files: dict[str, IO[bytes]] = {}

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
                self._write()
            except OSError as error:
                self.close()
                raise DataError(
                    f"the training set cannot be written to {tempfile.gettempdir()}: {error.strerror or error}",
                    hint="set TMPDIR to a folder with more room",
                ) from None
        return [file.fileno() for file in self._files.values()]

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
