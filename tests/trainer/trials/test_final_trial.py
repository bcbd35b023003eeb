"""The final training: in stretches, kept, taken up, watched, and with a hostile network in it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from lemonade_es.trainer.data.merged import PROBE, for_test, merged
from lemonade_es.trainer.energy.arithmetic import unavailable
from lemonade_es.trainer.energy.estimate import EstimatedMeter
from lemonade_es.trainer.isolation.protocol import manifest
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.trials.final_trial import Course
from lemonade_es.trainer.weights import Weights
from lemonade_es.trainer.workshop import Workshop

RECIPE = Recipe(epochs=5, batch_size=32, lr=0.1)
LIMITS = Limits(check_seconds=20, train_seconds=120, stall_seconds=20, memory_mb=2000)


@dataclass
class Kept:
    """Checkpoints in memory; after some it fails, as a full disk does."""

    saved: list = field(default_factory=list)
    first: tuple | None = None
    room: int = 99

    def load(self):
        return self.first

    def save(self, progress, standing):
        if len(self.saved) == self.room:
            raise OSError("no room")
        self.saved.append((progress, standing))


@dataclass
class Told:
    epochs: list = field(default_factory=list)
    points: list = field(default_factory=list)
    saved: list = field(default_factory=list)


@pytest.fixture(scope="module")
def final(toy):
    return merged(toy, hold_out=True)


@pytest.fixture(scope="module")
def opened(final):
    with Workshop(final.dataset, RECIPE, device="cpu", limits=LIMITS) as workshop:
        yield workshop


def finish(opened, final, source, kept, seconds=0.0):
    told = Told()
    course = Course(kept, final.probe, seconds, told.points.append, told.saved.append)
    finished = opened.finish(source, course, seed=4, on_epoch=lambda number, _: told.epochs.append(number))
    return finished, told


def test_validation_joins_training_unless_it_is_held_out(toy):
    joined, apart = merged(toy, hold_out=False), merged(toy, hold_out=True)
    assert len(joined.dataset.train) == len(joined.dataset.train_labels) == 200
    np.testing.assert_array_equal(joined.dataset.train[160:], toy.validation)
    np.testing.assert_array_equal(joined.dataset.validation_labels, joined.dataset.train_labels)
    assert (joined.probe, joined.held_out) == (200, 0)
    assert (apart.probe, apart.held_out, len(apart.dataset.train)) == (160, 40, 160)
    np.testing.assert_array_equal(apart.dataset.validation[160:], toy.validation)
    assert (joined.dataset.mean, joined.dataset.std) == (toy.mean, toy.std)


def test_the_probe_is_spread_evenly_and_bounded(toy):
    many = replace(toy, train=np.repeat(toy.train, 80, axis=0), train_labels=np.repeat(toy.train_labels, 80))
    joined = merged(many, hold_out=False)
    assert joined.probe <= PROBE < len(joined.dataset.train)
    assert set(joined.dataset.validation_labels[: joined.probe]) == {0, 1, 2, 3}


@pytest.mark.isolation
def test_a_training_is_watched_kept_and_scored(opened, final, good):
    kept = Kept()
    finished, told = finish(opened, final, good, kept)
    measurement = finished.trained.measurement
    assert measurement.failure is None
    assert told.epochs == [0, 1, 2, 3, 4]
    assert told.saved == [1, 2, 3, 4, 5]
    assert [point.epoch for point in told.points] == [1, 2, 3, 4, 5]
    assert tuple(told.points) == finished.points
    assert finished.points[-1].held_out == measurement.metrics["V_Acc"] > 0.25
    assert finished.points[-1].training == measurement.metrics["T_Acc"]  # the probe is all of so few
    assert 0 < finished.points[-1].held_out_loss < finished.points[0].held_out_loss
    assert measurement.metrics["T_E"] > 0
    assert measurement.metrics["L"] is None
    assert "tested" in measurement.absent["L"]
    assert kept.saved[-1][0].energy == measurement.energy["training"]


class Attentive(EstimatedMeter):
    """A meter that knows whether anything is metered."""

    opened = 0

    def begin(self, pid):
        Attentive.opened += 1
        return super().begin(pid)

    def end(self, window, *, cpu_seconds=None):
        Attentive.opened -= 1
        return super().end(window, cpu_seconds=cpu_seconds)


@pytest.mark.isolation
def test_watching_is_no_part_of_the_energy_and_the_time_of_the_training(final, good):
    seen = []

    def look(point):
        seen.append(Attentive.opened)
        time.sleep(0.5)

    with Workshop(final.dataset, RECIPE, device="cpu", limits=LIMITS, meter=Attentive()) as workshop:
        course = Course(Kept(), final.probe, 0.0, look, lambda _: None)
        finished = workshop.finish(good, course, seed=4, on_epoch=lambda *_: seen.append(Attentive.opened))
    assert seen == [1, 0] * RECIPE.epochs
    measurement = finished.trained.measurement
    assert sum(epoch.seconds for epoch in measurement.epochs) <= measurement.training_seconds
    assert measurement.energy["training"].seconds == pytest.approx(measurement.training_seconds, abs=0.1)
    assert measurement.training_seconds < 0.5 * RECIPE.epochs + 2


class Failing(EstimatedMeter):
    """A meter that fails after its first window."""

    ended = 0

    def end(self, window, *, cpu_seconds=None):
        energy = super().end(window, cpu_seconds=cpu_seconds)
        Failing.ended += 1
        return energy if Failing.ended == 1 else unavailable(energy.seconds, energy.method, "process", "it is gone")


@pytest.mark.isolation
def test_the_energy_of_a_part_of_the_training_is_not_told_for_all_of_it(final, good):
    with Workshop(final.dataset, RECIPE, device="cpu", limits=LIMITS, meter=Failing()) as workshop:
        finished, _ = finish(workshop, final, good, Kept())
    measurement = finished.trained.measurement
    assert measurement.energy["training"].joules is None
    assert measurement.metrics["T_E"] is None
    assert "it is gone" in measurement.absent["T_E"]


@pytest.mark.isolation
def test_a_training_that_is_taken_up_ends_with_the_same_bytes(opened, final, good):
    whole, _ = finish(opened, final, good, Kept(), seconds=1e6)
    kept = Kept(room=3)
    with pytest.raises(OSError, match="no room"):
        finish(opened, final, good, kept)
    again, told = finish(opened, final, good, Kept(first=kept.saved[2]))
    assert told.epochs == [3, 4]
    assert again.taken_up == (3,)
    assert again.trained.weights == whole.trained.weights
    losses = [[epoch.loss for epoch in one.trained.measurement.epochs] for one in (whole, again)]
    assert losses[0] == losses[1]
    assert [point.epoch for point in again.points] == [1, 2, 3, 4, 5]
    assert again.trained.measurement.energy["training"].joules > kept.saved[2][0].energy.joules


@pytest.mark.isolation
def test_a_checkpoint_after_the_last_epoch_is_not_trained_on(opened, final, good):
    kept = Kept()
    finished, _ = finish(opened, final, good, kept)
    again, told = finish(opened, final, good, Kept(first=kept.saved[-1]))
    assert told.epochs == []
    assert again.trained.weights == finished.trained.weights
    assert again.trained.measurement.metrics["T_E"] == finished.trained.measurement.metrics["T_E"]


@pytest.mark.isolation
def test_the_precision_is_that_of_the_recipe_and_of_the_checkpoint(opened, final, good):
    whole, _ = finish(opened, final, good, Kept())
    with Workshop(final.dataset, replace(RECIPE, precision="bf16"), device="cpu", limits=LIMITS) as workshop:
        finished, _ = finish(workshop, final, good, kept := Kept())
    assert finished.trained.measurement.precision == "bf16"
    assert finished.trained.weights != whole.trained.weights
    again, _ = finish(opened, final, good, Kept(first=kept.saved[2]))
    assert again.trained.measurement.precision == "bf16"
    assert again.trained.weights == finished.trained.weights


@pytest.mark.isolation
def test_nothing_held_out_is_told_as_missing(toy, good):
    joined = merged(toy, hold_out=False)
    with Workshop(joined.dataset, Recipe(epochs=1, batch_size=32), device="cpu", limits=LIMITS) as workshop:
        finished, _ = finish(workshop, joined, good, Kept())
    assert finished.trained.measurement.metrics["V_Acc"] is None
    assert finished.trained.measurement.absent["V_Acc"] == "the validation split was trained on"
    assert finished.points[-1].held_out is None


FORGED = {
    "no tensors": "b'no tensors'",
    "more than it may": "b'x' * (1 << 27)",
    "a pickle": "__import__('pickle').dumps({'epochs': 1})",
}


@pytest.mark.isolation
@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED.keys())
def test_a_network_that_forges_its_checkpoint_fails_and_nothing_is_kept(final, good, content):
    """It climbs to the bench that leads it: its process is its own, but what comes out is checked."""
    source = (
        good.replace("super().__init__()", "super().__init__()\n        self.forge()")
        + f"""
    def forge(self):
        try:
            raise LookupError
        except LookupError as error:
            frame = error.__traceback__.tb_frame
        while frame is not None:
            bench = frame.f_locals.get("self")
            if hasattr(bench, "_commands"):
                bench._commands = {{**bench._commands, "standing": lambda command: ({{}}, {content})}}
            frame = frame.f_back
