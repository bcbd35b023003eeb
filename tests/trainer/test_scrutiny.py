"""Whether answers to single inputs and to batches can both be meant."""

from __future__ import annotations

import numpy as np
import pytest

from lemonade_es.trainer.scoring import Score
from lemonade_es.trainer.scrutiny import inconsistency, secret_order


def score(accuracy: float) -> Score:
    return Score(accuracy, 0.0, 0)


def test_the_order_holds_each_input_once_and_is_the_same_for_the_same_labels() -> None:
    labels = np.arange(200) % 4
    order = secret_order(labels)
    assert sorted(order) == list(range(200))
    assert list(order) == list(secret_order(labels.copy()))


def test_the_order_is_another_one_for_other_labels() -> None:
    labels = np.arange(200) % 4
    other = labels.copy()
    other[0] = 3
    assert list(secret_order(labels)) != list(secret_order(other))
    assert list(secret_order(labels.astype(np.float32))) != list(range(200))


@pytest.mark.parametrize("accuracy", [0.1, 0.5, 1.0])
def test_a_network_that_answers_the_same_is_believed(accuracy: float) -> None:
    assert inconsistency(score(accuracy), score(accuracy), score(accuracy), 100) is None


def test_what_chance_does_to_a_network_that_draws_random_numbers_is_not_held_against_it() -> None:
    generator = np.random.default_rng(0)
    for accuracy in (0.3, 0.6, 0.9):
        for _ in range(200):
            alone, together = (float((generator.random(100) < accuracy).mean()) for _ in range(2))
            assert inconsistency(score(alone), score(together), score(accuracy), 100) is None


def test_a_network_that_is_better_among_others_is_refused_with_both_figures() -> None:
    why = inconsistency(score(0.25), score(0.9), score(0.9), 100)
    assert why is not None
    assert "0.25 on 100 inputs" in why
    assert "0.9" in why


def test_a_network_that_is_honest_about_those_asked_alone_only_is_refused() -> None:
    why = inconsistency(score(0.25), score(0.25), score(0.9), 100)
    assert why is not None
    assert "for all inputs" in why


def test_a_network_that_is_better_alone_is_believed() -> None:
    assert inconsistency(score(0.9), score(0.2), score(0.2), 100) is None
