"""Training steps that are recorded: which networks allow it, and that replays train as steps do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lemonade_es.trainer.learning.recording import REHEARSAL, Recorder, Replay, Watcher
from lemonade_es.trainer.learning.steps import Steps, optimizer_for
from lemonade_es.trainer.recipe import Recipe
from tests.trainer.learning.restless import (
    Building,
    Counting,
    Dicing,
    Dropping,
    Late,
    Plain,
    Remembering,
    Replacing,
    Scaling,
    Selecting,
    Shaking,
    Shuffling,
    Waiting,
)

SIZE = 8


def steps_of(model: nn.Module, rows: int = 64) -> Steps:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (rows, 1, 8, 8), generator=generator, dtype=torch.uint8)
    recipe = Recipe()
    return Steps(
        model=model.train(),
        inputs=images,
        labels=torch.randint(0, 2, (rows,), generator=generator),
        augment=None,
        normalise=lambda batch: batch.float() / 255,
        optimizer=optimizer_for(model, recipe),
        generator=generator,
        recipe=recipe,
        objective="classification",
    )


class Tape:
    """Notes what is recorded and replayed; as with a CUDA graph, a replay runs none of the network's Python code.

    Args:
        training: take the step in each replay after all.
    """

    def __init__(self, *, training: bool = False) -> None:
        self.training = training
        self.made = 0
        self.replayed: list[list[int]] = []

    def __call__(self, steps: Steps, rows: Tensor) -> Replay:
        self.made += 1

        def replay() -> None:
            self.replayed.append(rows.tolist())
            if self.training:
                steps.take(rows)

        return replay


def taken(model: nn.Module, count: int, look: Callable[[int], bool] = lambda _: False) -> tuple[Recorder, Tape]:
    tape = Tape()
    recorder = Recorder(steps_of(model), SIZE, count, tape)
    for step in range(count):
        rows = torch.arange(SIZE) + step % 8 * SIZE
        recorder.take(rows, (lambda _: None) if look(step) else None)
    return recorder, tape


def test_steps_are_replayed_with_their_own_rows_once_two_have_been_alike() -> None:
    recorder, tape = taken(Plain(), 40)
    assert recorder.obstacle is None
    assert tape.made == 1
    assert tape.replayed == [[step % 8 * SIZE + row for row in range(SIZE)] for step in range(3, 40)]


def test_replayed_steps_train_as_steps_do() -> None:
    losses = []
    for count in (40, 0):  # without steps to come, nothing is recorded
        torch.manual_seed(0)
        model = Plain()
        steps = steps_of(model)
        recorder = Recorder(steps, SIZE, count, Tape(training=True))
        for step in range(40):
            recorder.take(torch.arange(SIZE) + step % 8 * SIZE)
        losses.append(steps.total.item())
        assert recorder.replays is (count > 0)
    assert losses[0] == losses[1]


def test_a_step_is_not_recorded_for_a_few() -> None:
    recorder, tape = taken(Plain(), 20)
    assert (recorder.replays, tape.made, recorder.obstacle) == (False, 0, None)


def test_a_batch_of_another_size_is_taken_as_it_comes() -> None:
    tape = Tape()
    recorder = Recorder(steps_of(Plain()), SIZE, 100, tape)
    for size in (SIZE, SIZE, SIZE, SIZE, 3, SIZE):
        recorder.take(torch.arange(size))
    assert [len(rows) for rows in tape.replayed] == [SIZE, SIZE]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Scaling, "does not do the same in each pass"),
        (Counting, "a pass changes what it keeps"),
        (Remembering, "a pass changes what it keeps"),
        (Shuffling, "a pass changes what it keeps"),
        (Shaking, "draws random numbers on the processor"),
        (Dropping, "draws random numbers on the processor"),
        (Dicing, "draws random numbers on the processor"),
        (Waiting, "waits for the result of _local_scalar_dense"),
        (Selecting, "waits for the result of index_put_"),
        (Replacing, "a pass changes what it keeps"),
    ],
)
def test_a_network_whose_passes_differ_is_not_recorded(kind: type[nn.Module], said: str) -> None:
    recorder, tape = taken(kind(), 40)
    assert recorder.obstacle is not None
    assert said in recorder.obstacle
    assert (recorder.replays, tape.made) == (False, 0)


def test_a_record_is_given_up_when_a_later_pass_does_something_else() -> None:
    recorder, tape = taken(Late(), 120, look=lambda step: step % 10 == 0)
    assert recorder.obstacle == "it does not do the same in each pass"
    assert tape.made == 1
    assert not recorder.replays
    assert len(tape.replayed) < 120 - 40


def test_a_rehearsal_expects_enough_steps_to_record_one() -> None:
    recorder = Recorder(steps_of(Plain()), SIZE, REHEARSAL, Tape())
    for _ in range(4):
        recorder.take(torch.arange(SIZE))
    assert recorder.replays


def test_what_the_first_pass_builds_is_no_obstacle() -> None:
    recorder, tape = taken(Building(), 40)
    assert (recorder.obstacle, tape.made) == (None, 1)


class Squeezing(nn.Module):
    """Arithmetic with plain numbers, resizing, indexing and reductions, as generated networks have them."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.gate, self.output = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 8), nn.Linear(8, 4)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.gelu(self.body(x))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None] * 2.0 / 3 + self.scale * 0.1 - 1
        x = nn.functional.pad(nn.functional.interpolate(torch.where(x > 0, x, 0.1 * x) ** 2, scale_factor=2), (1, 1))
        x = torch.cat([x[:, :4], x[:, 4:].flip(1)], 1)
        return self.output(x.clamp(-1, 1).amax((2, 3)) / (1 + x.std((1, 2, 3), keepdim=True)[:, :, 0, 0]))


class Reading(nn.Module):
    """Tokens, through layers of a kind."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.embedding, self.layers, self.output = nn.Embedding(50, 16, padding_idx=0), layers, nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        found = self.layers(self.embedding(x))
        return self.output((found[0] if isinstance(found, tuple) else found).mean(1))


USUAL = {
    "plain": lambda: nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1)),
        *(nn.Conv2d(8, 8, 3, groups=4), nn.GroupNorm(2, 8), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(8, 4),
    ),
    "rarer layers": lambda: nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.LeakyReLU(), nn.AvgPool2d(2), nn.Dropout2d(0.1)),
        *(nn.PReLU(), nn.Hardswish(), nn.ELU(), nn.Mish(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.LayerNorm(8)),
        nn.Linear(8, 4),
    ),
    "parametrised": lambda: nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 4, 3)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ),
    "squeezing": Squeezing,
    "attention": lambda: Reading(nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1, batch_first=True)),
    "lstm": lambda: Reading(nn.LSTM(16, 16, num_layers=2, dropout=0.1, batch_first=True)),
    "gru": lambda: Reading(nn.GRU(16, 16, batch_first=True)),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_networks_stay_on_their_device_forward_and_back(name: str) -> None:
    """On one that computes nothing, and is not the processor."""
    model = USUAL[name]().to("meta").train()
    tokens = isinstance(model, Reading)
    x = torch.zeros(6, 12, dtype=torch.int64, device="meta") if tokens else torch.zeros(6, 3, 16, 16, device="meta")
    footprints = []
    for _ in range(2):
        model.zero_grad(set_to_none=True)
        watch = Watcher("meta")
        with watch:
            torch.autograd.backward(nn.functional.cross_entropy(model(x), x.new_zeros(6, dtype=torch.int64)))
        assert watch.obstacle is None
        footprints.append(watch.footprint)
    assert any("backward" in str(done) for done in footprints[0])
    assert footprints[0] == footprints[1]
