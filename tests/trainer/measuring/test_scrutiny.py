"""Whether answers to single inputs and to batches can both be meant."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from lemonade_es.task import Task
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.measuring.scrutiny import inconsistency, loss
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop

CLASSES = 4
ASKED_ALONE = 100
MANY = 600


def said(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Logits that are right where they shall be."""
    return np.eye(CLASSES, dtype=np.float32)[np.where(right, labels, (labels + 1) % CLASSES)]


def of_classes(alone: float, together: float, everything: float) -> str | None:
    """What becomes of a classifier with these accuracies, the first two on the inputs that are asked alone."""
    labels = np.arange(MANY) % CLASSES
    first = np.arange(ASKED_ALONE)
    right = np.zeros(MANY, bool)
    right[:ASKED_ALONE] = first < round(together * ASKED_ALONE)
    right[ASKED_ALONE:][: round(everything * MANY) - right.sum()] = True
    answers = said(first < round(alone * ASKED_ALONE), labels[:ASKED_ALONE])
    return inconsistency(answers, said(right, labels), labels)


def column(answers: NDArray[np.float64]) -> NDArray[np.float32]:
    return answers.astype(np.float32)[:, None]


def heavy(generator: np.random.Generator, rows: int = MANY) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """What can be known of a log-normal target, and the target: a few inputs make up most of its variance."""
    seen = generator.normal(size=rows)
    targets = np.exp(1.5 * (seen + 0.5 * generator.normal(size=rows)))
    known = np.exp(1.5 * seen)
    return (known - targets.mean()) / targets.std(), ((targets - targets.mean()) / targets.std()).astype(np.float32)


@pytest.mark.parametrize("accuracy", [0.1, 0.5, 1.0])
def test_a_network_that_answers_the_same_is_believed(accuracy: float) -> None:
    assert of_classes(accuracy, accuracy, accuracy) is None


def test_what_chance_does_to_a_network_that_draws_random_numbers_is_not_held_against_it() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(MANY) % CLASSES
    for accuracy in (0.3, 0.6, 0.9):
        for _ in range(200):
            alone = said(generator.random(ASKED_ALONE) < accuracy, labels[:ASKED_ALONE])
            together = said(generator.random(MANY) < accuracy, labels)
            assert inconsistency(alone, together, labels) is None


def test_a_network_that_is_better_among_others_is_refused_with_both_figures() -> None:
    why = of_classes(0.25, 0.9, 0.9)
    assert why is not None
    assert "0.25 on 100 inputs" in why
    assert "0.9" in why


def test_answers_to_the_same_inputs_are_compared_one_by_one() -> None:
    why = of_classes(0.82, 0.97, 0.97)
    assert why is not None
    assert "for the same inputs" in why
    assert of_classes(0.90, 0.97, 0.97) is None


@pytest.mark.parametrize("regression", [False, True], ids=["classes", "regression"])
def test_what_a_network_loses_with_its_process_is_told_with_both_figures(regression: bool) -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(MANY) % CLASSES
    live, saved = (said(generator.random(MANY) < share, labels) for share in (0.95, 0.8))
    if regression:
        labels = generator.normal(size=MANY).astype(np.float32)
        live, saved = (column(labels + generator.normal(0, spread, MANY)) for spread in (0.2, 0.6))
    why = loss(saved, live, labels)
    assert why is not None
    assert "saved" in why
    assert loss(live, saved, labels) is None
    assert loss(live, live, labels) is None


def test_many_inputs_are_compared_as_soon_as_few() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(200_000) % CLASSES
    live, saved = (said(generator.random(len(labels)) < share, labels) for share in (0.505, 0.5))
    began = time.monotonic()
    loss(saved, live, labels)
    assert time.monotonic() - began < 20  # term by term, as exact numbers, it took hours


def test_a_network_that_draws_random_numbers_loses_nothing_by_chance() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(MANY) % CLASSES
    for _ in range(500):
        live, saved = (said(generator.random(MANY) < 0.7, labels) for _ in range(2))
        assert loss(saved, live, labels) is None


def test_a_network_that_is_honest_about_those_asked_alone_only_is_refused() -> None:
    why = of_classes(0.25, 0.25, 0.85)
    assert why is not None
    assert "for all inputs" in why


def test_a_network_that_is_better_alone_is_believed() -> None:
    assert of_classes(0.9, 0.2, 0.2) is None


