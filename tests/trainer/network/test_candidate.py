"""Candidates: which class is the network, and what an exception is turned into."""

from __future__ import annotations

import ast

import pytest
import torch
from torch import nn

from lemonade_es.task import Task
from lemonade_es.trainer.network.candidate import Refusal, build, example, explain, parse
from lemonade_es.trainer.network.layout import settled

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


def refused(body):
    with pytest.raises(Refusal) as raised:
        build(HEAD + body, TASK)
    return raised.value


def test_of_two_unrelated_networks_the_last_that_needs_no_arguments_is_built():
    assert built(network("First") + network("Second") + network("Third", arguments=", width")) == "Second"


def test_a_class_that_has_two_names_is_one_network():
    assert built(network("Small") + "Alias = Small\n") == "Small"


def test_a_function_whose_arguments_are_not_known_is_told_with_them():
    refusal = refused("\ndef build_model(cfg, num_classes):\n    return nn.Linear(1, 1)\n")
    assert (refusal.code, refusal.line) == ("NEEDS_ARGUMENTS", 4)
    assert refusal.message == "build_model() needs the arguments cfg; give each a default value."


def test_a_source_that_is_too_large_is_told_by_what_is_accepted():
    with pytest.raises(Refusal, match="The source has more than the 100000 bytes that are accepted") as raised:
        parse("#" * 100_001)
    assert raised.value.code == "SOURCE_TOO_LARGE"


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


@pytest.mark.parametrize(
    "line", ["import torchx", "from timm import create_model", "from . import blocks", "from os import *"]
)
def test_what_is_not_here_or_not_for_a_model_as_a_whole_is_refused_by_name(line):
    with pytest.raises(Refusal, match="Import of ") as caught:
        parse(f"import torch\n{line}\n")
    assert (caught.value.code, caught.value.line) == ("FORBIDDEN_IMPORT", 2)


@pytest.mark.parametrize(
    "line",
    [
        "import torch.nn.functional as F",
        "from numpy import pi",
        "import math, typing",
        "from torchvision import models",
    ],
)
def test_imports_on_the_list_are_accepted(line):
    assert ast.unparse(parse(line)) == line


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("import os", "os.system('true')"),
        ("import os as o", "o.listdir('.')"),
        ("import subprocess, math", "subprocess.run(['true'])"),
        ("from subprocess import run as go", "go(['true'])"),
        ("import concurrent.futures", "concurrent.futures.ThreadPoolExecutor()"),
        ("import xml.dom as dom", "dom.minidom"),
        ("from sklearn.base import BaseEstimator", "class Mine(BaseEstimator): pass"),
        ("from torch.utils.tensorboard import SummaryWriter", "SummaryWriter('runs')"),
        ("from torch.utils import data, tensorboard", "tensorboard.SummaryWriter"),
        ("import torch.utils.tensorboard as tb", "tb.SummaryWriter()"),
    ],
)
def test_an_import_that_is_not_for_a_model_is_refused_where_it_is_used(line, use):
    with pytest.raises(Refusal) as caught:
        built(f"{line}\n{network('Net')}\n{use}\n")
    assert (caught.value.code, caught.value.line) == ("FORBIDDEN_IMPORT", 11)
    assert built(f"{line}\n{network('Net')}\ndef unused():\n    {use}\n") == "Net"


def test_a_part_of_torch_that_is_not_for_a_model_leaves_torch_where_it_is():
    assert built(f"import torch.utils.tensorboard\n{network('Net')}\nassert torch.ones(2).sum() == 2\n") == "Net"


def test_harmless_questions_to_the_machine_are_answered():
    body = "import os\nfrom os import environ\nassert os.cpu_count() and os.environ is environ\n" + network("Net")
    assert built(body) == "Net"


def test_an_import_that_a_source_can_do_without_is_missing_as_anywhere():
    assert built("try:\n    import flash_attn\nexcept ImportError:\n    flash_attn = None\n" + network("Net")) == "Net"


