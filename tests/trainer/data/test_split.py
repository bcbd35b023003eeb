from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.source import Inputs, Part, Source, Wanted
from lemonade_es.trainer.data.split import Split, divide, limited, mixed, portions, shares

CLASS_SIZES = st.lists(st.integers(3, 60), min_size=2, max_size=8)


def source_of(sizes: list[int], *, validation: list[int] | None = None, test: list[int] | None = None) -> Source:
    """A source with so many images in each class of each part."""
    labels: list[int] = []
    parts: list[Part] = []
    given_parts: list[tuple[Part, list[int] | None]] = [("train", sizes), ("validation", validation), ("test", test)]
    for part, counts in given_parts:
        for label, count in enumerate(counts or []):
            labels += [label] * count
            parts += [part] * count
    return Source(
        name="made-up",
        class_names=tuple(f"class-{label}" for label in range(len(sizes))),
        labels=labels,
        keys=[f"image-{index}" for index in range(len(labels))],
        parts=parts,
        flip=True,
        read=never_read,
    )


def never_read(learned: object, indexes: object, wanted: Wanted) -> Inputs:
    raise AssertionError("a split must not decode anything")


def per_class(source: Source, indexes: tuple[int, ...]) -> list[int]:
    found = [source.labels[index] for index in indexes]
    return [found.count(label) for label in range(len(source.class_names))]


def everything(split: Split) -> list[int]:
    return sorted((*split.train, *split.validation, *split.test))


@given(CLASS_SIZES, st.integers())
def test_a_split_is_complete_and_its_parts_share_no_image(sizes, seed):
    split = divide(source_of(sizes), seed)
    assert everything(split) == list(range(sum(sizes)))


def tells_its_class(source: Source, split: Split) -> bool:
    """Whether the last validation input is of the class that is learned from last, whose share took the longest."""
    learned = [source.labels[index] for index in split.train]
    return source.labels[split.validation[-1]] == max(set(learned), key=learned.index)


@pytest.mark.parametrize("limit", [None, 200])
def test_the_place_of_an_input_in_its_part_tells_nothing_of_its_class(limit):
    source = source_of([30] * 10)
    told = {"before": 0, "after": 0}
    for seed in range(300):
        before = divide(source, seed) if limit is None else limited(divide(source, seed), limit, source)
        after = mixed(before, source, seed)
        assert after.train == before.train
        assert everything(after) == everything(before)
        told["before"] += tells_its_class(source, before)
        told["after"] += tells_its_class(source, after)
    assert told["before"] > 90
    assert 12 <= told["after"] <= 48  # one in ten, within three standard deviations and a half


@given(CLASS_SIZES, st.integers())
def test_each_class_gets_its_share_within_one_image_and_at_least_one(sizes, seed):
    source = source_of(sizes)
    split = divide(source, seed)
    for part in (split.test, split.validation):
        for count, size in zip(per_class(source, part), sizes, strict=True):
            assert abs(count - 0.15 * size) < 1
            assert count >= 1
    assert min(per_class(source, split.train)) >= 1


@given(CLASS_SIZES, st.integers())
def test_the_same_seed_gives_the_same_split(sizes, seed):
    assert divide(source_of(sizes), seed) == divide(source_of(sizes), seed)


@given(st.integers(), st.integers())
def test_another_seed_gives_another_split(seed, other):
    source = source_of([40, 40])
    assert (divide(source, seed) == divide(source, other)) == (seed == other)


@given(st.permutations(range(30)), st.integers())
def test_the_order_in_which_files_are_listed_does_not_matter(order, seed):
    source = source_of([10, 20])
    shuffled = Source(
        name=source.name,
        class_names=source.class_names,
        labels=[source.labels[index] for index in order],
        keys=[source.keys[index] for index in order],
        parts=source.parts,
        flip=True,
        read=never_read,
    )
    split, again = divide(source, seed), divide(shuffled, seed)
    for part in ("train", "validation", "test"):
        assert [source.keys[i] for i in getattr(split, part)] == [shuffled.keys[i] for i in getattr(again, part)]


