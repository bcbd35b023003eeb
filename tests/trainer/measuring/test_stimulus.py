"""Inputs to time a network with."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lemonade_es.task import Task
from lemonade_es.trainer.measuring.stimulus import Stimulus
from lemonade_es.trainer.network.layout import settle, settled

TASKS = [
    Task("image", "pictures", (3, 8, 8), 4),
    Task("text", "texts", (12,), 2, vocabulary_size=500),
    Task("table", "rows", (7,), 3),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
@pytest.mark.parametrize("rows", [1, 5])
def test_no_input_comes_twice(task: Task, rows: int) -> None:
    stimulus = Stimulus(task, nn.Flatten(), rows, "cpu")
    with torch.inference_mode():
        seen = [row.numpy().tobytes() for _ in range(200) for row in stimulus.batch()]
    assert len(set(seen)) == len(seen) == 200 * rows


@pytest.mark.parametrize("task", [TASKS[0], TASKS[2]], ids=lambda task: task.kind)
def test_no_input_is_like_an_earlier_one_in_any_part_and_all_are_alike_in_size(task: Task) -> None:
    stimulus = Stimulus(task, nn.Flatten(), 1, "cpu")
    with torch.inference_mode():
        seen = torch.stack([stimulus.batch().flatten().clone() for _ in range(500)])
    assert len(seen.unique(dim=0)) == 500
    for column in seen.T:
        assert len(column.unique()) > 490
    assert seen.std().item() == pytest.approx(1, abs=0.15)


def test_a_network_that_sets_the_generators_back_sees_no_text_again() -> None:
    stimulus = Stimulus(TASKS[1], nn.Flatten(), 1, "cpu")
    seen = []
    with torch.inference_mode():
        for _ in range(300):
            torch.manual_seed(0)
            seen.append(stimulus.batch().numpy().tobytes())
    assert len(set(seen)) == 300


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_an_input_has_the_shape_and_kind_of_the_task(task: Task) -> None:
    stimulus = Stimulus(task, nn.Flatten(), 2, "cpu")
    for _ in range(200):
        batch = stimulus.batch()
        assert batch.shape == (2, *task.input_shape)
        assert batch.is_floating_point() == (task.kind != "text")
        if task.kind == "text":
            assert int(batch[:, 0].min()) >= 1  # no text is without a word
            assert int(batch.max()) < 500


def test_images_come_in_the_memory_order_of_the_network() -> None:
    task = Task("image", "pictures", (32, 8, 8), 4)
    model = nn.Sequential(nn.Conv2d(32, 32, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4))
    settle(model, torch.randn(2, 32, 8, 8))
    assert settled(model) is torch.channels_last
    batch = Stimulus(task, model, 1, "cpu").batch()
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_large_inputs_are_kept_few() -> None:
    task = Task("image", "photographs", (3, 1024, 1024), 4)
    stimulus = Stimulus(task, nn.Flatten(), 1, "cpu")
    first, second = stimulus.batch().clone(), stimulus.batch()
    assert not torch.equal(first, second)
