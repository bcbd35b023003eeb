"""The final training of one network: trained in stretches, watched between them, saved, and taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from lemonade_es.trainer.energy import in_turn
from lemonade_es.trainer.isolation.child import CandidateFailed, Child, broken
from lemonade_es.trainer.isolation.protocol import Frame, ProtocolError, manifest
from lemonade_es.trainer.measurement import Energy, Epoch, Failure, Trained
from lemonade_es.trainer.measuring.examination import mean_loss
from lemonade_es.trainer.measuring.scoring import NO_CLASS_GAP, score
from lemonade_es.trainer.trials import readings
from lemonade_es.trainer.trials.trial import OnEpoch, Trial

POINTS = 120
"""How often, at most, the curve of accuracy is taken in a training; what that takes is no part of it."""

SAVE_SECONDS = 60.0
"""The time between two checkpoints, unless the user says otherwise."""

_LATER = "it is measured when the network is tested"
_NOT_WATCHED = "it is not looked at in a final training"
_NOTHING_HELD_OUT = "the validation split was trained on"
_STATE_COPIES = 6  # weights, up to three of their size for the optimiser, room for buffers in double precision
_STATE_ROOM = 1 << 20


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How good the network was between two epochs, without augmentation, scored outside of its process.

    Attributes:
        epoch: how many were done.
        training: accuracy on the probe of training inputs.
        training_loss: likewise; ``None`` if it was not finite.
        held_out: accuracy on the inputs that are held out; ``None`` if none are.
        held_out_loss: likewise.
    """

    epoch: int
    training: float
    training_loss: float | None
    held_out: float | None = None
    held_out_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a training has told so far; with the tensors of its standing it makes a checkpoint.

    Attributes:
        device: ``cpu`` or ``cuda``: on another one it cannot be taken up.
        epochs: that are done.
        points: of the curve.
        energy: of the work that is kept; ``None`` before any.
        seconds: likewise, wall-clock.
        taken_up: after which epochs a new process took it up.
        precision: that it is trained in; what a trial found once holds to the end.
    """

    device: str
    epochs: tuple[Epoch, ...] = ()
    points: tuple[CurvePoint, ...] = ()
    energy: Energy | None = None
    seconds: float = 0.0
    taken_up: tuple[int, ...] = ()
    precision: str = "fp32"


class Checkpoints(Protocol):
    """Where a training is kept between two processes."""

    def load(self) -> tuple[Progress, bytes] | None:
        """The last checkpoint: what was told, and the standing as a safetensors file."""

    def save(self, progress: Progress, standing: bytes) -> None:
        """Keeps one in the place of the last; it is there whole or not at all."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a final training is watched and kept.

    Attributes:
        checkpoints: where it is kept.
        probe: how many inputs of the validation split are the probe; the rest are held out.
        save_seconds: between two checkpoints; 0 keeps one after every epoch.
        on_point: told of each point of the curve.
        on_saved: told after how many epochs a checkpoint was kept.
    """

    checkpoints: Checkpoints
    probe: int
    save_seconds: float
    on_point: Callable[[CurvePoint], None]
    on_saved: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A network that was trained in the end, or why it was not.

    Attributes:
        trained: measurement and weights.
        points: of the curve.
        taken_up: after which epochs a new process took the training up.
    """

    trained: Trained
    points: tuple[CurvePoint, ...]
    taken_up: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class FinalTrial(Trial):
    """A trial whose training can be broken off and taken up, and in which nothing is timed.

    Attributes:
        course: how it is watched and kept.
        device: where it trains.
    """

    course: Course
    device: str
    _points: list[CurvePoint] = field(default_factory=list, init=False)
    _taken_up: tuple[int, ...] = field(default=(), init=False)
    _spent: Energy | None = field(default=None, init=False)
    _saved: float = field(default_factory=time.monotonic, init=False)
    _looker: Child | None = field(default=None, init=False)

    def finish(self, source: str, *, seed: int, on_epoch: OnEpoch | None) -> Finished:
        """Trains the network to the end of its recipe, from its last checkpoint if there is one.

        Args:
            source: the network.
            seed: for weights, order and augmentation.
            on_epoch: told of each epoch as it ends, with its number from 0.

        Raises:
            StoreError: a checkpoint cannot be read or kept.
        """
        try:
            trained = self.run(source, None, seed=seed, on_epoch=on_epoch)
        finally:
            self._end_looking()
        return Finished(trained, tuple(self._points), self._taken_up)

    def _train(self, seed: int, on_epoch: OnEpoch | None) -> None:
        self._take_up()
        last = time.perf_counter()
        until = len(self._found.epochs)

        def progress(frame: Frame) -> None:
            nonlocal last
            now, index = time.perf_counter(), len(self._found.epochs)
            epoch = Epoch(readings.epoch_loss(frame.message.get("epoch"), index, until), now - last)
            last = now
            self._found.epochs.append(epoch)
            self.meter.touch()
            if on_epoch is not None:
                on_epoch(index, epoch)

        while len(self._found.epochs) < self.epochs:
            until = self._next_stop()
            window = self.meter.begin(self.child.pid)
            started = last = time.perf_counter()
            try:
                self._ask.call(
                    "train", seed=seed, precision=self.precision, record=self.record, until=until, on_progress=progress
                )
                if len(self._found.epochs) != until:
                    raise broken(f"{len(self._found.epochs)} epochs of {until}")
            finally:
                self._found.training_seconds += time.perf_counter() - started
                ended = self.child.exit
                energy = self.meter.end(window, cpu_seconds=ended.cpu_seconds if ended else None)
                self._spent = energy if self._spent is None else in_turn((self._spent, energy))
                self._account()
            if until % self._stride == 0 or until == self.epochs:
                self._look()
            if until == self.epochs or time.monotonic() - self._saved >= self.course.save_seconds:
                self._save()

    @property
    def _stride(self) -> int:
        """Epochs between two points of the curve."""
        return -(-self.epochs // POINTS)

    def _next_stop(self) -> int:
        """After which epoch to stop next: at a point of the curve, or when a checkpoint is due."""
        done = len(self._found.epochs)
        left = self.course.save_seconds - (time.monotonic() - self._saved)
        seconds = self._found.epochs[-1].seconds if self._found.epochs else left
        fitting = max(1, int(min(left / seconds, self.epochs))) if seconds > 0 else 1
        return min(self.epochs, done + fitting, (done // self._stride + 1) * self._stride)

    def _take_up(self) -> None:
        found = self.course.checkpoints.load()
        if found is None:
            return
        told, standing = found
        self._found.epochs = list(told.epochs)
        self._points = list(told.points)
        self._spent = told.energy
        self._found.training_seconds = told.seconds
        self._taken_up = (*told.taken_up, len(told.epochs))
        self.precision = told.precision
        self._account()
        self._ask.call("resume", tensors=standing)

    def _look(self) -> None:
        """A point of the curve.

        Inputs that are held out are asked where the network is not trained. Where none are, those of the training are
        asked in its own process, and a network that keeps what it worked out from other weights has a false curve.
        """
        labels, probe = self.dataset.validation_labels, self.course.probe
        if len(labels) == probe:
            outputs = self._ask.validation(len(labels))
        else:
            weights, _ = self._ask.weights(self.weights_limit)
            self._looker = self._looker or self.heir("training")
            self._make_anew(self._looker)  # what it keeps for its answers is of other weights
            looker = replace(self._ask, child=self._looker)
            looker.load(weights)
            outputs = looker.validation(len(labels))
        seen, held = (outputs[:probe], labels[:probe]), (outputs[probe:], labels[probe:])
        point = CurvePoint(len(self._found.epochs), score(*seen).accuracy, mean_loss(*seen))
        if len(held[1]):
            point = CurvePoint(
                point.epoch, point.training, point.training_loss, score(*held).accuracy, mean_loss(*held)
            )
        self._points.append(point)
        self.course.on_point(point)

    def _end_looking(self) -> None:
        if self._looker is not None:
            self._looker.close()
            self._looker = None

    def _save(self) -> None:
        limit = _STATE_COPIES * self.weights_limit + _STATE_ROOM
        standing = self._ask.call("standing", tensor_limit=limit).tensors
        try:
            manifest(standing)
        except ProtocolError as error:
            raise broken(str(error)) from None
        told = Progress(
            self.device,
            tuple(self._found.epochs),
            tuple(self._points),
            self._spent,
            self._found.training_seconds,
            self._taken_up,
            self.precision,
        )
        self.course.checkpoints.save(told, standing)
        self._saved = time.monotonic()
        self.course.on_saved(len(self._found.epochs))

    def _account(self) -> None:
        """The energy of the training so far."""
        if self._spent is not None:
            self._found.take_energy("training", "T_E", self._spent)

    def _measure(self, *, trained: bool = True) -> None:
        started = time.perf_counter()
        self._found.absent.update(dict.fromkeys(("V_E", "L", "F", "B", "W"), _LATER))
        self._found.absent.update(dict.fromkeys((*readings.OF_UNITS, *readings.OF_COURSE), _NOT_WATCHED))
        try:
            self._end_looking()
            self._keep_weights()
            self._score_training()
            self._hand_over("training")
            self._ask.load(self._found.weights or b"")
            self._hold_out()
            if self._found.nonfinite:
                raise CandidateFailed(
                    Failure("DIVERGED", "the trained network has weights or outputs that are not finite")
                )
        finally:
            self._found.measuring_seconds += time.perf_counter() - started

    def _hold_out(self) -> None:
        """The accuracy on the inputs that were held out, if there are any."""
        labels = self.dataset.validation_labels
        outputs = self._ask.validation(len(labels))
        if len(labels) == self.course.probe:
            self._found.absent.update(dict.fromkeys(("V_Acc", "class_gap"), _NOTHING_HELD_OUT))
            return
        found = score(outputs[self.course.probe :], labels[self.course.probe :])
        self._found.nonfinite |= found.nonfinite_rows > 0
        self._found.metrics["V_Acc"] = found.accuracy
        self._found.metrics["class_gap"] = found.class_gap
        if found.class_gap is None:
            self._found.absent["class_gap"] = NO_CLASS_GAP
