"""Skewed columns of a table: which have a logarithm, and what it is."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from lemonade_es.trainer.data import Reading, load, load_test
from lemonade_es.trainer.data.columns import encoded, fitted
from lemonade_es.trainer.data.skew import log_of

EVEN = np.array([NormalDist().inv_cdf((n + 0.5) / 400) for n in range(400)])


def cells(values):
    return [repr(float(value)) for value in values]


@pytest.mark.parametrize(
    "values",
    [
        50_000 * np.exp(EVEN),
        1e-6 * np.exp(2 * EVEN),
        -np.exp(EVEN),
        EVEN**5,
        np.where(EVEN < 0, 0, np.exp(8 + EVEN)),
        np.where(np.arange(400) % 50 == 0, 1000 * EVEN, EVEN),
    ],
    ids=["incomes", "tiny", "debts", "tails", "mostly none", "outliers"],
)
def test_skewed_numbers_have_a_logarithm_that_is_less_so(values):
    column = fitted("x", cells(values))
    plain, log = encoded(column, cells(values)).T
    assert column.features == 2
    assert log.mean() == pytest.approx(0, abs=1e-5)
    assert log.std() == pytest.approx(1, abs=1e-5)
    assert np.abs(log).max() < np.abs(plain).max() / 2
    assert (np.diff(log[np.argsort(values)]) >= 0).all()


@pytest.mark.parametrize(
    "values",
    [
        EVEN,
        np.arange(400) + 0.5,
        np.exp(0.4 * EVEN),
        (np.arange(400) < 4) * 1.0,
        np.where(np.arange(400) < 4, 9.0, np.arange(400) % 3),
        1e6 + np.exp(EVEN),
    ],
    ids=["normal", "even", "hardly skewed", "rare", "grades", "far from 0"],
)
def test_other_numbers_stay_as_they_are(values):
    assert fitted("x", cells(values)).features == 1


@pytest.mark.parametrize(
    "values", [[1e300, -1e300, *range(20)], [5e-324, *range(20)], [1e-300 * 10.0**n for n in range(300)]]
)
def test_numbers_of_any_size_can_be_looked_at(values):
    log = log_of(np.array(values, dtype=float))
    assert log is None or np.isfinite([log.scale, log.mean, log.std]).all()


def test_a_missing_value_has_the_logarithm_of_the_median():
    values = np.exp(EVEN)
    column = fitted("x", [*cells(values), ""])
    assert np.array_equal(encoded(column, [""]), encoded(column, [repr(column.median)]))


@pytest.fixture
def incomes(tmp_path):
    def write(largest):
        rows = [f"{value!r},{n % 7 + 0.5},{part}" for n, (value, part) in enumerate(parts(largest))]
        (tmp_path / "incomes.csv").write_text("\n".join(["income,y,split", *rows]) + "\n")
        return str(tmp_path / "incomes.csv")

    def parts(largest):
        for n, value in enumerate(np.exp(10 + EVEN).tolist()):
            yield value, ("train", "train", "val", "test")[n % 4]
        yield largest, "test"

    return write


def test_the_logarithm_is_that_of_the_training_rows(incomes):
    reading = Reading(target_column="y", objective="regression")
    one, other = (load(incomes(largest), reading=reading) for largest in (1.5, 1e12))
    column = one.table.columns[0]
    assert column.log is not None
    assert column == other.table.columns[0]
    values, _ = load_test(incomes(1e12), other.task, reading=reading)
    scale, mean, std = column.log.scale, column.log.mean, column.log.std
    assert values[:, 1].max() == pytest.approx((np.log1p(1e12 / scale) - mean) / std, rel=1e-6)


def test_a_run_of_an_earlier_version_has_its_columns_as_they_were(incomes):
    path = incomes(1.5)
    reading = Reading(target_column="y", objective="regression")
    now, before = load(path, reading=reading), load(path, reading=replace(reading, logs=False))
    assert (now.task.input_shape, before.task.input_shape) == ((2,), (1,))
    assert np.array_equal(now.train[:, :1], before.train)
    assert now.fingerprint != before.fingerprint
