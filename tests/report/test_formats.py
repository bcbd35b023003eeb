from __future__ import annotations

import pytest

from lemonade_es.report.formats import count, duration, shape, spread_told, value, weighted
from lemonade_es.task import Task


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0124, "12 ms"),
        (12.44, "12.4 s"),
        (185, "3 min 05 s"),
        (59.99, "1 min 00 s"),
        (59.94, "59.9 s"),
        (0.9996, "1.0 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_are_short_and_in_fitting_units(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (7, "7"),
        (123.456, "123"),
        (7910, "7.91k"),
        (4_050_000, "4.05M"),
        (1.2e9, "1.2G"),
        (999_500, "1M"),
        (999.6, "1k"),
    ],
)
def test_counts_have_a_suffix(number, text):
    assert count(number) == text


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("V_Acc", 0.9777, "97.77%"),
        ("F", 9843.5, "9,844 1/s"),
        ("F", 0.4, "0.4 1/s"),
        ("W", 9.51, "9.51 mW"),
        ("F", 0.0, "0 1/s"),
        ("S", 0.0333, "0.0333 MB"),
        ("L", None, "-"),
    ],
)
def test_a_metric_is_shown_with_its_unit_and_a_missing_one_as_a_dash(name, number, text):
    assert value(name, number, unit=True) == text


def test_instructions_are_shown_with_their_weights():
    assert weighted({"ACL": 1.5, "AD": 0.5}) == "ACL 1.5, AD 0.5"


@pytest.mark.parametrize(
    ("number", "spread", "told"),
    [
        (1.25, 0.5, "1.25"),
        (1234567.0, 4e5, "1234567"),
        (1e9 + 10.733, 3.85, "1000000010.733"),
        (5.0, 0.0, "5"),
        (7.2e-41, 3e-41, "7.2e-41"),
    ],
)
def test_a_number_has_the_digits_that_tell_it_from_its_neighbours(number, spread, told):
    assert spread_told(number, spread) == told


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (Task("image", "d", (3, 32, 32), 2), "3x32x32"),
        (Task("table", "d", (1,), 2), "1 feature"),
        (Task("text", "d", (64,), 2, vocabulary_size=9), "64 tokens"),
    ],
)
def test_an_input_is_told_by_its_shape(task, text):
    assert shape(task) == text
