"""The shared copy of a data set: who has mapped it sees validation inputs when they are shown, and not before."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.arrays import SharedArrays
from lemonade_es.trainer.data.dataset import Dataset


@pytest.fixture
def arrays(toy: Dataset):
    shared = SharedArrays(toy)
    yield shared
    shared.close()


def mapped(arrays: SharedArrays, like: np.ndarray) -> np.ndarray:
    """The validation inputs as the isolated process maps them."""
    with os.fdopen(os.dup(arrays.descriptors()[2]), "rb") as file:
        return np.memmap(file, like.dtype, "c", shape=like.shape)


@pytest.mark.parametrize("touched", [False, True])
def test_validation_inputs_are_seen_one_at_a_time_and_then_all(arrays: SharedArrays, toy: Dataset, touched) -> None:
    seen = mapped(arrays, toy.validation)
    if touched:
        assert (seen == toy.validation).all()
    with arrays.hidden("validation") as show:
        assert not seen.any()
        for row in (3, 5):
            show(row)
            assert np.flatnonzero(seen.reshape(len(seen), -1).any(1)).tolist() == [row]
            assert (seen[row] == toy.validation[row]).all()
    assert (seen == toy.validation).all()


def test_what_a_process_wrote_over_inputs_is_gone_when_they_are_hidden_and_when_they_are_back(
    arrays: SharedArrays, toy: Dataset
) -> None:
    seen = mapped(arrays, toy.validation)
    seen[:] = 7
    with arrays.hidden("validation"):
        assert not seen.any()
    assert (seen == toy.validation).all()


@pytest.mark.parametrize("call", ["pwrite", "ftruncate"])
def test_a_full_disk_is_told_and_the_inputs_are_there_again(
    arrays: SharedArrays, toy: Dataset, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    seen = mapped(arrays, toy.validation)
    done = getattr(os, call)

    def refuse(number: int, *given: object) -> None:
        if given == (0,):  # to give room back takes none
            done(number, *given)
        else:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(DataError, match="No space left on device"), arrays.hidden("validation") as show:
        show(0)
    assert (seen == toy.validation).all()


def test_validation_inputs_are_there_again_after_a_failure(arrays: SharedArrays, toy: Dataset) -> None:
    seen = mapped(arrays, toy.validation)
    with pytest.raises(IndexError), arrays.hidden("validation") as show:
        show(len(seen))
    assert (seen == toy.validation).all()
    assert (mapped(arrays, toy.validation) == toy.validation).all()
