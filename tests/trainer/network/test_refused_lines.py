"""The line and the code of refusals where no line of the candidate runs, or torch words them in its own way."""

from __future__ import annotations

import pytest

from lemonade_es.task import Task
from lemonade_es.trainer.checking.check import check
from lemonade_es.trainer.measurement import Budget, CheckReport
from lemonade_es.trainer.recipe import Recipe

TASK = Task("image", "pictures", (3, 8, 8), 4)
HEAD = "import torch\nfrom torch import nn\n"
IN_A_CLASS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)
    def forward(self, x):
        x = x.flatten(1)
        {}
"""
FUNCTION = """
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x
    @staticmethod
    def backward(ctx, grad):
        return grad.sum()
"""


def report(source: str) -> CheckReport:
    return check(HEAD + source, TASK, Budget(), Recipe(), 0)


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ("nn.Conv2d(3, 8, 3),\nnn.Flatten(),\nnn.Linear(8 * 5 * 5, 16),\nnn.Linear(16, 4)", 5),
        ("nn.Conv2d(3, 8, 3),\nnn.Flatten(),\nnn.Linear(8 * 6 * 6, 16),\nnn.Linear(61, 4)", 6),
        ("nn.Conv2d(1, 8, 3),\nnn.Flatten(),\nnn.Linear(8 * 6 * 6, 4)", 3),
    ],
)
def test_a_size_that_does_not_fit_in_a_bare_sequential_is_blamed_on_the_line_that_makes_the_layer(
    layers: str, line: int
) -> None:
    found = report(f"model = nn.Sequential({layers})\n")
    assert (found.code, found.line) == ("SHAPE_MISMATCH", line)


def test_wrong_classes_of_a_bare_sequential_are_blamed_on_its_last_layer() -> None:
    found = report("model = nn.Sequential(\nnn.Flatten(),\nnn.Linear(192, 16),\nnn.Linear(16, 5),\n)\n")
    assert (found.code, found.line) == ("WRONG_OUTPUT", 6)


def test_of_two_layers_that_are_made_alike_none_is_blamed() -> None:
    found = report("model = nn.Sequential(nn.Flatten(),\nnn.Linear(9, 9),\nnn.Linear(9, 9),\nnn.Linear(9, 4))\n")
    assert (found.code, found.line) == ("SHAPE_MISMATCH", None)


def test_torchscript_says_what_is_wrong_and_where() -> None:
    found = report("@torch.jit.script\ndef f(x):\n    return x * y\n" + IN_A_CLASS.format("return self.layer(f(x))"))
    assert (found.code, found.line) == ("UNDEFINED_NAME", 5)
    assert found.message is not None
    assert "undefined value y at line 5 `return x * y`" in found.message
    found = report(IN_A_CLASS.format("return self.later(x)") + "model = torch.jit.script(Net())\n")
    assert (found.code, found.line) == ("UNDEFINED_ATTRIBUTE", 10)


@pytest.mark.parametrize("made", ["script(Net())", "trace(Net(), torch.randn(1, 3, 8, 8))"])
def test_what_is_wrong_with_a_network_in_torchscript_is_told_as_of_any_other(made: str) -> None:
    source = IN_A_CLASS.replace("192, 4", "192, 5").format("return self.layer(x)") + f"model = torch.jit.{made}\n"
    found = report(source)
    assert (found.code, found.line) == ("WRONG_OUTPUT", None)
    assert found.message is not None
    assert "returned shape (2, 5)" in found.message


def test_a_gradient_of_the_wrong_shape_is_blamed_on_backward() -> None:
    found = report(FUNCTION + IN_A_CLASS.format("return Twice.apply(self.layer(x))"))
    assert (found.code, found.line) == ("WRONG_GRADIENT", 9)


def test_an_abstract_network_is_blamed_on_its_class() -> None:
    source = "import abc\n" + IN_A_CLASS.format("return self.layer(x)").replace("nn.Module", "nn.Module, abc.ABC")
    found = report(source + "    @abc.abstractmethod\n    def rest(self): ...\n")
    assert (found.code, found.line) == ("NOT_IMPLEMENTED", 5)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("return self.layer(torch.fft.fft(x))", "WRONG_DTYPE"),
        ("return x.scatter_add(1, torch.zeros_like(x).long(), torch.ones_like(x).long())", "WRONG_DTYPE"),
        ("x.index_add(0, torch.arange(len(x)), x.double())", "WRONG_DTYPE"),
        ("x[torch.arange(len(x))] = x.double()", "WRONG_DTYPE"),
        ("x.lerp(x.double(), 0.5)", "WRONG_DTYPE"),
        ("return torch.bmm(x, x)", "SHAPE_MISMATCH"),
        ("nn.Conv2d(3, 3, 3, padding='SAME')", "BAD_ARGUMENT"),
        ("nn.RNN(3, 3, nonlinearity='gelu')", "BAD_ARGUMENT"),
        ("nn.ParameterDict()[1]", "MISSING_ENTRY"),
    ],
)
def test_what_torch_words_in_its_own_way_has_a_code(statement: str, code: str) -> None:
    found = report(IN_A_CLASS.format(statement))
    assert (found.code, found.line) == (code, 10)


@pytest.mark.parametrize("lines", [0, 40])
def test_what_a_candidate_evaluates_is_blamed_on_the_line_that_does(lines: int) -> None:
    found = report(IN_A_CLASS.format("return self.layer(x)") + f"eval('(' + '\\n' * {lines} + '3 +')\n")
    assert (found.code, found.line) == ("BUILD_FAILED", 11)
