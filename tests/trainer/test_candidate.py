"""Candidates: which class is the network, and what an exception is turned into."""

from __future__ import annotations

import pytest
import torch

from lemonade_es.task import Task
from lemonade_es.trainer.candidate import Refusal, build, example, explain, parse
from lemonade_es.trainer.layout import settled

TASK = Task("image", "digits", (1, 8, 8), 10)
HEAD = "import torch\nfrom torch import nn\n"


def network(name, forward="return self.fc(x.flatten(1))", arguments="", width=64):
    return (
        f"class {name}(nn.Module):\n    def __init__(self{arguments}):\n        super().__init__()\n"
        f"        self.fc = nn.Linear({width}, 10)\n    def forward(self, x):\n        {forward}\n"
    )


def built(body):
    return type(build(HEAD + body, TASK)).__name__


def test_of_two_networks_the_one_that_uses_the_other_is_built_wherever_it_stands():
    user = network("Whole").replace("nn.Linear(64, 10)", "Part()")
    assert built(user + network("Part")) == "Whole"
    assert built(network("Part") + user) == "Whole"


def test_use_through_a_function_counts():
    user = network("Whole").replace("nn.Linear(64, 10)", "make()")
    assert built(user + "def make():\n    return Part()\n" + network("Part")) == "Whole"


def test_a_base_class_is_not_the_network():
    assert built(network("Base") + "class Net(Base):\n    pass\n") == "Net"


def test_of_two_unrelated_networks_the_last_that_needs_no_arguments_is_built():
    assert built(network("First") + network("Second") + network("Third", arguments=", width")) == "Second"


def test_a_single_instance_at_module_level_is_the_network():
    assert built(network("First") + network("Second") + "model = First()\n") == "First"


def test_a_loss_at_module_level_is_not_the_network():
    assert built("criterion = nn.CrossEntropyLoss()\n" + network("Net")) == "Net"


def test_dataclasses_and_inspect_work_in_a_candidate():
    body = (
        "from dataclasses import dataclass\nimport typing\n@dataclass\nclass Config:\n    width: int = 64\n"
        + network("Net", width="Config().width")
    )
    assert built(body) == "Net"


def test_lazy_layers_are_given_their_shapes():
    model = build(HEAD + network("Net").replace("nn.Linear(64, 10)", "nn.LazyLinear(10)"), TASK)
    assert [tuple(parameter.shape) for parameter in model.parameters()] == [(10, 64), (10,)]


def test_the_same_seed_builds_the_same_weights():
    weights = []
    for _ in range(2):
        torch.manual_seed(5)
        weights.append(build(HEAD + network("Net"), TASK).fc.weight)
    assert torch.equal(*weights)


def test_an_error_inside_torch_is_blamed_on_the_candidates_line():
    source = HEAD + network("Net", width=63)
    model = build(source, TASK)
    with pytest.raises(RuntimeError) as caught:
        model(example(TASK, 2))
    refusal = explain(caught.value, source)
    assert (refusal.code, refusal.line) == ("SHAPE_MISMATCH", 8)
    assert "`return self.fc(x.flatten(1))`" in refusal.message


def test_an_unknown_error_gets_the_code_that_is_asked_for():
    refusal = explain(ZeroDivisionError("division by zero"), "", "BATCH_FAILED")
    assert (refusal.code, refusal.line) == ("BATCH_FAILED", None)
    assert refusal.message == "ZeroDivisionError: division by zero."


def test_a_refusal_is_passed_on_and_a_memory_error_is_out_of_memory():
    refusal = Refusal("WRONG_OUTPUT", "no")
    assert explain(refusal, "") is refusal
    assert explain(MemoryError(), "").code == "OUT_OF_MEMORY"


def test_an_error_that_cannot_be_printed_is_still_explained():
    source = HEAD + "class Evil(Exception):\n    def __str__(self):\n        raise KeyError\nraise Evil\n"
    with pytest.raises(Refusal) as caught:
        build(source, TASK)
    assert (caught.value.code, caught.value.line) == ("BUILD_FAILED", 6)


@pytest.mark.parametrize("module", ["os", "torchvision.models", "subprocess", "torchx"])
def test_imports_beyond_the_list_are_refused_by_name(module):
    with pytest.raises(Refusal, match=f"Import of {module}"):
        parse(f"import {module}\n")


@pytest.mark.parametrize("line", ["import torch.nn.functional as F", "from numpy import pi", "import math, typing"])
def test_imports_on_the_list_are_accepted(line):
    assert parse(line).body


def test_token_examples_hold_the_largest_token_and_a_padded_text():
    tokens = example(Task("text", "imdb", (20,), 2, vocabulary_size=100), 3)
    assert tokens.dtype == torch.int64
    assert tokens.max() == 99
    assert tokens[-1, 1:].sum() == 0


CONVOLUTIONS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, {width}, 3, padding=1)
        self.b = nn.Conv2d({width}, 16, {kernel}, stride=2)
        self.fc = nn.LazyLinear(10)
    def forward(self, x):
        return self.fc({flat}(self.b(self.a(x))))
"""


@pytest.mark.parametrize(
    ("width", "kernel", "flat", "order"),
    [
        (16, 3, "torch.relu", torch.channels_last),
        (16, 1, "torch.relu", torch.channels_last),
        (8, 3, "torch.relu", torch.channels_last),
        # oneDNN corrupts memory here
        (8, 1, "torch.relu", torch.contiguous_format),
        # view cannot take channels-last feature maps
        (16, 3, "(lambda t: t.view(len(t), -1))", torch.contiguous_format),
    ],
)
def test_channels_last_is_chosen_where_it_runs_and_is_safe(width, kernel, flat, order):
    body = CONVOLUTIONS.format(width=width, kernel=kernel, flat=flat)
    if flat == "torch.relu":
        body = body.replace("(self.b(self.a(x)))", "(self.b(self.a(x))).mean((2, 3))")
    model = build(HEAD + body, Task("image", "small", (3, 8, 8), 10))
    assert settled(model) is order
    assert model.training
