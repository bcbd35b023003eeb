"""Networks that were made sick on purpose: each is told from its healthy twin by the figure that should move."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import compile_rulebook
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.trainer.data.spec import load
from lemonade_es.trainer.learning.training import Diverged, Normalisation, TrainingData, predict, prepare, train
from lemonade_es.trainer.measuring.scoring import score
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.watching.activity import Activity, activity
from lemonade_es.trainer.watching.dynamics import best_epoch, checkpoints, loss_noise, loss_slope, share_noise
from lemonade_es.trainer.watching.gradients import GradientWatch
from lemonade_es.trainer.watching.watch import Watch
from lemonade_es.vocabulary import settings

pytestmark = pytest.mark.filterwarnings("error")
RECIPE = Recipe(epochs=10, batch_size=64, rotation=0, crop=False, lr=0.05)


@dataclass(frozen=True)
class Course:
    """What was seen of a training."""

    losses: list[float]
    gradients: GradientWatch
    activity: Activity | None
    best_epoch: float | None
    training_accuracy: float
    validation_accuracy: float

    @property
    def dead_units(self) -> float:
        return self.activity.dead_units / self.activity.units

    def fired(self):
        """The rules of ``diagnosis`` that fire on it."""
        metrics = {
            "T_Acc": self.training_accuracy,
            "V_Acc": self.validation_accuracy,
            "loss_slope": loss_slope(self.losses).value,
            "loss_noise": loss_noise(self.losses).value,
            "grad_low": self.gradients.low,
            "grad_high": self.gradients.high,
            "best_epoch": self.best_epoch,
        }
        if self.activity is not None and self.activity.units:
            metrics |= {"dead_units": self.dead_units, "dead_layers": float(self.activity.dead_layers)}
        rulebook = load_rulebook(find_rulebook("diagnosis"))
        inference = compile_rulebook(rulebook).infer(Facts.of(metrics, settings("accuracy", {})))
        return {firing.rule for firing in inference.fired}


class Deep(nn.Module):
    """Dense layers of 32 with an activation between them, and skips around each if wished."""

    def __init__(self, depth, activation, *, skips=False):
        super().__init__()
        self.first, self.head = nn.Linear(64, 32), nn.Linear(32, 10)
        self.hidden = nn.ModuleList(nn.Linear(32, 32) for _ in range(depth))
        self.activation, self.skips = activation, skips

    def forward(self, x):
        x = self.activation(self.first(x.flatten(1)))
        for layer in self.hidden:
            x = x + self.activation(layer(x)) / len(self.hidden) if self.skips else self.activation(layer(x))
        return self.head(x)


def deep(depth=3, activation=None, *, skips=False, gain=2.4):
    """With He's initialisation, but for another gain."""
    torch.manual_seed(0)
    network = Deep(depth, activation or nn.ReLU(), skips=skips)
    with torch.no_grad():
        for layer in network.hidden:
            layer.weight.mul_(gain)
    return network


@pytest.fixture(scope="module")
def digits():
    return load("digits", seed=0)


def stirred(network, digits, rows):
    """What so many validation inputs stir in a trained network."""
    normalise = Normalisation(network, digits.mean, digits.std, torch.device("cpu"))
    return activity(network, normalise(torch.tensor(digits.validation[:rows])))


@pytest.fixture(scope="module")
def watched(digits):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def course(network, recipe=RECIPE, labels=None):
        wanted = digits.train_labels[:800] if labels is None else labels
        inputs, validation = torch.tensor(digits.train[:800]), torch.tensor(digits.validation)
        data = TrainingData(inputs, torch.tensor(wanted), digits.mean, digits.std, flip=False)
        looks = checkpoints(recipe.epochs, len(inputs), len(validation))
        rows, losses, kept = list(looks.rows), [], []
        watch = Watch(network, frozenset(looks.epochs))

        def answers(images, weights=None):
            if weights is not None:
                network.load_state_dict(safetensors.torch.load(weights))
            return predict(prepare(network, "cpu"), images, digits.mean, digits.std, device="cpu").numpy()

        def ended(index, epoch):
            losses.append(epoch.loss)
            kept.append(watch.epoch_ended(index))

        try:
            train(network, data, recipe, seed=0, device="cpu", on_epoch=ended, on_gradients=watch.gradients.look)
        except Diverged:
            return Course(losses, watch.gradients, None, None, 0.1, 0.1)
        accuracies = [
            score(answers(validation[rows], weights), digits.validation_labels[rows]).accuracy
            for weights in filter(None, kept)
        ]  # the last ones are those of the trained network
        active = stirred(network, digits, 256)
        noise = share_noise(accuracies, len(rows))
        best = best_epoch(looks.epochs, accuracies, recipe.epochs, noise=noise).value
        right = score(answers(inputs), wanted).accuracy
        return Course(
            losses, watch.gradients, active, best, right, score(answers(validation), digits.validation_labels).accuracy
        )

    yield course
    torch.set_num_threads(threads)


