"""The exported example, as somebody runs it who has only the folder."""

from __future__ import annotations

import os
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.columns import encoded, fitted, number
from lemonade_es.trainer.data.delimited import LONGEST_FIELD, read_sheet
from lemonade_es.trainer.data.thousands import refuse_thousands
from tests.trainer.export.folder import ABOUT, COLUMN, Brightness, Places, exported, started


@pytest.fixture
def inputs(tmp_path):
    Image.fromarray(np.full((2, 2), 200, dtype=np.uint8)).save(tmp_path / "light.png")
    (tmp_path / "rows.csv").write_text("area\n3\n")
    (tmp_path / "spaced.csv").write_text("town, area\nParis, 3\n\n")
    (tmp_path / "western.csv").write_bytes("area,ville\n3,Orl\u00e9ans\n".encode("cp1252"))
    (tmp_path / "other.csv").write_text("town,surface\nParis,3\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "odd.png").write_text("no picture")


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("kind", "word", "says"),
    [
        ("image", "light.png", "light.png: bright (100.0%)"),
        ("text", "light", "light: bright (88.1%)"),
        ("table", "rows.csv", "rows.csv, row 1: 12"),
        ("table", "spaced.csv", "spaced.csv, row 1: 12"),
        ("table", "western.csv", "western.csv, row 1: 12"),
        ("text", "cafe\u0301", "cafe\u0301: bright (95.3%)"),  # an accent that was typed apart
    ],
)
def test_the_example_answers_with_a_line_for_each_input(tmp_path, kind, word, says):
    done = exported(tmp_path, kind)(word)
    assert (done.returncode, done.stdout.strip()) == (0, says), done.stderr


def test_a_class_that_the_terminal_has_no_letters_for_is_told_all_the_same(tmp_path):
    exported(tmp_path, "text", classes=["dark", "gr\u00fcn"])
    done = started(tmp_path / "infer.py", "light", encoding="ascii")
    assert (done.returncode, done.stdout.strip()) == (0, "light: gr\\xfcn (88.1%)"), done.stderr


def test_the_example_ends_without_a_word_when_its_reader_has_left(tmp_path):
    exported(tmp_path, "text")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as left:  # what it still holds is written when it is closed
        done = started(tmp_path / "infer.py", "light", stdout=left)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_example_says_that_there_is_no_standard_output(tmp_path):
    exported(tmp_path, "text")
    done = started(tmp_path / "infer.py", "light", stdout=None)
    assert (done.returncode, done.stderr) == (2, "error: standard output is closed\n")


@pytest.mark.parametrize("kind", ["image", "text", "table"])
def test_the_example_without_arguments_says_how_it_is_used(tmp_path, kind):
    done = exported(tmp_path, kind)()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python infer.py ")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("kind", "word", "says"),
    [
        ("image", "nosuch.png", "nosuch.png: No such file or directory"),
        ("image", "odd.png", "odd.png: cannot identify image file"),
        ("table", "nosuch.csv", "No such file or directory: 'nosuch.csv'"),
        ("table", "other.csv", "other.csv has no column area; there are town, surface"),
        ("table", "empty.csv", "empty.csv is empty"),
    ],
)
def test_the_example_tells_of_a_file_that_it_cannot_read_in_one_line(tmp_path, kind, word, says):
    done = exported(tmp_path, kind)(word)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def rows(*lines, encoding="utf-8"):
    return "\n".join((*lines, "")).encode(encoding)


READABLE = {
    "commas.csv": rows("area,town", "3.5,Paris"),
    "semicolons.csv": rows("area;town", "3,5;Paris"),  # and so decimal commas
    "quoted.csv": rows('"town; or; none",area', "Paris,3.5"),  # names say nothing of the delimiter
    "utf16.csv": rows("area,town", "3.5,Z\u00fcrich", encoding="utf-16"),
    "utf16-semicolons.csv": rows("area;town", "3,5;Z\u00fcrich", encoding="utf-16"),
    "blank.csv": rows("", "", "area,town", "3.5,Paris"),
    "blank-bom.csv": rows("", "area\ttown", "3.5\tParis", encoding="utf-8-sig"),
    "sep.csv": rows("sep=;", "area;town, or, county", "3,5;Paris"),
    "sep-quoted.csv": rows('"SEP=|"', "area|town;x;y", "3.5|Paris"),
    "tabs.tsv": rows("area, in, all\tarea", "4\t3.5"),
    "inches.tsv": rows("area\ttown", '3.5\t"Paris'),
    "spaced-inches.tsv": rows("area\ttown", '3.5\t "Paris" TX'),
    "spaced.csv": rows("town, area", '"Paris, TX", "3.5"'),
    "inches.csv": rows("area,town", '3.5, "Paris" TX'),
    "points.csv": rows("area;town", "3.5;Paris"),
    "long.csv": rows("area,town", f"3.5,{'x' * LONGEST_FIELD}"),
}


