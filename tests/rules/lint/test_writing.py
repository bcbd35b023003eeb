"""What the linter says of the files as they are written."""

from __future__ import annotations

import pytest

from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook, shipped

HEAD = """\
rulebook: b
version: 1
instructions: {ACL: {text: Add}}
rules:
  - {id: large, when: P > TP or F < TF, weight: 1, instruct: [ACL], because: x}
"""


def told(text, code, file="b"):
    return [f"{item.level} {item}" for item in lint(parse_rulebook(text, file)) if item.code == code]


def test_a_point_that_may_part_thousands_is_told_in_settings_and_tests_too():
    more = """\
thresholds:
  TP: {default: 200.000, range: [1.000, 900000]}
  TF: {default: 14.5}
  TV_Acc: {default: 1.000}
tests:
  - {name: t, given: {P: 100.000, F: 200.00, V_Acc: 1.000}, expect: {not_fired: [large]}}
"""
    assert told(HEAD + more, "THOUSANDS_POINT") == [
        "warning b:7:17 THOUSANDS_POINT 200.000 is 200; if it is meant as thousands, write 200000",
        "warning b:7:34 THOUSANDS_POINT 1.000 is 1; if it is meant as thousands, write 1000",
        "warning b:11:26 THOUSANDS_POINT 100.000 is 100; if it is meant as thousands, write 100000",
    ]


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_rulebooks_are_written_well(name):
    codes = {"THOUSANDS_POINT"}
    assert not [item for item in lint(load_rulebook(find_rulebook(name))) if item.code in codes]
