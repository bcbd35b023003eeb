"""Recorded decisions, put to the same and to other rulebooks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lemonade_es.engine.expert.advice import Shift
from lemonade_es.engine.history.events import DataSummary, RunStarted
from lemonade_es.engine.spec import RunSpec
from lemonade_es.engine.suppositions.backtest import backtest, flipped
from lemonade_es.engine.suppositions.whatif import recorded_decision, restated, suppose, supposed_facts
from lemonade_es.errors import ConfigError, StoreError
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.task import Task
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.vocabulary import settings

LEMONADE = load_rulebook(find_rulebook("lemonade"))
OWN = "rulebook: own\nversion: 1\nextends: lemonade\ndrop_tests: all\n"


def own(text):
    return parse_rulebook(OWN + text, "own.yaml")


def patch(source):
    given = {"summary": "s", "model_py": source, "edits": None, "applied": [], "skipped": [], "predicted": None}
    return json.dumps(given)


@pytest.fixture
def run(bench):
    """Records a run over some accuracies; the speed of each network is 1,000 frames per second."""

    def record(*accuracies, name="r", **spec):
        replies = [patch(f"accuracy={value} parameters={index + 1}") for index, value in enumerate(accuracies)]
        chosen = RunSpec(iterations=len(replies), repairs=0, **spec)
        bench.run = f"{name}, without its beginning"
        bench.search(replies, spec=chosen).run()
        begun = RunStarted(
            spec=chosen,
            settings=settings(chosen.preset, chosen.set),
            recipe=Recipe(),
            rulebook=LEMONADE.sources[0].text,
            rulebook_file="lemonade.yaml",
            rulebook_digest=LEMONADE.digest,
            data=DataSummary(Task("image", "lines", (1, 8, 8), 10), 1, 1, 1, "", ()),
            executor="scripted",
            isolation="",
            device="cpu",
            energy="",
            versions={},
        )
        for number, event in enumerate([begun, *bench.events()]):
            bench.journal.append(name, number, event)
        return bench.journal.read(name)

    return record


def test_the_rulebook_that_advised_would_advise_the_same_again(run):
    found = backtest(LEMONADE, [run(0.5, 0.7, 0.9, set={"PF": 0.25})])
    assert (found.decisions, found.flipped) == (2, ())
    assert found.fires["slow"] == found.fires["low-training-accuracy"] == 2
    assert found.fires["broken"] == 0
    assert "broken" in found.never
    assert "slow" not in found.never


def test_another_rulebook_is_told_by_what_comes_goes_and_weighs_otherwise(run):
    entries = run(0.5, 0.995, 0.9)
    other = own("drop: [simplify]\nrules:\n  - {id: slow, when: F < TF, weight: 0.75, instruct: [RK], because: x}\n")
    (item,) = backtest(other, [entries]).flipped
    assert item.iteration == 3
    assert item.old == recorded_decision(entries, 3).resolution.instructions == {"RK": 0.25, "RN": 0.25}
    shift = Shift.between(item.old, item.new)
    assert (dict(shift.gained), dict(shift.lost)) == ({}, {"RN": 0.25})
    assert dict(shift.reweighted) == {"RK": (0.25, 0.75)}
    assert item.to_json()["shift"]["lost"] == {"RN": 0.25}


def test_conflicts_that_are_decided_the_other_way_are_told(run):
    entries = run(0.5, 0.5, set={"PF": 0.25})
    assert recorded_decision(entries, 2).resolution.decisions[0].winner == "ACL"
    other = own("rules:\n  - {id: slow, when: F < TF, weight: PF * 20, instruct: [RCL], because: x}\n")
    (item,) = backtest(other, [entries]).flipped
    assert item.turned == (("RCL", "ACL"),)
    assert item.to_json()["turned"] == [{"winner": "RCL", "loser": "ACL"}]
    (same,) = flipped(LEMONADE, other, entries)
    assert same == item


def test_figures_are_given_for_each_run_and_in_sum(run):
    entries = [run(0.5, 0.6, 0.7, name="one"), run(0.8, 0.9, name="two"), run(0.5, name="three")]
    other = own("rules:\n  - {id: always, when: V_Acc > 0.55, weight: 3, instruct: [RSC], because: x}\n")
    found = backtest(other, entries)
    assert [(part.run, part.decisions, part.fires["always"]) for part in found.runs] == [
        ("one", 2, 1),
        ("two", 1, 1),
        ("three", 0, 0),
    ]
    data = found.to_json()
    assert (data["decisions"], data["fires"]["always"]) == (3, 2)
    assert [(item["run"], item["iteration"]) for item in data["flipped"]] == [("one", 3), ("two", 2)]
    assert [part["flipped"] for part in data["runs"]] == [[3], [2], []]


def test_the_users_settings_stay_and_the_rulebooks_defaults_are_its_own(run):
    rules = "rules:\n  - {id: fast, when: NF > 0.6, weight: PF, instruct: [AMN], because: x}\n"
    heads = ("", "thresholds: {TF: {default: 500}}\n")
    plain, other = (own(f"{head}{rules}") for head in heads)
    entries = run(0.5, 0.5, set={"PF": 2})
    assert backtest(plain, [entries]).fires["fast"] == 0
    (item,) = backtest(other, [entries]).flipped
    assert item.new["AMN"] == 2.5
    entries = run(0.5, 0.5, name="with TF", set={"PF": 2, "TF": 10_000})
    assert backtest(other, [entries]).fires["fast"] == 0


def test_a_recorded_decision_is_supposed_again_fact_by_fact(run):
    advised = recorded_decision(run(0.5, 0.6, 0.7, set={"PF": 0.25}), 3)
    facts = supposed_facts(LEMONADE, {}, {}, advised)
    assert dict(facts) == dict(advised.inference.facts)
    assert suppose(LEMONADE, facts).resolution == advised.resolution


def test_what_is_supposed_changes_a_recorded_decision_and_what_follows_from_it(run):
    advised = recorded_decision(run(0.5, 0.6, set={"TF": 3000}), None)
    assert advised.inference.facts["NF"] == 0.25
    assert supposed_facts(LEMONADE, {"F": 3000}, {}, advised)["NF"] == 0.5
    assert supposed_facts(LEMONADE, {}, {"TF": 1000}, advised)["NF"] == 0.5
    assert supposed_facts(LEMONADE, {"NF": 0.9}, {"TF": 1000}, advised)["NF"] == 0.9


def test_a_mean_of_several_trainings_stays_only_with_what_it_comes_from(run):
    advised = recorded_decision(run(0.5, 0.6, set={"TF": 3000}), None)
    mean = {**advised.inference.facts, "NF": 0.3}
    advised = replace(advised, inference=replace(advised.inference, facts=mean))
    assert supposed_facts(LEMONADE, {"V_Acc": 0.9}, {"PF": 1}, advised)["NF"] == 0.3
    assert supposed_facts(LEMONADE, {"F": 3000}, {}, advised)["NF"] == 0.5
    assert supposed_facts(LEMONADE, {}, {"TF": 1000}, advised)["NF"] == 0.5


def test_a_setting_that_the_run_did_not_have_comes_from_the_rulebook(run):
    advised = recorded_decision(run(0.5, 0.6), None)
    other = own("thresholds: {TP: {default: 7}, OT: {default: 0.3}}\n")
    facts = supposed_facts(other, {}, {}, advised)
    assert (facts["TP"], facts["OT"]) == (7, 0.1)


def test_an_iteration_without_a_decision_names_those_with_one(run):
    with pytest.raises(StoreError) as caught:
        recorded_decision(run(0.5, 0.6, 0.7), 1)
    assert "iterations with a decision: 2, 3" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("F", float("inf"), "F is from 0"),
        ("F", float("nan"), "F is from 0"),
        ("F", -1, "F is from 0"),
        ("loss_slope", 2, "loss_slope is to 1"),
    ],
)
def test_a_supposed_measurement_must_be_one_that_can_be(name, value, told):
    with pytest.raises(ConfigError) as caught:
        supposed_facts(LEMONADE, {name: value}, {})
    assert told in str(caught.value)


def test_normalised_metrics_of_recorded_facts_change_only_with_what_they_come_from(run):
    recorded = recorded_decision(run(0.5, 0.6), None).inference.facts
    assert dict(restated(recorded, {"V_Acc": 1.0}, {})) == {**recorded, "V_Acc": 1.0}
