"""The rulebooks that come with the package: each is whole, and its tests would notice if it were another."""

from __future__ import annotations

import functools

import pytest

from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.selftest import selftest
from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import find_rulebook, load_rulebook, shipped
from lemonade_es.vocabulary import METRICS, THRESHOLDS, settings

NAMES = ("cautious", "diagnosis", "edge", "lemonade", "text")
TABLE_3 = {"ACL", "ASC", "ADL", "RCL", "RSC", "RDL", "AD", "AMK", "AWI", "AR", "RK", "RD", "AMN", "RN", "RR"}

loaded = functools.cache(lambda name: load_rulebook(find_rulebook(name)))


def fired(rulebook, given):
    """The ids of the rules that fire in a situation, and every weight that is given in it."""
    metrics = {name: value for name, value in given.items() if name in METRICS}
    wishes = {name: value for name, value in given.items() if name not in METRICS}
    inference = evaluate(rulebook, Facts.of(metrics, settings(None, wishes, rulebook.defaults)))
    return [firing.rule for firing in inference.fired], dict(inference.weights)


def test_these_rulebooks_are_shipped():
    assert set(NAMES) <= set(shipped())


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_rulebook_is_called_as_its_file_and_says_what_it_is_for(name):
    rulebook = loaded(name)
    assert rulebook.name == name
    assert rulebook.about.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_a_shipped_rulebook_pass_in_experta(name):
    results = selftest(loaded(name))
    assert len(results) == len(loaded(name).tests) >= len(loaded(name).rules)
    assert [(str(result.place), result.failures) for result in results if not result.passed] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_of_a_shipped_rulebook_is_expected_to_fire_in_one_test_and_not_to_in_another(name):
    rulebook = loaded(name)
    ids = {rule.id for rule in rulebook.rules}
    assert ids - {rule for test in rulebook.tests for rule in test.fired or ()} == set()
    assert ids - {rule for test in rulebook.tests for rule in test.not_fired} == set()


@pytest.mark.parametrize("name", NAMES)
def test_each_comparison_of_a_shipped_rulebook_is_seen_true_and_false_and_unknown(name):
    rulebook = loaded(name)
    missing = {(rule.id, atom.text): {True, False, None} for rule in rulebook.rules for atom in rule.when.atoms({})}
    for test in rulebook.tests:
        metrics = {key: value for key, value in test.given.items() if key in METRICS}
        wishes = {key: value for key, value in test.given.items() if key not in METRICS}
        facts = Facts.of(metrics, settings(None, wishes, rulebook.defaults))
        values = {**facts, **evaluate(rulebook, facts).conclusions}
        for rule in rulebook.rules:
            for atom in rule.when.atoms(values):
                missing[rule.id, atom.text].discard(atom.truth)
    assert {key: left for key, left in missing.items() if left} == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_rulebook_has_the_instructions_of_table_3_and_gives_each_in_a_test(name):
    rulebook = loaded(name)
    assert set(rulebook.instructions) == TABLE_3
    used = {instruction for rule in rulebook.rules for instruction in rule.instruct}
    assert used == TABLE_3
    assert used - {instruction for test in rulebook.tests for instruction in test.instructions} == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_has_no_warning_for_a_shipped_rulebook(name):
    assert [str(item) for item in lint(loaded(name)) if item.level == "warning"] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_gives_its_reason_with_what_was_measured(name):
    without = [rule.id for rule in loaded(name).rules if "{" not in rule.because]
    assert set(without) <= {"repair-broken", "shrink-broken"}  # they follow a rule that tells it, or a flag


def test_diagnosis_advises_as_lemonade_where_no_training_dynamics_are_known():
    dynamics = {"loss_slope", "loss_noise", "grad_low", "grad_high", "dead_units", "best_epoch", "class_gap"}
    for test in loaded("lemonade").tests:
        assert not dynamics & set(test.given)
        if test.given.get("plateau", 0) >= 5:
            continue  # that is one to diagnosis, far from the goal
        assert fired(loaded("diagnosis"), test.given) == fired(loaded("lemonade"), test.given)


def test_only_known_progress_of_the_loss_takes_layers_back_in_diagnosis():
    given = {"T_Acc": 0.62, "V_Acc": 0.60}
    _, unknown = fired(loaded("diagnosis"), given)
    _, ended = fired(loaded("diagnosis"), {**given, "loss_slope": 0.05})
    _, falling = fired(loaded("diagnosis"), {**given, "loss_slope": 0.5})
    assert unknown["ACL"] == ended["ACL"] == 1.5
    assert falling["ACL"] <= 0
    assert falling["ADL"] <= 0


def test_diagnosis_never_widens_where_most_units_are_dead_nor_deepens_where_gradients_explode():
    near, far = {"T_Acc": 0.94, "V_Acc": 0.92, "plateau": 2}, {"T_Acc": 0.62, "V_Acc": 0.60, "plateau": 9}
    ill = {"dead_units": 0.8, "grad_high": 0.5}
    for wishes_for_growth in (near, far):
        _, weights = fired(loaded("diagnosis"), {**wishes_for_growth, "class_gap": 0.9, "loss_slope": 0, **ill})
        assert weights["RK"] > weights["AMK"] > 0
        assert weights["RN"] > weights["AMN"] > 0
        assert weights["RCL"] > weights["ACL"] > 0


def test_edge_sets_every_threshold_and_priority_of_a_small_device_within_its_range():
    edge = loaded("edge")
    for threshold in ("TS", "TP", "TM", "TL", "TW", "TR"):
        assert THRESHOLDS[threshold].default is None
        assert {threshold, f"P{threshold[1:]}"} <= set(edge.defaults)
    assert set(edge.ranges) == set(edge.defaults)
    assert all(low < edge.defaults[name] < high for name, (low, high) in edge.ranges.items())


def test_edge_cuts_nothing_while_accuracy_is_far_from_the_wish_unless_nobody_could_use_the_network():
    over = {"S": 3.9, "P": 2e6, "M": 4.9e7, "L": 90, "W": 9e4, "R": 9000}
    ids, weights = fired(loaded("edge"), {**over, "T_Acc": 0.62, "V_Acc": 0.60})
    assert not {"RK", "RN", "RCL", "RSC"} & set(weights)
    assert "grow-thriftily" in ids
    _, near = fired(loaded("edge"), {**over, "T_Acc": 0.96, "V_Acc": 0.95})
    assert {"RK", "RN", "RCL", "RSC"} <= set(near)
    _, hopeless = fired(loaded("edge"), {"S": 100, "T_Acc": 0.62, "V_Acc": 0.60})
    assert hopeless["RK"] > hopeless["AMK"] > 0


def test_cautious_leaves_two_instructions_at_most():
    assert loaded("cautious").max_instructions == 2
    taking_back = {"one-change-at-a-time"}
    assert all(len(rule.instruct) <= 2 for rule in loaded("cautious").rules if rule.id not in taking_back)
    assert max(len(test.instructions) for test in loaded("cautious").tests) == 2


def test_the_instructions_of_text_are_those_of_lemonade():
    def known(name):
        return [
            (item.id, item.text, item.conflicts_with, item.changes, item.direction)
            for item in loaded(name).instructions.values()
        ]

    assert known("text") == known("lemonade")
