"""Tables: what becomes of each column, and targets that are classes or numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import Reading, load, load_test


def price(**fields):
    return Reading(target_column="price", **fields)


def test_numbers_are_standardised_and_categories_become_features(houses):
    data = load(houses(), reading=price())
    kinds = {column.name: (column.kind, column.features) for column in data.table.columns}
    assert kinds == {
        "id": ("unused", 0),
        "area": ("number", 1),
        "district": ("category", 3),
        "country": ("unused", 0),
        "comment": ("unused", 0),
    }
    assert data.task.kind == "table"
    assert data.task.input_shape == (4,)
    assert data.train.dtype == np.float32
    assert data.train[:, 0].mean() == pytest.approx(0, abs=1e-5)
    assert data.train[:, 0].std() == pytest.approx(1, abs=1e-5)
    assert set(data.train[:, 1:].sum(axis=1)) == {1.0}
    assert any(note.startswith("3 columns are not used: 'id' (it has 42 different values") for note in data.notes)


def test_a_target_of_numbers_is_a_regression_and_accuracy_is_said_to_be_r2(houses):
    data = load(houses(), reading=price())
    assert (data.task.objective, data.task.classes) == ("regression", 1)
    assert data.class_names == ()
    assert data.train_labels.dtype == np.float32
    assert data.train_labels.mean() == pytest.approx(0, abs=1e-5)
    assert data.train_labels.std() == pytest.approx(1, abs=1e-5)
    assert "R2" in data.task.accuracy
    assert "clipped at 0" in data.task.accuracy
    assert "regression on 'price': accuracy is R2, clipped at 0" in data.notes
    assert "'price' is taken for a number; `--task classification` would take it otherwise" in data.notes


def test_targets_are_scaled_by_the_training_split_alone_and_come_back(houses):
    data = load(houses(), reading=price())
    _, tested = load_test(houses(), data.task, reading=price())
    everything = np.concatenate([data.train_labels, data.validation_labels, tested])
    prices = sorted(np.round(everything * data.target.std + data.target.mean, 3).tolist())
    assert prices == pytest.approx([2 * n + 0.5 for n in range(60)], abs=1e-2)
    assert data.target.name == "price"


def test_features_of_the_test_split_are_made_by_what_training_taught(houses):
    data = load(houses(), reading=price())
    values, labels = load_test(houses(), data.task, reading=price())
    assert values.shape == (len(labels), 4)
    area = data.table.columns[1]
    areas = values[:, 0] * area.std + area.mean
    prices = labels * data.target.std + data.target.mean
    assert np.allclose(2 * (areas - 50) + 0.5, prices, atol=1e-2)


def test_gaps_take_the_median_and_are_told(houses):
    path = houses(area=lambda n: "" if n % 10 == 0 else "n/a" if n % 10 == 1 else str(50 + n))
    data = load(path, reading=price())
    area = data.table.columns[1]
    assert area.missing > 0
    assert (area.median - area.mean) / area.std in data.train[:, 0]
    assert any(f"{area.missing} training cells have no value, in 'area'" in note for note in data.notes)


@pytest.mark.parametrize("gap", [".", "<NA>", r"\N", "n.a.", "NaT", "#DIV/0!"])
def test_what_programs_write_for_nothing_is_no_value(houses, gap):
    data = load(houses(area=lambda n: gap if n % 3 else str(50 + n)), reading=price())
    area = data.table.columns[1]
    assert area.kind == "number"
    assert area.missing > 20
    data = load(houses(price=lambda n: gap if n % 3 == 0 else f"{n}.5"), reading=price())
    assert data.task.objective == "regression"
    assert any(note.startswith("20 rows without a value in 'price' were left out") for note in data.notes)


def test_a_column_of_numbers_that_words_make_one_of_categories_is_told_of(houses):
    data = load(houses(area=lambda n: "unknown" if n % 3 == 0 else str(50 + n % 36)), reading=price())
    assert data.table.columns[1].kind == "category"
    told = "1 column is taken for categories: 'area' (of whose values 67% are numbers, and 'unknown' is none); leave "
    assert any(note.startswith(told) for note in data.notes)
    data = load(houses(area=lambda n: "3+" if n % 3 == 0 else str(n % 3)), reading=price())  # grades
    assert not any("taken for categories" in note for note in data.notes)


def test_a_word_among_numbers_is_named_with_its_line(houses):
    path = houses(area=lambda n: "large" if n == 7 else str(50 + n))
    assert any(
        "1 cell in columns of numbers is none" in note and "'large' in line 9" in note
        for note in load(path, reading=price()).notes
    )


@pytest.mark.parametrize(("words", "classes"), [(("None", "Insomnia", "Apnea"), 3), (("+", "-", "+"), 2)])
def test_a_word_for_nothing_is_a_class_where_words_are_told_apart(houses, words, classes):
    data = load(houses(price=lambda n: words[n % 3]), reading=price())
    assert data.task.classes == classes
    assert not any("without a value" in note for note in data.notes)


def test_beside_numbers_a_word_for_nothing_is_a_gap(houses):
    data = load(houses(price=lambda n: "None" if n == 4 else f"{2 * n + 0.5}"), reading=price())
    assert data.task.objective == "regression"
    assert any("1 row without a value in 'price'" in note for note in data.notes)


def test_a_limit_that_leaves_nothing_to_explain_is_refused_in_the_words_of_a_regression(houses):
    with pytest.raises(DataError, match=r"training and validation need two rows each.*--limit 4 or more"):
        load(houses(), limit=3, reading=price())


@pytest.mark.parametrize("limit", range(4, 9))
def test_a_limit_that_a_message_names_leaves_two_rows_in_each_split(limit):
    data = load("diabetes", limit=limit)
    assert (len(data.train) + len(data.validation), min(len(data.train), len(data.validation))) == (limit, 2)


def test_rows_without_a_target_are_left_out_and_told(houses):
    data = load(houses(price=lambda n: "" if n == 3 else str(n)), reading=price())
    assert len(data.train) + len(data.validation) + data.test_count == 59
    assert "1 row without a value in 'price' was left out: line 5" in data.notes


@pytest.mark.parametrize(
    ("area", "told"),
    [
        (lambda n: f'"${12_345 + n:,}"', "'area' (12345 instead of $12,345)"),
        (lambda n: f"{n + 1}.5 %", "'area' (1.5 instead of 1.5 %)"),
        (lambda n: f"\N{MINUS SIGN}{n + 1}", "'area' (-1 instead of \N{MINUS SIGN}1)"),
        (lambda n: f"{n % 5} %", "'area' (0 instead of 0 %)"),
        (lambda n: f'"{1_200 + n:,} CC"', "'area' (1200 instead of 1,200 CC)"),
        (lambda n: f"{n / 8}km/h", "'area' (0 instead of 0.0km/h)"),
        (lambda n: f"{n % 7 - 3}°C", "'area' (-3 instead of -3°C)"),
    ],
)
def test_a_column_of_numbers_in_disguise_is_told_of(houses, area, told):
    data = load(houses(area=area), reading=price())
    assert f"1 column holds numbers in disguise; write plain ones: {told}" in data.notes
    column = data.table.columns[1]
    assert column.kind == "category" or "different values in 42 rows: no plain numbers, as " in column.why


@pytest.mark.parametrize(
    ("area", "code"),
    [
        (lambda n: f"{37 * n % 90:05}", "00000"),
        (lambda n: "" if n == 7 else f"{(501 + 1601 * n) % 99950:05}", "00501"),
        (lambda n: f"{n % 12 + 1:02}", "01"),
        (lambda n: str(10501 + n) if n else "501", None),  # whose zeros are lost: nothing shows it
        (lambda n: str(n % 7), None),
        (lambda n: f"{n % 7 / 8:.3f}", None),
        (lambda n: f"{n % 7:03}" if n % 2 else str(n % 5), None),
    ],
    ids=["padded", "postcodes", "months", "lost", "digits", "fractions", "mixed"],
)
def test_codes_of_digits_count_as_numbers_with_a_note(houses, area, code):
    data = load(houses(area=area), reading=price())
    assert data.table.columns[1].kind == "number"
    notes = [note for note in data.notes if "leading zeros" in note]
    told = f"1 column with leading zeros, as codes have them, counts as a number: 'area' ({code})"
    assert notes == ([] if code is None else [f"{told}; write a letter before codes, and they are categories"])


@pytest.mark.parametrize(
    "area",
    [
        lambda n: "$5",
        lambda n: f"{n % 9} {('kg', 'g')[n % 2]}",  # what is to be multiplied by what, is not known
        lambda n: f"{n % 9}{'abcdefgh'[n % 8]}",
    ],
    ids=["a constant", "several units", "house numbers"],
)
def test_words_and_constants_are_no_numbers_in_disguise(houses, area):
    data = load(houses(area=area), reading=price())
    assert not any("disguise" in note for note in data.notes)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [("1", "1.0", "'1' and '1.0'"), ("Yes", "yes", "'Yes' and 'yes'"), ("a b", "A  b", "'A  b' and 'a b'")],
)
def test_classes_that_differ_in_writing_alone_are_told_of(houses, first, second, told):
    data = load(houses(price=lambda n: (first, second, "0")[n % 3]), reading=price())
    assert data.task.classes == 3
    told = f"classes that differ in writing alone are kept apart (write them alike if one is meant): {told}"
    assert told in data.notes


def test_few_rows_in_a_class_are_explained(houses):
    path = houses(price=lambda n: "yes" if n == 3 else "" if n in (5, 6) else ("Yes", "no")[n % 2])
    with pytest.raises(DataError) as raised:
        load(path, reading=price())
    assert "too few rows in 1 class: 'yes' has 1; " in str(raised.value)
    assert "; 2 rows without a value in 'price' were left out: line 7, line 8; " in str(raised.value)
    assert "'Yes' and 'yes' (add rows to these classes, or remove their rows)" in str(raised.value)


def test_few_rows_of_a_number_point_to_a_regression(houses):
    with pytest.raises(DataError, match=r"'9' has 1; .*; or give --task regression, to predict the number\)"):
        load(houses(price=lambda n: "9" if n == 3 else str(n % 5)), reading=price())


def test_rows_that_repeat_others_may_be_in_the_test_split_too(houses):
    path = Path(houses())
    before = path.read_text()
    note = "1 row repeats another one; it was kept, and the same row may be in several splits"
    assert note not in load(str(path), reading=price()).notes
    for number in ("h003", "h999"):  # what tells rows apart does not make them different
        path.write_text(before + f"{number},53,north,DE,written by hand no 3,6.5\n")
        assert note in load(str(path), reading=price()).notes


def test_rows_that_are_in_two_splits_of_the_file_repeat_each_other(tmp_path):
    rows = [f"{7 * n % 61},{n % 2},{('train', 'val', 'test')[n % 5 % 3]}" for n in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["x,y,split", *rows, f"{7 * 3},1,test", f"{7 * 9},1,val"]) + "\n")
    data = load(str(tmp_path / "a.csv"), reading=Reading(target_column="y"))
    assert any(note.startswith("1 row repeats another one") for note in data.notes)


@pytest.mark.parametrize(
    ("build", "reading", "says"),
    [
        ({"rows": 8}, price(), "8 rows with a value in 'price' are too few to learn from"),
        ({}, Reading(target_column="prize"), "there is no column 'prize' for --target"),
        ({"price": lambda n: "1.5"}, price(), "'price' is always 1.5 in the training split: nothing to predict"),
        ({"price": lambda n: "same"}, price(), "the column 'price' holds only 'same'"),
        ({}, price(text_length=8), "--text-length is for text data, and these are table data"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused(houses, build, reading, says):
    with pytest.raises(DataError) as raised:
        load(houses(**build), reading=reading)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("price", {"price": lambda n: f"{n + 1}.5e306"}),
        ("area", {"area": lambda n: f"{n + 1}.5e306"}),
        ("area", {"area": lambda n: "1e300" if n == 7 else f"{n}.5"}),
        ("price", {"price": lambda n: "1e300" if n == 7 else f"{n}.5"}),
        ("price", {"price": lambda n: f"{n + 1}.5e-306"}),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2, 3])  # the large one is in one split or another
def test_numbers_that_cannot_be_computed_with_are_refused_with_their_column(houses, column, written, seed):
    with pytest.raises(DataError, match=f"the numbers of the column '{column}', .* cannot be brought to a standard"):
        load(houses(**written), reading=price(objective="regression"), seed=seed)


def test_a_table_without_a_useful_column_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"same,{n / 2}\n" for n in range(30)))
    with pytest.raises(DataError, match=r"no column can be learned from: 'a' \(it is always 'same'\)"):
        load(str(path), reading=Reading(target_column="b"))


def test_days_that_count_the_rows_are_refused_with_a_way_out_that_works(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("day,y\n" + "".join(f"{n},{n / 4}\n" for n in range(100)))
    with pytest.raises(DataError) as raised:
        load(str(path), reading=Reading(target_column="y"))
    assert "'day' (it numbers the rows, from 0 or 1 on)" in str(raised.value)
    assert raised.value.hint.endswith("add a million to the numbers that count them")
    path.write_text("day,y\n" + "".join(f"{n + 10**6},{n / 4}\n" for n in range(100)))
    assert load(str(path), reading=Reading(target_column="y")).table.columns[0].kind == "number"


def test_texts_that_are_given_as_a_table_are_told_how_they_are_learned_from(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("tweet,mood\n" + "".join(f"so many words {n},{n % 2}\n" for n in range(60)))
    with pytest.raises(DataError, match="to learn from texts, give --text-column and --label-column instead of"):
        load(str(path), reading=Reading(target_column="mood"))


def test_images_take_no_options_of_tables():
    with pytest.raises(DataError, match="--target COLUMN is for table data, and these are image data"):
        load("digits", reading=Reading(target_column="x"))


def test_diabetes_is_the_embedded_regression():
    data = load("diabetes")
    assert (len(data.train), len(data.validation), data.test_count) == (310, 66, 66)
    assert data.task.input_shape == (10,)
    assert data.task.objective == "regression"
    assert (data.target.name, data.target.high) == ("progression", 346)
    # least squares explain about half of it, as is well known
    weights, *_ = np.linalg.lstsq(np.c_[data.train, np.ones(310)], data.train_labels, rcond=None)
    residual = data.validation_labels - np.c_[data.validation, np.ones(66)] @ weights
    assert 0.3 < 1 - residual.var() / data.validation_labels.var() < 0.7


@pytest.mark.parametrize(
    ("reading", "option"),
    [
        (Reading(target_column="bmi"), "--target COLUMN"),
        (Reading(target_column="zz"), "--target COLUMN"),
        (Reading(objective="classification"), "--task"),
    ],
)
def test_a_named_table_takes_no_options_of_files(reading, option):
    with pytest.raises(DataError) as raised:
        load("diabetes", reading=reading)
    said = f"diabetes: {option} is for files, and diabetes says itself what is predicted from what (leave it out)"
    assert str(raised.value) == said


def test_a_limit_takes_a_part_of_the_rows():
    data = load("diabetes", limit=100)
    assert len(data.train) + len(data.validation) == 100
    assert data.test_count == 66


def test_a_limit_does_not_make_a_feature_of_what_numbers_the_rows(tmp_path):
    rows = [f"{n + 1},{37 * n % 101},{'abc'[n // 100]}" for n in range(300)]  # sorted by class, as iris is
    (tmp_path / "a.csv").write_text("rownames,x,y\n" + "\n".join(rows) + "\n")
    for limit in (None, 60):
        data = load(str(tmp_path / "a.csv"), limit=limit, reading=Reading(target_column="y"))
        assert [column.kind for column in data.table.columns] == ["unused", "number"]


def test_other_units_and_other_categories_are_other_data(houses):
    def fingerprint(**changes):
        return load(houses(**changes), reading=price()).fingerprint

    same = fingerprint()
    assert fingerprint() == same
    assert fingerprint(area=lambda n: str(1000 * (50 + n))) != same
    assert fingerprint(price=lambda n: f"{100 * (2 * n + 0.5)}") != same
    path = Path(houses())
    path.write_text(path.read_text().replace("north", "nord"))
    assert load(str(path), reading=price()).fingerprint != same