FACTORY = """
def {name}({arguments}):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, {classes}))
"""


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (FACTORY.format(name="build_model", arguments="", classes=10) + network("Net"), "Sequential"),
        (FACTORY.format(name="get_model", arguments="num_classes", classes="num_classes"), "Sequential"),
        (FACTORY.format(name="tiny", arguments="", classes=10) + network("Net"), "Net"),
        (FACTORY.format(name="tiny", arguments="", classes=10) + network("Net", arguments=", width"), "Sequential"),
        (network("Net") + network("SomeLoss"), "Net"),
        (network("First") + network("Second", arguments=", width"), "First"),
        (network("Old") + network("Net") + network("Spare"), "Net"),
        (network("Old") + network("Net") + network("Spare") + "if __name__ == '__main__':\n    Net()\n", "Net"),
        (network("Net", arguments=", num_classes, in_channels"), "Net"),
        ("import functools\n" + network("Net", arguments=", width") + "Tiny = functools.partial(Net, 8)\n", "Net"),
        (network("A") + network("B") + "a = A()\nmodel = B()\n", "B"),
        (network("A") + "part = nn.Linear(2, 2)\nwhole = nn.Sequential(part, A())\n", "Sequential"),
        ("model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n", "Sequential"),
    ],
)
def test_the_network_is_found_where_a_reader_would_look_for_it(body, kind):
    assert built(body) == kind


def test_a_part_without_parameters_is_not_the_network_where_a_function_makes_one():
    flatten = "class Flatten(nn.Module):\n    def forward(self, x):\n        return x.flatten(1)\n"
    assert built(flatten + "def small_cnn():\n    return nn.Sequential(Flatten(), nn.Linear(64, 10))\n") == "Sequential"
    assert built(flatten) == "Flatten"


def test_a_function_that_makes_something_else_and_fails_leaves_the_others_their_way():
    loaders = "def get_loaders(root='data'):\n    raise RuntimeError('Dataset not found')\n    return root\n"
    network_of_ten = "def net10():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    assert built(loaders + network_of_ten) == "Sequential"
    assert "Dataset not found" in refused(loaders).message


def test_what_a_module_of_paths_is_asked_is_answered():
    for use in (
        "import os.path as osp\nHERE = osp.basename('/a/b')",
        "from os.path import join\nHERE = join('a', 'b')",
    ):
        assert built(f"{use}\n{network('Net')}") == "Net"


def test_the_line_that_is_quoted_is_the_one_that_python_counts():
    body = network("Net", forward="return self.missing(x)").replace("    def forward", "\f\n    def forward")
    model = build(HEAD + body, TASK)
    with pytest.raises(AttributeError) as raised:
        model(torch.zeros(2, 1, 8, 8))
    assert "`return self.missing(x)`" in explain(raised.value, HEAD + body, "FORWARD_FAILED").message


def test_a_name_that_a_package_lacks_is_told_without_where_the_package_lies():
    told = refused("from torch.nn import Conv9d\n" + network("Net")).message
    assert told.startswith("ImportError: cannot import name 'Conv9d' from 'torch.nn' at line ")
    assert "/" not in told


def test_a_default_value_is_kept_even_if_the_task_has_another():
    body = network("Net", arguments=", num_classes=1000").replace("10)", "num_classes)", 1)
    assert build(HEAD + body, TASK).fc.out_features == 1000


def test_a_configuration_with_defaults_is_made():
    body = "from dataclasses import dataclass\n@dataclass\nclass Config:\n    width: int = 64\n" + network(
        "Net", arguments=", config: Config"
    ).replace("nn.Linear(64", "nn.Linear(config.width")
    assert built(body) == "Net"


def test_what_stands_below_main_does_not_run():
    assert built(network("Net") + "if __name__ == '__main__':\n    raise SystemExit(1)\n") == "Net"


def test_torch_compile_is_itself_again_after_a_candidate():
    before = torch.compile
    assert built("model = torch.compile(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), mode='max')\n") == "Sequential"
    assert torch.compile is before


def test_token_examples_hold_the_largest_token_and_a_padded_text():
    tokens = example(Task("text", "imdb", (20,), 2, vocabulary_size=100), 3)
    assert tokens.dtype == torch.int64
    assert tokens.max() == 99
    assert tokens[-1, 1:].sum() == 0
    assert example(Task("text", "imdb", (20,), 2, vocabulary_size=3), 9, padded=False).unique().tolist() == [1, 2]


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


