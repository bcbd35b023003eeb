"""CIFAR-10 as 60,000 JPEG files: real photographs in a real tree."""

from __future__ import annotations

import tarfile
import time
from pathlib import Path

import pytest

from lemonade_es.trainer.data import load

ARCHIVE = Path(__file__).parents[4] / "shared" / "data" / "cifar10.tar.xz"
PER_CLASS = 500

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared_data,
    pytest.mark.skipif(not ARCHIVE.exists(), reason=f"the real images are not there: {ARCHIVE}"),
]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """5,000 training and 100 test images of each class (all there are would take a minute to unpack)."""
    root = tmp_path_factory.mktemp("photographs")
    taken: dict[Path, int] = {}
    with tarfile.open(ARCHIVE) as tar:
        for member in tar:
            folder = Path(member.name).parent
            if member.isfile() and taken.get(folder, 0) < PER_CLASS:
                taken[folder] = taken.get(folder, 0) + 1
                tar.extract(member, root, filter="data")
    return root / "cifar10"


def test_five_thousand_jpegs_are_read_in_seconds(photographs):
    load(str(photographs), limit=100)  # imports
    started = time.process_time()
    found = load(str(photographs))
    assert time.process_time() - started < 3  # processor seconds of all threads: a busy machine does not count
    assert (len(found.train), len(found.validation), found.test_count) == (4500, 500, 5000)


def test_real_photographs_have_the_known_statistics_of_cifar(photographs):
    found = load(str(photographs))
    assert found.mean == pytest.approx((0.491, 0.482, 0.447), abs=0.02)
    assert found.std == pytest.approx((0.247, 0.243, 0.262), abs=0.02)
    assert found.class_names[0] == "airplane"
    assert found.notes == ()
