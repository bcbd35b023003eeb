"""Files of texts with labels, and the two forms in which the reviews of IMDb are published."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import Reading, load, load_test, texts
from lemonade_es.trainer.data.labels import classes_of

GOOD = "a wonderful film, moving and funny"
BAD = "a dull film, boring and long"


def rows(count, *, extra=()):
    pairs = [
        (f"{GOOD if number % 2 else BAD} {number}", "positive" if number % 2 else "negative") for number in range(count)
    ]
    return [*pairs, *extra]


def write(path, header, content, **options):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, **options)
        writer.writerow(header)
        writer.writerows(content)
    return str(path)


@pytest.fixture
def public(tmp_path):
    """The public CSV file, as its publishers quote it."""
    content = [(f"{text}.<br /><br />See https://imdb.com, @you!", label) for text, label in rows(100)]
    return write(tmp_path / "IMDB Dataset.csv", ("review", "sentiment"), content, quoting=csv.QUOTE_MINIMAL)


def words_of(data, row):
    return [data.text.vocabulary[token] for token in row if token]


def test_the_public_file_of_imdb_is_cleaned_split_as_in_the_paper_and_padded(public, tmp_path):
    data = load("imdb", root=tmp_path)
    assert data.task.kind == "text"
    assert data.task.data == "imdb"
    assert data.class_names == ("negative", "positive")
    assert (len(data.train), len(data.validation), data.test_count) == (72, 8, 20)
    assert data.task.vocabulary_size == len(data.text.vocabulary)
    assert data.train.max() < data.task.vocabulary_size
    assert {"br", "https", "imdb", "com", "you"}.isdisjoint(data.text.vocabulary)
    for row, label in zip(data.train, data.train_labels, strict=True):
        assert ("wonderful" in words_of(data, row)) is bool(label)
    assert not data.train.flags.writeable


def test_reviews_that_have_a_name_take_no_columns(public, tmp_path):
    with pytest.raises(DataError, match="--text-column is for files, and imdb says itself"):
        load("imdb", root=tmp_path, reading=Reading(text_column="sentiment", label_column="review"))


def test_texts_of_the_test_split_are_numbered_by_the_same_vocabulary(public, tmp_path):
    data = load("imdb", root=tmp_path, limit=40)
    values, labels = load_test("imdb", data.task, root=tmp_path, limit=40)
    assert values.shape == (20, *data.task.input_shape)
    for row, label in zip(values, labels, strict=True):
        assert ("wonderful" in words_of(data, row)) is bool(label)


def tar_of(members):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in members.items():
            data = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


@pytest.fixture
def stanford(tmp_path, monkeypatch):
    """Stanford's archive, with all that lies in it beside the labelled reviews."""
    members = {"aclImdb/README": "read me", "aclImdb/imdb.vocab": "the", "aclImdb/train/labeledBow.feat": "9 0:9"}
    for number in range(40):
        members[f"aclImdb/train/unsup/{number}_0.txt"] = "not labelled"
        for part in ("train", "test"):
            members[f"aclImdb/{part}/pos/{number}_9.txt"] = f"{GOOD} {part} {number}"
            members[f"aclImdb/{part}/neg/{number}_1.txt"] = f"{BAD} {part} {number}"
    members["aclImdb/train/pos/../../../../outside.txt"] = "an attack"
    content = tar_of(members)
    path = tmp_path / "origin.tar.gz"
    path.write_bytes(content)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(texts, "IMDB", replace(texts.IMDB, url=path.as_uri(), md5=digest))
    return content


def test_the_archive_of_stanford_is_fetched_unpacked_and_read(stanford, tmp_path):
    root = tmp_path / "data"
    data = load("imdb", root=root, download=True)
    assert (len(data.train) + len(data.validation), data.test_count) == (128, 32)
    assert data.class_names == ("negative", "positive")
    for row, label in zip(data.train, data.train_labels, strict=True):
        assert ("wonderful" in words_of(data, row)) is bool(label)
    assert {path.name for path in (root / "aclImdb").iterdir()} == {"train", "test"}
    assert not (root / "aclImdb" / "train" / "unsup").exists()
    assert [path.name for path in root.iterdir()] == ["aclImdb"]
    assert not (tmp_path / "outside.txt").exists()


