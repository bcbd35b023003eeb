"""Situations in which no rule asks for anything."""

from __future__ import annotations

import pytest

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.vocabulary import COUNTS, settings
from tests.rules.lint.conftest import GOOD, HEAD, book, found, one


def test_a_gap_in_which_a_wish_is_not_met_is_a_warning_with_a_region_and_an_example():
    rulebook = book("when: V_Acc < 0.5, weight: 1, instruct: [ACL]", GOOD[1])
    (item,) = (gap for gap in found(rulebook, "GAP") if gap.level == "warning")
    assert 0.5 <= item.witness["V_Acc"] < 0.99
    assert "where 0.5 <= V_Acc <= 0.9" in item.message
    assert resolve(evaluate(rulebook, Facts.of(item.witness, settings(None, {}))), rulebook).instructions == {}


def test_a_gap_in_which_all_wishes_are_met_is_a_note():
    assert {gap.level for gap in found(book(*GOOD), "GAP")} == {"note"}


def test_a_wish_that_is_missed_only_at_other_settings_is_told_beside_a_gap_in_which_all_are_met():
    head = HEAD.replace("rules:", "priorities: {PF: {range: [0, 1]}}\nrules:")
    rulebook = book(GOOD[0], "when: F < 1000, weight: PF, instruct: [RCL]", head=head)
    here, elsewhere = found(rulebook, "GAP")
    assert here.message.endswith("and every wish that counts is met")
    assert elsewhere.message.startswith("at PF = 1: no rule asks for anything where ")
    assert "though a wish is not met" in elsewhere.message


def test_no_gap_is_found_where_there_is_none():
    rules = (*GOOD, "when: V_Acc >= TV_Acc, weight: 0.1, instruct: [RCL]")
    assert found(book(*rules), "GAP") == []


def test_separate_gaps_are_told_each_with_its_own_region():
    rules = (
        "when: V_Acc < 0.2, weight: 1, instruct: [ACL]",
        "when: V_Acc > 0.4 and V_Acc < 0.6, weight: 1, instruct: [RCL]",
        "when: V_Acc > 0.8, weight: 1, instruct: [RCL]",
    )
    regions = [item.message for item in found(book(*rules), "GAP") if item.level == "warning"]
    assert len(regions) == 2
    assert any("where 0.2 <= V_Acc <= 0.4," in region for region in regions)
    assert any("where 0.6 <= V_Acc <= 0.8," in region for region in regions)


DEEPER = "weight: 1, instruct: [ACL]"
MET = "when: V_Acc >= TV_Acc, weight: 1, instruct: [RCL]"


@pytest.mark.parametrize(
    ("low", "high"), [("plateau <= 2", "plateau >= 3"), ("dead_layers == 0", "dead_layers >= 1"), ("P < 21", "P > 20")]
)
def test_between_two_whole_numbers_there_is_no_gap(low, high):
    rules = (f"when: V_Acc < TV_Acc and {part}, {DEEPER}" for part in (low, high))
    assert found(book(*rules, MET), "GAP") == []


@pytest.mark.parametrize(
    ("low", "high", "region"),
    [
        ("plateau <= 2", "plateau >= 4", "plateau = 3"),
        ("plateau < 3", "plateau > 3", "plateau = 3"),
        ("plateau <= 2", "plateau >= 7", "3 <= plateau <= 6"),
        ("dead_layers < 0", "dead_layers >= 1", "dead_layers = 0"),
        ("P <= 200000", "P > 1299999", "200001 <= P <= 1299999"),
    ],
)
def test_a_gap_of_counts_is_told_in_whole_numbers(low, high, region):
    rules = (f"when: V_Acc < TV_Acc and {part}, {DEEPER}" for part in (low, high))
    item = one(book(*rules, MET), "GAP")
    assert f"where {region} and V_Acc <= 0.99, for example" in item.message
    assert item.witness is not None
    assert all(value.is_integer() for name, value in item.witness.items() if name in COUNTS)
