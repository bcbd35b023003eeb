"""The options about measuring: what a run may be told, and what is refused before it begins."""

from __future__ import annotations

import pytest

from lemonade_es.engine.options import extend, resolve
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import ConfigError


def test_the_options_have_the_names_of_the_configuration_file():
    spec = resolve({"measure_with": "board.sh {model}", "measure_seconds": 30}, {"grid_gco2e_per_kwh": 50.0})
    assert (spec.measure_with, spec.measure_seconds, spec.grid_gco2e_per_kwh) == ("board.sh {model}", 30, 50)
    assert resolve({}, {}).grid_gco2e_per_kwh == 436


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("measure_seconds", 0),
        ("measure_seconds", float("nan")),
        ("grid_gco2e_per_kwh", -1),
        ("grid_gco2e_per_kwh", float("inf")),
        ("measure_with", 5),
    ],
)
def test_what_cannot_be_is_refused(name, value):
    with pytest.raises(ConfigError, match=name.replace("_", "-")):
        resolve({}, {name: value})


@pytest.mark.parametrize("given", [({"measure_seconds": 120}, {}), ({}, {"measure_seconds": 30.0})])
def test_a_time_for_a_command_that_is_not_given_is_refused(given):
    with pytest.raises(ConfigError, match="there is no command that may take so long") as refused:
        resolve(*given)
    assert refused.value.where == "--measure-seconds"
    config, options = given
    assert resolve({**config, "measure_with": "board.sh"}, options).measure_seconds in (30, 120)


def test_a_run_of_old_that_holds_such_a_time_is_taken_up():
    assert extend(RunSpec(measure_seconds=30), {"iterations": 40}).measure_seconds == 30


def test_a_resumed_run_keeps_its_device():
    with pytest.raises(ConfigError, match="keeps what it was started with"):
        extend(RunSpec(), {"measure_with": "other.sh"})