@pytest.mark.parametrize("trained_with_commas", [False, True])
def test_a_file_of_rows_is_read_as_in_training_whatever_the_training_file_was(tmp_path, trained_with_commas):
    for name, content in READABLE.items():
        (tmp_path / name).write_bytes(content)
        assert len(read_sheet(tmp_path / name).rows) == 1
    table = {**ABOUT["table"]["table"], "columns": [{**COLUMN, "decimal_comma": trained_with_commas}]}
    done = exported(tmp_path, "table", table=table)(*READABLE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name}, row 1: 13" for name in READABLE]


def test_quotes_that_are_part_of_the_fields_take_no_rows_along(tmp_path):
    (tmp_path / "inches.tsv").write_bytes(rows("town\tarea", '"Paris\t3.5', 'Nice"\t3.5'))
    assert len(read_sheet(tmp_path / "inches.tsv").rows) == 2
    done = exported(tmp_path, "table")("inches.tsv")
    assert done.stdout.splitlines() == ["inches.tsv, row 1: 13", "inches.tsv, row 2: 13"]


@pytest.mark.parametrize("rest", [0, 3])
def test_a_category_that_training_did_not_know_is_warned_of_unless_some_have_no_feature(tmp_path, rest):
    town = {"name": "town", "kind": "category", "categories": ["Paris", ""], "rest": rest}
    (tmp_path / "towns.csv").write_bytes(rows("area,town", "3,Paris", "3,paris", "3,"))
    table = {**ABOUT["table"]["table"], "columns": [COLUMN, town]}
    done = exported(tmp_path, "table", table=table, input={"shape": [3]})("towns.csv")
    assert done.stdout.split()[3::4] == ["14", "12", "14"]
    assert done.stderr == ("" if rest else "warning: towns.csv, row 2: training knew no 'paris' in 'town'\n")


def test_a_few_broken_characters_do_not_make_another_encoding_of_utf_8(tmp_path):
    town = {"name": "town", "kind": "category", "categories": ["Z\u00fcrich", ""], "rest": 0}
    (tmp_path / "towns.csv").write_bytes(rows("area,town", *["3,Z\u00fcrich"] * 3) + b"3,Z\xfcrich\n")
    table = {**ABOUT["table"]["table"], "columns": [COLUMN, town]}
    done = exported(tmp_path, "table", table=table, input={"shape": [3]})("towns.csv")
    assert done.stdout.split()[3::4] == ["14", "14", "14", "12"]


def test_points_that_training_knew_for_decimal_ones_are_such(tmp_path):
    (tmp_path / "rows.csv").write_bytes(rows("area;town", "3.110;x", "870;y", "900;z"))
    table = {**ABOUT["table"]["table"], "columns": [{**COLUMN, "decimal_points": True}]}
    assert exported(tmp_path, "table", table=table)("rows.csv").stdout.startswith("rows.csv, row 1: 12.22\n")


def test_a_row_of_nothing_keeps_its_number_and_gets_a_warning_for_an_answer(tmp_path):
    (tmp_path / "gaps.csv").write_bytes(rows("area,town", "3,Paris", ",", "3.5,Paris", ",", ",", ""))
    done = exported(tmp_path, "table")("gaps.csv")
    assert done.stdout.splitlines() == ["gaps.csv, row 1: 12", "gaps.csv, row 3: 13"]
    assert done.stderr == "warning: gaps.csv, row 2: it is empty, and gets no answer\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (rows("area,town", "3,Paris", "4"), "rows.csv, row 2: 1 is not the number of fields of the header, 2"),
        (
            rows("area,town", "3,5,Paris", "4,Rome"),
            "rows.csv, row 1: 3 is not the number of fields of the header, 2",
        ),
        (
            rows("area,town", f"3,{'x' * (LONGEST_FIELD + 1)}"),
            f"rows.csv: field larger than field limit ({LONGEST_FIELD})",
        ),
        (rows("area,town", '3,"Paris', "4,Rome"), "rows.csv: unexpected end of data"),
        (rows("area,area", "3,4"), "rows.csv has several columns of one name"),
        (rows("", ","), "rows.csv is empty"),
        (rows("area;town", "3.110;1,5"), "rows.csv: '3.110' in 'area' may mean thousands: write 3110, or 3,110"),
        (
            rows("area;town", "3.110;x", "870;y", "900;z"),
            "rows.csv: '3.110' in 'area' may mean thousands: write 3110, or 3,110",
        ),
        (rows("area", "3", encoding="utf-16-le"), "rows.csv is no text, or in an encoding without a byte-order mark"),
    ],
)
def test_a_file_of_rows_that_training_refuses_gets_no_answer(tmp_path, content, says):
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(DataError):
        refuse_thousands(read_sheet(tmp_path / "rows.csv"), [0, 1])
    done = exported(tmp_path, "table")("rows.csv")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {says}\n")


