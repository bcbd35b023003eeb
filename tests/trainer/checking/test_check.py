"""The validation ladder, on a corpus of sources as LLMs write them."""

from __future__ import annotations

import pytest
import torch

from lemonade_es.task import Task
from lemonade_es.trainer.checking.check import check
from lemonade_es.trainer.measurement import Budget
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.vocabulary import CENSUS
from tests.trainer import corpus


def verdict(source, task=corpus.IMAGE, budget=None):
    return check(source, task, budget or Budget(), Recipe(), seed=0)


@pytest.mark.parametrize("sample", corpus.GOOD, ids=lambda sample: sample.name)
def test_a_good_candidate_reaches_the_top_with_all_its_figures(sample):
    report = verdict(sample.source, sample.task)
    assert report.ok, report.message
    assert (report.stage, report.code, report.line) == ("done", None, None)
    assert set(report.census) == set(CENSUS)
    assert report.parameters > 0
    assert report.macs > 0
    assert report.activation_mb >= 0
    assert len(report.architecture) == 64
    assert sample.says in (report.message or "")


@pytest.mark.parametrize("seed", range(6))
def test_a_network_that_packs_texts_by_their_lengths_is_given_none_without_a_word(seed):
    made = "self.embed = nn.Embedding(12, 4)\nself.gru = nn.GRU(4, 4, batch_first=True)\nself.fc = nn.Linear(4, 2)"
    passed = (
        "packed = nn.utils.rnn.pack_padded_sequence(\n    self.embed(x), (x != 0).sum(1).cpu(), True, False)\n"
        "return self.fc(self.gru(packed)[1][-1])"
    )
    task = Task("text", "small", (8,), 2, vocabulary_size=12)
    report = check(corpus.HEAD + corpus.network(made, passed), task, Budget(), Recipe(), seed)
    assert report.ok, report.message


def test_one_value_is_counted_as_one():
    body = corpus.network("self.fc = nn.Linear(3, 1)", "return self.fc(x.mean((2, 3)))")
    assert "The last layer gives 1 value, and there are 10 classes." in verdict(corpus.HEAD + body).message


def test_the_class_that_wins_is_no_answer():
    body = corpus.network("self.fc = nn.Linear(3, 10)", "return self.fc(x.mean((2, 3))).argmax(1)")
    assert "Return the logits, not the class that wins." in verdict(corpus.HEAD + body).message


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("y.squeeze(1)", "return float numbers of shape (2, 1) and nothing else. Leave out what removes the last"),
        ("y.repeat(1, 3)", "The last layer gives 3 values, and one number is predicted."),
        ("y.long()", "Return them as float32."),
        ("(y,)", "Take the numbers out of it."),
        ("(y, y)", "return the numbers alone, in training mode, too."),
    ],
)
def test_of_a_regression_a_wrong_answer_is_told_in_its_own_words(answer, says):
    body = f"        y = self.fc(x)\n        return {answer}\n"
    source = (
        "import torch.nn as nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.fc = nn.Linear(6, 1)\n\n    def forward(self, x):\n{body}"
    )
    report = verdict(source, Task("table", "houses", (6,), 1, objective="regression"))
    assert report.code == "WRONG_OUTPUT"
    assert says in report.message
    assert "logits" not in report.message
    assert "classes" not in report.message


@pytest.mark.parametrize("argument", ["num_classes=1000", "width=8, *, num_classes=1000"])
def test_the_default_that_gives_a_network_too_many_classes_is_named(argument):
    source = (
        f"from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self, {argument}):\n"
        "        super().__init__()\n        self.fc = nn.Linear(192, num_classes)\n\n"
        "    def forward(self, x):\n        return self.fc(x.flatten(1))\n"
    )
    report = verdict(source, Task("image", "small", (3, 8, 8), 4))
    assert report.code == "WRONG_OUTPUT"
    assert report.message.endswith("Arguments with defaults keep them: let that of num_classes be 4.")


@pytest.mark.parametrize("sample", corpus.BAD, ids=lambda sample: sample.name)
def test_a_bad_candidate_gets_its_typed_reason_the_line_and_a_sentence_to_act_on(sample):
    report = verdict(sample.source, sample.task)
    assert not report.ok
    assert report.code == sample.code, report.message
    assert sample.says in report.message
    if sample.line is not None:
        assert report.line == sample.line


HERE = [sample for sample in corpus.FILES if not {"isolated", "memory"} & set(sample.flags)]


@pytest.mark.parametrize("sample", HERE, ids=lambda sample: sample.name)
def test_a_whole_file_in_a_style_of_llms_gets_its_verdict(sample):
    report = verdict(sample.source, sample.task)
    assert report.code == sample.code, report.message
    assert report.ok == (sample.code is None)


