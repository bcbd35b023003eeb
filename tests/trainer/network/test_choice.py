"""Which of several networks in a source is taken, and what is said of that."""

from __future__ import annotations

import pytest

from lemonade_es.task import Task
from lemonade_es.trainer.checking.check import check
from lemonade_es.trainer.measurement import Budget
from lemonade_es.trainer.network.candidate import build
from lemonade_es.trainer.recipe import Recipe
from tests.trainer import corpus


def verdict(source):
    return check(source, corpus.IMAGE, Budget(), Recipe(), seed=0)


RIVAL = """

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3072, 10)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""


LARGE = RIVAL.replace("Small", "Large").replace("nn.Linear(3072, 10)", "nn.Sequential(nn.Linear(3072, 10))")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "Large is taken for the network, not Small: leave one, or call it Net."),
        ("\nmodel = Small()\n", None),
        ("\ndef build_model():\n    return Small()\n", None),
        (RIVAL.replace("Small", "Net"), None),
        (RIVAL.replace("Small", "Stem"), "Large is taken for the network, not Small: leave one, or call it Net."),
    ],
)
def test_which_of_several_networks_was_taken_is_told_unless_the_source_says_it(more, told):
    report = verdict(f"from torch import nn\n{RIVAL}{LARGE}{more}")
    assert report.ok
    assert report.message == told


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("one = Small()\n", None),
        (
            "one = Small()\ntwo = Small()\n",
            "Small() is taken for the network, not one, two: leave one, or call it model.",
        ),
        ("model = Small()\ntwo = Small()\n", None),
        ("one = Small()\ntwo = Small()\n\ndef get_model():\n    return two\n", None),
    ],
)
def test_that_none_of_several_networks_in_variables_was_taken_is_told(more, told):
    report = verdict(f"from torch import nn\n{RIVAL}\n{more}")
    assert report.ok
    assert report.message == told


WIDE = """
class Wide(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3072, width), nn.Linear(width, 10))

    def forward(self, x):
        return self.layers(x)

def wide4():
    return Wide(4)

def wide8(pretrained=False):
    model = Wide(8)
    return model

def test():
    return Wide(2)(torch.zeros(1, 3, 32, 32))
"""


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "What wide4() makes is taken for the network, not wide8: leave one, or call it build_model."),
        ("if __name__ == '__main__':\n    print(wide8())\n", None),
        ("def make_net():\n    return wide8()\n", None),
        ("model = wide8()\n", None),
    ],
)
def test_which_of_several_functions_made_the_network_is_told_unless_the_source_says_it(more, told):
    report = verdict(f"import torch\nfrom torch import nn\n{WIDE}\n{more}")
    assert report.ok
    assert report.message == told
    assert report.parameters == (3073 * 4 + 50 if told else 3073 * 8 + 90)


@pytest.mark.parametrize(
    "helper",
    [
        "def freeze(model: Wide) -> None:\n    assert isinstance(model, Wide)\n",
        "def summary():\n    print(Wide(3))\n",
        "def size():\n    return sum(p.numel() for p in Wide(3).parameters())\n",
    ],
)
def test_a_function_that_has_to_do_with_a_network_is_none_that_makes_one(helper):
    report = verdict(f"import torch\nfrom torch import nn\n{WIDE.partition('def wide8')[0]}{helper}")
    assert report.ok
    assert report.message is None


def test_sums_that_may_be_quantised_are_no_layers_of_8_bits():
    source = RIVAL.replace("nn.Linear(3072, 10)\n", "nn.Linear(3072, 10)\n        self.plus = Sum()\n")
    source = source.replace(
        "return self.layer(x.flatten(1))", "y = self.layer(x.flatten(1))\n        return self.plus.add(y, y)"
    )
    report = verdict(f"from torch import nn\nfrom torch.ao.nn.quantized import FloatFunctional as Sum\n{source}")
    assert report.ok, report.message


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        ("d_in, d_out", Task("table", "x", (6,), 4)),
        ("ntoken, d_out", Task("text", "x", (6,), 4, vocabulary_size=9)),
    ],
)
def test_arguments_are_filled_in_by_the_names_that_published_networks_give_them(arguments, task):
    source = (
        RIVAL.replace("(self)", f"(self, {arguments})").replace("3072, 10", "6, d_out").replace("x.f", "x.float().f")
    )
    assert build(corpus.HEAD + source, task).layer.out_features == 4