def test_without_either_form_the_message_names_both_and_where_they_go(tmp_path):
    with pytest.raises(DataError, match="imdb is not here") as raised:
        load("imdb", root=tmp_path)
    said = str(raised.value)
    assert f"neither {tmp_path / 'imdb.csv'} (columns review and sentiment) nor the folder is there" in said
    assert "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz" in said
    assert "--download" in said


def test_any_file_with_the_usual_names_of_columns_is_read(tmp_path):
    data = load(
        write(
            tmp_path / "tickets.tsv",
            ("id", "Message", "Category"),
            [(n, *row) for n, row in enumerate(rows(40))],
            delimiter="\t",
        )
    )
    assert data.task.data == "tickets"
    assert data.class_names == ("negative", "positive")
    assert len(data.train) + len(data.validation) + data.test_count == 40


def test_columns_are_named_by_the_user(tmp_path):
    path = write(tmp_path / "mail.csv", ("stars", "body"), [(label, text) for text, label in rows(40)])
    with pytest.raises(DataError, match="which column is to be predicted") as raised:
        load(path)
    assert "'stars', 'body'" in raised.value.hint
    with pytest.raises(DataError, match="--label-column is missing"):
        load(path, reading=Reading(text_column="body"))
    data = load(path, reading=Reading(text_column="body", label_column="stars", text_length=12))
    assert data.task.input_shape == (12,)
    assert data.class_names == ("negative", "positive")


def test_labels_that_are_numbers_stand_in_their_order(tmp_path):
    stars = ["10", "9", "1"]
    path = write(tmp_path / "a.csv", ("text", "label"), [(f"{GOOD} {n}", stars[n % 3]) for n in range(60)])
    assert load(path).class_names == ("1", "9", "10")


@pytest.mark.parametrize("gap", ["nan", "NA", "", "inf", "None"])
def test_rows_whose_label_is_no_number_among_numbers_are_left_out(tmp_path, gap):
    content = [(f"{GOOD} {n}", gap if n == 4 else ("10", "9", "1")[n % 3]) for n in range(60)]
    data = load(write(tmp_path / "a.csv", ("text", "label"), content))
    assert data.class_names == ("1", "9", "10")
    assert data.notes == ("1 row without a label in 'label' was left out: line 6",)


def test_a_word_for_nothing_is_a_label_among_words(tmp_path):
    content = [(f"{GOOD} {n}", ("None", "nan", "joy")[n % 3]) for n in range(60)]
    assert load(write(tmp_path / "a.csv", ("text", "label"), content)).class_names == ("None", "joy")


def test_only_finite_numbers_stand_in_the_order_of_numbers():
    values = ["10", "9", "nan", "inf", "1"] * 2
    assert classes_of(values, ["train"] * 10, "label", where="x").names == ("1", "10", "9", "inf", "nan")


