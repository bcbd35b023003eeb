"""What a rulebook would advise, and how that changes while one value runs."""

from __future__ import annotations

import pytest

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.suppositions.sweep import Sweep, run_sweep
from lemonade_es.engine.suppositions.whatif import KEYS, suppose, supposed_facts
from lemonade_es.errors import ConfigError
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.vocabulary import METRICS

LEMONADE = load_rulebook(find_rulebook("lemonade"))


def test_what_is_not_supposed_is_unknown_and_wishes_have_their_defaults():
    facts = supposed_facts(LEMONADE, {"T_Acc": 0.62}, {"PT_Acc": 1})
    assert facts["T_Acc"] == 0.62
    assert facts["V_Acc"] is None
    assert (facts["PT_Acc"], facts["TT_Acc"]) == (1, 0.99)


def test_the_rulebooks_own_settings_come_before_the_defaults_and_after_the_users():
    book = parse_rulebook(
        "rulebook: b\nversion: 1\nextends: lemonade\nthresholds: {TF: {default: 5}, OT: {default: 0.2}}\n", "b.yaml"
    )
    facts = supposed_facts(book, {}, {"OT": 0.3})
    assert (facts["TF"], facts["OT"]) == (5, 0.3)


def test_normalised_metrics_follow_from_the_supposed_ones():
    facts = supposed_facts(LEMONADE, {"F": 14000, "T_E": 1e-3}, {"TF": 14000})
    assert (facts["NF"], facts["T_NE"]) == (0.5, 0.5)
    assert supposed_facts(LEMONADE, {"F": 14000, "NF": 0.1}, {})["NF"] == 0.1


def test_the_json_has_the_documented_keys_and_says_what_fires():
    data = suppose(LEMONADE, supposed_facts(LEMONADE, {"T_Acc": 0.6}, {"PT_Acc": 1, "PV_Acc": 0})).to_json()
    assert tuple(data) == KEYS
    assert [item["rule"] for item in data["fired"]] == ["low-training-accuracy"]
    assert data["instructions"] == {"ACL": 1.0, "AMK": 1.0, "ADL": 1.0, "ASC": 1.0}
    assert {item["rule"] for item in data["not_fired"]} == {rule.id for rule in LEMONADE.rules[:3] + LEMONADE.rules[4:]}


@pytest.mark.parametrize(
    ("metrics", "wishes", "told"),
    [
        ({"T_Ac": 1}, {}, "did you mean T_Acc?"),
        ({"PT_Acc": 1}, {}, "give it with --set PT_Acc="),
        ({"V_Acc": 60}, {}, "V_Acc is from 0 to 1"),
        ({}, {"T_Acc": 1}, "T_Acc is measured and cannot be set"),
        ({}, {"OT": 7}, "OT must be between 0 and 1"),
    ],
)
def test_what_cannot_be_supposed_is_refused(metrics, wishes, told):
    with pytest.raises(ConfigError) as caught:
        supposed_facts(LEMONADE, metrics, wishes)
    assert told in str(caught.value)


def swept(text, **metrics):
    return run_sweep(LEMONADE, supposed_facts(LEMONADE, metrics, {}), Sweep.parse(text))


def test_a_sweep_finds_the_boundaries_of_the_rules_between_its_steps():
    stretches = swept("V_Acc=0.5:1:0.03", T_Acc=0.95)
    assert [stretch.start for stretch in stretches] == [0.5, 0.85, 0.89, 0.9, 0.99]
    assert [stretch.stop for stretch in stretches] == [0.85, 0.89, 0.9, 0.99, 1.0]
    assert stretches[1].on == ("low-validation-accuracy", "low-validation-accuracy-head")
    assert stretches[1].off == ("overfitting", "regularise-overfitting")
    assert [stretch.starts_here for stretch in stretches] == [True, True, False, False, True]  # 0.95 - 0.9 is UT


def test_a_boundary_between_weights_is_told_as_people_write_it():
    facts = supposed_facts(LEMONADE, {"T_Acc": 0.28, "V_Acc": 0.3, "F": 100.0}, {})
    last = run_sweep(LEMONADE, facts, Sweep.parse("PF=0:2:0.1"))[-1]
    assert (last.start, last.starts_here) == (1.5, False)  # at 1.5 ACL wins the tie
    first, second = run_sweep(LEMONADE, facts, Sweep.parse("PV_Acc=0:1:0.1"))[:2]
    assert (first.stop, second.start, second.starts_here) == (0.0, 0.0, False)


def test_each_stretch_says_what_the_rules_say_inside_it_and_at_its_beginning():
    for stretch in swept("V_Acc=0.5:1:0.01", T_Acc=0.95, F=900):
        at = stretch.start if stretch.starts_here else (stretch.start + stretch.stop) / 2
        for value in (at, (stretch.start + stretch.stop) / 2):
            facts = supposed_facts(LEMONADE, {"V_Acc": value, "T_Acc": 0.95, "F": 900}, {})
            assert resolve(evaluate(LEMONADE, facts), LEMONADE).instructions == stretch.instructions


def test_a_boundary_that_belongs_to_what_is_before_it_says_so():
    book = parse_rulebook(
        "rulebook: b\nversion: 1\ninstructions: {A: {text: a}}\n"
        "rules:\n  - {id: above, when: V_Acc > 0.25, weight: 1, instruct: [A]}\n",
        "b.yaml",
    )
    below, above = run_sweep(book, supposed_facts(book, {}, {}), Sweep.parse("V_Acc=0:1:0.1"))
    assert (below.stop, above.start, above.starts_here) == (0.25, 0.25, False)


def test_a_setting_can_run_as_well_as_a_metric():
    stretches = run_sweep(
        LEMONADE, supposed_facts(LEMONADE, {"T_Acc": 0.7, "V_Acc": 0.7, "F": 1}, {}), Sweep.parse("PF=0:2:0.1")
    )
    assert "RCL" not in stretches[0].instructions
    assert "RCL" in stretches[-1].instructions
    assert len(stretches) > 2


def test_nothing_changes_where_no_rule_looks():
    assert len(swept("P=0:1000000:100000", T_Acc=0.9)) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("V_Acc", "this is not NAME=START:STOP:STEP"),
        ("V_Acc=0:1", "this is not NAME=START:STOP:STEP"),
        ("V_Acc=a:1:0.1", "this is not NAME=START:STOP:STEP"),
        ("V_Ac=0:1:0.1", "did you mean V_Acc?"),
        ("V_Acc=1:0:0.1", "the range is empty"),
        ("V_Acc=0:1:0", "the range is empty"),
        ("V_Acc=0:1:nan", "the range is empty"),
        ("V_Acc=0:2:0.1", "V_Acc is from 0 to 1"),
        ("V_Acc=0:1:1e-9", "more than 10,000 steps"),
        ("plateau=0:8:0.5", "between whole numbers plateau has no value (plateau is a count: take a STEP of 1)"),
        ("P=0.5:100:1", "between whole numbers P has no value"),
        ("failed=0:1:0.1", "between whole numbers failed has no value (failed is 0 or 1: take a STEP of 1)"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(text, told):
    with pytest.raises(ConfigError) as caught:
        Sweep.parse(text)
    assert told in str(caught.value)


def test_all_supposed_facts_are_of_the_vocabulary():
    assert isinstance(supposed_facts(LEMONADE, {}, {}), Facts)
    assert set(METRICS) <= set(supposed_facts(LEMONADE, {}, {}))
