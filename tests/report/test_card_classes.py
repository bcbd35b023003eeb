"""The classes in the card of a network that tells many apart."""

from __future__ import annotations

import numpy as np

from lemonade_es.report.model_card import _by_class
from lemonade_es.trainer.measuring.examination import examine

NAMES = tuple(f"class {number:02}" for number in range(60))


def shown(labels, answers):
    """The text before the table, and each row's name and recall."""
    found = examine(np.eye(60, dtype=np.float32)[answers], np.array(labels), NAMES, None)
    told, table, *_ = _by_class(found)
    return told, [tuple(cell.strip() for cell in row.split("|")[1:4:2]) for row in table.splitlines()[2:]]


def test_the_extremes_are_of_classes_that_were_tested():
    tested = range(12, 60)  # twelve classes have no input in the test split
    told, rows = shown([*tested, *tested], [*tested, *(0 if label < 17 else label for label in tested)])
    assert "the 10 classes with the lowest recall and the 10 with the highest" in told
    assert rows[:5] == [(f"class {number}", "50.0%") for number in range(12, 17)]
    assert len(rows) == 20
    assert {recall for _, recall in rows[5:]} == {"100.0%"}


def test_a_class_is_told_once_where_few_were_tested():
    told, rows = shown([3, 4, 5], [3, 4, 0])
    assert "those that the test split has inputs of" in told
    assert rows == [("class 05", "0.0%"), ("class 03", "100.0%"), ("class 04", "100.0%")]