def test_a_split_does_not_depend_on_the_hash_seed():
    code = (
        "from lemonade_es.trainer.data.digits import digits\n"
        "from lemonade_es.trainer.data.split import divide\n"
        "print(divide(digits(), 3).test)"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert len(printed.pop().split(",")) == 270


@given(CLASS_SIZES, st.integers(0, 5), st.data())
def test_a_limit_is_kept_exactly_and_no_image_changes_its_part(sizes, seed, data):
    source = source_of(sizes)
    whole = divide(source, seed)
    searched = len(whole.train) + len(whole.validation)
    limit = data.draw(st.integers(2 * len(sizes), searched))
    part = limited(whole, limit, source)
    assert len(part.train) + len(part.validation) == limit
    assert set(part.train) <= set(whole.train)
    assert set(part.validation) <= set(whole.validation)
    assert part.test == whole.test
    assert min(per_class(source, part.train)) >= 1
    assert min(per_class(source, part.validation)) >= 1


def test_a_limit_keeps_the_proportions_of_the_classes():
    source = source_of([400, 200, 100])
    part = limited(divide(source, 0), 119, source)
    assert per_class(source, (*part.train, *part.validation)) == [68, 34, 17]


def test_a_limit_above_all_images_takes_all():
    source = source_of([10, 10])
    split = divide(source, 0)
    assert limited(split, 1000, source) == split


def test_a_limit_that_leaves_a_class_out_says_what_the_least_is():
    source = source_of([10, 10, 10])
    with pytest.raises(DataError, match="limit of 5 image") as raised:
        limited(divide(source, 0), 5, source)
    assert raised.value.hint == "use --limit 6 or more"


def test_a_test_split_of_the_data_is_kept_and_a_tenth_of_training_validates():
    source = source_of([100, 50], test=[7, 9])
    split = divide(source, 0)
    assert per_class(source, split.test) == [7, 9]
    assert per_class(source, split.validation) == [10, 5]


def test_a_class_with_two_images_still_gives_one_to_validation():
    source = source_of([2, 2], test=[1, 1])
    assert per_class(source, divide(source, 0).validation) == [1, 1]


def test_given_splits_are_all_kept():
    source = source_of([5, 5], validation=[2, 3], test=[1, 4])
    split = divide(source, 0)
    assert [per_class(source, part) for part in (split.train, split.validation, split.test)] == [[5, 5], [2, 3], [1, 4]]


def test_validation_without_test_takes_the_test_split_from_training():
    source = source_of([20, 40], validation=[4, 4])
    split = divide(source, 0)
    assert per_class(source, split.test) == [3, 6]
    assert per_class(source, split.validation) == [4, 4]


def test_too_small_classes_are_named_with_their_counts():
    with pytest.raises(DataError) as raised:
        divide(source_of([2, 9, 1, 1, 2]), 0)
    assert "'class-0' has 2, 'class-2' has 1, 'class-3' has 1 and 1 more" in str(raised.value)
    assert "each class needs 3" in str(raised.value)


def test_a_validation_split_without_a_class_is_refused():
    with pytest.raises(DataError, match=r"no image of 1 class: 'class-1'"):
        divide(source_of([5, 5], validation=[2, 0]), 0)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.integers(1, 99))
def test_shares_are_right_within_one_each(counts, percent):
    for count, share in zip(counts, shares(counts, percent), strict=True):
        assert share == 1 or abs(share - count * percent / 100) < 1


@settings(max_examples=200)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.data())
def test_portions_have_the_wanted_sum_and_never_more_than_there_is(counts, data):
    total = data.draw(st.integers(len(counts), sum(counts)))
    counted = portions(counts, total)
    assert sum(counted) == total
    assert all(1 <= portion <= count for portion, count in zip(counted, counts, strict=True))
