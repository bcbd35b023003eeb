from __future__ import annotations

import numpy as np
import pytest

from lemonade_es.trainer.data.dataset import LEAST_STD, Dataset, assemble
from lemonade_es.trainer.data.source import Inputs


def assembled(train: np.ndarray, *, test_keys: tuple[str, ...] = ("a", "b")) -> Dataset:
    labels = np.zeros(len(train) + 1, dtype=np.int64)
    labels[-1] = 1
    return assemble(
        "made-up",
        inputs=Inputs(np.concatenate([train, np.zeros_like(train[:1])])),
        split_at=len(train),
        labels=labels,
        class_names=("cat", "dog"),
        flip=True,
        test_keys=test_keys,
        test_labels=[0] * len(test_keys),
    )


def test_statistics_are_for_each_channel_and_exact_over_many_images():
    train = np.random.default_rng(0).integers(0, 256, (1500, 3, 4, 5), dtype=np.uint8)
    train[:, 1] //= 2
    found = assembled(train)
    scaled = train.astype(np.float64) / 255
    assert found.mean == pytest.approx(scaled.mean(axis=(0, 2, 3)))
    assert found.std == pytest.approx(scaled.std(axis=(0, 2, 3)))


def test_a_constant_channel_can_still_be_divided_by_its_std():
    assert assembled(np.full((3, 1, 4, 4), 200, dtype=np.uint8)).std == (LEAST_STD,)


def test_one_changed_pixel_label_or_test_key_changes_the_fingerprint():
    train = np.zeros((3, 1, 4, 4), dtype=np.uint8)
    changed = train.copy()
    changed[2, 0, 3, 3] = 1
    prints = {
        assembled(train).fingerprint,
        assembled(changed).fingerprint,
        assembled(train[:2].copy()).fingerprint,
        assembled(train.copy(), test_keys=("a", "c")).fingerprint,
    }
    assert len(prints) == 4


def test_the_test_split_is_counted():
    assert assembled(np.zeros((3, 1, 4, 4), dtype=np.uint8), test_keys=("a", "b", "c")).test_count == 3


def test_the_test_split_is_counted_by_class():
    assert assembled(np.zeros((3, 1, 4, 4), dtype=np.uint8), test_keys=("a", "b", "c")).test_class_counts == (3, 0)
