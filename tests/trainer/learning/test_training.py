"""Training and prediction: deterministic, complete, honest about divergence."""

from __future__ import annotations

import copy
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lemonade_es.task import Task
from lemonade_es.trainer.learning.training import Diverged, TrainingData, predict, prepare, take_up, train
from lemonade_es.trainer.network.candidate import Refusal, build
from lemonade_es.trainer.network.layout import settled
from lemonade_es.trainer.recipe import Recipe, search_recipe

MEAN, STD = (0.5,), (0.25,)
NET = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(8, 8, 3), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 2)
        )
    def forward(self, x):
        return self.body(x)
"""
TASK = Task("image", "halves", (1, 8, 8), 2)


def halves(count):
    """Images whose upper or lower half is bright: learnable under rotation, flips and crops."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 2, (count,), generator=generator)
    inputs = torch.randint(0, 100, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    inputs[labels == 0, :, :4] += 120
    inputs[labels == 1, :, 4:] += 120
    return TrainingData(inputs, labels, MEAN, STD, flip=True)


def network(seed=0):
    torch.manual_seed(seed)
    return build(NET, TASK)


def trained(model, data, recipe, seed=0):
    epochs = []
    train(model, data, recipe, seed=seed, device="cpu", on_epoch=lambda number, epoch: epochs.append((number, epoch)))
    return epochs


def weights(model):
    return torch.cat([tensor.detach().float().flatten() for tensor in model.state_dict().values()])


def test_a_network_learns_and_reports_every_epoch():
    data, model = halves(200), network()
    epochs = trained(model, data, Recipe(epochs=6, batch_size=32))
    assert [number for number, _ in epochs] == list(range(6))
    assert epochs[-1][1].loss < epochs[0][1].loss
    assert all(epoch.seconds > 0 for _, epoch in epochs)
    logits = predict(prepare(model, "cpu"), data.inputs, MEAN, STD, device="cpu")
    assert (logits.argmax(1) == data.labels).float().mean() > 0.9


def test_the_same_seed_gives_identical_weights_and_another_seed_does_not():
    data, recipe = halves(100), Recipe(epochs=2, batch_size=32)
    results = []
    for seed in (1, 1, 2):
        model = network()
        trained(model, data, recipe, seed)
        results.append(weights(model))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


class Batches(nn.Module):
    """Keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, x):
        self.seen.append(x.clone())
        return self.scale * x.mean((1, 2, 3)).unsqueeze(1).expand(-1, 2)


@pytest.mark.parametrize(("count", "sizes"), [(96, [32, 32, 32]), (97, [32, 32, 33]), (98, [32, 32, 32, 2]), (1, [1])])
def test_every_sample_is_seen_once_and_a_last_single_one_joins_the_batch_before(count, sizes):
    inputs = torch.arange(count, dtype=torch.uint8).view(count, 1, 1, 1).expand(count, 1, 4, 4).contiguous()
    data = TrainingData(inputs, torch.zeros(count, dtype=torch.int64), (0.0,), (1.0,), flip=False)
    model = Batches()
    trained(model, data, Recipe(epochs=2, batch_size=32, rotation=0, crop=False, flip=False))
    assert [len(batch) for batch in model.seen] == sizes * 2
    for epoch in (model.seen[: len(sizes)], model.seen[len(sizes) :]):
        values = (torch.cat(epoch)[:, 0, 0, 0] * 255).round().int()
        assert sorted(values.tolist()) == list(range(count))
        assert count == 1 or values.tolist() != list(range(count))


def test_images_are_normalised_by_mean_and_deviation():
    data = TrainingData(
        torch.full((4, 2, 3, 3), 51, dtype=torch.uint8), torch.zeros(4), (0.1, 0.2), (0.1, 0.5), flip=False
    )
    model = Batches()
    trained(model, data, Recipe(epochs=1, rotation=0, crop=False, flip=False))
    expected = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(4, 2, 3, 3)
    torch.testing.assert_close(model.seen[0], expected, atol=1e-5, rtol=0)


def test_the_rate_is_annealed_by_a_cosine_to_zero():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(2))
            self.history = []

        def forward(self, x):
            self.history.append(self.bias.detach().clone())
            return self.bias.expand(len(x), 2) * 1e-6

    data = TrainingData(torch.zeros(8, 1, 2, 2, dtype=torch.uint8), torch.zeros(8), (0.0,), (1.0,), flip=False)
    model = Constant()
    trained(model, data, Recipe(epochs=10, batch_size=8, momentum=0.0, weight_decay=0.0, lr=1.0))
    path = torch.stack([*model.history, model.bias.detach()])
    steps = path.diff(dim=0)[:, 0]
    expected = torch.tensor([(1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)])
    torch.testing.assert_close(steps / steps[0], expected, rtol=1e-3, atol=1e-3)


def test_a_loss_that_is_not_finite_ends_training_at_once():
    epochs = []
    with pytest.raises(Diverged, match=r"became infinite or NaN in epoch \d"):
        train(
            network(),
            halves(100),
            Recipe(epochs=50, lr=100.0, momentum=0.99, weight_decay=1.0),
            seed=0,
            device="cpu",
            on_epoch=lambda number, epoch: epochs.append(epoch),
        )
    assert len(epochs) < 50
    assert all(math.isfinite(epoch.loss) for epoch in epochs)


def test_weights_that_only_the_last_step_broke_are_noticed():
    class Explodes(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(2))

        def forward(self, x):
            return (self.w * 1e30).expand(len(x), 2)

    data = TrainingData(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4), (0.0,), (1.0,), flip=False)
    with pytest.raises(Diverged, match="weights"):
        trained(Explodes(), data, Recipe(epochs=1, lr=1e20))


def test_tokens_are_trained_by_the_text_recipe_and_never_changed_by_the_network():
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(20, 8)
            self.fc = nn.Linear(8, 2)

        def forward(self, x):
            y = self.fc(self.embed(x.clone()).mean(1))
            x.zero_()
            return y

    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 20, (64, 6), generator=generator, dtype=torch.int32)
    before = tokens.clone()
    data = TrainingData(tokens, (tokens[:, 0] > 9).long(), (), (), flip=False)
    torch.manual_seed(0)
    model = Text()
    epochs = trained(model, data, replace(search_recipe("text"), epochs=3, lr=0.05))
    logits = predict(prepare(model, "cpu"), tokens, (), (), device="cpu")
    assert epochs[-1][1].loss < epochs[0][1].loss
    assert logits.shape == (64, 2)
    assert torch.equal(tokens, before)


def test_prediction_does_not_depend_on_the_batch_size():
    data, model = halves(70), prepare(network(), "cpu")
    whole = predict(model, data.inputs, MEAN, STD, device="cpu")
    parts = predict(model, data.inputs, MEAN, STD, device="cpu", batch_size=32)
    assert whole.dtype == torch.float32
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("output", ["x.mean((1, 2, 3))", "(x, x)", "x[:1].mean((2, 3))"])
def test_prediction_refuses_an_output_of_the_wrong_shape(output):
    source = f"from torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return {output}\n"
    with pytest.raises(Refusal, match="eval mode") as caught:
        predict(build(source, TASK), halves(4).inputs, MEAN, STD, device="cpu")
    assert caught.value.code == "WRONG_OUTPUT"


def test_the_memory_order_survives_training_and_loading():
    model = network()
    assert settled(model) is torch.channels_last
    trained(model, halves(40), Recipe(epochs=1))
    copied = copy.deepcopy(model)
    copied.load_state_dict({name: tensor.contiguous() for name, tensor in model.state_dict().items()})
    assert settled(prepare(copied, "cpu")) is torch.channels_last
    assert not copied.training


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_training_and_prediction_run_on_a_gpu():
    data, model = halves(100), network()
    train(model, data, Recipe(epochs=3, batch_size=32), seed=0, device="cuda", on_epoch=lambda *_: None)
    logits = predict(prepare(model, "cuda"), data.inputs, MEAN, STD, device="cuda")
    assert logits.device.type == "cpu"
    assert logits.isfinite().all()


class Restless(nn.Module):
    """Draws from every generator there is, keeps a buffer that is not saved, and shares a weight."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2))
        self.output = nn.Linear(8, 2)
        self.tied = self.output
        self.register_buffer("drift", torch.zeros(8), persistent=False)

    def forward(self, x):
        features = self.body(x).mean((2, 3))
        if self.training:
            self.drift.mul_(0.9).add_(features.detach().mean(0))
            features = features + random.gauss(0, 0.1) + float(np.random.normal(0, 0.1)) + 0.01 * self.drift
        return self.tied(features)


def restless():
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    return Restless().to(memory_format=torch.channels_last)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("stops", [[4], [1, 2, 3, 4]])
def test_a_training_that_is_saved_and_taken_up_goes_on_bit_by_bit(optimizer, stops):
    data, recipe = halves(70), Recipe(epochs=5, batch_size=16, optimizer=optimizer, lr=0.01)
    epochs = trained(whole := restless(), data, recipe, seed=9)
    model, standing, told = restless(), None, []
    for stop in [*stops, 5]:
        standing = train(
            model,
            data,
            recipe,
            seed=9,
            device="cpu",
            on_epoch=lambda number, epoch: told.append((number, epoch.loss)),
            standing=standing,
            until=stop,
        )
        content = standing.saved(model)
        model = restless()  # a new process: other weights, generators anywhere
        torch.rand(5), random.random(), np.random.random()
        standing = take_up(model, content, recipe, "cpu")
    assert told == [(number, epoch.loss) for number, epoch in epochs]
    assert torch.equal(weights(model), weights(whole))
    assert torch.equal(model.drift, whole.drift)


def test_looking_at_a_network_between_two_epochs_changes_nothing():
    data, recipe = halves(70), Recipe(epochs=2, batch_size=16)
    trained(whole := restless(), data, recipe)
    model = restless()
    standing = train(model, data, recipe, seed=0, device="cpu", on_epoch=lambda *_: None, until=1)
    predict(prepare(model, "cpu"), data.inputs, MEAN, STD, device="cpu")
    torch.rand(3)
    train(model, data, recipe, seed=0, device="cpu", on_epoch=lambda *_: None, standing=standing)
    assert torch.equal(weights(model), weights(whole))
