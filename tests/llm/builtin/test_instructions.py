"""Each instruction of Table 3 changes the code, and the census of the network that is built from it."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from lemonade_es.llm.builtin.blueprint import Blueprint, Conv, Stage, Unit
from lemonade_es.llm.builtin.capability import BY_ID, capability
from lemonade_es.llm.builtin.convolutions import narrower, skip_added
from lemonade_es.llm.builtin.cost import census, macs, parameters
from lemonade_es.llm.builtin.reader import parse
from lemonade_es.llm.builtin.source import render
from lemonade_es.llm.request import Attempt, Constraints, Feedback, Instruction
from lemonade_es.task import Task

RICH = (["ACL", "ADL"], ["ASC", "AD"], ["ACL", "AR"], ["ASC", "AD"])
DIGITS = Task("image", "digits", (1, 8, 8), 10)
PHOTOGRAPHS = Task("image", "cifar10", (3, 32, 32), 10)
TABLE = Task("table", "churn", (9,), 3)
TEXT = Task("text", "reviews", (200,), 2, 1000)


@pytest.fixture(scope="module")
def rich(bench):
    """A network with something of everything, so that every instruction has something to act on."""
    made = {}

    def make(task):
        if task not in made:
            source = bench.ask(task, iteration=1)["model_py"]
            for number, ids in enumerate(RICH):
                source = bench.patched(source, bench.ask(task, source, ids, seed=number))
            made[task] = source
        return made[task]

    return make


def first(bench, task, **fields):
    return bench.ask(task, iteration=1, **fields)["model_py"]


def moved(known, before, after):
    difference = after[known.changes] - before[known.changes]
    return difference > 0 if known.direction == "increase" else difference < 0


@pytest.mark.parametrize("instruction", BY_ID)
def test_each_instruction_moves_the_census_of_a_network_that_runs_and_learns(bench, rich, task, instruction):
    source = rich(task)
    known = capability(Instruction(instruction, "", 1.0), task.kind)
    patch = bench.ask(task, source, [instruction], seed=5)
    assert [applied["instruction"] for applied in patch["applied"]] == ([] if known.stand_in else [instruction])
    assert [skipped["instruction"] for skipped in patch["skipped"]] == ([instruction] if known.stand_in else [])
    changed = bench.patched(source, patch)
    counted = bench.count(changed, task)
    assert moved(known, bench.count(source, task).census, counted.census)
    assert patch["predicted"]["P"] == counted.parameters
    logits, graded = bench.train_a_step(changed, task)
    assert logits.shape == (4, task.classes)
    assert graded


@pytest.mark.parametrize("instruction", ["ACL", "RCL", "AMK", "RK"])
def test_on_a_table_dense_layers_stand_in_for_convolutions_and_the_patch_says_so(bench, rich, instruction):
    source = rich(TABLE)
    patch = bench.ask(TABLE, source, [instruction], seed=5)
    assert "nothing to convolve over" in patch["skipped"][0]["why"]
    assert patch["summary"].startswith(f"in the place of {instruction}: ")
    assert "conv" not in bench.patched(source, patch).lower()


@pytest.mark.parametrize(
    "task", [Task("table", "churn", (4,), 2), Task("table", "houses", (4,), 1, None, "regression")]
)
def test_a_network_for_a_table_learns_what_there_is_to_learn(bench, task):
    torch.manual_seed(0)
    rows = torch.randn(256, 4)
    truth = rows[:, 0] * rows[:, 1] + rows[:, 2]
    network = bench.build(bench.ask(task, iteration=1)["model_py"]).train()
    steps = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(150):
        outputs = network(rows)
        loss = (
            nn.functional.mse_loss(outputs.squeeze(1), truth)
            if task.objective == "regression"
            else nn.functional.cross_entropy(outputs, (truth > 0).long())
        )
        steps.zero_grad()
        loss.backward()
        steps.step()
    outputs = network.eval()(rows)  # without dropout
    if task.objective == "regression":
        assert 1 - nn.functional.mse_loss(outputs.squeeze(1), truth).item() / truth.var().item() > 0.95
    else:
        assert (outputs.argmax(1) == (truth > 0)).float().mean() > 0.97


def test_dropout_of_a_text_grows_on_its_embedding_too_but_not_beyond_one_half(bench):
    source, rates = first(bench, TEXT), []
    for seed in range(30):
        reply = bench.ask(TEXT, source, ["AD"], seed=seed)
        if reply["skipped"]:
            break
        source = bench.patched(source, reply)
        rates.append(parse(source).embedding_dropout)
    assert rates == sorted(rates)
    assert rates[-1] == 0.5


ONE, TWO = Stage((Unit((Conv(12),)),)), Stage((Unit((Conv(12),)), Unit((Conv(12),))))
NARROW = Stage((Unit((Conv(8),)),), pool=1)


@pytest.mark.parametrize(
    ("shape", "stages", "most"),
    [
        ((3, 32, 32), (NARROW, ONE), 3),  # one more layer, with its skip
        ((3, 32, 32), (NARROW, TWO), 3),  # an identity fits around layers that are there: none is added
        ((200,), (NARROW, ONE), 2),  # nor for a text
    ],
)
def test_a_skip_brings_its_own_layer_where_no_identity_fits_around_others(shape, stages, most):
    kind, more = ("image", {}) if len(shape) == 3 else ("text", {"vocabulary_size": 99, "embedding": 4})
    blueprint = Blueprint(kind, shape, 2, stages, **more)
    grown = [change.blueprint for change in skip_added(blueprint)]
    assert max(sum(len(stage.units) for stage in after.stages) for after in grown) == most
    assert {census(after)["skips"] for after in grown} == {1}


def test_there_are_the_fifteen_instructions_of_table_3():
    assert len(BY_ID) == 15
    assert {"ACL", "ASC", "ADL", "RCL", "RSC", "RDL", "AD", "AMK", "AWI", "AR", "RK", "RD", "AMN", "RN", "RR"} == set(
        BY_ID
    )


@pytest.mark.parametrize(
    ("start", "shape"), [(0, "digits"), (20, "photographs"), (40, "text"), (60, "table"), (80, "regression")]
)
def test_random_sequences_of_instructions_stay_valid_and_keep_their_word(bench, start, shape):
    from_name = {
        "digits": DIGITS,
        "photographs": PHOTOGRAPHS,
        "text": Task("text", "reviews", (200,), 2, 1000),
        "table": TABLE,
        "regression": Task("table", "houses", (6,), 1, objective="regression"),
    }
    task = from_name[shape]
    for seed in range(start, start + 20):
        draw = random.Random(seed)
        source = first(bench, task, seed=seed)
        for step in range(10):
            ids = draw.sample(list(BY_ID), draw.randint(1, 5))
            patch = bench.ask(task, source, ids, seed=seed, iteration=step + 2)
            changed = bench.patched(source, patch)
            assert changed != source
            before, after = census(parse(source)), census(parse(changed))
            for applied in patch["applied"]:
                known = capability(Instruction(applied["instruction"], "", 1.0), task.kind)
                assert moved(known, before, after), (seed, step, patch["summary"])
            said = [entry["instruction"] for key in ("applied", "skipped") for entry in patch[key]]
            assert sorted(said) == sorted(ids)
            source = changed
        counted = bench.count(source, task)
        blueprint = parse(source)
        assert (counted.census, counted.macs, counted.parameters) == (
            census(blueprint),
            macs(blueprint),
            parameters(blueprint),
        )
        assert bench.train_a_step(source, task)[1]


def test_the_answer_to_case_1_adds_a_convolution_a_skip_and_a_dense_layer(bench, task):
    source = first(bench, task)
    patch = bench.ask(task, source, ["ACL", "ASC", "ADL"])
    before, after = census(parse(source)), census(parse(bench.patched(source, patch)))
    assert after["conv_layers"] > before["conv_layers"] or task.kind == "table"
    assert after["dense_layers"] > before["dense_layers"]
    assert after["skips"] == 1


def test_fewer_kernels_beside_another_convolution_means_fewer_in_sum(bench, task):
    layers, units = ("dense_layers", "neurons") if task.kind == "table" else ("conv_layers", "kernels")
    source = first(bench, task)
    patch = bench.ask(task, source, ["ACL", "RK"])
    before, after = census(parse(source)), census(parse(bench.patched(source, patch)))
    assert len(patch["applied" if task.kind != "table" else "skipped"]) == 2
    assert after[layers] > before[layers]
    assert after[units] < before[units]


def test_the_heavier_instruction_is_served_first(bench):
    source = first(bench, DIGITS)
    light, heavy = Instruction("RDL", "", 0.1), Instruction("ADL", "", 0.9)
    patch = bench.ask(DIGITS, source, [light, heavy])
    assert [applied["instruction"] for applied in patch["applied"]] == ["ADL"]
    assert [skipped["instruction"] for skipped in patch["skipped"]] == ["RDL"]


def test_an_instruction_under_another_name_is_known_by_its_effect(bench):
    source = first(bench, DIGITS)
    grow = Instruction("GROW", "make it deeper", 1.0, changes="conv_layers", direction="increase")
    patch = bench.ask(DIGITS, source, [grow])
    assert patch["applied"][0]["instruction"] == "GROW"
    assert census(parse(bench.patched(source, patch)))["conv_layers"] == 3


@pytest.mark.parametrize(
    ("instruction", "why"),
    [
        ("RSC", "no skip connection"),
        ("RDL", "only the classifier"),
        ("RD", "no dropout"),
        ("RN", "no hidden dense layer"),
        ("XYZ", "does not know"),
    ],
)
def test_what_cannot_be_done_is_skipped_with_its_reason(bench, instruction, why):
    patch = bench.ask(DIGITS, first(bench, DIGITS), [instruction])
    assert patch["applied"] == []
    assert why in patch["skipped"][0]["why"]


@pytest.mark.parametrize("ids", [[], ["RSC"]], ids=["none asked", "none possible"])
def test_without_any_instruction_to_follow_a_small_change_is_tried(bench, task, ids):
    source = first(bench, task)
    patch = bench.ask(task, source, ids)
    assert patch["applied"] == []
    assert patch["summary"].endswith("to explore")
    assert bench.patched(source, patch) != source


def test_a_dense_layer_is_not_added_without_end(bench):
    source = first(bench, DIGITS)
    for step in range(2):
        source = bench.patched(source, bench.ask(DIGITS, source, ["ADL"], seed=step))
    patch = bench.ask(DIGITS, source, ["ADL"])
    assert "two hidden dense layers are enough" in patch["skipped"][0]["why"]


def test_what_a_budget_has_no_room_for_is_paid_with_kernels_elsewhere(bench):
    source = first(bench, PHOTOGRAPHS)
    now = parse(source)
    constraints = Constraints(parameters=parameters(now), macs=macs(now))
    patch = bench.ask(PHOTOGRAPHS, source, ["ACL", "AD"], constraints=constraints)
    assert [applied["instruction"] for applied in patch["applied"]] == ["ACL", "AD"]
    assert "to keep the budget, narrowed" in patch["applied"][0]["how"]
    after = parse(bench.patched(source, patch))
    assert macs(after) <= macs(now)
    assert parameters(after) <= parameters(now)
    assert census(after)["conv_layers"] > census(now)["conv_layers"]


def test_budgets_are_named_where_they_forbid_an_instruction(bench):
    source = first(bench, PHOTOGRAPHS)
    narrow = parse(source)
    while (step := min((change.blueprint for change in narrower(narrow)), key=macs)) != narrow:
        narrow = step
    constraints = Constraints(parameters=parameters(narrow), macs=macs(narrow))
    patch = bench.ask(PHOTOGRAPHS, render(narrow), ["ACL", "AMK", "AD"], constraints=constraints)
    assert [applied["instruction"] for applied in patch["applied"]] == ["AD"]
    assert f"{macs(narrow):,}" in patch["skipped"][0]["why"]


def test_a_network_over_its_budget_is_narrowed_until_it_keeps_it(bench):
    source = first(bench, PHOTOGRAPHS)
    budget = macs(parse(source)) // 2
    patch = bench.ask(PHOTOGRAPHS, source, ["AD"], constraints=Constraints(macs=budget))
    assert macs(parse(bench.patched(source, patch))) <= budget
    assert "to keep the budget" in patch["summary"]


def test_growth_without_a_budget_ends_at_forty_million_multiply_accumulates(bench):
    source = first(bench, PHOTOGRAPHS)
    costs = []
    for step in range(12):
        source = bench.patched(source, bench.ask(PHOTOGRAPHS, source, ["ACL", "AMK"], iteration=step + 2))
        costs.append(macs(parse(source)))
    assert max(costs) <= 40_000_000
    assert costs[-1] > 2 * costs[0]


def test_other_seeds_give_other_networks(bench, task):
    source = first(bench, task)
    answers = {bench.patched(source, bench.ask(task, source, ["ACL", "AD"], seed=seed)) for seed in range(12)}
    assert len(answers) >= 4


def refused(code, times):
    return [Feedback(code, "refused", "{}")] * times


@pytest.mark.parametrize("code", ["DUPLICATE", "NOT_FOLLOWED", "OVER_BUDGET_PARAMS"])
def test_a_refused_network_does_not_come_again(bench, task, code):
    source = first(bench, task)
    answers = [
        bench.patched(source, bench.ask(task, source, ["ACL"], feedback=refused(code, times))) for times in range(4)
    ]
    assert len(set(answers)) == 4


def test_even_an_instruction_with_one_way_to_do_it_varies_after_a_duplicate(bench):
    source = first(bench, DIGITS)
    once = bench.ask(DIGITS, source, ["AWI"], feedback=refused("DUPLICATE", 1))
    assert once["applied"][0]["instruction"] == "AWI"
    assert once["summary"].endswith("to explore")


def test_a_network_that_was_too_large_grows_less(bench):
    source = first(bench, PHOTOGRAPHS)
    grown = [
        macs(
            parse(
                bench.patched(
                    source,
                    bench.ask(PHOTOGRAPHS, source, ["AMK"], seed=seed, feedback=refused("OVER_BUDGET_MACS", times)),
                )
            )
        )
        for times in (0, 2)
        for seed in range(8)
    ]
    assert max(grown[8:]) < max(grown[:8])


def test_a_change_that_disappointed_before_is_taken_less_often(bench):
    source = first(bench, PHOTOGRAPHS)
    summaries = [bench.ask(PHOTOGRAPHS, source, ["ACL"], seed=seed)["summary"] for seed in range(40)]
    usual = max(set(summaries), key=summaries.count)
    history = (Attempt(2, ("ACL",), "ok", summary=usual),)
    again = [bench.ask(PHOTOGRAPHS, source, ["ACL"], seed=seed, history=history)["summary"] for seed in range(40)]
    assert again.count(usual) < summaries.count(usual)


@pytest.mark.parametrize(("vain", "changes"), [(0, 0), (2, 0), (3, 1), (6, 2), (30, 2)])
def test_where_the_same_instructions_led_to_nothing_small_changes_are_tried_beside_them(bench, vain, changes):
    source = first(bench, PHOTOGRAPHS)
    history = (Attempt(1, (), "best"), *(Attempt(number, ("ACL",), "ok") for number in range(2, 2 + vain)))
    answer = bench.ask(PHOTOGRAPHS, source, ["ACL"], history=history)
    assert answer["summary"].count(" to explore") == changes
    assert [applied["instruction"] for applied in answer["applied"]] == ["ACL"]
