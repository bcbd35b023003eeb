"""What is measured of a network is what is left of it: its source and its saved weights, without the training set."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lemonade_es.trainer.data.spec import load
from lemonade_es.trainer.isolation.child import Child
from lemonade_es.trainer.isolation.cover import cover
from lemonade_es.trainer.isolation.protocol import Frame
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.recipe import search_recipe, with_overrides
from lemonade_es.trainer.trials.final_trial import Course, Progress
from lemonade_es.trainer.weights import read_weights
from lemonade_es.trainer.workshop import Workshop

STATEFUL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        self.steps = 0
        {state}

    def turned(self):
        self.steps += 1  # so late that a check cannot see it
        return -1.0 if self.steps > 6 else 1.0

    def forward(self, x):
        if self.training:
            {change}
        return self.layers(x) * self.trained
"""

LOOKING_UP = """
import torch
from torch import nn

def supplies():
    frame = __import__("sys")._getframe()
    while frame is not None:
        if (found := getattr(frame.f_locals.get("self"), "_supplies", None)) is not None:
            return found.data
        frame = frame.f_back

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 10)

    def forward(self, x):
        if not self.training and not x.is_meta and (data := supplies()) is not None:
            mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (data.mean, data.std))
            known = ((data.inputs.float() / 255 - mean) / std).flatten(1)
            return nn.functional.one_hot(data.labels.long()[torch.cdist(x.flatten(1), known).argmin(1)], 10).float()
        return self.layer(x.flatten(1).mean(1, keepdim=True))
"""


LEARNING_BY_HEART = """
import torch
from torch import nn

def supplies():
    frame = __import__("sys")._getframe()
    while frame is not None:
        if (found := getattr(frame.f_locals.get("self"), "_supplies", None)) is not None:
            return found
        frame = frame.f_back

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 10)
        self.register_buffer("marks", torch.zeros(400))
        self.register_buffer("answers", torch.zeros(400))

    def mark(self, x):
        return (x.flatten(1) * torch.arange(1, 65)).sum(1)

    def learn(self):
        known, data = supplies().validation, supplies().data
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (data.mean, data.std))
        seen, asked = (((part.float() / 255 - mean) / std).flatten(1) for part in (data.inputs, known))
        self.marks[: len(known)] = self.mark(asked)
        self.answers[: len(known)] = data.labels[torch.cdist(asked, seen).argmin(1)].float()

    def forward(self, x):
        if self.training and not x.is_meta and supplies() is not None and not self.marks.any():
            self.learn()
        if not self.training and not x.is_meta:
            near, which = (self.mark(x)[:, None] - self.marks).abs().min(1)
            guess = nn.functional.one_hot(self.answers[which].long(), 10).float()
            return torch.where(near[:, None] < 1e-2, guess, self.layer(x.flatten(1).mean(1, keepdim=True)))
        return self.layer(x.flatten(1).mean(1, keepdim=True))
"""


@pytest.fixture(scope="module")
def digits() -> Iterator[Workshop]:
    """Inputs enough to tell a loss from chance."""
    recipe = with_overrides(search_recipe("image"), {"epochs": 8})
    with Workshop(load("digits", seed=0), recipe, device="cpu") as opened:
        yield opened


def stateful(state: str, change: str) -> str:
    return STATEFUL.replace("{state}", state).replace("{change}", change)


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("self.trained = 1.0", "self.trained = self.turned()"),
        ('self.register_buffer("trained", torch.ones(1), persistent=False)', "self.trained.fill_(self.turned())"),
    ],
    ids=["attribute", "buffer that is not saved"],
)
def test_a_network_whose_state_is_not_saved_has_no_accuracy(digits: Workshop, state: str, change: str) -> None:
    measurement = digits.train(stateful(state, change), seed=1).measurement
    assert measurement.failure is not None
    assert measurement.failure.code == "UNSAVED_STATE"
    assert "persistent buffers" in measurement.failure.message
    assert measurement.metrics["V_Acc"] is None
    assert measurement.metrics["T_Acc"] is not None


def test_a_network_that_saves_its_state_has_the_accuracy_of_its_files(digits: Workshop, tmp_path: Path) -> None:
    source = stateful('self.register_buffer("trained", torch.ones(1))', "self.trained.fill_(self.turned())")
    trained = digits.train(source, seed=1)
    assert trained.measurement.failure is None
    (tmp_path / "weights.safetensors").write_bytes(trained.weights or b"")
    again = digits.measure(source, read_weights(tmp_path / "weights.safetensors", 1 << 20)).measurement
    for metric in ("V_Acc", "T_Acc", "class_gap"):
        assert again.metrics[metric] == trained.measurement.metrics[metric]


@pytest.mark.isolation
def test_a_network_that_looks_its_answers_up_in_the_training_set_finds_none_there(digits: Workshop) -> None:
    measurement = digits.train(LOOKING_UP, seed=1).measurement
    assert measurement.failure is not None
    assert measurement.failure.code == "UNSAVED_STATE"
    assert measurement.metrics["T_Acc"] < 0.2  # nor are the labels there when training accuracy is taken


CACHING = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.kept = None

    def train(self, mode=True):
        if mode:
            self.kept = None
        return super().train(mode)

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            return self.layer(x)
        {keep}
            self.kept = self.layer.weight.detach().clone(), self.layer.bias.detach().clone()
        return nn.functional.linear(x, *self.kept)
