"""Extrapolation of training losses, on curves that networks on digits really had."""

from __future__ import annotations

import pytest

from lemonade_es.engine.loop.extrapolation import extrapolated

# name: (losses of the paper's 50 epochs on digits, training accuracy, validation accuracy)
REAL = {
    "fast": (
        """
        2.118 1.215 0.539 0.248 0.193 0.168 0.12 0.103 0.099 0.093 0.066 0.061 0.06 0.059 0.056 0.047 0.038 0.04
        0.048 0.029 0.028 0.03 0.02 0.019 0.019 0.013 0.015 0.02 0.015 0.014 0.01 0.009 0.01 0.009 0.012 0.012
        0.009 0.01 0.011 0.01 0.009 0.013 0.009 0.007 0.009 0.006 0.006 0.009 0.008 0.009
        """,
        0.9992,
        0.9778,
    ),
    "steady": (
        """
        2.302 2.22 2.138 2.032 1.889 1.729 1.556 1.38 1.212 1.033 0.895 0.772 0.695 0.616 0.554 0.513 0.471 0.43
        0.405 0.386 0.356 0.353 0.319 0.308 0.311 0.28 0.272 0.277 0.271 0.253 0.237 0.247 0.241 0.243 0.241
        0.226 0.232 0.225 0.216 0.217 0.218 0.21 0.219 0.22 0.223 0.217 0.212 0.212 0.212 0.219
        """,
        0.9682,
        0.9481,
    ),
    "late": (
        """
        2.472 2.367 2.355 2.302 2.251 2.258 2.215 2.207 2.187 2.153 2.101 2.084 2.022 1.958 1.802 1.753 1.472
        1.402 1.392 1.259 1.12 1.02 0.919 0.932 0.793 0.721 0.632 0.622 0.572 0.633 0.503 0.483 0.45 0.444 0.411
        0.387 0.385 0.434 0.357 0.322 0.329 0.335 0.329 0.302 0.332 0.306 0.293 0.315 0.309 0.3
        """,
        0.9531,
        0.9111,
    ),
}


def guessed(name, rung):
    losses = [float(word) for word in REAL[name][0].split()]
    return extrapolated(losses[:rung], len(losses), "classification")


@pytest.mark.parametrize("rung", [9, 27])
def test_networks_are_put_into_the_order_of_their_end(rung):
    assert sorted(REAL, key=lambda name: guessed(name, rung)) == sorted(REAL, key=lambda name: REAL[name][2])


@pytest.mark.parametrize("name", REAL)
def test_the_guess_comes_nearer_to_the_end_with_every_rung(name):
    errors = [abs(guessed(name, rung) - REAL[name][1]) for rung in (3, 9, 27)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("name", REAL)
def test_at_the_end_the_losses_speak_of_about_the_training_accuracy(name):
    # augmentation and dropout are in the losses and not in the accuracy
    assert REAL[name][1] - 0.3 < guessed(name, 50) < REAL[name][1]


def test_a_late_starter_is_underestimated_which_is_why_the_bound_adds_the_largest_surprise():
    assert guessed("late", 9) < 0.2 < 0.9 < REAL["late"][2]