def test_every_refusal_quotes_the_line_and_says_what_to_do():
    reports = [verdict(sample.source, sample.task) for sample in HERE if sample.code is not None]
    refusals = [report for report in reports if report.code != "NO_NETWORK"]
    assert [report.message for report in refusals if report.line is None] == []
    assert all(report.message.endswith(".") and len(report.message) > 40 for report in reports)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("built-in-forward-hasattr", "fc.weight, fc.bias made in the first forward pass"),
        ("built-in-forward-none-everything", "make all layers in __init__"),
        ("layer-made-in-forward", "not trained: Linear"),
        ("unused-layers", "No gradient reaches conv2.weight, conv2.bias, bn.weight, bn.bias"),
    ],
)
def test_a_network_that_learns_less_than_its_author_thinks_passes_with_a_note(name, note):
    report = verdict(next(sample for sample in HERE if sample.name == name).source)
    assert report.ok
    assert note in report.message


def test_layers_that_are_not_the_networks_are_named_where_they_are_refused():
    sample = next(sample for sample in HERE if sample.name == "layers-in-a-plain-list")
    message = verdict(sample.source).message
    assert "register_buffer" in message
    assert "not trained: Conv2d" in message


@pytest.mark.parametrize(
    ("made", "saved"),
    [
        ('self.register_buffer("turned", torch.randn(3072, 8))', True),
        ('self.register_buffer("turned", torch.randn(3072, 8), persistent=False)', False),
        ("self.turned = torch.randn(3072, 8)", False),
        ("self.turned = torch.ones(3072, 8)", True),
    ],
)
def test_random_constants_must_be_saved_and_others_need_not(made, saved):
    body = f"self.head = nn.Linear(8, 10)\n{made}"
    report = verdict(corpus.HEAD + corpus.network(body, "return self.head(x.flatten(1) @ self.turned / 50)"))
    assert report.code == (None if saved else "UNSAVED_STATE"), report.message


def test_a_network_whose_dropout_is_always_on_passes_with_a_note():
    careless = corpus.HEAD + corpus.FUNCTIONAL.replace("0.3, self.training", "0.3")
    assert "In eval mode the same input gives another output each time" in verdict(careless).message
    assert verdict(corpus.HEAD + corpus.FUNCTIONAL).message is None


def test_weights_of_another_default_type_are_refused_before_they_meet_the_data():
    source = "import torch\n\ntorch.set_default_dtype(torch.float64)\n" + corpus.GOOD[0].source
    usual = torch.get_default_dtype()
    try:
        report = verdict(source, corpus.GOOD[0].task)
    finally:
        torch.set_default_dtype(usual)
    assert report.code == "WRONG_DTYPE"
    assert "float32" in report.message


def test_layers_made_in_the_first_forward_pass_are_counted_as_parameters():
    late = next(sample for sample in HERE if sample.name == "built-in-forward-none-everything")
    assert verdict(late.source).parameters == 3073 * 10


def test_a_batch_that_is_compiled_or_scripted_costs_no_compiler():
    for name in ("torch-compile-forward", "torch-compile-instance", "jit-script-instance"):
        report = verdict(next(sample for sample in HERE if sample.name == name).source)
        assert (report.parameters, report.macs) == (3073 * 10, 3072 * 10)


def test_the_line_of_a_wrong_output_is_that_of_the_return_statement():
    report = verdict(next(sample for sample in HERE if sample.name == "dict-returned").source)
    assert report.line == 10
    assert "Take the logits out of it" in report.message


@pytest.mark.parametrize(
    "body",
    [
        "raise type('E' * 100_000, (Exception,), {})('no')",
        "return type('E' * 100_000, (), {})()",
        "return self.undefined  # " + "e" * 90_000,
        "return self.fc(x.mean((2, 3)))",
    ],
    ids=["exception", "output", "line", "parameter"],
)
def test_names_and_lines_without_end_are_shortened(body):
    made = "self.fc = nn.Linear(3, 10)\nself.add_module('E' * 100_000, nn.Linear(3, 10))"
    report = verdict(corpus.HEAD + corpus.network(made, body))
    assert report.code != "PROTOCOL"
    assert "eee..." in report.message.casefold()
    assert len(report.message) < 1000


def test_what_a_training_in_bfloat16_cannot_take_is_refused_before_it():
    passed = "out = torch.zeros(len(x), 10)\nout[torch.arange(len(x))] = self.head(x.flatten(1))\nreturn out"
    source = corpus.HEAD + corpus.network("self.head = nn.Linear(3072, 10)", passed)
    assert verdict(source).ok
    report = check(source, corpus.IMAGE, Budget(), Recipe(precision="bf16"), seed=0)
    assert (report.stage, report.code) == ("batch", "WRONG_DTYPE")
    assert "BFloat16" in report.message


