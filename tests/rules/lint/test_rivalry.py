"""Partners that are asked for at once, and ties between them."""

from __future__ import annotations

import re

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.rules.lint.linter import POINTS
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.vocabulary import settings
from tests.rules.lint.conftest import HEAD, book, found, one


def test_partners_that_are_asked_for_at_once_are_told_with_an_example_that_does_it():
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: F < 500, weight: 0.5, instruct: [RCL]")
    rulebook = book(*rules)
    item = one(rulebook, "PARTNER_OVERLAP")
    inference = evaluate(rulebook, Facts.of(item.witness, settings(None, {})))
    assert inference.weights == {"ACL": 1.0, "RCL": 0.5}
    assert set(item.witness) == {"V_Acc", "F"}


def test_a_tie_is_a_warning_with_an_example_that_is_one():
    rules = ("when: V_Acc < 0.8, weight: 0.5, instruct: [ACL]", "when: F < 500, weight: 0.5, instruct: [RCL]")
    rulebook = book(*rules)
    item = one(rulebook, "WEIGHT_TIE")
    assert item.level == "warning"
    inference = evaluate(rulebook, Facts.of(item.witness, settings(None, {})))
    assert resolve(inference, rulebook).decisions[0].margin == 0


def test_a_tie_that_comes_only_at_other_settings_says_at_which():
    head = HEAD.replace("rules:", "priorities: {PF: {default: 0.5, range: [0.25, 1]}}\nrules:")
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: F < 500, weight: PF, instruct: [RCL]")
    assert one(book(*rules, head=head), "WEIGHT_TIE").message.startswith("at PF = 1: ")


def test_a_tie_that_salience_decides_is_no_warning():
    rules = (
        "when: V_Acc < 0.8, weight: 0.5, instruct: [ACL], salience: 5",
        "when: F < 500, weight: 0.5, instruct: [RCL]",
    )
    assert found(book(*rules), "WEIGHT_TIE") == []


def test_overlaps_are_one_note_for_each_pair_of_instructions_and_count_the_pairs_of_rules():
    rules = [f"when: V_Acc < 0.{number}, weight: {number}, instruct: [ACL]" for number in range(1, 6)]
    item = one(book(*rules, "when: F < 500, weight: 0.5, instruct: [RCL]"), "PARTNER_OVERLAP")
    assert "as do 4 other pairs of rules" in item.message
    assert "the weights let ACL win in all" in item.message


def test_a_rule_that_asks_for_an_instruction_and_its_opposite_is_told_so():
    item = one(book("when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL, RCL]"), "WEIGHT_TIE")
    assert "by r0 (b.yaml:7), which asks for both; only the order of the file lets ACL win: leave one" in item.message


def test_a_partner_that_is_left_alone_by_a_negative_weight_is_counted_as_sent():
    rules = (
        "when: V_Acc < 0.5, weight: -1, instruct: [ACL]",
        "when: V_Acc < 0.7, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.7, weight: 0.5, instruct: [RCL]",
    )
    rulebook = book(*rules)
    for accuracy, sent in ((0.3, {"RCL": 0.5}), (0.6, {"ACL": 1})):
        inference = evaluate(rulebook, Facts.of({"V_Acc": accuracy}, settings(None, {})))
        assert resolve(inference, rulebook).instructions == sent
    scene = Scene(rulebook, settings(None, {}), POINTS)
    low = scene.points.values[:, scene.points.names.index("V_Acc")]
    fewer, all_of_them = int(((low >= 0.5) & (low < 0.7)).sum()), int((low < 0.7).sum())
    told = one(rulebook, "PARTNER_OVERLAP").message
    first, often = ("ACL", fewer) if 2 * fewer >= all_of_them else ("RCL", all_of_them - fewer)
    assert told.endswith(f"the weights let {first} win in {often:,} of the {all_of_them:,} situations tried")


def test_where_neither_partner_is_left_a_weight_none_wins():
    rules = (
        "when: V_Acc < 0.5, weight: -1, instruct: [ACL, RCL]",
        "when: V_Acc < 0.7, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.7 and P > 0, weight: T_Acc - T_Acc + 1, instruct: [RCL]",
    )
    told = one(book(*rules), "PARTNER_OVERLAP").message
    assert re.search(r"the weights are equal in [\d,]+ of the [\d,]+ situations tried$", told)
