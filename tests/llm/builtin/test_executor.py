"""The first network, the reply, and what the executor refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from random import Random

import pytest
import torch
from torch import nn

from lemonade_es.errors import ReplyError
from lemonade_es.llm.builtin import BuiltinExecutor
from lemonade_es.llm.builtin.blueprint import final_size
from lemonade_es.llm.builtin.cost import macs, parameters
from lemonade_es.llm.builtin.exploration import variations
from lemonade_es.llm.builtin.first_network import first_network
from lemonade_es.llm.builtin.plan import plan
from lemonade_es.llm.builtin.reader import parse
from lemonade_es.llm.builtin.regularization import regularizer_added
from lemonade_es.llm.reply import read_reply
from lemonade_es.llm.request import Attempt, Constraints, EditRequest, Feedback, Instruction
from lemonade_es.task import Task

DIGITS = Task("image", "digits", (1, 8, 8), 10)


def test_the_first_network_is_that_of_the_papers_case_1(bench, task):
    census = bench.count(bench.ask(task, iteration=1)["model_py"], task).census
    convolutions, dense = (0, 3) if task.kind == "table" else (2, 1)  # a table has nothing to convolve over
    norms = 0 if task.objective == "regression" else 2
    assert (census["conv_layers"], census["regularizers"], census["dense_layers"]) == (convolutions, norms, dense)
    assert (census["skips"], census["dropouts"] > 0) == (0, task.kind != "image")


@pytest.mark.parametrize(("most", "widths"), [(None, {80, 96}), (1_000, {8, 16}), (195, {8})])
def test_the_first_network_for_a_table_is_wide_as_budgets_allow_and_has_dropout_after_each_layer(bench, most, widths):
    task = Task("table", "any", (9,), 3)
    patch = bench.ask(task, iteration=1, constraints=Constraints(parameters=most))
    blueprint = parse(patch["model_py"])
    (stage,) = blueprint.stages
    assert "2 dense layers with batch normalisation and dropout, " in patch["summary"]
    assert stage.units[0].width == stage.units[1].width
    assert stage.units[0].width in widths
    assert (stage.units[0].dropout, stage.units[1].dropout, blueprint.head_dropout) == (0.2, 0.0, 0.3)


def test_a_network_for_a_number_is_not_normalised_by_its_batches_and_seldom_becomes_so(bench):
    task = Task("table", "any", (9,), 1, objective="regression")
    patch = bench.ask(task, iteration=1)
    assert "2 dense layers with dropout, " in patch["summary"]
    network = parse(patch["model_py"])
    assert not any(conv.norm for stage in network.stages for unit in stage.units for conv in unit.convs)
    changes = list(regularizer_added(network))
    normalised = [change.preference for change in changes if "batch normalisation" in change.how]
    assert 0 < sum(normalised) < sum(change.preference for change in changes) / 2


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 7), (7, 16, 16), (3, 4, 256), (3, 96, 96), (1, 256, 256)])
@pytest.mark.parametrize("classes", [2, 1000])
def test_images_of_any_size_get_a_network_that_learns(bench, shape, classes):
    task = Task("image", "any", shape, classes)
    source = bench.ask(task, iteration=1)["model_py"]
    source = bench.patched(source, bench.ask(task, source, ["ACL", "ASC", "ADL", "AR"]))
    logits, graded = bench.train_a_step(source, task)
    assert logits.shape == (4, classes)
    assert graded
    assert min(final_size(parse(source))) >= 1


def test_the_first_network_learns_classes_that_differ_only_in_where_something_is(bench):
    torch.manual_seed(0)
    images = torch.randn(96, 1, 16, 16)
    labels = torch.arange(96) % 2
    for image, label in zip(images, labels, strict=True):
        top, left = (int(torch.randint(0, most, ())) for most in (5, 13))
        image[0, top + 8 * label : top + 8 * label + 3, left : left + 3] += 3
    network = bench.build(bench.ask(Task("image", "places", (1, 16, 16), 2), iteration=1)["model_py"]).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.025, momentum=0.9)
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3


@pytest.mark.parametrize(
    ("shape", "classes", "places"),
    [
        ((1, 8, 8), 10, 4),
        ((3, 28, 28), 10, 7),
        ((3, 32, 32), 100, 4),
        ((3, 32, 32), 1000, 1),
        ((3, 26, 26), 2, 4),  # half of 26 is a prime
        ((3, 100, 150), 2, 4),
        ((3, 5, 7), 2, 1),
    ],
)
def test_the_places_of_a_first_network_divide_its_map_and_keep_its_classifier_small(bench, shape, classes, places):
    blueprint = parse(bench.ask(Task("image", "any", shape, classes), iteration=1)["model_py"])
    assert blueprint.places == places
    assert blueprint.features * classes <= 200_000
    assert all(side % places == 0 for side in final_size(blueprint))


def test_after_a_further_stage_the_places_divide_the_smaller_map():
    task = Task("image", "digits", (1, 8, 8), 10)
    network = first_network(task, Constraints(), Random(0))
    request = EditRequest(task, 2, model_py="", instructions=(Instruction("ACL", "", 1.0),))
    sides = set()
    for seed in range(40):
        grown = plan(network, request, Random(seed)).blueprint
        sides.add((final_size(grown), grown.places))
    assert sides == {((4, 4), 4), ((2, 2), 2)}


@pytest.mark.parametrize("length", [1, 4, 9, 500])
def test_texts_of_any_length_get_a_network_that_learns(bench, length):
    task = Task("text", "any", (length,), 3, 50)
    source = bench.ask(task, iteration=1)["model_py"]
    source = bench.patched(source, bench.ask(task, source, ["ACL", "ASC", "AR", "AD"]))
    assert bench.train_a_step(source, task)[0].shape == (4, 3)


def test_the_first_network_for_small_photographs_costs_one_to_four_million_multiply_accumulates(bench):
    task = Task("image", "cifar10", (3, 32, 32), 10)
    costs = [macs(parse(bench.ask(task, iteration=1, seed=seed)["model_py"])) for seed in range(10)]
    assert min(costs) >= 1_000_000
    assert max(costs) <= 4_000_000


def test_the_first_network_keeps_the_budgets(bench):
    source = bench.ask(DIGITS, iteration=1, constraints=Constraints(parameters=3000, macs=40_000))["model_py"]
    assert parameters(parse(source)) <= 3000
    assert macs(parse(source)) <= 40_000


def test_a_budget_that_no_network_keeps_is_refused(bench):
    with pytest.raises(ReplyError, match="smallest first network") as raised:
        bench.ask(DIGITS, iteration=1, constraints=Constraints(parameters=50))
    assert raised.value.code == "BUDGET_TOO_SMALL"


@pytest.mark.parametrize("features", [9_000, 14_000, 30_000])
def test_a_network_for_a_wide_table_grows_where_growth_is_asked_for(bench, features):
    wide = Task("table", "wide", (features,), 3)
    source = bench.ask(wide, iteration=1)["model_py"]
    costs = [macs(parse(source))]
    for iteration in range(2, 6):
        source = bench.patched(source, bench.ask(wide, source, ("AMK", "ACL"), iteration=iteration))
        costs.append(macs(parse(source)))
    assert costs == sorted(costs)
    assert costs[-1] > 1.5 * costs[0]


def test_a_first_network_that_was_too_large_is_followed_by_a_smaller_one(bench):
    refused = [Feedback("OVER_BUDGET_ACTIVATION", "too large", "{}")] * 2
    large, small = (bench.ask(DIGITS, iteration=1, feedback=feedback) for feedback in ((), refused))
    assert small["predicted"]["P"] < large["predicted"]["P"]


@pytest.mark.parametrize("source", [None, "first"])
def test_the_reply_is_a_patch_that_the_reader_takes_without_mending(bench, source):
    if source:
        source = bench.ask(DIGITS, iteration=1)["model_py"]
    request = EditRequest(DIGITS, 1, source, instructions=(Instruction("ACL", "", 1.0),) if source else ())
    executor = BuiltinExecutor()
    reply = executor.ask(request)
    assert (executor.name, executor.foreign, reply.executor) == ("builtin", False, "builtin")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cost_usd) == (0, 0, 0.0)
    read = read_reply(reply)
    assert read.mended == ()
    assert (read.patch.model_py is None) == (source is not None)


@pytest.mark.parametrize(
    "damage",
    [
        lambda source: source + "\n# mine\n",
        lambda source: source.replace("ConvBlock(", "nn.Conv2d("),
        lambda source: source.replace("1x8x8", "1x9x9"),
        lambda source: "def broken(:\n",
        lambda source: "",
        lambda source: "import torch\n",
        lambda source: "(" * 5000,
        lambda source: source.replace("\n", "\r\n"),
    ],
)
def test_source_that_someone_else_wrote_or_changed_is_refused(bench, damage):
    source = bench.ask(DIGITS, iteration=1)["model_py"]
    with pytest.raises(ReplyError) as raised:
        bench.ask(DIGITS, damage(source), ["ACL"])
    assert raised.value.code == "FOREIGN_SOURCE"
    assert "LLM executor" in str(raised.value) or "start without" in str(raised.value)


def test_a_network_for_another_task_is_refused(bench):
    source = bench.ask(DIGITS, iteration=1)["model_py"]
    with pytest.raises(ReplyError, match="the task is another one"):
        bench.ask(Task("image", "digits", (1, 8, 8), 12), source, ["ACL"])


def test_small_changes_lead_to_another_network_however_many_there_are(bench, task):
    source = bench.ask(task, iteration=1)["model_py"]
    vain = tuple(Attempt(iteration, (), "ok") for iteration in range(2, 9))
    for seed in range(60):
        patch = bench.ask(task, source, iteration=9, history=vain, seed=seed)
        assert patch["summary"].count(" to explore") == 2
        assert parse(bench.patched(source, patch)) != parse(source)


@pytest.mark.parametrize("size", [(1, 1), (2, 2)])
def test_the_pooling_of_one_position_is_nothing_to_change(bench, size):
    network = parse(bench.ask(Task("image", "small", (3, *size), 2), iteration=1)["model_py"])
    changes = [change.how for change in variations(network) if "before the head" in change.how]
    assert len(changes) == (max(final_size(network)) > 1)


def test_where_the_budget_leaves_nothing_to_do_the_reply_is_an_error(bench):
    source = bench.ask(DIGITS, iteration=1)["model_py"]
    with pytest.raises(ReplyError) as raised:
        bench.ask(DIGITS, source, ["ACL"], constraints=Constraints(parameters=100))
    assert raised.value.code == "NOTHING_TO_DO"


SCRIPT = """
import sys
from lemonade_es.llm.builtin import BuiltinExecutor
from lemonade_es.llm.request import EditRequest
import json
print(BuiltinExecutor().ask(EditRequest.from_json(json.load(sys.stdin))).text)
assert "torch" not in sys.modules
"""


def test_the_answer_is_the_same_in_every_process_and_needs_no_torch(bench):
    source = bench.ask(DIGITS, iteration=1)["model_py"]
    ids = ("ACL", "ASC", "AR", "AD")
    request = EditRequest(DIGITS, 3, source, instructions=tuple(Instruction(one, one, 1.0) for one in ids), seed=11)
    here = BuiltinExecutor().ask(request).text
    for hash_seed in ("0", "1"):
        there = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps(request.to_json()),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.rstrip("\n") == here
