"""What a trial makes of a child that tells nonsense."""

from __future__ import annotations

import pytest

from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.isolation.child import CandidateFailed
from lemonade_es.trainer.isolation.protocol import Frame
from lemonade_es.trainer.trial import Trial


class Saying:
    """A child that always says the same."""

    def __init__(self, message):
        self.message = message

    def call(self, command, **arguments):
        return Frame(self.message)


def trial(toy: Dataset, message) -> Trial:
    return Trial(Saying(message), toy, None, 2, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "message", [{"low": 1.1, "high": 0}, {"low": 0, "high": -0.1}, {"low": "0"}, {"low": 0, "high": [1]}]
)
def test_a_share_of_gradients_that_cannot_be_is_a_breach_of_the_protocol(toy, message):
    with pytest.raises(CandidateFailed, match="wrong share"):
        trial(toy, message)._watched()


@pytest.mark.parametrize(
    "message",
    [
        {"units": 3, "dead_units": 4, "layers": 1, "dead_layers": 0},
        {"units": 3, "dead_units": -1, "layers": 1, "dead_layers": 0},
        {"units": 3, "dead_units": 1, "layers": 1, "dead_layers": 2},
        {"units": 3, "dead_units": 1, "layers": 1, "dead_layers": -1},
        {"units": 2.5, "dead_units": 1, "layers": 1, "dead_layers": 0},
        {},
    ],
)
def test_a_number_of_units_that_cannot_be_is_one_too(toy, message):
    with pytest.raises(CandidateFailed, match="wrong number of units"):
        trial(toy, message)._count_active()


def test_a_network_without_rectifiers_and_weights_says_so(toy):
    found = trial(toy, {"units": 0, "dead_units": 0, "layers": 0, "dead_layers": 0, "low": None, "high": None})
    found._count_active()
    found._watched()
    assert found._absent["dead_units"] == found._absent["dead_layers"] == "it has no rectified units"
    assert "no weight tensor" in found._absent["grad_low"]
    assert not {"dead_units", "dead_layers", "grad_low", "grad_high"} & set(found._metrics)