def test_a_network_too_deep_without_skips_has_vanishing_gradients(watched):
    sick, healthy = watched(deep(30, gain=1)), watched(deep(30, gain=1, skips=True))
    assert healthy.training_accuracy > 0.9
    assert sick.gradients.low > 0.5
    assert healthy.gradients.low == 0
    assert "let-gradients-through" in sick.fired() - healthy.fired()


def test_a_stack_of_sigmoids_has_vanishing_gradients(watched):
    sick, healthy = watched(deep(8, nn.Sigmoid(), gain=1)), watched(deep(8))
    assert healthy.training_accuracy > 0.9
    assert sick.gradients.low > 0.25
    assert healthy.gradients.low == 0
    assert "let-gradients-through" in sick.fired() - healthy.fired()


def test_a_bias_that_keeps_rectified_units_down_makes_a_dead_layer(watched):
    network, twin = deep(), deep()
    with torch.no_grad():
        network.hidden[1].bias.fill_(-100)
    sick, healthy = watched(network), watched(twin)
    assert healthy.training_accuracy > 0.9
    assert sick.activity.dead_layers >= 1
    assert healthy.activity.dead_layers == 0
    assert sick.dead_units >= 0.25 > healthy.dead_units
    assert "revive-dead-layers" in sick.fired() - healthy.fired()


def test_weights_that_start_too_large_make_gradients_explode(watched):
    sick, healthy = watched(deep(8, gain=10)), watched(deep(8))
    assert healthy.training_accuracy > 0.9
    assert sick.gradients.high > 0.9
    assert healthy.gradients.high == 0
    assert "calm-exploding" in sick.fired() - healthy.fired()


def test_a_step_size_that_makes_training_oscillate_makes_a_noisy_loss(watched):
    recipe = replace(RECIPE, epochs=15, schedule="constant")
    sick, healthy = (watched(deep(3, nn.Tanh()), replace(recipe, lr=rate)) for rate in (0.7, 0.05))
    assert healthy.training_accuracy > 0.9
    assert loss_noise(sick.losses).value > 0.1 > 2 * loss_noise(healthy.losses).value
    assert "steady-noisy-loss" in sick.fired() - healthy.fired()


def test_wrong_labels_are_learned_by_heart_after_validation_has_peaked(watched, digits):
    draw = np.random.default_rng(0)
    labels = digits.train_labels[:800].copy()
    wrong = draw.random(len(labels)) < 0.5
    labels[wrong] = draw.integers(0, 10, int(wrong.sum()))
    recipe = replace(RECIPE, epochs=30, batch_size=32, weight_decay=0)
    sick, healthy = watched(Wide(), recipe, labels), watched(Wide(), recipe)
    assert healthy.validation_accuracy > 0.9
    assert sick.training_accuracy > sick.validation_accuracy
    assert sick.best_epoch < 0.5
    assert healthy.best_epoch == 1
    assert "peaked-early" in sick.fired() - healthy.fired()


def test_a_training_that_is_too_short_still_falls_at_its_end(watched):
    short = replace(RECIPE, epochs=5, lr=0.02, schedule="constant")
    sick, healthy = watched(deep(), short), watched(deep(), replace(RECIPE, epochs=40))
    assert loss_slope(sick.losses).value > 0.1
    assert healthy.training_accuracy > 0.99
    assert "do-not-deepen-yet" in sick.fired() - healthy.fired()


class Wide(nn.Module):
    """Room enough to learn anything by heart."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.body(x))


def test_a_training_that_is_watched_gives_the_same_weights(digits):
    def weights(watched):
        network = nn.Sequential(Wide(), nn.Dropout(0.3), nn.BatchNorm1d(10))
        data = TrainingData(
            torch.tensor(digits.train[:200]),
            torch.tensor(digits.train_labels[:200]),
            digits.mean,
            digits.std,
            flip=False,
        )
        watch, kept = Watch(network, frozenset((0, 2))), []
        train(
            network,
            data,
            replace(RECIPE, epochs=3, crop=True),
            seed=3,
            device="cpu",
            on_epoch=lambda index, _: kept.append(watch.epoch_ended(index)) if watched else None,
            on_gradients=watch.gradients.look if watched else None,
        )
        if watched:
            assert [bool(weights) for weights in kept] == [True, False, True]
            assert stirred(prepare(network, "cpu"), digits, 10).units == 512
        return torch.cat([tensor.float().flatten() for tensor in network.state_dict().values()])

    torch.manual_seed(0)
    plain = weights(watched=False)
    torch.manual_seed(0)
    assert torch.equal(weights(watched=True), plain)
