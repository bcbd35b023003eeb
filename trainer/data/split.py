"""Who learns, who judges, who waits: stratified splits that depend on the seed and the inputs' keys alone.

An input's place in the order of its class is a digest of the seed and its key. So a split does not change
with the order of a directory, with the Python or numpy that runs, or with ``PYTHONHASHSEED``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.columns import number
from lemonade_es.trainer.data.names import first_three
from lemonade_es.trainer.data.source import Source
from lemonade_es.wording import counted

VALIDATION_PERCENT_OF_TRAIN = 10
"""Of the training inputs, where the data bring a test split alone."""


@dataclass(frozen=True, slots=True)
class Split:
    """Indexes of inputs, each part in a seeded random order; no input is in two parts."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def divide(source: Source, seed: int) -> Split:
    """Split a source: its own splits are kept, and those that it lacks are taken from its training inputs.

    Test inputs are chosen first and validation inputs next, class by class, each class's share rounded up
    or down by less than one input, and at least one input. Training gets the rest.

    Raises:
        DataError: a class has too few inputs, or the source's own validation split lacks a class.
    """
    order = _shuffled(source.keys, seed)
    given = {part: [i for i in order if source.parts[i] == part] for part in ("train", "validation", "test")}
    _refuse_small_classes(source, given["train"], missing=[p for p in ("validation", "test") if not given[p]])
    _refuse_missing_classes(source, given["validation"])

    pool = _by_class(given["train"], source.labels)
    counts = [len(members) for members in pool.values()]
    test_counts = [0] * len(pool) if given["test"] else shares(counts, source.portions.test)
    if given["validation"]:
        validation_counts = [0] * len(pool)
    else:
        percent = VALIDATION_PERCENT_OF_TRAIN if given["test"] else source.portions.validation
        validation_counts = shares(counts, percent)

    test, validation = set(given["test"]), set(given["validation"])
    for members, for_test, for_validation in zip(pool.values(), test_counts, validation_counts, strict=True):
        test.update(members[:for_test])
        validation.update(members[for_test : for_test + for_validation])
    return Split(
        train=tuple(i for i in given["train"] if i not in test and i not in validation),
        validation=tuple(i for i in order if i in validation),
        test=tuple(i for i in order if i in test),
    )


def limited(split: Split, limit: int, source: Source) -> Split:
    """A split with ``limit`` training and validation inputs together, in the proportions of ``split``.

    The test split stays whole, no input changes its part, and each class keeps at least one input for
    training and one for validation. A limit above what there is takes everything.

    Raises:
        DataError: the limit is too small for that.
    """
    if limit >= len(split.train) + len(split.validation):
        return split
    parts = (split.train, split.validation)
    strata = [members for part in parts for members in _by_class(part, source.labels).values()]
    each = 1 if source.targets is None else 2
    least = each * len(strata)
    if limit < least:
        needed = f"{len(source.class_names)} classes need one training and one validation {source.noun} each"
        if source.targets is not None:
            needed = f"training and validation need two {source.noun}s each"
        raise DataError(
            f"a limit of {counted(limit, source.noun)} is too small: {needed}",
            where=source.name,
            hint=f"use --limit {least} or more",
        )
    chosen: set[int] = set()
    counts = portions([len(members) for members in strata], limit, least=each)
    for members, count in zip(strata, counts, strict=True):
        chosen.update(members[:count])
    train, validation = (tuple(i for i in part if i in chosen) for part in parts)
    return Split(train, validation, split.test)


def mixed(split: Split, source: Source, seed: int) -> Split:
    """A split whose validation and test inputs are in an order that tells nothing of their classes.

    The first so many of each class are in a part: in the order that they were taken in, a class ends where its share
    does, and a network that is asked for single inputs could guess from their places. The training inputs, whose
    labels it has anyway, keep theirs.

    Args:
        split: of the source.
        source: whose keys decide.
        seed: likewise.
    """
    place = {index: rank for rank, index in enumerate(_shuffled(source.keys, seed, "within its part: "))}
    validation, test = (tuple(sorted(part, key=place.__getitem__)) for part in (split.validation, split.test))
    return Split(split.train, validation, test)


def shares(counts: Sequence[int], percent: int) -> list[int]:
    """``percent`` of each count, rounded up or down so that the sum is right, but at least 1."""
    return [max(1, share) for share in _rounded(counts, percent, 100)]


def portions(counts: Sequence[int], total: int, *, least: int = 1) -> list[int]:
    """``total`` shared out in proportion to ``counts``, ``least`` for each or more, which ``total`` must allow."""
    counted = [max(least, share) for share in _rounded(counts, total, sum(counts))]
    for _ in range(sum(counted) - total):  # what the smallest got too much comes from the largest
        counted[counted.index(max(counted))] -= 1
    return counted


def _rounded(counts: Sequence[int], numerator: int, denominator: int) -> list[int]:
    """``counts * numerator / denominator``, by largest remainder: each and the sum are off by less than 1."""
    quotas = [divmod(count * numerator, denominator) for count in counts]
    rounded = [whole for whole, _ in quotas]
    missing = (2 * sum(counts) * numerator + denominator) // (2 * denominator) - sum(rounded)
    by_remainder = sorted(range(len(counts)), key=lambda index: -quotas[index][1])
    for index in by_remainder[:missing]:
        rounded[index] += 1
    return rounded


def _shuffled(keys: Sequence[str], seed: int, purpose: str = "") -> list[int]:
    def place(index: int) -> tuple[bytes, str]:
        key = keys[index]
        return hashlib.sha256(f"{purpose}{seed}:{key}".encode("utf-8", "surrogateescape")).digest(), key

    return sorted(range(len(keys)), key=place)


def _by_class(indexes: Iterable[int], labels: Sequence[int]) -> dict[int, list[int]]:
    """The indexes of each class, in the order given; classes in the order of their labels."""
    members: dict[int, list[int]] = {}
    for index in indexes:
        members.setdefault(labels[index], []).append(index)
    return dict(sorted(members.items()))


def _refuse_small_classes(source: Source, train: Sequence[int], *, missing: Sequence[str]) -> None:
    needed = 1 + len(missing)
    names, members = source.class_names, _by_class(train, source.labels)
    small = [
        f"{name!r} has {len(members.get(label, []))}"
        for label, name in enumerate(names)
        if len(members.get(label, [])) < needed
    ]
    if small:
        what = ", ".join(["training", *missing])
        quantity = source.kind == "table" and all(number(name, decimal_comma=True) is not None for name in names)
        raise DataError(
            "; ".join(
                [
                    f"too few {source.noun}s in {counted(len(small), 'class')}: {first_three(small)}",
                    f"each class needs {needed}, one for each of: {what}",
                    *source.few,
                ]
            ),
            where=source.name,
            hint=f"add {source.noun}s to these classes, or remove {_theirs(source)}"
            + ("; or give --task regression, to predict the number" if quantity else ""),
        )


def _refuse_missing_classes(source: Source, validation: Sequence[int]) -> None:
    if not validation:
        return
    present = {source.labels[index] for index in validation}
    absent = [repr(name) for label, name in enumerate(source.class_names) if label not in present]
    if absent:
        raise DataError(
            f"the validation split has no {source.noun} of {counted(len(absent), 'class')}: " + first_three(absent),
            where=source.name,
            hint=f"add one, or have no validation split: it is then taken from the training {source.noun}s",
        )


def _theirs(source: Source) -> str:
    return "their folders" if source.kind == "image" else "their rows"
