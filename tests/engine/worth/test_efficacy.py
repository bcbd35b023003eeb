"""Each rule's purpose against what was measured after its advice."""

from __future__ import annotations

import pytest

from lemonade_es.engine.worth.efficacy import efficacy, purpose
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook

LEMONADE = load_rulebook(find_rulebook("lemonade"))


def row(make, name, *runs):
    return next(item for item in efficacy(make.book, runs) if item.rule == name)


@pytest.mark.parametrize(
    ("rule", "metric"),
    [
        ("low-training-accuracy", "T_Acc"),
        ("refine", "V_Acc"),
        ("slow", "F"),
        ("training-energy", "T_E"),
        ("validation-energy", "V_E"),
        ("repair-broken", "failed"),
    ],
)
def test_a_rule_is_meant_to_better_what_its_priority_weighs_or_else_what_its_condition_reads(rule, metric):
    (found,) = [item for item in LEMONADE.rules if item.id == rule]
    assert purpose(found, LEMONADE) == metric


def test_conclusions_that_read_each_other_end():
    book = parse_rulebook(
        "rulebook: deep\nversion: 1\ninstructions:\n  ACL: {text: Add}\nrules:\n"
        "  - {id: a, when: F > 1, conclude: fast}\n  - {id: b, when: fast, conclude: small}\n"
        "  - {id: c, when: small, weight: 1, instruct: [ACL]}\n",
        "deep.yaml",
    )
    assert purpose(book.rules[2], book) == "F"


def test_a_rule_that_helps_is_told_from_one_that_does_nothing(make, recorded):
    run = recorded(deep=0.05, wide=0.0)
    helping, idle = row(make, "deeper", run), row(make, "wider", run)
    assert helping.verdict == "helps"
    assert helping.against_others.mean == pytest.approx(0.05, abs=0.01)
    assert helping.against_others.low > 0
    assert idle.verdict == "open"
    assert idle.against_others.low < 0 < idle.against_others.high


def test_a_rule_that_harms_is_told(make, recorded):
    assert row(make, "wider", recorded(wide=-0.05)).verdict == "harms"


def test_a_rule_that_never_fired_claims_nothing(make, recorded):
    silent = row(make, "silent", recorded())
    assert (silent.fired, silent.carried_out, silent.gain, silent.against_others) == (0, 0, None, None)
    assert silent.verdict == "open"


def test_of_two_steps_no_interval_is_told(make, recorded):
    gain = row(make, "deeper", recorded(steps=4, seed=3)).gain
    assert gain.steps == 2
    assert (gain.low, gain.high) == (None, None)


def test_the_interval_of_the_mean_gets_narrower_with_more_steps(make, recorded):
    short, long = (row(make, "deeper", recorded(steps=steps, noise=0.05)).gain for steps in (30, 300))
    assert long.high - long.low < (short.high - short.low) / 2


def test_a_step_whose_network_failed_is_counted(make):
    facts = {"V_Acc": 0.5, "L": 2.0}
    run = make.entries(
        make.ended(1, facts, 0.5),
        make.advised(2, 1, facts),
        make.accepted(2, {"AMK": "followed"}),
        make.ended(2, {"V_Acc": None, "failed": 1.0}, None, "DIVERGED"),
    )
    wider = row(make, "wider", run)
    assert (wider.carried_out, wider.failed, wider.gain) == (1, 1, None)


def test_the_same_runs_give_the_same_figures(make, recorded):
    assert efficacy(make.book, [recorded(deep=0.02)]) == efficacy(make.book, [recorded(deep=0.02)])
