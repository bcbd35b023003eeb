"""One column of a table: what it is by its cells and its name, and what a number is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.trainer.data.columns import encoded, fitted, has_decimal_commas, number, numbers_in


@pytest.mark.parametrize("name", ["id", "patient_id", "PassengerId", "index", "Unnamed: 0", "uuid"])
def test_whole_numbers_by_the_name_of_an_id_are_not_learned(name):
    values = [str(7 * n % 1009) for n in range(1, 50)]
    assert fitted(name, values).why == "it has the name of an id, and another number in each row"
    assert fitted("income", values).kind == "number"


@pytest.mark.parametrize("name", ["bid", "paid", "humid", "grid", "acid", "covid", "BID", "price_index"])
def test_words_that_end_in_the_letters_of_an_id_are_names_of_numbers(name):
    assert fitted(name, [str(7 * n % 1009) for n in range(1, 50)]).kind == "number"


def test_numbers_that_count_the_rows_are_not_learned():
    column = fitted("no", [str(n) for n in range(1, 70) if n % 7])  # what is left of the rows for training
    assert (column.kind, column.why) == ("unused", "it numbers the rows, from 0 or 1 on")


def test_numbers_that_count_the_rows_are_not_learned_from_a_small_part_of_them_either():
    rows = [0, *range(3, 2000, 40)]
    assert fitted("no", [str(row + 1) for row in rows], rows=rows).why == "it numbers the rows, from 0 or 1 on"
    years = [str(1000 + row // 4) for row in rows]  # several rows a year, of which one is in the part
    assert fitted("year", years, rows=rows).kind == "number"


def test_one_value_in_some_rows_says_which_they_are():
    column = fitted("smoker", ["1", "", "1", ""] * 10)
    assert (column.kind, column.categories) == ("category", ("", "1"))
    assert fitted("smoker", ["1"] * 40).why == "it is always 1"


def test_a_sorted_column_of_years_is_learned():
    assert fitted("year", [str(1900 + n) for n in range(50)]).kind == "number"


def test_a_category_that_training_did_not_know_has_no_feature():
    column = fitted("colour", ["red", "blue", "red", ""] * 10)
    assert column.categories == ("red", "", "blue")
    assert encoded(column, ["blue", "green", "?", "red"]).tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0]]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=2, max_size=50))
def test_features_of_numbers_are_always_finite(values):
    cells = [repr(value) for value in values]
    column = fitted("x", cells)
    if column.features:
        assert np.isfinite(encoded(column, [*cells, "", "nan", "1e400"])).all()


@pytest.mark.parametrize(
    ("cell", "value"), [("1e-3", 1e-3), ("inf", None), ("1,5", None), ("x", None), (" 2", 2.0), ("2024_01", None)]
)
def test_what_a_number_is(cell, value):
    assert number(cell) == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1,5", 1.5),
        ("1.234,56", 1234.56),
        ("-1.234.567,8", -1234567.8),
        ("12.34,5", None),
        ("1,234,5", None),
        (",5", 0.5),
    ],
)
def test_what_a_number_is_with_decimal_commas(cell, value):
    assert number(cell, decimal_comma=True) == value


@pytest.mark.parametrize("odd", ["2024_01", "nan", "1e999", "oops", "", "1,5"])
def test_numbers_of_a_column_are_those_of_its_cells(odd):
    cells = ["1", "-2.5", "1e3"]
    assert numbers_in(cells) == [1, -2.5, 1000]
    assert numbers_in([*cells, odd]) == [1, -2.5, 1000, None]
    assert numbers_in([*cells, odd], decimal_comma=True)[-1] == (1.5 if odd == "1,5" else None)
    assert numbers_in([]) == []


def test_a_column_of_mostly_numbers_that_is_not_used_says_what_is_none():
    column = fitted("income", ["unknown" if n % 4 == 0 else f"{n}.5" for n in range(120)])
    assert column.kind == "unused"
    assert "75% of them are numbers, and 'unknown' is none: leave such cells empty" in column.why


@pytest.mark.parametrize(
    ("cells", "has"),
    [
        (["3,14", "0,5", "12"], True),
        (["3,14", "2,5", "-", "", "1,250"], True),
        (["0,125", "0,250"], True),
        (["1,5", "2,5", "3"], False),
        ([f"{n},5" for n in range(10)], True),
        (["3,14", "4.59", "2,71"], False),
        (["3,14", "1.234", "2,71"], True),
        (["1,234", "56,789", "12"], False),
        (["1,234", "56,789", "3,5"], False),
        ([*(f"{whole},2{whole}6" for whole in range(1, 10)), "-0,512"], True),
        ([*(f"{whole},2{whole % 10}6" for whole in range(1, 11)), "0,512"], False),
        (["1,234", "56,789", "0,512"], False),
        (["12", "13"], False),
        (["", "-"], False),
        (["3,14", "about 3,14", "no"], False),
    ],
)
def test_when_the_commas_of_a_column_are_decimal(cells, has):
    assert has_decimal_commas(cells) is has
