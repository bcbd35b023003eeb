"""Targets of tables: classes or numbers."""

from __future__ import annotations

import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import Reading, load


def price(**fields):
    return Reading(target_column="price", **fields)


@pytest.mark.parametrize(
    ("target", "objective", "classes"),
    [
        (lambda n: ("cheap", "dear")[n % 2], "classification", ("cheap", "dear")),
        (lambda n: str(n % 3), "classification", ("0", "1", "2")),
        (str, "regression", ()),
        (lambda n: str(n % 3 + 0.5), "regression", ()),
    ],
)
def test_the_values_of_the_target_decide_what_it_is(houses, target, objective, classes):
    data = load(houses(price=target), reading=price())
    assert data.task.objective == objective
    assert data.class_names == classes


def test_the_user_decides_what_the_target_is(houses):
    path = houses(price=lambda n: str(n % 3))
    data = load(path, reading=price(objective="regression"))
    assert data.task.objective == "regression"
    assert not any("is taken for" in note for note in data.notes)
    with pytest.raises(DataError, match=r"60 values of 'district' are no numbers: 'north' in line 2"):
        load(path, reading=Reading(target_column="district", objective="regression"))


@pytest.mark.parametrize(
    ("written", "example"),
    [
        (
            lambda n: f"${115031 + n}",
            "'$115031' in line 2, and 60 of its 60 values differ (to predict a number, write ",
        ),
        (lambda n: f"{n + 1},500.25", "plain numbers, 1500.25 instead of 1,500.25, and give --task regression; "),
        (lambda n: f"{n % 21} %", ", 0 instead of 0 %, "),
        (lambda n: f"{n}.5 EUR", ", 0.5 instead of 0.5 EUR, "),
        (lambda n: f"{n % 25} bhp", ", 0 instead of 0 bhp, "),
        (lambda n: "oops" if n == 4 else f"{n}.5", "values such as 'oops' in line 6, and 60 of its 60"),
        (lambda n: "unknown" if n % 3 == 0 else f"{n % 25}.5", "values such as 'unknown' in line 2, and 26 of its 60"),
        (lambda n: f"house no. {n}", "plain numbers and give --task regression; if these are classes, give --task cl"),
    ],
)
def test_a_target_that_is_meant_for_a_number_but_written_as_text_is_refused_with_the_way_to_a_regression(
    houses, written, example
):
    path = houses(price=lambda n: f'"{written(n)}"')
    with pytest.raises(DataError) as raised:
        load(path, reading=price())
    assert "the column 'price' is taken for classes because of values such as" in str(raised.value)
    assert example in str(raised.value)
    with pytest.raises(DataError, match=r"too few rows in \d+ classes"):
        load(path, reading=price(objective="classification"))


@pytest.mark.parametrize("rows", [12, 20])
def test_a_few_whole_numbers_that_all_differ_are_too_many_classes_and_the_message_offers_a_regression(houses, rows):
    path = houses(rows=rows, price=str)
    with pytest.raises(DataError, match=rf"too few rows in {rows} classes.*or give --task regression"):
        load(path, reading=price())
    assert load(path, reading=price(objective="regression")).task.objective == "regression"


@pytest.mark.parametrize("written", [lambda n: f"${n % 5}", lambda n: f"kind {n % 5}"])
def test_a_few_texts_are_classes_even_if_they_hold_numbers(houses, written):
    assert load(houses(price=written), reading=price()).task.classes == 5


def test_of_a_long_text_in_the_place_of_the_target_the_message_shows_the_beginning(houses):
    path = houses(price=lambda n: f"{n} " + "a long review " * 50)
    with pytest.raises(DataError, match=r"values such as '0 a long review .{40,50}\.\.\.' in line 2") as raised:
        load(path, reading=price())
    assert len(str(raised.value)) < 500
