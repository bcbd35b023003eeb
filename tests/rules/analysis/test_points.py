"""Where rulebooks are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from lemonade_es.rules.analysis.points import sample_points
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.vocabulary import METRICS, settings

HEAD = "rulebook: small\nversion: 1\ninstructions: {AWI: {text: a}}\nrules:\n"
SETTINGS = settings(None, {})


def book(*conditions):
    rules = [
        f"  - {{id: r{index}, when: {condition!r}, weight: 1, instruct: [AWI]}}\n"
        for index, condition in enumerate(conditions)
    ]
    return parse_rulebook(HEAD + "".join(rules), "small.yaml")


def column(points, name):
    return points.values[:, points.names.index(name)]


def test_the_same_seed_gives_the_same_points_and_another_gives_others():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    one, two, other = (sample_points([rulebook], SETTINGS, count=500, seed=seed) for seed in (1, 1, 2))
    assert one.names == two.names
    assert np.array_equal(one.values, two.values, equal_nan=True)
    assert not np.array_equal(one.values, other.values, equal_nan=True)


def test_every_metric_of_all_rulebooks_and_every_setting_has_a_column_and_stays_within_its_bounds():
    points = sample_points([book("F < TF"), book("loss_slope > 0.5 and P > TP")], SETTINGS, count=600)
    assert points.names == ("F", "P", "loss_slope", *SETTINGS)
    for name in ("F", "P", "loss_slope"):
        found = column(points, name)
        assert np.isfinite(found).all()
        assert METRICS[name].low <= found.min() <= found.max() <= METRICS[name].high
    assert (column(points, "TF") == 14000).all()
    assert np.isnan(column(points, "TP")).all()


@pytest.mark.parametrize(
    ("condition", "gap"),
    [
        ("V_Acc < TV_Acc", lambda row: row["V_Acc"] - 0.99),
        ("T_Acc - V_Acc > OT", lambda row: row["T_Acc"] - row["V_Acc"] - 0.1),
        ("0.2 < 2 * T_Acc - V_Acc / 4 < 0.4", lambda row: 2 * row["T_Acc"] - row["V_Acc"] / 4 - 0.4),
        ("abs(T_Acc - V_Acc) < OT", lambda row: abs(row["T_Acc"] - row["V_Acc"]) - 0.1),
        ("V_E / T_E > 0.25", lambda row: row["V_E"] / row["T_E"] - 0.25 if row["T_E"] else 1.0),
        ("T_E > TT_E * 3", lambda row: row["T_E"] - 0.003),
        ("F >= 30000", lambda row: (row["F"] - 30000) / 30000),
    ],
)
def test_points_lie_on_just_under_and_just_over_the_boundary_of_each_comparison(condition, gap):
    points = sample_points([book(condition)], SETTINGS, count=600)
    gaps = np.asarray([gap(points.row(index)) for index in range(len(points.values))])
    scale = 1e-4
    assert (np.abs(gaps) < 1e-12).sum() >= 10
    assert ((gaps > 1e-12) & (gaps < scale)).sum() >= 10
    assert ((gaps < -1e-12) & (gaps > -scale)).sum() >= 10


def test_flags_are_nought_or_one_and_mostly_nought():
    found = column(sample_points([book("failed or nonfinite")], SETTINGS, count=2000), "failed")
    assert set(found) == {0.0, 1.0}
    assert found.mean() < 0.2


def test_random_values_are_short_enough_to_read():
    points = sample_points([book("V_Acc < 0.5", "F < 1000")], SETTINGS, count=400)
    short = [len(f"{value:.12g}".replace(".", "").strip("0")) <= 4 for value in column(points, "V_Acc")]
    assert np.mean(short) > 0.6


def test_a_row_leaves_unknown_values_out():
    points = sample_points([book("P > TP")], SETTINGS, count=20)
    assert "TP" not in points.row(0)
    assert points.row(0)["TV_Acc"] == 0.99


def test_a_rulebook_without_metrics_has_points_too():
    points = sample_points([book("PV_Acc > 0.5")], SETTINGS, count=10)
    assert points.names == tuple(SETTINGS)
    assert len(points.values) > 0


def test_what_counts_is_whole_and_lies_on_both_sides_of_each_boundary():
    rulebook = book("plateau >= 3", "P / 2 < 10.25", "dead_layers > T_Acc * 4", "P * V_Acc > 100")
    points = sample_points([rulebook], SETTINGS)
    for name in ("plateau", "P", "dead_layers"):
        assert (column(points, name) % 1 == 0).all()
        assert (column(points, name) >= 0).all()
    assert {2, 3, 4} <= set(column(points, "plateau"))
    assert {20, 21} <= set(column(points, "P"))


def test_several_counts_at_once_are_what_they_are_compared_with():
    rulebook = book("plateau == 2 and dead_layers == 3 and P == 7")
    points = sample_points([rulebook], SETTINGS)
    wanted = {"plateau": 2, "dead_layers": 3, "P": 7}
    assert np.all([column(points, name) == value for name, value in wanted.items()], axis=0).sum() > 20


@pytest.mark.parametrize(
    ("name", "raw", "threshold"), [("NF", "F", "TF"), ("T_NE", "T_E", "TT_E"), ("V_NE", "V_E", "TV_E")]
)
def test_a_normalised_metric_is_in_each_situation_what_follows_from_the_other(name, raw, threshold):
    rulebook = book(f"{name} < 0.3", f"{raw} >= {threshold} * 2", "V_Acc < 0.5")
    points = sample_points([rulebook], SETTINGS, count=600)
    share, value, limit = (column(points, it) for it in (name, raw, threshold))
    assert share == pytest.approx(value / (value + limit))
    below, above = share[share < 0.3], share[share > 2 / 3]
    assert min(len(below), len(above)) > 50
    assert below.max() == pytest.approx(0.3, abs=1e-3)  # and both boundaries are looked at closely
    assert above.min() == pytest.approx(2 / 3, abs=1e-3)
    assert ((share >= 0) & (share < 1) & np.isfinite(value)).all()
