"""Algorithm 2, and the reasons it leaves."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from lemonade_es.engine.expert.conflicts import Dropped, Resolution, resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.rules.load import parse_rulebook
from lemonade_es.vocabulary import settings

HEAD = """\
rulebook: small
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL}
  ADL: {text: Add dense, conflicts_with: RDL}
  RCL: {text: Reduce, conflicts_with: ACL}
  RDL: {text: Reduce dense, conflicts_with: ADL}
  AWI: {text: Initialise}
rules:
"""


def resolution(*rules, head=HEAD):
    lines = [
        f"  - {{id: r{number}, when: 1 > 0, weight: {weight}, instruct: [{names}], salience: {salience}}}\n"
        for number, (names, weight, salience) in enumerate(rules)
    ]
    rulebook = parse_rulebook(head + "".join(lines), "b.yaml")
    return resolve(evaluate(rulebook, Facts.of({}, settings(None, {}))), rulebook)


def test_the_papers_example_keeps_the_heavier_of_two_dense_instructions():
    found = resolution(("ADL", 0.5, 0), ("RDL", 0.4, 0))
    assert found.instructions == {"ADL": 0.5}
    (decision,) = found.decisions
    assert (decision.winner, decision.loser) == ("ADL", "RDL")
    assert (decision.winner_weight, decision.loser_weight) == (0.5, 0.4)
    assert decision.margin == pytest.approx(0.1)
    assert (decision.winner_rules, decision.loser_rules) == (("r0",), ("r1",))
    assert decision.flip == "RDL would win if its weight rose by more than 0.1"


def test_weights_of_several_rules_decide_together():
    found = resolution(("RCL", 0.5, 0), ("ACL", 0.3, 0), ("ACL, AWI", 0.3, 0))
    assert found.instructions == {"ACL": 0.6, "AWI": 0.3}
    assert found.decisions[0].winner_rules == ("r1", "r2")


def test_the_heaviest_come_first_and_equals_in_the_order_of_the_rulebook():
    found = resolution(("AWI, RDL, ACL", 0.5, 0), ("RDL", 0.1, 0))
    assert list(found.instructions) == ["RDL", "ACL", "AWI"]


@pytest.mark.parametrize("weights", [(0.1, 0.2, -0.3), (-0.3, 0.1, 0.2)])
def test_what_rounding_leaves_of_weights_that_cancel_out_is_not_sent(weights):
    found = resolution(*(("ACL", weight, 0) for weight in weights), ("AWI", 0.5, 0))
    assert found.instructions == {"AWI": 0.5}
    assert found.dropped == (Dropped("ACL", 0.0, ("r0", "r1", "r2")),)


def test_a_tie_goes_to_the_higher_salience():
    found = resolution(("ACL", 0.5, 0), ("RCL", 0.5, 3))
    assert found.instructions == {"RCL": 0.5}
    assert found.decisions[0].margin == 0
    assert found.decisions[0].flip.endswith("and r1, which gives RCL, has the higher salience")


def test_a_tie_of_equal_salience_goes_to_the_one_named_first():
    found = resolution(("RCL", 0.5, 0), ("ACL", 0.5, 0))
    assert found.instructions == {"ACL": 0.5}
    assert "the rulebook names ACL first" in found.decisions[0].flip


@pytest.mark.parametrize(
    ("rules", "winner"),
    [
        ((("ACL", 0.3, 0), ("RCL", 0.1, 0), ("RCL", 0.2, 0)), "ACL"),
        ((("ACL", 0.1, 0), ("ACL", 0.2, 0), ("RCL", 0.3, 7)), "RCL"),
        ((("ACL", 0.7, 0), ("ACL", 0.1, 0), ("RCL", 0.8, 7)), "RCL"),
        ((("RCL", 0.3, 0), ("RCL", -0.1, 0), ("ACL", 0.2, 0)), "ACL"),
    ],
)
def test_weights_that_only_the_rounding_of_a_sum_tells_apart_are_a_tie(rules, winner):
    found = resolution(*rules)
    assert list(found.instructions) == [winner]
    assert found.decisions[0].margin == 0
    assert "the weights are equal" in found.decisions[0].flip


def test_the_heaviest_are_chosen_without_regard_to_the_rounding_of_a_sum():
    found = resolution(("RDL", 0.1, 0), ("RDL", 0.2, 0), ("ACL", 0.3, 0), head=f"max_instructions: 1\n{HEAD}")
    assert list(found.instructions) == ["ACL"]
    assert [item.instruction for item in found.surplus] == ["RDL"]


def test_weights_that_differ_as_written_are_no_tie():
    found = resolution(("ACL", 0.3, 5), ("RCL", 0.30000001, 0))
    assert found.instructions == {"RCL": 0.30000001}


@pytest.mark.parametrize("silent", [0, -0.5])
def test_a_rule_that_gives_no_weight_wins_no_tie(silent):
    rules = (("RCL", 0.5, 5), ("ACL", 0.5 - silent, 0), ("ACL", silent, 10))
    found = resolution(*rules)
    assert found.instructions == {"RCL": 0.5}
    assert found.decisions[0].flip.endswith("and r0, which gives RCL, has the higher salience")


def test_weights_of_zero_and_less_are_dropped_and_no_conflict():
    found = resolution(("ACL, AWI", 0, 0), ("RCL", 0.2, 0), ("RDL", -1, 0))
    assert found.instructions == {"RCL": 0.2}
    assert found.decisions == ()
    assert found.dropped == (Dropped("ACL", 0.0, ("r0",)), Dropped("AWI", 0.0, ("r0",)), Dropped("RDL", -1.0, ("r2",)))


def test_a_resolution_survives_the_journey_through_json():
    found = resolution(("ADL", 0.5, 0), ("RDL", 0.4, 0), ("AWI", 0, 0))
    adapter = TypeAdapter(Resolution)
    assert adapter.validate_json(adapter.dump_json(found)) == found
