"""Tables whose numbers have a decimal comma, and commas that are none."""

from __future__ import annotations

import pytest

from lemonade_es.trainer.data import Reading, load


def test_beside_numbers_with_decimal_commas_a_word_for_nothing_is_a_gap_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x;y\n" + "".join(f"{n % 7};{'None' if n == 4 else f'{n},5'}\n" for n in range(40)))
    assert load(str(path), reading=Reading(target_column="y")).task.objective == "regression"


def test_decimal_commas_are_numbers_where_semicolons_separate(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x;y\n" + "".join(f"{n},25;{n},5\n" for n in range(40)))
    data = load(str(path), reading=Reading(target_column="y"))
    assert data.task.objective == "regression"
    assert data.target.low % 1 == 0.5


@pytest.mark.parametrize(("name", "row"), [("a.tsv", "{0},25\t{0},5"), ("a.csv", '"{0},25","{0},5"')])
def test_decimal_commas_are_numbers_wherever_they_can_be_nothing_else(tmp_path, name, row):
    path = tmp_path / name
    rows = [row.format(n) for n in range(40)]
    path.write_text("\n".join(["x\ty" if name == "a.tsv" else "x,y", *rows]))
    data = load(str(path), reading=Reading(target_column="y"))
    assert data.task.objective == "regression"
    assert (data.target.low % 1, data.table.columns[0].kind) == (0.5, "number")
    assert "columns of numbers with decimal commas: 'x', 'y'" in data.notes


def test_decimal_commas_of_one_column_make_none_of_another(tmp_path):
    path = tmp_path / "a.csv"
    lines = [f'"{n},{100 + n}","{n}.5","{n},25",{n % 3}' for n in range(1, 41)]
    path.write_text("\n".join(["price,weight,dose,y", *lines]))
    data = load(str(path), reading=Reading(target_column="y"))
    price, weight, dose = data.table.columns
    assert "columns of numbers with decimal commas: 'dose'" in data.notes
    assert (price.kind, weight.median, dose.median) == ("unused", 21, pytest.approx(20.75, abs=1))
    assert any("numbers in disguise; write plain ones: 'price' (1101 instead of 1,101)" in note for note in data.notes)


def test_sets_of_labels_are_no_numbers_with_decimal_commas(tmp_path):
    path = tmp_path / "a.csv"
    tags = ('"0,1"', '"1,2"', '"0,2"', "1", "2", "0")
    path.write_text("\n".join(["x,tags", *(f"{n % 7},{tags[n % 6]}" for n in range(60))]))
    data = load(str(path), reading=Reading(target_column="tags"))
    assert data.task.objective == "classification"
    assert data.class_names == ("0", "0,1", "0,2", "1", "1,2", "2")


def test_a_decimal_comma_is_not_taken_for_thousands(tmp_path):
    path = tmp_path / "doses.tsv"
    path.write_text("dose\tprice\n" + "".join(f"0,{120 + n}\t{n}\n" for n in range(60)))
    data = load(str(path), reading=Reading(target_column="price"))
    assert data.table.columns[0].mean == pytest.approx(0.15, abs=0.01)
    assert not any("disguise" in note for note in data.notes)
