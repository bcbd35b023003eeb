"""When two weights are equal."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from lemonade_es.rules.analysis.vector import levels
from lemonade_es.rules.selftest import TOLERANCE
from lemonade_es.rules.tie import level, total


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.3, 0.1 + 0.2), (0.8, 0.7 + 0.1), (0.5, 0.5 - 2**-54), (1e-300, 1e-300 * (1 - 2**-53)), (0.0, -0.0)],
)
def test_weights_that_differ_by_chance_are_equal(one, other):
    assert level(one) == level(other)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([0.1, 0.2, -0.3], 0.0),
        ([-0.3, 0.1, 0.2], 0.0),
        ([0.1, 0.2, -0.3, 1e-9], pytest.approx(1e-9, rel=1e-6)),
        ([5e-324, 5e-324], 1e-323),
        ([sys.float_info.max] * 2, float("inf")),
        ([-0.5], -0.5),
        ([0.0], 0.0),
    ],
)
def test_of_weights_that_cancel_out_nothing_is_left(parts, expected):
    assert total(parts) == expected


def test_a_heavier_weight_never_has_a_lower_level():
    rng = random.Random(1)
    weights = sorted(rng.choice([-1, 1]) * 10 ** rng.uniform(-12, 12) for _ in range(2000))
    weights += [weights[-1], 1e300, sys.float_info.max, float("inf")]
    found = [level(weight) for weight in weights]
    assert found == sorted(found)


def test_equal_weights_are_equal_to_the_tests_of_a_rulebook():
    rng = random.Random(2)
    for _ in range(5000):
        one = rng.uniform(0.5, 1)
        other = one * (1 + rng.uniform(-2, 2) * TOLERANCE)
        if level(one) == level(other):
            assert abs(one - other) <= TOLERANCE * max(one, other)


def test_many_weights_at_once_have_the_same_levels():
    rng = random.Random(3)
    weights = [rng.uniform(-3, 3) for _ in range(1000)] + [0.0, 5e-324, sys.float_info.max, float("inf")]
    assert levels(np.asarray(weights)).tolist() == [level(weight) for weight in weights]
