"""The census and the architecture digest: what moves them, and what does not."""

from __future__ import annotations

import pytest

from lemonade_es.task import Task
from lemonade_es.trainer.network.candidate import build
from lemonade_es.trainer.network.census import architecture, census, initializations

TASK = Task("image", "cifar10", (3, 16, 16), 10)
TEXT = Task("text", "imdb", (12,), 2, vocabulary_size=50)
HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.spare = nn.Conv2d(8, 64, 3)
        self.bn = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.2)
        self.fc1 = nn.Linear(8, 20)
        self.fc2 = nn.Linear(20, 10)
        nn.init.kaiming_normal_(self.conv1.weight, mode='fan_out')
        nn.init.zeros_(self.conv1.bias)

    def forward(self, x):
        y = F.relu(self.bn(self.conv1(x)))
        y = self.conv2(y) + y
        return self.fc2(self.drop(F.relu(self.fc1(y.mean((2, 3))))))
"""


def counted(body, task=TASK):
    source = HEAD + body
    return census(build(source, task), source, task)


def digested(body, task=TASK):
    source = HEAD + body
    return architecture(build(source, task), source, task)


def forward_only(init, forward, task=TASK):
    init = "\n".join(f"        {line}" for line in init.splitlines())
    forward = "\n".join(f"        {line}" for line in forward.splitlines())
    head = "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    return counted(f"{head}{init}\n    def forward(self, x):\n{forward}\n", task)


def test_every_entry_of_a_network_is_counted_and_unused_layers_are_not():
    assert counted(NET) == {
        "conv_layers": 2,
        "kernels": 16,
        "dense_layers": 2,
        "neurons": 20,
        "dropouts": 20,
        "skips": 1,
        "initializers": 2,
        "regularizers": 1,
    }


@pytest.mark.parametrize(
    ("join", "skips"),
    [
        ("a(x) + b(x)", 1),
        ("torch.add(a(x), b(x))", 1),
        ("a(x).add_(b(x))", 1),
        ("torch.cat([a(x), b(x), x], 1)", 1),
        ("torch.cat(tensors=[a(x), x], dim=1)", 1),
        ("torch.add(input=a(x), other=b(x))", 1),
        ("x + a(x)", 1),
        ("a(x) + b(a(x)) + x", 2),
        ("sum([a(x), b(x)])", 1),
        ("a(x) + 1", 0),
        ("a(x) + self.p", 0),
        ("a(x) + torch.randn_like(x)", 0),
        ("a(x) * b(x)", 0),
        ("a(x) - a(x).mean()", 0),
        ("torch.cat(a(x).chunk(3, 1), 1)", 0),
        ("a(x)", 0),
    ],
)
def test_skips_are_joins_of_two_activations(join, skips):
    found = forward_only(
        "self.a = nn.Conv2d(3, 3, 1)\nself.b = nn.Conv2d(3, 3, 1)\nself.p = nn.Parameter(torch.zeros(3, 1, 1))\n"
        "self.fc = nn.LazyLinear(10)",
        f"a, b = self.a, self.b\nreturn self.fc(({join}).mean((2, 3)))",
    )
    assert found["skips"] == skips


def test_a_layer_used_twice_counts_once_and_a_dropout_passed_twice_counts_twice():
    found = forward_only(
        "self.conv = nn.Conv2d(3, 3, 1)\nself.drop = nn.Dropout(0.1)\nself.fc = nn.Linear(3, 10)",
        "x = self.drop(self.conv(self.drop(self.conv(x))))\nreturn self.fc(x.mean((2, 3)))",
    )
    assert (found["conv_layers"], found["dropouts"]) == (1, 20)


def test_functional_layers_count_like_modules():
    found = forward_only(
        "self.w = nn.Parameter(torch.randn(6, 3, 3, 3))\nself.t = nn.Parameter(torch.randn(6, 4, 2, 2))\n"
        "self.v = nn.Parameter(torch.randn(4, 5))\nself.fc = nn.Linear(5, 10)",
        "x = F.conv_transpose2d(F.conv2d(x, self.w), self.t, stride=2)\n"
        "x = F.dropout2d(F.instance_norm(x), 0.3, self.training)\nreturn self.fc(x.mean((2, 3)) @ self.v)",
    )
    assert (found["conv_layers"], found["kernels"]) == (2, 10)
    assert (found["dense_layers"], found["neurons"]) == (2, 5)
    assert (found["dropouts"], found["regularizers"]) == (30, 1)


def test_dropout_that_is_switched_off_does_not_count():
    found = forward_only("self.fc = nn.Linear(3, 10)", "return self.fc(F.dropout(x.mean((2, 3)), 0.5, False))")
    assert found["dropouts"] == 0


def test_norms_noise_and_stochastic_depth_are_regularizers_each_counted_once():
    body = """
