"""Settings that stand where those of the other kind belong."""

from __future__ import annotations

import pytest

from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook, shipped

HEAD = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add}
rules:
"""


def wrong(when="V_Acc < TV_Acc", weight="PV_Acc"):
    rule = f'  - {{id: low, when: "{when}", weight: "{weight}", instruct: [ACL]}}\n'
    return [item for item in lint(parse_rulebook(HEAD + rule, "b")) if item.code == "WRONG_SETTING"]


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("V_Acc < PV_Acc", "low compares V_Acc with PV_Acc, which is a priority; did you mean TV_Acc?"),
        ("failed or PF > F", "low compares F with PF, which is a priority; did you mean TF?"),
        ("0.1 < V_Acc < PV_Acc", "low compares V_Acc with PV_Acc, which is a priority; did you mean TV_Acc?"),
    ],
)
def test_a_metric_that_is_compared_with_a_priority_is_a_warning(when, told):
    (item,) = wrong(when)
    assert (item.level, item.message) == ("warning", told)


def test_a_threshold_as_a_weight_is_a_warning():
    (item,) = wrong(weight="TF")
    assert (item.level, item.message) == ("warning", "the weight of low is TF, which is a threshold; did you mean PF?")
    (item,) = wrong(weight="OT")
    assert item.message == "the weight of low is OT, which is a threshold"


@pytest.mark.parametrize(
    ("when", "weight"),
    [("PF > 0 and F < TF", "PF * 0.5"), ("PF > PV_Acc", "(TF - F) / TF"), ("V_Acc < TV_Acc * PV_Acc", "1")],
)
def test_settings_where_they_belong_are_not_doubted(when, weight):
    assert wrong(when, weight) == []


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_rulebooks_have_none(name):
    assert "WRONG_SETTING" not in {item.code for item in lint(load_rulebook(find_rulebook(name)))}