def settled_order(body):
    return settled(build(HEAD + body, Task("image", "small", (3, 8, 8), 10)))


WIDE = CONVOLUTIONS.format(width=16, kernel=3, flat="torch.relu").replace(
    "(self.b(self.a(x)))", "(self.b(self.a(x))).mean((2, 3))"
)


def test_an_order_that_only_training_cannot_take_is_not_chosen():
    assert settled_order(WIDE) is torch.channels_last
    looking = "        if self.training:\n            self.a(x).view(len(x), -1)\n"
    body = WIDE.replace("        return", f"{looking}        return")
    assert settled_order(body) is torch.contiguous_format


def test_an_order_is_not_chosen_to_make_a_network_run_that_does_not():
    body = WIDE.replace("        return", "        self.a(x).permute(0, 2, 3, 1).view(len(x), -1)\n        return")
    with pytest.raises(Refusal, match="view size"):
        build(HEAD + body, Task("image", "small", (3, 8, 8), 10))(torch.randn(2, 3, 8, 8))


def test_trying_an_order_moves_no_running_statistics():
    body = (
        WIDE.replace("self.fc =", "self.norm = nn.BatchNorm2d(16)\n        self.fc =")
        .replace("torch.relu(", "torch.relu(self.norm(")
        .replace(".mean(", ").mean(", 1)
    )
    model = build(HEAD + body, Task("image", "small", (3, 8, 8), 10))
    assert torch.equal(model.norm.running_mean, torch.zeros(16))
    assert isinstance(model, nn.Module)
    assert model.norm.num_batches_tracked == 0


def test_trying_an_order_moves_no_buffer_that_the_network_replaces():
    body = WIDE.replace("self.fc =", 'self.register_buffer("steps", torch.zeros(()))\n        self.fc =').replace(
        "        return", "        if self.training:\n            self.steps = self.steps + 1\n        return"
    )
    model = build(HEAD + body, Task("image", "small", (3, 8, 8), 10))
    assert model.steps.item() == 0
    model(torch.randn(2, 3, 8, 8))
    assert model.steps.item() == 1


def test_a_source_that_is_nested_too_deeply_to_be_looked_through_is_told_so():
    body = network("Net") + "TOTAL = " + " + ".join(["1"] * 900) + "\n"
    with pytest.raises(Refusal, match="nested too deeply") as refused:
        build(HEAD + body, TASK)
    assert refused.value.code == "SYNTAX_ERROR"


def test_what_is_said_of_a_wrong_syntax_does_not_ask_for_another_form_than_the_request_did():
    with pytest.raises(Refusal, match=r"not valid Python: .* at line 1 `class Net`\.$"):
        build("class Net\n", TASK)


@pytest.mark.parametrize(
    "first",
    [
        "# -*- coding: utf-7 -*-\n# one +AAo-raise SystemExit",
        "#!/usr/bin/env python\n# vim: set fileencoding=ascii :\nNAME = 'für alle'",
        "# coding: latin-1\nNAME = 'für alle'",
        "# coding: no-such-encoding",
        "# coding: rot13",
    ],
)
def test_a_source_whose_file_would_say_something_else_is_refused(first):
    source = f"{first}\n{HEAD}{network('Net')}"
    ast.parse(source)
    with pytest.raises(Refusal) as raised:
        parse(source)
    assert raised.value.code == "SYNTAX_ERROR"
    assert "leave that comment out" in raised.value.message
    assert raised.value.line == 1 + first.startswith("#!")


@pytest.mark.parametrize(
    "first",
    [
        "# -*- coding: utf-8 -*-\nNAME = 'für alle'",
        "# coding: latin-1",
        "# for encoding images: see below",
        "x = 1  # coding: utf-7",
        "'one'\n'two'\n# coding: utf-7 +AAo-raise SystemExit",
    ],
)
def test_a_declared_encoding_that_changes_nothing_passes(first):
    assert type(build(f"{first}\n{HEAD}{network('Net')}", TASK)).__name__ == "Net"
