"""The data set of a run, read again as it was when the run began."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from lemonade_es.engine.history.events import DataSummary
from lemonade_es.engine.run_data import new_data, reading, same_data, summary
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import DataError
from lemonade_es.trainer.data.spec import load


@dataclass
class Begun:
    """What of the first event is asked."""

    data: DataSummary


@pytest.fixture
def spec(tmp_path):
    """Of a run on a table with a skewed column."""
    incomes = np.exp(np.linspace(7, 14, 120) + np.sin(np.arange(120)))
    rows = [f"{income!r},{n % 9 + 0.5}" for n, income in enumerate(incomes.tolist())]
    (tmp_path / "incomes.csv").write_text("\n".join(["income,y", *rows]) + "\n")
    return RunSpec(data=str(tmp_path / "incomes.csv"), target_column="y", task="regression")


def test_skewed_columns_are_logarithms_as_well_in_a_new_run_and_when_it_goes_on(spec):
    dataset = new_data(spec)
    assert dataset.task.input_shape == (2,)
    assert same_data(spec, Begun(summary(dataset))).fingerprint == dataset.fingerprint


def test_a_run_of_an_earlier_version_goes_on_without_logarithms(spec):
    dataset = load(spec.data, reading=replace(reading(spec), logs=False))
    told = replace(summary(dataset), logs=DataSummary.__dataclass_fields__["logs"].default)
    again = same_data(spec, Begun(told))
    assert again.task.input_shape == (1,)
    assert again.fingerprint == dataset.fingerprint
    assert not reading(spec, told).logs


def test_data_that_are_not_there_are_asked_for_also_in_the_home_of_a_user_who_is_not_known(spec):
    told = Begun(summary(new_data(spec)))
    with pytest.raises(DataError, match="if the data were moved, give their place: --data"):
        same_data(replace(spec, data="~nobody-of-this-name/incomes.csv"), told)


def test_other_data_are_no_data_of_the_run(spec):
    told = replace(summary(new_data(spec)), fingerprint="0")
    with pytest.raises(DataError, match="not the one that the run was started with"):
        same_data(spec, Begun(told))


def test_what_is_another_in_other_data_is_told_as_far_as_it_is_known(spec):
    """Whoever finds a folder changed in the morning is to know whether to look for a file more or for one less."""
    now = summary(new_data(spec))
    task = replace(now.task, input_shape=(7,))
    fewer = replace(now, fingerprint="0", training=now.training - 1, test=now.test + 2, task=task)
    with pytest.raises(DataError) as raised:
        same_data(spec, Begun(fewer))
    assert (
        f"started with: {now.training} training inputs instead of {now.training - 1}, "
        f"{now.test} test inputs instead of {now.test + 2}, inputs of (2,) instead of (7,) (restore it"
    ) in str(raised.value)
    with pytest.raises(DataError, match=r": no class 'cat', 'dog' \(restore it"):
        same_data(spec, Begun(replace(now, fingerprint="0", class_names=("cat", "dog"))))
    with pytest.raises(DataError, match=r": it has as many inputs, but not the same ones \(restore it"):
        same_data(spec, Begun(replace(now, fingerprint="0")))
