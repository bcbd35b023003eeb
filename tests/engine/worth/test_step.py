"""What a journal says of a step: who advised it, what was carried out, and what was measured around it."""

from __future__ import annotations

import math

import pytest

from lemonade_es.engine.worth.step import Advising, Step, completed, steps

FACTS = {"V_Acc": 0.5, "F": 200.0, "L": 2.0}


def test_a_step_tells_which_share_of_each_rules_advice_was_carried_out(make):
    assert make.book.rules[0].instruct == ("ACL", "ASC")
    (step,) = steps(
        make.entries(
            make.ended(1, FACTS, 0.5),
            make.advised(2, 1, FACTS),
            make.accepted(2, {"ACL": "followed", "ASC": "not", "AMK": "partly"}),
            make.ended(2, {**FACTS, "V_Acc": 0.6}, 0.7),
        )
    )
    assert step.advising == (Advising("deeper", 0.5, 0.5), Advising("wider", 1.0, 1.0))
    assert (step.share("deeper"), step.share("faster")) == (0.5, 0.0)


def test_what_others_speak_against_is_told_of_the_instructions_that_were_carried_out(opposed):
    step = opposed.advised(2, 1, FACTS)
    assert dict(step.resolution.instructions) == {"ACL": 0.5, "ASC": 0.5, "AMK": 0.25}
    (found,) = steps(
        opposed.entries(
            opposed.ended(1, FACTS, 0.5),
            step,
            opposed.accepted(2, dict.fromkeys(("ACL", "AMK"), "followed")),
            opposed.ended(2, FACTS, 0.5),
        )
    )
    assert found.advising == (Advising("deeper", 0.5, 0.5), Advising("wider", 4.25, 1.0, opposed=4.0))


@pytest.mark.parametrize("verdict", ["not", "opposite", "cannot tell"])
def test_what_the_census_does_not_show_was_not_carried_out(make, verdict):
    (step,) = steps(
        make.entries(
            make.ended(1, FACTS, 0.5),
            make.advised(2, 1, FACTS),
            make.accepted(2, {"AMK": verdict}),
            make.ended(2, FACTS, 0.5),
        )
    )
    assert step.share("wider") == 0.0


def test_an_iteration_without_a_network_is_no_step(make):
    refused = make.entries(
        make.ended(1, FACTS, 0.5), make.advised(2, 1, FACTS), make.ended(2, {}, None, "SHAPE_MISMATCH")
    )
    assert list(steps(refused)) == []


def test_a_step_is_measured_against_the_network_that_it_edits_not_the_last_one(make):
    made = steps(
        make.entries(
            make.ended(1, {"V_Acc": 0.9}, 0.9),
            make.advised(2, 1, FACTS),
            make.accepted(2, {}),
            make.ended(2, {"V_Acc": 0.2}, 0.2),
            make.advised(3, 1, FACTS),
            make.accepted(3, {}),
            make.ended(3, {"V_Acc": 0.95}, 0.95),
        )
    )
    assert [step.gain("CM") for step in made] == pytest.approx([-0.7, 0.05])


def hopeless(ceiling, **before):
    return Step("r", 9, (), {"CM": 1.0, **before}, {"CM": None, "V_Acc": None}, failed=False, ceiling=ceiling)


def gained(combined, accuracy):
    before = {"CM": 1.0, "V_Acc": 0.5, "F": 100.0}
    return Step("r", 2, (), before, {"CM": 1.0 + combined, "V_Acc": 0.5 + accuracy, "F": 200.0}, failed=False)


def test_a_network_that_was_stopped_counts_as_those_that_ended_no_better_than_it_could_have():
    known = [gained(0.2, 0.1), gained(-0.1, -0.05), gained(-0.3, -0.01)]
    *same, step = completed([*known, hopeless(0.95, V_Acc=0.7, T_Acc=0.9, F=50.0)])
    assert same == known
    assert step.gain("CM") == pytest.approx(-0.2)
    assert step.gain("V_Acc") == pytest.approx(-0.03)
    assert step.gain("T_Acc") is None  # which none of them tells
    assert step.gain("F") is None  # of which the losses say nothing


def test_where_none_ended_as_low_a_network_that_was_stopped_has_the_most_that_it_could_have_had():
    *_, step = completed([gained(0.2, 0.1), hopeless(0.9, V_Acc=0.7)])
    assert step.gain("CM") == pytest.approx(-0.1)
    assert step.gain("V_Acc") is None


def test_a_step_knows_what_its_network_could_have_reached_had_it_not_been_stopped(make):
    made = steps(
        make.entries(
            make.ended(1, FACTS, 0.5),
            *(make.advised(2, 1, FACTS), make.accepted(2, {}), *make.pruned(2, FACTS, 0.4)),
            *(make.advised(3, 1, FACTS), make.accepted(3, {}), make.ended(3, FACTS, 0.6)),
        )
    )
    assert [(step.ceiling, step.failed) for step in made] == [(0.4, False), (None, False)]


@pytest.mark.parametrize(
    ("metric", "before", "after", "gain"),
    [
        ("V_Acc", 0.5, 0.6, 0.1),
        ("F", 100.0, 200.0, math.log(2)),
        ("P", 1000.0, 500.0, math.log(2)),
        ("T_E", 2e-3, 1e-3, math.log(2)),
        ("failed", 1.0, 0.0, 1.0),
        ("dead_layers", 2.0, 0.0, 2.0),
        ("dead_layers", 0.0, 1.0, -1.0),
        ("V_Acc", None, 0.6, None),
        ("F", 0.0, 10.0, None),
    ],
)
def test_a_gain_is_above_0_where_a_metric_became_better(metric, before, after, gain):
    step = Step("r", 2, (), {metric: before}, {metric: after}, failed=False)
    assert step.gain(metric) == (None if gain is None else pytest.approx(gain))