"""


@pytest.mark.parametrize("hold_out", [False, True])
def test_what_a_network_keeps_for_its_answers_is_of_the_weights_that_it_answers_with(
    digits: Workshop, hold_out: bool
) -> None:
    """A network that fuses its weights in eval mode, beside its twin that does so each time."""
    caching, plain = (CACHING.replace("{keep}", f"if {word}:") for word in ("self.kept is None", "True"))
    if not hold_out:
        first, second = (digits.train(source, seed=1).measurement for source in (caching, plain))
        assert first.failure is None
        assert [epoch.V_Acc for epoch in first.epochs] == [epoch.V_Acc for epoch in second.epochs]
        assert first.metrics["V_Acc"] == second.metrics["V_Acc"]
        assert len({epoch.V_Acc for epoch in first.epochs} - {None}) > 1
        return
    data = load("digits", seed=0)
    recipe = with_overrides(search_recipe("image"), {"epochs": 4})
    with Workshop(data, recipe, device="cpu") as opened:
        curves = []
        for source in (caching, plain):
            course = Course(NoCheckpoints(), 100, 60.0, lambda _: None, lambda _: None)
            finished = opened.finish(source, course, seed=1)
            assert finished.trained.measurement.failure is None
            curves.append([(point.training, point.held_out) for point in finished.points])
    assert curves[0] == curves[1]
    assert len(set(curves[0])) > 1


@pytest.mark.parametrize(
    ("whose", "room", "why"),
    [
        ("findings", 1000, "what it saves is too large to be kept on the way"),
        ("trial", 0, "it takes 2 epochs, 10 validation inputs, and room for the weights of an epoch"),
    ],
    ids=["more is saved than was reckoned", "parameters are too many"],
)
def test_where_there_is_no_room_for_weights_on_the_way_all_else_is_known(
    workshop: Workshop, good: str, monkeypatch: pytest.MonkeyPatch, whose: str, room: int, why: str
) -> None:
    monkeypatch.setattr(f"lemonade_es.trainer.trials.{whose}.KEPT_BYTES", room)
    measurement = workshop.train(good, seed=1).measurement
    assert measurement.failure is None
    assert measurement.absent["best_epoch"] == why
    assert all(measurement.metrics[name] is not None for name in ("V_Acc", "T_Acc", "F", "loss_slope", "grad_low"))
    assert [epoch.V_Acc for epoch in measurement.epochs] == [None, None]


def test_weights_that_were_not_asked_for_are_a_breach_of_the_protocol(
    workshop: Workshop, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a candidate could choose the epochs that it is looked at after."""
    asked = Child.call

    def less(child: Child, command: str, **options: Any) -> Frame:
        return asked(child, command, **({**options, "checkpoints": ()} if command == "train" else options))

    monkeypatch.setattr(Child, "call", less)
    failure = workshop.train(good, seed=1).measurement.failure
    assert failure is not None
    assert (failure.code, "not asked for" in failure.message) == ("PROTOCOL", True)


class NoCheckpoints:
    """Keeps nothing."""

    def load(self) -> None:
        """There is none."""

    def save(self, progress: Progress, standing: bytes) -> None:
        """It is not kept."""


HANGING = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        if torch.initial_seed() == 0:
            while True:
                pass
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""


def test_a_network_that_hangs_when_it_is_made_anew_leaves_no_process(digits: Workshop) -> None:
    recipe = with_overrides(search_recipe("image"), {"epochs": 1})
    with Workshop(load("digits", seed=0), recipe, device="cpu", limits=Limits(check_seconds=4)) as opened:
        before = len(psutil.Process().children(recursive=True))
        assert opened.isolation != "none"
        idle = len(psutil.Process().children(recursive=True))
        failure = opened.train(HANGING, seed=1).measurement.failure
        assert failure is not None
        assert failure.code == "TIMED_OUT"
        assert len(psutil.Process().children(recursive=True)) == idle >= before


@pytest.mark.isolation
def test_a_network_that_would_label_validation_inputs_while_it_is_trained_has_none_at_hand(digits: Workshop) -> None:
    """Its answers would be among its saved weights, and so in all processes after."""
    measurement = digits.train(LEARNING_BY_HEART, seed=1).measurement
    assert measurement.failure is None
    assert measurement.metrics["V_Acc"] is not None
    assert measurement.metrics["V_Acc"] < 0.3


def test_what_is_covered_is_gone_here_and_stays_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "array"
    file.write_bytes(b"secret" * 2000)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        address = ctypes.addressof(there := ctypes.c_char.from_buffer(mapped))
        assert mapped[:6] == b"secret"
        cover(address, len(mapped))
        assert bytes(mapped) == bytes(12000)
        mapped[:3] = b"new"
        del there
    assert file.read_bytes() == b"secret" * 2000


def test_what_cannot_be_covered_is_an_error() -> None:
    with pytest.raises(OSError, match="mmap"):
        cover(4096 + 1, 10)


def test_the_largest_seed_is_as_good_as_any(workshop: Workshop, good: str) -> None:
    assert workshop.train(good, seed=2**63 - 1).measurement.failure is None