def test_a_network_may_compute_with_nested_tensors():
    passed = (
        "rows = torch.nested.as_nested_tensor(list(x.permute(0, 2, 1, 3).flatten(2)), layout=torch.strided)\n"
        "return self.fc(torch.nested.to_padded_tensor(torch.relu(self.first(rows)), 0.0).mean(1))"
    )
    made = "self.first = nn.Linear(96, 16)\nself.fc = nn.Linear(16, 10)"
    report = verdict(corpus.HEAD + corpus.network(made, passed))
    assert report.ok, report.message


def test_a_cut_gradient_is_blamed_on_the_line_that_cuts():
    report = verdict(next(sample for sample in HERE if sample.name == "no-grad-forward").source)
    assert report.line == 10


TWO_WAYS = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.large, self.small = nn.Linear(3072, 100), nn.Linear(100, 10)
        self.short = nn.Linear(3072, 10)

    def forward(self, x):
        x = x.flatten(1)
        return self.short(x) if self.training {} True else self.small(self.large(x))
"""


@pytest.mark.parametrize(("sign", "macs"), [("is", 3072 * 100 + 100 * 10), ("is not", 3072 * 10)])
def test_macs_are_those_of_the_network_in_use_and_not_in_training(sign, macs):
    source = TWO_WAYS.format(sign)
    assert verdict(source).macs == macs
    assert verdict(source, budget=Budget(macs=macs)).ok
    assert verdict(source, budget=Budget(macs=macs - 1)).code == "OVER_BUDGET_MACS"


def test_weights_that_are_not_finite_from_the_beginning_are_named():
    source = (
        "from torch import nn\n"
        "model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n"
        "nn.init.constant_(model[1].bias, float('nan'))\n"
    )
    report = verdict(source)
    assert report.code == "NON_FINITE_LOSS"
    assert "the initial weights of 1.bias are not finite" in report.message


def test_parameters_and_macs_are_those_counted_by_hand():
    report = verdict(corpus.HEAD + corpus.PLAIN)
    conv = 32 * 32 * 8 * 3 * 9 + 16 * 16 * 16 * 8 * 9
    dense = 1024 * 32 + 32 * 10
    assert report.macs == conv + dense
    assert report.parameters == (3 * 9 + 1) * 8 + 16 + (8 * 9 + 1) * 16 + 1025 * 32 + 33 * 10


def test_activation_memory_grows_with_the_batch():
    source = corpus.HEAD + corpus.RESIDUAL
    small, large = (check(source, corpus.IMAGE, Budget(), Recipe(batch_size=size), 0) for size in (32, 128))
    assert large.activation_mb == pytest.approx(4 * small.activation_mb, rel=1e-3)


@pytest.mark.parametrize(
    ("budget", "code", "bound"),
    [
        (Budget(parameters=100), "OVER_BUDGET_PARAMS", "34,538"),
        (Budget(macs=1000), "OVER_BUDGET_MACS", "1,000"),
        (Budget(activation_mb=0.5), "OVER_BUDGET_ACTIVATIONS", "0.5"),
    ],
)
def test_a_network_over_budget_is_refused_with_value_and_bound(budget, code, bound):
    report = verdict(corpus.HEAD + corpus.PLAIN, budget=budget)
    assert (report.ok, report.stage, report.code) == (False, "budget", code)
    assert bound in report.message
    assert report.parameters == 34_538


def test_a_network_within_its_budget_passes():
    assert verdict(corpus.HEAD + corpus.PLAIN, budget=Budget(34_538, 10**6, 100.0)).ok


def test_a_refused_forward_pass_still_tells_the_parameters():
    assert verdict(next(s for s in corpus.BAD if s.name == "classes").source).parameters == 28


def test_a_huge_network_over_its_budget_is_refused_without_being_allocated():
    source = corpus.HEAD + corpus.network("self.fc = nn.Linear(3072, 10**9)", "return self.fc(x.flatten(1))")
    assert verdict(source, budget=Budget(parameters=10**6)).code == "OVER_BUDGET_PARAMS"


def test_checking_twice_gives_the_same_report():
    source = corpus.HEAD + corpus.ATTENTION
    assert verdict(source) == verdict(source)


def test_an_image_task_of_another_size_finds_the_layer_that_does_not_fit():
    report = verdict(corpus.HEAD + corpus.PLAIN, Task("image", "digits", (3, 8, 8), 10))
    assert report.code == "SHAPE_MISMATCH"
    assert "self.fc1(x)" in report.message
