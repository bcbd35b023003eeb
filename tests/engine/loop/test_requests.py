"""What an edit request tells of a network."""

from __future__ import annotations

from lemonade_es.engine.loop.advisor import Advisor
from lemonade_es.engine.loop.requests import matched_facts, told_metrics
from lemonade_es.engine.spec import RunSpec
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.vocabulary import settings

VALUES = settings("accuracy", {})
METRICS = {"T_Acc": 0.62, "V_Acc": 0.60, "dead_units": 0.6, "grad_low": 0.0, "loss_slope": 0.05, "class_gap": 0.1}


def told(rulebook, metrics):
    advised = Advisor(load_rulebook(find_rulebook(rulebook)), VALUES).advise(2, 1, metrics)
    return told_metrics(RunSpec(), VALUES, matched_facts(advised))


def test_how_the_training_went_is_told_where_a_rule_made_something_of_it():
    names = told("diagnosis", METRICS)
    assert "dead_units" in names
    assert not {"grad_low", "grad_high", "loss_slope", "loss_noise", "dead_layers", "best_epoch"} & set(names)
    assert "loss_slope" in told("diagnosis", METRICS | {"loss_slope": 0.5})


def test_a_rulebook_without_such_rules_tells_nothing_of_it():
    assert "dead_units" not in told("lemonade", METRICS)
    assert {"T_Acc", "V_Acc", "P", "class_gap"} <= set(told("lemonade", METRICS))


def test_before_the_first_network_no_fact_is_matched():
    assert matched_facts(None) == set()
