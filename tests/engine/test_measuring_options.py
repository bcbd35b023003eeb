"""The options about measuring: what a run may be told, and what is refused before it begins."""

from __future__ import annotations

import pytest

from lemonade_es.engine.spec import RunSpec, extend, resolve
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


def test_a_resumed_run_keeps_its_device():
    with pytest.raises(ConfigError, match="keeps what it was started with"):
        extend(RunSpec(), {"measure_with": "other.sh"})
