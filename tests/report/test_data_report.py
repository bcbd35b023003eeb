"""What `lemonade-es data` says of images, texts and tables: JSON and a page, from the same findings."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from lemonade_es.report.data_report import data_page, data_report
from lemonade_es.trainer.data import Reading, load


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def diabetes():
    return load("diabetes")


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    path = tmp_path_factory.mktemp("reviews") / "reviews.csv"
    lines = [f"{('a fine film', 'a bad film')[n % 4 == 0]} no {n},{('good', 'bad')[n % 4 == 0]}" for n in range(80)]
    path.write_text("review,sentiment\n" + "\n".join(lines) + "\n")
    return load(str(path))


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    path = tmp_path_factory.mktemp("shops") / "shops.csv"
    lines = [f"c{n},{n % 9 or ''},{('red', 'blue', '')[n % 3]},{('open', 'shut')[n % 2]}" for n in range(80)]
    path.write_text("id,size,colour,state\n" + "\n".join(lines) + "\n")
    return load(str(path), reading=Reading(target_column="state"))


@pytest.fixture(params=["digits", "diabetes", "reviews", "shops"])
def dataset(request):
    return request.getfixturevalue(request.param)


def page(dataset, width=100):
    console = Console(file=io.StringIO(), width=width)
    console.print(data_page(dataset))
    return console.file.getvalue()


def test_the_findings_are_json_of_the_same_names_for_every_kind(dataset, digits):
    found = data_report(dataset)
    assert set(json.loads(json.dumps(found, allow_nan=False))) == set(data_report(digits))
    assert found["fingerprint"] == dataset.fingerprint
    assert found["notes"] == list(dataset.notes)


def test_counts_add_up(dataset):
    found = data_report(dataset)
    for part in found["splits"]:
        assert sum(entry[part] for entry in found["classes"]) == (found["splits"][part] if found["classes"] else 0)
    assert found["splits"]["train"] == len(dataset.train)


def test_a_skewed_column_is_told_to_have_its_logarithm(tmp_path):
    lines = [f"{2.0 ** (n % 30)},{n % 5},{('open', 'shut')[n % 2]}" for n in range(120)]
    (tmp_path / "shops.csv").write_text("sales,size,state\n" + "\n".join(lines) + "\n")
    shops = load(str(tmp_path / "shops.csv"), reading=Reading(target_column="state"))
    assert set(data_report(shops)["columns"][0]["log"]) == {"scale", "mean", "std"}
    assert data_report(shops)["columns"][1]["log"] is None
    assert page(shops, width=200).count("skewed: its logarithm is a feature, too") == 1


def test_images_are_told_with_shape_values_and_channels(digits):
    found = data_report(digits)
    assert (found["kind"], found["input_shape"], found["values"]["type"]) == ("image", [1, 8, 8], "uint8")
    assert found["channels"][0]["mean"] == pytest.approx(float(np.mean(digits.train / 255)), abs=1e-6)
    said = page(digits)
    assert "digits: images of 1x8x8, 10 classes" in said
    assert "accuracy is: share of right answers" in said
    assert "mirrored images keep their label: no" in said


def test_texts_are_told_with_their_lengths_and_words(reviews):
    found = data_report(reviews)
    assert found["text"]["vocabulary_size"] == reviews.task.vocabulary_size
    assert "film" in found["text"]["most_frequent"]
    said = page(reviews)
    assert "reviews: texts of 8 tokens, 2 classes" in said
    assert "words in a text: 5 to 5" in said
    assert "note: the classes are imbalanced: 'good' has 42" in said


def test_tables_are_told_column_by_column(shops):
    found = data_report(shops)
    assert [column["kind"] for column in found["columns"]] == ["unused", "number", "category"]
    assert found["columns"][1]["missing"] > 0
    said = page(shops, 140)
    assert "an id, a date or free text" in said
    assert "(missing)" in said


def test_a_regression_says_what_accuracy_is_and_how_its_target_is_spread(diabetes):
    found = data_report(diabetes)
    assert found["objective"] == "regression"
    assert found["classes"] == []
    assert found["accuracy"] == "R2 (share of the target's variance that is explained), clipped at 0"
    assert found["target"]["name"] == "progression"
    said = page(diabetes)
    assert f"accuracy is: {found['accuracy']}" in said
    assert "progression: 31 to 346, mean " in said


def test_of_very_many_classes_the_page_shows_forty(tmp_path):
    lines = [f"a text of words,{n % 60:02}" if n < 60 else f"a text of words {n},{n % 60:02}" for n in range(600)]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    dataset = load(str(tmp_path / "a.csv"))
    assert "and 20 more (--json lists all)" in page(dataset)
    assert len(data_report(dataset)["classes"]) == 60


def test_of_very_many_columns_the_page_shows_forty(tmp_path):
    header = ",".join(f"gene{n}" for n in range(50)) + ",sick"
    lines = [",".join(str(row * n % 101) for n in range(1, 51)) + f",{row % 2}" for row in range(40)]
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]) + "\n")
    dataset = load(str(tmp_path / "a.csv"), reading=Reading(target_column="sick"))
    said = page(dataset)
    assert "gene39" in said
    assert "gene40" not in said
    assert "and 10 more (--json lists all)" in said
    assert len(data_report(dataset)["columns"]) == 50
