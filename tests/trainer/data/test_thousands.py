"""Points and commas in files of decimal commas: decimal ones and those that part thousands look alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import Reading, load


def test_decimal_commas_may_stand_beside_points_that_part_thousands(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x;y\n" + "".join(f"{n}.234,5;{n},5\n" for n in range(1, 41)))
    (column,) = load(str(path), reading=Reading(target_column="y")).table.columns
    assert (column.kind, column.median % 1000) == ("number", 234.5)


def semicolons(tmp_path, sales, length="{n},5"):
    path = tmp_path / "a.csv"
    lines = [f"{length};{sales};{n % 3}\n".replace("{n}", str(n)) for n in range(1, 41)]
    path.write_text("length;sales;y\n" + "".join(lines))
    return str(path)


@pytest.mark.parametrize(
    ("sales", "first"), [("{n}.110", "1.110"), ("-{n}.110.220", "-1.110.220"), ("{n}.500", "1.500")]
)
@pytest.mark.parametrize("target", ["y", "sales"])
def test_a_point_that_may_part_thousands_is_refused_in_a_file_of_decimal_commas(tmp_path, sales, first, target):
    with pytest.raises(DataError) as raised:
        load(semicolons(tmp_path, sales), reading=Reading(target_column=target))
    assert "40 numbers have a point that may be a decimal point or part thousands, beside numbers with decimal " in str(
        raised.value
    )
    assert f"commas: '{first}' of 'sales' in line 2, " in str(raised.value)
    assert raised.value.hint == "write 3110 for three thousand, and 3,110 for three and a bit"


@pytest.mark.parametrize(
    ("sales", "length", "median"),
    [("0.99{n}", "{n},5", 0.99285), ("{n}.5", "{n},5", 21), ("{n}.110", "{n}.5", 20.61), ("v{n}.110", "{n},5", None)],
)
def test_points_that_can_be_nothing_else_are_decimal_points(tmp_path, sales, length, median):
    _, column = load(semicolons(tmp_path, sales, length), reading=Reading(target_column="y")).table.columns
    assert (column.name, column.kind) == ("sales", "unused" if median is None else "number")
    assert column.median == (None if median is None else pytest.approx(median))


@pytest.mark.parametrize("plain", ["870", "1.871.000"])
def test_beside_whole_numbers_of_its_column_a_point_may_part_thousands_too(tmp_path, plain):
    path = tmp_path / "a.csv"
    path.write_text("z;y\n" + "".join(f"{plain if n % 2 else '4.250'};{n % 3}\n" for n in range(1, 41)) + "871;0\n")
    beside = rf"numbers have a point .* beside whole numbers such as '{plain}' in line 2: .*'4\.250' of 'z'"
    with pytest.raises(DataError, match=beside):
        load(str(path), reading=Reading(target_column="y"))


@pytest.mark.parametrize("plain", ["0", "-1", "3"])
def test_one_whole_number_makes_no_doubt(tmp_path, plain):
    path = tmp_path / "a.csv"
    path.write_text("z;y\n" + "".join(f"{n}.125;{n % 3}\n" for n in range(1, 41)) + f"{plain};1\n0;2\n")
    (column,) = load(str(path), reading=Reading(target_column="y")).table.columns
    assert (column.kind, column.decimal_points) == ("number", False)


def test_a_column_of_three_decimals_throughout_has_decimal_points(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("z;y\n" + "".join(f"{n}.125;{n % 3}\n" for n in range(1, 41)))
    (column,) = load(str(path), reading=Reading(target_column="y")).table.columns
    assert (column.kind, column.median) == ("number", 20.625)


def test_numbers_without_a_point_do_not_hide_those_with_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x;z;y\n" + "".join(f"{n},5;{950 if n % 2 else '3.110'};{n % 3}\n" for n in range(1, 41)))
    with pytest.raises(DataError, match=r"20 numbers have a point .* '3\.110' of 'z' in line 3"):
        load(str(path), reading=Reading(target_column="y"))


@pytest.mark.parametrize(
    ("sales", "length", "beside"),
    [
        ("{n},234", "{n}.5", "'1.5'"),
        ("{n},234,000", "{n},5", "'1,234,000'"),
        ("{n},234.50", "{n}.5", "'1.5'"),
        ("{n},234", "{n}", "'999'"),
    ],
)
@pytest.mark.parametrize("target", ["y", "sales"])
def test_a_comma_that_may_part_thousands_is_refused_in_a_file_of_semicolons(tmp_path, sales, length, beside, target):
    path = semicolons(tmp_path, sales, length)
    with Path(path).open("a") as file:
        file.write("3;999;1\n3;870;2\n")
    said = (
        rf"40 numbers have a comma .* or part thousands, beside {beside}: '{sales.replace('{n}', '1')}' of 'sales' in"
    )
    with pytest.raises(DataError, match=said) as raised:
        load(path, reading=Reading(target_column=target))
    assert raised.value.hint == "write 3110 for three thousand, and 3,1100 for three and a bit"


@pytest.mark.parametrize(
    ("sales", "length", "median"),
    [("{n},125", "{n}", 20.625), ("{n},1250", "{n}.5", 20.625), ("0,2{n}", "{n}.5", 0.2), ("{n},125", "{n},5", 20.625)],
)
def test_commas_that_can_be_nothing_else_are_decimal_commas(tmp_path, sales, length, median):
    path = semicolons(tmp_path, sales, length)
    if length == "{n},5":  # which shows what commas are, so that whole numbers make no doubt
        Path(path).write_text(Path(path).read_text() + "3;2;1\n3;700;2\n")
    _, column = load(path, reading=Reading(target_column="y")).table.columns
    assert (column.name, column.kind) == ("sales", "number")
    assert column.median == pytest.approx(median, abs=2)
