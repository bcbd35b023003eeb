from __future__ import annotations

import math

import pytest

from lemonade_es.engine.metric import combined_metric, missing, normalised, reached
from lemonade_es.vocabulary import settings

MEASURED = {"T_Acc": 0.9, "V_Acc": 0.8, "F": 14000.0, "T_E": 3e-3, "V_E": 1e-5}


def test_each_normalised_metric_is_one_half_at_its_threshold():
    found = normalised({"F": 14000.0, "T_E": 1e-3, "V_E": 1e-5}, settings("accuracy", {}))
    assert found == {"NF": 0.5, "T_NE": 0.5, "V_NE": 0.5}


def test_normalised_metrics_rise_with_what_they_normalise_and_stay_below_one():
    values = [normalised({"F": frames}, settings("accuracy", {}))["NF"] for frames in (0.0, 1.0, 1e4, 1e9)]
    assert values == sorted(values)
    assert values[0] == 0.0
    assert values[-1] < 1.0


def test_a_metric_that_is_missing_stays_missing_when_normalised():
    assert normalised({"F": None}, settings("accuracy", {})) == {"NF": None, "T_NE": None, "V_NE": None}


def test_under_the_accuracy_preset_CM_is_the_sum_of_both_accuracies():
    assert combined_metric(MEASURED, settings("accuracy", {})) == pytest.approx(1.7)


def test_CM_is_equation_one_term_by_term():
    wishes = settings("edge", {})
    metrics = {**MEASURED, **normalised(MEASURED, wishes)}
    expected = 0.7 * (0.9 + 0.8) + 0.2 * 0.5 - 0.1 * (0.75 + 0.5)
    found = combined_metric(metrics, wishes)
    assert found is not None
    assert math.isclose(found, expected)


def test_without_a_metric_that_counts_there_is_no_CM():
    assert combined_metric({"T_Acc": 0.9, "V_Acc": None}, settings("accuracy", {})) is None
    assert combined_metric({"T_Acc": 0.9, "V_Acc": 0.9, "T_NE": None}, settings("balanced", {})) is None


def test_a_metric_that_does_not_count_may_be_missing():
    assert combined_metric({"T_Acc": 0.5, "V_Acc": 0.5, "NF": None}, settings("accuracy", {})) == 1.0


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({"V_Acc": 0.8}, True),
        ({"V_Acc": 0.81}, False),
        ({"V_Acc": 0.8, "S": 0.1}, True),
        ({"V_Acc": 0.8, "S": 0.04}, False),
        ({"V_Acc": 0.8, "L": 1.0}, False),
        ({}, False),
    ],
)
def test_a_target_is_reached_from_below_or_from_above_and_never_by_a_missing_metric(targets, expected):
    metrics = {"V_Acc": 0.8, "S": 0.05, "L": None}
    assert reached(targets, metrics, lower_is_better=frozenset({"S", "L"})) is expected


def test_what_cm_wants_and_does_not_have_is_named_by_what_was_to_be_measured():
    settings = {"WA": 1.0, "WF": 0.5, "WE": 0.0}
    known = {"T_Acc": 0.9, "V_Acc": 0.8, "NF": 0.4}
    assert missing(known, settings) == ()
    assert combined_metric(known, settings) == pytest.approx(1.9)
    assert missing({**known, "NF": None}, settings) == ("F",)
    assert missing({"NF": 0.4}, settings) == ("T_Acc", "V_Acc")
    assert combined_metric({**known, "NF": None}, settings) is None
