"""Training and prediction inside the candidate's process: whole batches, no Python work for each sample."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lemonade_es.task import Objective
from lemonade_es.trainer.learning.augmentation import Augmentation
from lemonade_es.trainer.learning.recording import REHEARSAL, Recorder
from lemonade_es.trainer.learning.standing import Standing, restored
from lemonade_es.trainer.learning.steps import Steps, optimizer_for
from lemonade_es.trainer.measurement import Epoch
from lemonade_es.trainer.network.layout import settled
from lemonade_es.trainer.network.mode import in_eval_mode
from lemonade_es.trainer.network.refusal import Refusal
from lemonade_es.trainer.recipe import Recipe

_STEPS_BETWEEN_LOOKS = 100


class Diverged(Exception):  # noqa: N818  (an outcome with a reason, not an error of the program)
    """The loss or the weights became infinite or NaN."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a candidate is trained on.

    Attributes:
        inputs: uint8 images ``(N, C, H, W)``, integer tokens ``(N, L)`` or float table rows ``(N, F)``.
        labels: integer class indices ``(N,)``, or float targets ``(N,)``.
        mean: of each channel, for pixels scaled to 0..1; empty for tokens and tables.
        std: likewise.
        flip: whether a mirrored image keeps its label.
        objective: what the labels are.
    """

    inputs: Tensor
    labels: Tensor
    mean: Sequence[float]
    std: Sequence[float]
    flip: bool
    objective: Objective = "classification"


class Normalisation:
    """uint8 images to normalised float32 in the network's memory order; tokens to int64, table rows to float32."""

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self._order = settled(model)
        centre = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        spread = torch.tensor(std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._scale = 1 / (255 * spread)
        self._shift = -centre / spread

    def __call__(self, batch: Tensor) -> Tensor:
        """What the network takes for a batch of the data set."""
        if batch.dim() == 2:
            # a copy: a network that changes its input must not change the data set
            return batch.to(torch.float32 if batch.is_floating_point() else torch.int64, copy=True)
        pixels = batch.to(torch.float32, memory_format=self._order)
        return pixels.mul_(self._scale).add_(self._shift)


def train(
    model: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    *,
    seed: int,
    device: str | torch.device,
    on_epoch: Callable[[int, Epoch], None],
    on_gradients: Callable[[nn.Module], None] | None = None,
    standing: Standing | None = None,
    until: int | None = None,
    record: bool = True,
) -> Standing:
    """Train a network in place. On a CPU the same seed, network and thread count give the same weights.

    Every epoch sees every sample once, in a new order. A last batch of one sample, which batch
    normalisation cannot take, joins the batch before it.

    Args:
        model: the network, with its initial weights.
        data: the training set, on any device; it is copied to ``device`` as a whole.
        recipe: how to train; the precision ``auto`` is ``fp32`` here, where nobody has measured.
        seed: for order, augmentation and dropout.
        device: where to train.
        on_epoch: called after each epoch with its number, from 0, and its mean loss and seconds.
        on_gradients: called in the first step of each epoch, when the network has its gradients and its old weights.
        standing: where an earlier call of the same training stopped; ``None`` begins.
        until: stop when so many epochs are done; ``None`` trains to the end of the recipe.
        record: on a GPU, replay recorded steps where the network allows it.

    Returns:
        Where the training stands now.

    Raises:
        Diverged: the loss or the weights are no longer finite.
        RecordingFailed: on a GPU, the steps could not be recorded, and this process must not go on.
    """
    device = torch.device(device)
    model.to(device).train()
    if standing is None:
        torch.manual_seed(seed)
        standing = Standing(optimizer_for(model, recipe), torch.Generator(device).manual_seed(seed))
    else:
        standing.go_on()
    steps = _steps(model, data, recipe, standing, device)
    edges = _edges(len(steps.inputs), recipe.batch_size)
    count = recipe.epochs * len(edges)
    step = standing.epochs * len(edges)
    last = recipe.epochs if until is None else min(until, recipe.epochs)
    taker: Steps | Recorder = steps
    if device.type == "cuda" and record:
        taker = Recorder(steps, recipe.batch_size, last * len(edges) - step)
    for epoch in range(standing.epochs, last):
        started = time.perf_counter()
        steps.total.zero_()
        order = torch.randperm(len(steps.inputs), generator=standing.generator, device=device)
        for start, end in edges:
            if recipe.schedule == "cosine":
                steps.set_rate(recipe.lr * (1 + math.cos(math.pi * step / count)) / 2)
            taker.take(order[start:end], on_gradients if start == 0 else None)
            step += 1
            # reading the loss waits for a GPU, so not at each step
            if step % _STEPS_BETWEEN_LOOKS == 0:
                _demand_finite(steps.total.item(), "loss", epoch)
        mean_loss = steps.total.item() / len(steps.inputs)
        _demand_finite(mean_loss, "loss", epoch)
        on_epoch(epoch, Epoch(mean_loss, time.perf_counter() - started))
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        _demand_finite(math.nan, "weights", last - 1)
    standing.pause(last)
    return standing


def rehearse(model: nn.Module, data: TrainingData, recipe: Recipe, *, device: str | torch.device) -> str | None:
    """Why the steps of a training on a GPU cannot be recorded, or ``None``; the network is of no use afterwards.

    Args:
        model: the network, as it is built.
        data: the training set.
        recipe: how it will be trained.
        device: the GPU.

    Raises:
        RecordingFailed: they cannot, and this process must not go on.
    """
    edges = _edges(len(data.inputs), recipe.batch_size)
    if len(edges) < 2 or recipe.epochs * len(edges) < REHEARSAL:
        return "there are too few steps"
    device = torch.device(device)
    model.to(device).train()
    standing = Standing(optimizer_for(model, recipe), torch.Generator(device).manual_seed(0))
    recorder = Recorder(_steps(model, data, recipe, standing, device), recipe.batch_size, REHEARSAL)
    rows = torch.arange(recipe.batch_size, device=device)
    while recorder.obstacle is None and not recorder.replays:
        recorder.take(rows)
    if recorder.replays:
        recorder.take(rows, lambda _: None)  # there must be room beside the record for a step that is looked at
    torch.cuda.synchronize(device)
    return recorder.obstacle


def take_up(model: nn.Module, content: bytes, recipe: Recipe, device: str | torch.device) -> Standing:
    """Where a training stood when it was saved; the network gets the weights that it had then.

    Args:
        model: the network, as it was built before.
        content: of :meth:`Standing.saved`.
        recipe: the same as before.
        device: where to train.
    """
    model.to(torch.device(device))
    return restored(content, model, optimizer_for(model, recipe))


def batch(model: nn.Module, data: TrainingData, rows: Tensor, device: str | torch.device) -> Tensor:
    """Some training inputs as a network takes them, without augmentation.

    Args:
        model: the network; its memory order is kept.
        data: the training set.
        rows: which of them.
        device: where the network is.
    """
    device = torch.device(device)
    return Normalisation(model, data.mean, data.std, device)(data.inputs[rows].to(device))


def predict(
    model: nn.Module,
    inputs: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    device: str | torch.device,
    batch_size: int = 512,
) -> Tensor:
    """The logits of a prepared network for a set of inputs.

    Args:
        model: the network, as :func:`prepare` leaves it.
        inputs: uint8 images ``(N, C, H, W)``, integer tokens ``(N, L)`` or float table rows ``(N, F)``.
        mean: of each channel, for pixels scaled to 0..1; empty for tokens and tables.
        std: likewise.
        device: where the network is.
        batch_size: how many inputs at once.

    Returns:
        float32 ``(N, classes)``, on the CPU.

    Raises:
        Refusal: the network does not return one row of numbers for each input.
    """
    device = torch.device(device)
    normalise = Normalisation(model, mean, std, device)
    logits = []
    # not inference mode: what a network keeps for later, a mask or a table, could not be trained with any more
    with torch.no_grad():
        for batch in torch.split(inputs, batch_size):
            output = model(normalise(batch.to(device)))
            if not isinstance(output, Tensor) or output.dim() != 2 or len(output) != len(batch):
                got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise Refusal("WRONG_OUTPUT", f"In eval mode the network returned {got} for {len(batch)} inputs.")
            logits.append(output.to("cpu", torch.float32))
    return torch.cat(logits)


def prepare(model: nn.Module, device: str | torch.device) -> nn.Module:
    """Put a network in eval mode on ``device``; it keeps the memory order that building it settled."""
    return in_eval_mode(model.to(device))


def _steps(model: nn.Module, data: TrainingData, recipe: Recipe, standing: Standing, device: torch.device) -> Steps:
    """The steps of a network that is on its device."""
    number = torch.float32 if data.objective == "regression" else torch.int64
    inputs = data.inputs.to(device)
    augment = None
    if inputs.dim() == 4:
        augment = Augmentation(recipe, *inputs.shape[2:], flip=data.flip, device=device)
    return Steps(
        model=model,
        inputs=inputs,
        labels=data.labels.to(device, number),
        augment=augment,
        normalise=Normalisation(model, data.mean, data.std, device),
        optimizer=standing.optimizer,
        generator=standing.generator,
        recipe=recipe,
        objective=data.objective,
    )


def _edges(count: int, batch_size: int) -> list[tuple[int, int]]:
    starts = list(range(0, count, batch_size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))


def _demand_finite(value: float, what: str, epoch: int) -> None:
    if not math.isfinite(value):
        raise Diverged(f"the {what} became infinite or NaN in epoch {epoch + 1}")