def test_the_files_own_splits_are_kept(tmp_path):
    parts = ["train", "train", "train", "val", "test"]
    content = [(text, label, parts[number // 2 % 5]) for number, (text, label) in enumerate(rows(50))]
    data = load(write(tmp_path / "a.csv", ("text", "label", "split"), content))
    assert (len(data.train), len(data.validation), data.test_count) == (30, 10, 10)
    assert data.test_class_counts == (5, 5)


def test_gaps_empty_texts_and_repetitions_are_left_out_and_told(tmp_path):
    extra = [("a text without a label", ""), ("<br /> http://x.y", "positive"), rows(1)[0], (rows(1)[0][0], "positive")]
    data = load(write(tmp_path / "a.csv", ("text", "label"), rows(40, extra=extra)))
    assert data.notes == (
        "1 row without a label in 'label' was left out: line 42",
        "1 row of whose text nothing is left after cleaning was left out: line 43",
        "1 row repeating another one word for word was left out: line 44",
        "1 text occurs again under another label; it was kept",
    )
    assert len(data.train) + len(data.validation) + data.test_count == 41


def test_texts_of_the_same_words_repeat_each_other_whatever_else_they_hold(tmp_path):
    content = [
        (f"RT @user{n}: {GOOD if n % 2 else BAD}, number {n % 40} https://t.co/{n}", ("bad", "good")[n % 2])
        for n in range(200)
    ]
    data = load(write(tmp_path / "a.csv", ("text", "label"), content))
    assert len(data.train) + len(data.validation) + data.test_count == 40
    assert any(note.startswith("160 rows repeating another one word for word were left out") for note in data.notes)


def test_a_text_that_is_in_two_splits_stays_in_the_test_split(tmp_path):
    content = [(*row, "train") for row in rows(40)] + [(*row, "test") for row in rows(4)]
    data = load(write(tmp_path / "a.csv", ("text", "label", "split"), content))
    assert (len(data.train) + len(data.validation), data.test_count) == (36, 4)


def test_imbalance_is_told(tmp_path):
    content = [(f"{GOOD} {n}", "positive") for n in range(80)] + [(f"{BAD} {n}", "negative") for n in range(20)]
    (note,) = load(write(tmp_path / "a.csv", ("text", "label"), content)).notes
    assert "imbalanced: 'positive' has 56 training texts and 'negative' has 14" in note
    assert "right for 80.0% of them" in note


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([(f"{GOOD} {n}", "same") for n in range(30)], "the column 'label' holds only 'same' in the training rows"),
        (
            [("\N{GRINNING FACE} " * n, f"{n % 2}") for n in range(1, 31)],
            "cleaning leaves no word of 30 labelled texts in 'text', and there are no others (URLs, tags, mentions, ",
        ),
        (
            [*((f"{GOOD} {n}", f"{n % 2}") for n in range(30)), *[("much the same", "2")] * 5],
            "of: training, validation, test; 4 rows repeating another one word for word were left out: line 33, ",
        ),
        ([(f"{GOOD} {n}", "") for n in range(30)], "no row of 30 has both a text in 'text' and a label in 'label'"),
        (
            [(f"{GOOD} {n}", f"{n % 2}", "train") for n in range(30)] + [("new", "2", "test")],
            "the test split has 1 class without training rows: '2'",
        ),
        ([(f"{GOOD} {n}", str(n // 2)) for n in range(30)], "too few texts in 15 classes: '0' has 2"),
        (
            [(f"{GOOD} {n}", f"{n / 8}") for n in range(30)],
            "the column 'label' is taken for classes, and 30 of its 30 values differ, '0.0' for instance (name",
        ),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(tmp_path, content, says):
    header = ("text", "label", "split")[: len(content[0])]
    with pytest.raises(DataError) as raised:
        load(write(tmp_path / "a.csv", header, content))
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("reading", "says"),
    [
        (Reading(text_length=2), "texts cannot be cut to 2 tokens"),
        (Reading(text_column="text", target_column="label"), "cannot be one of texts and a table at once"),
        (Reading(text_column="text", label_column="text"), "'text' cannot be both the text and the label"),
        (Reading(text_column="txt", label_column="label"), "did you mean 'text'?"),
        (Reading(objective="regression"), "--task is for table data, and these are text data"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, reading, says):
    with pytest.raises(DataError) as raised:
        load(write(tmp_path / "a.csv", ("text", "label"), rows(40)), reading=reading)
    assert says in str(raised.value)


def test_the_same_file_and_seed_give_the_same_data(tmp_path):
    path = write(tmp_path / "a.csv", ("text", "label"), rows(60))
    first, again, other = load(path), load(path), load(path, seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert np.array_equal(first.train, again.train)


@pytest.mark.parametrize(
    ("header", "named"),
    [("text,stars", Reading(label_column="stars")), ("body,label", Reading(text_column="body"))],
)
def test_where_one_column_is_named_the_other_is_found_by_its_name(tmp_path, header, named):
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join([header, *(f"{'good' if n % 2 else 'bad'} film number {n},{n % 2}" for n in range(40))]))
    assert load(str(path), reading=named).task.classes == 2
