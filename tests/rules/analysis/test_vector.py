"""Many situations at once give what the engine gives for each by itself."""

from __future__ import annotations

import random

import numpy as np
import pytest

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.rules.analysis.points import Points, sample_points
from lemonade_es.rules.analysis.vector import evaluate_points
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook, shipped
from lemonade_es.vocabulary import METRICS, settings

METRIC_NAMES = ("T_Acc", "V_Acc", "F", "P", "failed")


def generated(seed):
    """A rulebook with chained conclusions, negation, ties, saliences, and weights of every kind."""
    rng = random.Random(seed)
    lines = [
        "rulebook: generated",
        "version: 1",
        f"combine: {rng.choice(['sum', 'max'])}",
        *([f"max_instructions: {rng.randint(1, 3)}"] if rng.random() < 0.4 else []),
        "instructions:",
        "  A: {text: a, conflicts_with: B}",
        "  B: {text: b, conflicts_with: A}",
        "  C: {text: c, conflicts_with: D}",
        "  D: {text: d, conflicts_with: C}",
        "  E: {text: e}",
        "rules:",
    ]
    drawn = []
    for number in range(rng.randint(2, 9)):
        atoms = [
            f"T_Acc {rng.choice(['<', '<=', '>', '>=', '==', '!='])} {rng.choice(['TT_Acc', 0.5, 'V_Acc', 1])}",
            f"T_Acc - V_Acc {rng.choice('<>')} {rng.choice(['OT', 'UT', 0.25])}",
            f"max(V_Acc, {rng.choice([0.2, 0.5])}) * 2 >= abs(T_Acc - 1) / {rng.choice(['V_Acc', 0.5, 0])}",
            "failed",
            f"F < TF * {rng.choice([0.5, 1])} < 20000",
            "P > TP",
            *(rng.choice(["", "not "]) + name for name in drawn),
        ]
        when = f" {rng.choice(['and', 'or'])} ".join(rng.sample(atoms, rng.randint(1, 3)))
        when = f"not ({when})" if rng.random() < 0.2 else when
        parts = [f"id: r{number}", f"when: '{when}'", f"salience: {rng.choice([0, 0, 1, -2])}"]
        if rng.random() < 0.4:
            parts.append(f"conclude: c{number}")
        if rng.random() < 0.8 or len(parts) == 3:
            weight = rng.choice(
                ["0.5", "1", "0.1", "0.2", "0.3", "-1", "0", "PV_Acc", "PF", "1 - V_Acc", "P / 1000", "TP * 2", "1 / F"]
            )
            parts += [f"weight: {weight}", f"instruct: [{', '.join(rng.sample('ABCDE', rng.randint(1, 3)))}]"]
        lines.append("  - {" + ", ".join(parts) + "}")
        if "conclude" in parts[-1] or any("conclude" in part for part in parts):
            drawn.append(f"c{number}")
    return parse_rulebook("\n".join(lines) + "\n", "b.yaml")


def assert_the_engine_agrees(rulebook, points, wishes, every=1):
    outcomes = evaluate_points(rulebook, points)
    for index in range(0, len(points.values), every):
        inference = evaluate(rulebook, Facts.of(points.metrics(index), wishes))
        fired = {rule for rule, truth in zip(outcomes.rules, outcomes.truth[index], strict=True) if truth == 1.0}
        assert fired == {firing.rule for firing in inference.fired}
        unknown = {rule for rule, truth in zip(outcomes.rules, outcomes.truth[index], strict=True) if truth == 0.5}
        assert unknown == {item.rule for item in inference.not_fired if item.truth is None}
        row = zip(outcomes.instructions, outcomes.weights[index], strict=True)
        assert {name: weight for name, weight in row if not np.isnan(weight)} == inference.weights
        kept = {name: w for name, w in zip(outcomes.instructions, outcomes.kept[index], strict=True) if w}
        assert kept == dict(resolve(inference, rulebook).instructions)


@pytest.mark.parametrize("seed", range(60))
def test_the_same_fires_with_the_same_weights_and_the_same_is_kept(seed):
    rulebook, wishes = generated(seed), settings(None, {"PF": 0.5, "PT_E": 0.2})
    points = sample_points([rulebook], wishes, count=60, seed=seed)
    values = points.values.copy()
    columns = [index for index, name in enumerate(points.names) if name in METRICS]
    unknown = np.random.default_rng(seed).random((len(values), len(columns))) < 0.2
    values[:, columns] = np.where(unknown, np.nan, values[:, columns])
    assert_the_engine_agrees(rulebook, Points(points.names, values), wishes)


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("preset", ["accuracy", "edge"])
def test_the_same_holds_for_the_shipped_rulebooks(name, preset):
    rulebook = load_rulebook(find_rulebook(name))
    wishes = settings(preset, {}, rulebook.defaults)
    assert_the_engine_agrees(rulebook, sample_points([rulebook], wishes, count=600), wishes, every=3)


@pytest.mark.parametrize("priority", [0.57, 0.59, 1.19, 2.24])
def test_what_a_rule_takes_back_in_full_is_gone_whatever_rounding_makes_of_it(priority):
    """One-change-at-a-time took 8.96 back from five weights that were 8.96 but for their last digit, which was sent."""
    rulebook, wishes = load_rulebook(find_rulebook("diagnosis")), settings(None, {"PV_Acc": priority, "PT_Acc": 0.4})
    points = sample_points([rulebook], wishes, count=1500)
    assert_the_engine_agrees(rulebook, points, wishes, every=50)
    weights = np.abs(evaluate_points(rulebook, points).weights)
    assert not ((weights > 0) & (weights < 1e-9)).any()


def test_the_same_seed_gives_the_same_points_and_another_seed_others():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    first, again, other = (sample_points([rulebook], settings(None, {}), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.values, again.values, equal_nan=True)
    assert not np.array_equal(first.values, other.values, equal_nan=True)


def test_each_comparison_is_looked_at_on_both_sides_of_its_boundary_and_on_it():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    points = sample_points([rulebook], settings(None, {}))
    column = points.values[:, points.names.index("V_Acc")]
    near = column[np.abs(column - 0.99) < 1e-5]
    assert (near < 0.99).any()
    assert (near == 0.99).any()
    assert (near > 0.99).any()


def test_points_stay_within_the_ranges_of_their_metrics():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    points = sample_points([rulebook], settings(None, {}))
    for name in points.names:
        if name in METRICS:
            column = points.values[:, points.names.index(name)]
            assert column.min() >= METRICS[name].low
            assert column.max() <= METRICS[name].high
