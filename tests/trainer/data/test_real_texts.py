"""12,500 reviews of IMDb: real texts in the columns of the public file."""

from __future__ import annotations

import lzma
import time
from pathlib import Path

import numpy as np
import pytest

from lemonade_es.trainer.data import load

ARCHIVE = Path(__file__).parents[4] / "shared" / "data" / "imdb.csv.xz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared_data,
    pytest.mark.skipif(not ARCHIVE.exists(), reason=f"the real reviews are not there: {ARCHIVE}"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    with lzma.open(ARCHIVE) as packed:
        (folder / "imdb.csv").write_bytes(packed.read())
    return folder


@pytest.fixture(scope="module")
def reviews(root):
    return load("imdb", root=root)


def test_real_reviews_are_read_in_seconds(root):
    started = time.process_time()
    load("imdb", root=root)
    assert time.process_time() - started < 10  # processor seconds: a busy machine does not count


def test_each_review_is_in_one_split_and_repetitions_are_told(reviews):
    assert len(reviews.train) + len(reviews.validation) + reviews.test_count == 12_500 - 26
    assert reviews.notes[0].startswith("26 rows repeating another one word for word were left out: line ")
    assert reviews.class_names == ("negative", "positive")
    assert np.bincount(reviews.train_labels).min() > 4000


def test_line_breaks_of_the_file_are_no_words(reviews):
    vocabulary = reviews.text.vocabulary
    assert vocabulary[2:4] == ("the", "a")
    assert {"br", "http", "https", "www", "&", "<"}.isdisjoint(vocabulary[:5000])
    assert reviews.train.shape[1] == 256
    assert reviews.text.unknown < 0.05


def test_words_that_praise_are_more_frequent_in_praise(reviews):
    def share(word, label):
        token = reviews.text.vocabulary.index(word)
        return (reviews.train[reviews.train_labels == label] == token).any(axis=1).mean()

    for word in ("excellent", "wonderful", "superb"):
        assert share(word, 1) > 2 * share(word, 0)
    for word in ("worst", "awful", "waste"):
        assert share(word, 0) > 2 * share(word, 1)
