"""Training on whole batches gives networks as good as those of the usual loop over PIL images."""

from __future__ import annotations

import statistics

import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lemonade_es.task import Task
from lemonade_es.trainer.data.spec import load
from lemonade_es.trainer.learning.training import TrainingData, predict, prepare, train
from lemonade_es.trainer.network.candidate import build, construct
from lemonade_es.trainer.recipe import Recipe

SEEDS = range(5)
RECIPE = Recipe(epochs=6, batch_size=32, lr=0.05)
SOURCE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10),
        )

    def forward(self, x):
        return self.body(x)
"""
TASK = Task("image", "digits", (1, 8, 8), 10)


class Pictures(Dataset):
    """Digits as PIL images, each transformed when it is asked for."""

    def __init__(self, digits):
        steps = [transforms.RandomRotation(RECIPE.rotation), transforms.RandomCrop(8, padding=1)]
        steps += [transforms.ToTensor(), transforms.Normalize(digits.mean, digits.std)]
        self.images, self.labels, self.transform = digits.train, digits.train_labels, transforms.Compose(steps)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index][0])), int(self.labels[index])


def ours(digits, seed):
    torch.manual_seed(seed)
    model = build(SOURCE, TASK)
    inputs, labels = torch.tensor(digits.train), torch.tensor(digits.train_labels)
    data = TrainingData(inputs, labels, digits.mean, digits.std, flip=False)
    train(model, data, RECIPE, seed=seed, device="cpu", on_epoch=lambda *_: None)
    return model


def plain(digits, seed):
    torch.manual_seed(seed)
    model = construct(SOURCE, TASK)
    loader = DataLoader(Pictures(digits), batch_size=RECIPE.batch_size, shuffle=True)
    rates = {"lr": RECIPE.lr, "momentum": RECIPE.momentum, "weight_decay": RECIPE.weight_decay}
    optimizer = torch.optim.SGD(model.parameters(), **rates)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, RECIPE.epochs * len(loader))
    model.train()
    for _ in range(RECIPE.epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
    return model


def accuracy(model, digits):
    images = torch.tensor(digits.validation)
    logits = predict(prepare(model, "cpu"), images, digits.mean, digits.std, device="cpu")
    return (logits.argmax(1) == torch.tensor(digits.validation_labels)).double().mean().item()


@pytest.mark.slow
def test_accuracy_over_five_seeds_is_that_of_the_plain_loop_within_noise():
    digits = load("digits", seed=0)
    both = [[accuracy(loop(digits, seed), digits) for seed in SEEDS] for loop in (ours, plain)]
    means = [statistics.fmean(found) for found in both]
    noise = (sum(statistics.variance(found) for found in both) / len(SEEDS)) ** 0.5
    assert min(means) > 0.9
    assert noise < 0.015
    assert abs(means[0] - means[1]) < 3 * noise + 0.003