class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias).permute(0, 3, 1, 2)

class GaussianNoise(nn.Module):
    def forward(self, x):
        return x + 0.1 * torch.randn_like(x) if self.training else x

class DropPath(nn.Module):
    def forward(self, x):
        return x * (torch.rand(x.size(0), 1, 1, 1) < 0.9)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(LayerNorm2d(3), nn.GroupNorm(1, 3), GaussianNoise(), DropPath())
        self.fc = nn.Linear(3, 10)
    def forward(self, x):
        return self.fc((x + self.body(x)).mean((2, 3)))
"""
    found = counted(body)
    assert found["regularizers"] == 4
    assert found["skips"] == 1


@pytest.mark.parametrize(
    ("layer", "dropouts"),
    [("nn.LSTM(8, 6, 2, batch_first=True, dropout=0.4)", 40), ("nn.GRU(8, 6, batch_first=True)", 0)],
)
def test_recurrent_layers_have_dropout_but_no_skips_inside(layer, dropouts):
    found = forward_only(
        f"self.e = nn.Embedding(50, 8)\nself.r = {layer}\nself.fc = nn.Linear(6, 2)",
        "return self.fc(self.r(self.e(x))[0][:, -1])",
        TEXT,
    )
    assert (found["skips"], found["dense_layers"], found["dropouts"]) == (0, 1, dropouts)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Net", "Model"),
        ("conv1", "stem"),
        ("        y = F.relu", "        # a comment\n        y = F.relu"),
        ("self.conv2(y) + y", "torch.add(self.conv2(y), y)"),
        ("F.relu(self.fc1(", "torch.relu(self.fc1("),
        ("nn.init.kaiming_normal_", "torch.nn.init.kaiming_normal_"),
    ],
)
def test_a_change_of_writing_leaves_the_architecture_alone(before, after):
    assert before in NET
    assert digested(NET.replace(before, after)) == digested(NET)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.Dropout(0.2)", "nn.Dropout(0.3)"),
        ("nn.Conv2d(8, 8, 3, padding=1)", "nn.Conv2d(8, 8, 5, padding=2)"),
        ("nn.Conv2d(8, 64, 3)", "nn.Conv2d(8, 65, 3)"),
        ("kaiming_normal_", "kaiming_uniform_"),
        ("mode='fan_out'", "mode='fan_in'"),
        ("self.conv2(y) + y", "self.conv2(y)"),
        ("self.conv2(y) + y", "self.conv2(y) + self.conv1(x)"),
        ("F.relu(self.fc1(", "F.gelu(self.fc1("),
        ("nn.Linear(8, 20)", "nn.Linear(8, 20, bias=False)"),
    ],
)
def test_a_change_of_structure_changes_the_architecture(before, after):
    assert before in NET
    assert digested(NET.replace(before, after)) != digested(NET)


def test_the_place_where_a_skip_starts_changes_the_architecture():
    chain = NET.replace(
        "        y = self.conv2(y) + y\n",
        "        a = self.conv2(y)\n        b = F.relu(a)\n        y = F.relu(b) + a\n",
    )
    assert digested(chain) != digested(chain.replace("F.relu(b) + a", "F.relu(b) + b"))


def test_initialisations_are_found_in_every_spelling():
    source = """
from torch.nn import init
from torch.nn.init import xavier_uniform_ as xavier
def weights(m):
    init.kaiming_normal_(m.weight, a=0.1)
    xavier(m.weight)
    m.weight.data.normal_(0, 0.02)
    m.bias.data.zero_()
    x.fill_(3)
    m.weight.sum()
"""
    assert initializations(source) == ["kaiming_normal_(a=0.1)", "xavier()", "normal_(0, 0.02)", "zero_()"]