"""
    )
    kept = Kept()
    limits = replace(LIMITS, weights_mb=16)
    with Workshop(final.dataset, Recipe(epochs=1, batch_size=32), device="cpu", limits=limits) as workshop:
        finished, _ = finish(workshop, final, source, kept)
    assert finished.trained.measurement.failure.code == "PROTOCOL"
    assert kept.saved == []


@pytest.mark.slow
@pytest.mark.isolation
def test_a_network_that_is_tested_hands_its_answers_over_and_gets_no_labels(toy, final, good):
    with Workshop(final.dataset, Recipe(epochs=2, batch_size=32), device="cpu", limits=LIMITS) as workshop:
        weights = finish(workshop, final, good, Kept())[0].trained.weights
    test = for_test(toy, toy.validation[:12], toy.validation_labels[:12])
    with Workshop(test, RECIPE, device="cpu", limits=LIMITS) as workshop:
        examined = workshop.examine(good, Weights("w", weights, manifest(weights)))
        handed = workshop._arrays.described()
    assert examined.outputs.shape == (12, 4)
    right = (examined.outputs.argmax(1) == test.validation_labels).mean()
    assert examined.trained.measurement.metrics["V_Acc"] == pytest.approx(right)
    assert [entry["name"] for entry in handed] == ["train", "train_labels", "validation"]
    assert examined.trained.measurement.metrics["L"] > 0
