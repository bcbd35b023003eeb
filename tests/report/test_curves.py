"""The curves of a final training: a picture of every kind of result, and rows that say the same."""

from __future__ import annotations

import csv
import io
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lemonade_es.engine.history.events import Finalized
from lemonade_es.report.curves import confusion_csv, curves_csv, curves_png
from lemonade_es.task import Task
from lemonade_es.trainer.data.traits import Target
from lemonade_es.trainer.measurement import Epoch, Measurement
from lemonade_es.trainer.measuring.examination import Interval, examine
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.trials.final_trial import CurvePoint

TASK = Task("image", "owls", (1, 8, 8), 2)
RIGHT = examine(np.eye(2, dtype=np.float32)[[0, 1, 1]], np.array([0, 1, 1]), ("cat", "owl"), None)
POINTS = (CurvePoint(2, 0.75, 0.5), CurvePoint(3, 1.0, 0.25))


def final(**changes):
    record = Finalized(
        iteration=2,
        training="ab",
        recipe=Recipe(epochs=3),
        seed=0,
        source="s",
        weights="w",
        trained_on=90,
        held_out=0,
        measurement=Measurement({}, epochs=(Epoch(2.0, 0.1), Epoch(1.0, 0.1), Epoch(0.5, 0.1))),
        points=POINTS,
        test=RIGHT,
        tested_before=0,
        taken_up=(),
        isolation="strong",
        isolation_reason="it holds",
        device="cpu",
        energy="a model",
        versions={},
    )
    return replace(record, **changes)


LABELS = np.linspace(-1, 1, 20, dtype=np.float32)
REGRESSION = examine(LABELS[:, None] * 0.9, LABELS, (), Target("price", 5.0, 2.0, 1.0, 9.0))
KINDS = {
    "all right": final(),
    "held out": final(held_out=9, points=(CurvePoint(3, 1.0, 0.1, 0.5, 0.9),)),
    "an interval beside the figure": final(test=replace(RIGHT, accuracy=0.5, interval=Interval(0.6, 0.9))),
    "a loss that falls far": final(measurement=Measurement({}, epochs=(Epoch(9.0, 0.1), Epoch(0.001, 0.1)))),
    "a loss of 0": final(measurement=Measurement({}, epochs=(Epoch(9.0, 0.1), Epoch(0.0, 0.1)))),
    "one epoch": final(measurement=Measurement({}, epochs=(Epoch(2.0, 0.1),)), points=(CurvePoint(1, 0.5, None),)),
}


@pytest.mark.parametrize("record", KINDS.values(), ids=KINDS.keys())
def test_every_result_has_its_picture_and_the_same_one_twice(record):
    content = curves_png(record, TASK)
    picture = Image.open(io.BytesIO(content))
    assert picture.width > 2 * picture.height
    assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 10
    assert curves_png(record, TASK) == content


def test_a_regression_has_a_picture_and_no_confusion():
    record = final(test=REGRESSION)
    assert curves_png(record, replace(TASK, classes=1, objective="regression"))[:4] == b"\x89PNG"
    assert confusion_csv(record) is None


@pytest.mark.parametrize("name", ["price_$1_to_$2", "a$^$b", "d\udce9", "a\x1b[31mb", "\u6570\u636e"])
def test_a_data_set_may_have_any_name(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert curves_png(final(), replace(TASK, data=name))[:4] == b"\x89PNG"


def test_rows_are_empty_where_nothing_was_taken():
    rows = list(csv.DictReader(io.StringIO(curves_csv(final()).decode())))
    assert [row["loss"] for row in rows] == ["2.0", "1.0", "0.5"]
    assert [row["training_accuracy"] for row in rows] == ["", "0.75", "1.0"]
    assert {row["held_out_accuracy"] for row in rows} == {""}
    assert list(csv.reader(io.StringIO(confusion_csv(final()).decode()))) == [
        ["true class", "cat", "owl"],
        ["cat", "1", "0"],
        ["owl", "0", "2"],
    ]