def test_a_cell_that_is_no_number_counts_as_missing_with_a_warning(tmp_path):
    cells = ("large", "1_0", '"3,5"', "", "-", "3")
    (tmp_path / "rows.csv").write_bytes(rows("area,town", *(f"{cell},Paris" for cell in cells)))
    done = exported(tmp_path, "table")("rows.csv")
    assert (done.returncode, done.stdout.split()[3::4]) == (0, ["10"] * 5 + ["12"])
    assert done.stderr.splitlines() == [
        f"warning: rows.csv, row {at}: {cell!r} in 'area' is no number, and counts as missing"
        for at, cell in enumerate(("large", "1_0", "3,5"), 1)
    ]


def test_texts_of_which_training_knew_nothing_are_warned_of_and_those_without_a_word_get_no_answer(tmp_path):
    done = exported(tmp_path, "text")("dark", "?!", "light dark", "")
    assert done.returncode == 0
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["dark", "light dark"]
    assert done.stderr.splitlines() == [
        "warning: training knew no word of 'dark'",
        "warning: no word is left of '?!': no answer",
        "warning: no word is left of '': no answer",
    ]


@pytest.mark.parametrize(("delimiter", "answers"), [(",", ["10", "13"]), ("\t", ["13", "10"]), (";", ["10", "10"])])
def test_decimal_commas_are_read_in_files_as_the_training_had_them(tmp_path, delimiter, answers):
    (tmp_path / "tabs.csv").write_bytes(rows("area\ttown", "3,5\tParis"))
    (tmp_path / "commas.csv").write_bytes(rows("area,town", '"3,5",Paris'))
    (tmp_path / "semicolons.csv").write_bytes(rows("area;town", "3,5;Paris"))
    table = {**ABOUT["table"]["table"], "columns": [{**COLUMN, "decimal_comma": True}], "delimiter": delimiter}
    done = exported(tmp_path, "table", table=table)("tabs.csv", "commas.csv", "semicolons.csv")
    assert done.stdout.split()[3::4] == [*answers, "13"]


def test_numbers_are_those_of_the_training(tmp_path):
    cells = (
        "3,5",
        "1.234,5",
        "-1,5e1",
        "+,5",
        "12.5",
        "3",
        "1.0,5",
        "0.000",
        "1 000",
        "inf",
        "1e3",
        "3.110",
        "1.000.000",
    )
    (tmp_path / "rows.csv").write_bytes(rows("area;town", *(f"{cell};Paris" for cell in cells)))
    read_sheet(tmp_path / "rows.csv")
    done = exported(tmp_path, "table", Brightness(), target={"mean": 2.0, "std": 1.0})("rows.csv")
    found = [number(cell, decimal_comma=True) for cell in cells]
    assert [float(line.split()[-1]) for line in done.stdout.splitlines()] == [2.0 if n is None else n for n in found]
    assert done.stderr.count("is no number") == found.count(None)


def test_a_number_that_the_network_cannot_take_gets_no_answer(tmp_path):
    (tmp_path / "rows.csv").write_text("area\n3\n1e39\n")
    done = exported(tmp_path, "table")("rows.csv")
    assert (done.returncode, done.stdout) == (2, "rows.csv, row 1: 12\n")
    assert done.stderr == "error: rows.csv, row 2: a number is too far from those of the training\n"


@pytest.mark.parametrize(
    ("mean", "std", "told"),
    [
        (5400034.75, 16.0, "5400050.75"),
        (1e9 + 10.5, 4.0, "1000000014.5"),
        (12345678.0, 4e6, "16345678"),
        (2.0, 1.0, "3"),
    ],
)
def test_an_answer_has_the_digits_that_tell_it_from_others(tmp_path, mean, std, told):
    (tmp_path / "rows.csv").write_text("area\n3\n")
    done = exported(tmp_path, "table", target={"mean": mean, "std": std})("rows.csv")
    assert (done.stdout, done.stderr) == (f"rows.csv, row 1: {told}\n", "")


def test_the_features_of_a_skewed_column_are_those_of_the_training(tmp_path):
    cells = [repr(round(1.1**n, 6)) for n in range(-40, 80)]
    column = fitted("area", cells)
    assert column.log is not None
    told = {"columns": [asdict(column)], "missing": [""], "delimiter": ","}
    asked = ["-30", "0", "", "1e9", *cells[::30]]
    (tmp_path / "rows.csv").write_bytes(rows("area,town", *(f"{cell},Paris" for cell in asked)))
    about = {"input": {"shape": [2]}, "table": told, "target": {"mean": 0.0, "std": 1.0}}
    done = exported(tmp_path, "table", Places(), **about)("rows.csv")
    answers = [float(line.split()[-1]) for line in done.stdout.splitlines()]
    assert answers == pytest.approx((encoded(column, asked) @ [1, 2]).tolist(), rel=1e-4)


def test_an_answer_beyond_float32_is_told(tmp_path):
    (tmp_path / "rows.csv").write_text("area\n3\n")
    done = exported(tmp_path, "table", target={"mean": 1e150, "std": 2e150})("rows.csv")
    assert (done.stdout, done.stderr) == ("rows.csv, row 1: 3e+150\n", "")
