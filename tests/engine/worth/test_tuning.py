"""Weights learned from runs whose effects are known."""

from __future__ import annotations

import dataclasses

import pytest

from lemonade_es.engine.history.events import IterationEnded, Pruned
from lemonade_es.engine.worth.tuning import LEAST_STEPS, advising_rulebook, tune
from lemonade_es.errors import ConfigError, StoreError


def learned(tuning):
    return {row.rule: row for row in tuning.rules}


def test_a_rule_that_helps_more_than_the_book_says_gains_weight_at_the_cost_of_the_others(make, recorded):
    rows = learned(tune(make.book, [recorded(deep=0.05, wide=0.0)]))
    assert set(rows) == {"deeper", "wider"}
    assert rows["deeper"].factor > 1.5
    assert rows["wider"].factor < 0.7
    assert rows["deeper"].low < rows["deeper"].effect < rows["deeper"].high
    assert rows["deeper"].weight == 0.5


def test_a_weight_never_leaves_its_bounds(make, recorded):
    rows = learned(tune(make.book, [recorded(steps=200, deep=0.05, noise=0.001)], doubt=5))
    assert (rows["deeper"].factor, rows["wider"].factor) == (3.0, 0.1)


@pytest.mark.parametrize(("wide", "left"), [(0.0, (0.0, 0.25)), (0.2, (0.25, 0.75)), (-0.2, (0.0, 0.25))])
def test_of_a_weight_that_others_oppose_only_the_remainder_is_learned(opposed, recorded, wide, left):
    rows = learned(tune(opposed.book, [recorded(wide=wide)]))
    row, (least, most) = rows["wider"], left
    assert (row.weight, row.net) == (4.25, 0.25)
    assert least < row.weight * row.factor - 4.0 < most + 0.01  # never so light that it is not sent at all
    assert rows["deeper"].weight == rows["deeper"].net == 0.5


def test_a_weight_that_counts_for_nothing_beside_a_larger_one_takes_nothing_away(opposed, recorded):
    largest = dataclasses.replace(opposed.book, combine="max")
    row = learned(tune(largest, [recorded()]))["wider"]
    assert row.weight == row.net == 4.25


def test_with_little_doubt_the_book_stays_as_it_is(make, recorded):
    rows = learned(tune(make.book, [recorded(deep=0.05)], doubt=1e-3))
    assert {row.factor for row in rows.values()} == {1.0}


def test_more_evidence_moves_a_weight_further_and_makes_it_surer(make, recorded):
    few, many = (learned(tune(make.book, [recorded(steps=n, deep=0.05)]))["deeper"] for n in (12, 200))
    assert many.effect > few.effect
    assert many.high - many.low < few.high - few.low


def test_a_network_that_cannot_be_trained_counts_against_the_rules_behind_it(make, recorded):
    calm = recorded(steps=40)
    facts = {"V_Acc": 0.5, "F": 80.0, "L": 2.0}
    failing = []
    for number in range(2, 42, 2):
        failing += [
            make.ended(number - 1, facts, 0.5),
            make.advised(number, number - 1, facts),
            make.accepted(number, {"AMK": "followed"}),
            make.ended(number, {"failed": 1.0}, None, "DIVERGED"),
        ]
    found = tune(make.book, [calm, make.entries(*failing, run="s")])
    assert found.failures == 20
    assert found.steps == 60
    assert learned(found)["wider"].effect < learned(tune(make.book, [calm]))["wider"].effect


def test_too_few_steps_are_refused(make, recorded):
    with pytest.raises(StoreError, match="too few to learn from"):
        tune(make.book, [recorded(steps=LEAST_STEPS - 1)])
    assert tune(make.book, [recorded(steps=LEAST_STEPS)]).steps == LEAST_STEPS


def test_steps_that_all_gain_the_same_are_refused(make, recorded):
    with pytest.raises(StoreError, match="the same gain"):
        tune(make.book, [recorded(noise=0.0)])


def test_networks_that_were_stopped_as_hopeless_count_against_the_rules_behind_them(make, recorded, hopeless):
    calm = recorded(steps=60, wide=0.05, noise=0.02)
    alone, pruned = tune(make.book, [calm]), tune(make.book, [calm, hopeless()])
    assert (pruned.steps, pruned.pruned, pruned.failures) == (80, 20, 0)
    assert learned(alone)["wider"].factor > 1
    assert learned(pruned)["wider"].factor < 1  # its few good networks speak no longer for all
    assert learned(pruned)["wider"].steps == learned(alone)["wider"].steps + 20


def test_a_network_that_was_stopped_is_no_failure_and_not_the_worst_there_was(make, recorded, hopeless):
    calm = recorded(steps=60, noise=0.05)
    failing = [
        dataclasses.replace(entry, event=dataclasses.replace(entry.event, outcome="DIVERGED"))
        if isinstance(entry.event, IterationEnded) and entry.event.iteration > 1
        else entry
        for entry in hopeless()
        if not isinstance(entry.event, Pruned)
    ]
    failed, pruned = tune(make.book, [calm, failing]), tune(make.book, [calm, hopeless()])
    assert (failed.failures, failed.pruned) == (20, 0)
    assert learned(failed)["wider"].effect * failed.spread < learned(pruned)["wider"].effect * pruned.spread


def test_networks_that_were_stopped_are_nothing_to_learn_from_alone(make, recorded, hopeless):
    with pytest.raises(StoreError, match="9 steps with a gain in CM are too few"):
        tune(make.book, [recorded(steps=LEAST_STEPS - 1), hopeless()])


def test_the_rulebook_is_the_one_that_advised_and_not_one_that_came_later(make, recorded, monkeypatch):
    asked = []
    monkeypatch.setattr("lemonade_es.engine.worth.tuning.rulebook_at", lambda entries, at: asked.append((entries, at)))
    first, advised = make.entries(make.ended(1, {}, 0.5), run="first"), recorded(steps=12)
    advising_rulebook([first, advised])
    assert asked == [(tuple(advised), 13)]
    with pytest.raises(StoreError, match="no rulebook advised"):
        advising_rulebook([first])


def test_runs_of_two_rulebooks_cannot_be_learned_from_together(make, recorded):
    one, other = recorded(run="one"), list(recorded(run="other"))
    other[1] = dataclasses.replace(other[1], event=dataclasses.replace(other[1].event, rulebook="0" * 64))
    with pytest.raises(ConfigError, match="2 different rulebooks advised"):
        advising_rulebook([one, other])
    with pytest.raises(ConfigError, match=r"the rulebook was changed 1 time while run other went on"):
        advising_rulebook([other])