@pytest.mark.parametrize("random", [False, True], ids=["rounding", "random numbers"])
def test_an_honest_regression_is_believed_however_heavy_the_tail_of_its_target(random: bool) -> None:
    generator = np.random.default_rng(1)
    for _ in range(400):
        known, targets = heavy(generator)
        noise = 0.3 * np.abs(known) if random else np.full(MANY, 1e-6)
        together = known + noise * generator.normal(size=MANY)
        # rounding may have one sign throughout
        moved = generator.normal(size=ASKED_ALONE)
        alone = known[:ASKED_ALONE] + noise[:ASKED_ALONE] * (moved if random else np.abs(moved))
        assert inconsistency(column(alone), column(together), targets) is None


def test_an_honest_regression_is_believed_whose_inputs_asked_alone_have_one_target() -> None:
    targets = np.zeros(MANY, np.float32)
    targets[-20:] = 5.0
    answers = np.random.default_rng(2).normal(size=MANY)
    assert inconsistency(column(answers[:ASKED_ALONE]), column(answers), targets) is None


@pytest.mark.parametrize("rows", [40, 150, MANY])
def test_a_regression_that_is_better_among_others_is_refused_with_both_figures(rows: int) -> None:
    generator = np.random.default_rng(3)
    for _ in range(50):
        _, targets = heavy(generator, rows)
        alone = np.zeros(min(ASKED_ALONE, rows))
        ranked = targets + 0.01 * generator.normal(size=rows)
        why = inconsistency(column(alone), column(ranked), targets)
        assert why is not None
        assert f"{len(alone)} inputs; for the same inputs in batches by 0.0" in why


def test_a_regression_that_is_honest_about_those_asked_alone_only_is_refused() -> None:
    generator = np.random.default_rng(4)
    for _ in range(50):
        _, targets = heavy(generator)
        together = targets.astype(np.float64)
        together[:ASKED_ALONE] = 0.0
        why = inconsistency(column(np.zeros(ASKED_ALONE)), column(together), targets)
        assert why is not None
        assert "for the 500 others" in why


def test_a_regression_that_is_better_alone_is_believed() -> None:
    _, targets = heavy(np.random.default_rng(5))
    alone = targets[:ASKED_ALONE].astype(np.float64)
    assert inconsistency(column(alone), column(np.zeros(MANY)), targets) is None


def test_a_regression_with_no_finite_answer_alone_is_refused_and_one_with_none_at_all_is_not() -> None:
    known, targets = heavy(np.random.default_rng(6))
    nothing = np.full(MANY, np.nan)
    assert inconsistency(column(nothing[:ASKED_ALONE]), column(known), targets) is not None
    assert inconsistency(column(nothing[:ASKED_ALONE]), column(nothing), targets) is None


@pytest.fixture(scope="module")
def incomes() -> Iterator[Workshop]:
    """A regression whose target has a heavy tail."""
    known = np.random.default_rng(9).normal(size=(460, 2)).astype(np.float32)
    target = np.exp(2 * known[:, 0] + known[:, 1])
    target = ((target - target.mean()) / target.std()).astype(np.float32)
    rows = Dataset(
        task=Task("table", "incomes", (2,), 1, objective="regression"),
        train=known[:160],
        train_labels=target[:160],
        validation=known[160:],
        validation_labels=target[160:],
        class_names=(),
        mean=(),
        std=(),
        flip=False,
        fingerprint="incomes",
        test_count=0,
    )
    with Workshop(rows, Recipe(epochs=2, batch_size=32, optimizer="adam", lr=0.01), device="cpu") as opened:
        yield opened


REGRESSION = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x):
        {cheat}
        return self.layers(x)
"""


@pytest.mark.isolation
def test_an_honest_regression_with_a_heavy_tail_is_measured(incomes: Workshop) -> None:
    measurement = incomes.train(REGRESSION.format(cheat="pass"), seed=1).measurement
    assert measurement.failure is None
    assert measurement.metrics["V_Acc"] is not None


@pytest.mark.isolation
def test_a_regression_that_needs_others_beside_it_is_refused(incomes: Workshop) -> None:
    cheat = "if not self.training and len(x) == 1: return self.layers(x) * 0 - 9"
    measurement = incomes.train(REGRESSION.format(cheat=cheat), seed=1).measurement
    assert measurement.failure is not None
    assert measurement.failure.code == "INCONSISTENT"
    assert measurement.metrics["V_Acc"] is None
