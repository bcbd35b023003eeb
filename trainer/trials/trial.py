"""The trial of one candidate: trained, scored, timed and metered, with whatever came before a failure."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.arrays import ArrayName
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.energy import EnergyMeter, share
from lemonade_es.trainer.isolation.child import CandidateFailed, Child, broken
from lemonade_es.trainer.isolation.cover import Withheld
from lemonade_es.trainer.isolation.protocol import Frame, TensorSpec
from lemonade_es.trainer.measurement import UNSAVED, Budget, CheckReport, Epoch, Failure, StopTraining, Trained
from lemonade_es.trainer.measuring.latency import CAP_SECONDS
from lemonade_es.trainer.measuring.scoring import NO_CLASS_GAP, score
from lemonade_es.trainer.measuring.scrutiny import ALONE, inconsistency, loss
from lemonade_es.trainer.trials import proxies, readings
from lemonade_es.trainer.trials.company import Place, by_itself
from lemonade_es.trainer.trials.findings import KEPT_BYTES, OF_TRAINING, Findings
from lemonade_es.trainer.trials.hindsight import accuracies
from lemonade_es.trainer.trials.inspection import inspect
from lemonade_es.trainer.trials.questions import Questions
from lemonade_es.trainer.trials.timing import Timing
from lemonade_es.trainer.watching.dynamics import MOST_CHECKPOINTS, Checkpoints, Reading, checkpoints, sample
from lemonade_es.trainer.weights import Weights

OnEpoch = Callable[[int, Epoch], None]

_UNTRAINED = "no weights were given, and an untrained network guesses"
_SCORE_SHARE = 0.25  # of all the time that is left
_COMPARED = 2000
"""Training inputs, at most, on which a network is compared with what is saved of it."""


@dataclass(slots=True)
class Trial:
    """One candidate in one child, led by the parent step by step.

    Attributes:
        child: where it runs.
        another: a fresh child of the same kind, where scoring has used the first one up.
        heir: a fresh child for what comes after training, kept from a part of the training set.
        hidden: hides an array of the data set from children meanwhile; what it gives shows one row of it.
        dataset: what it is trained and scored on.
        meter: for its energy.
        epochs: how many the recipe wants.
        check_until: when it must be checked and built, on :func:`time.monotonic`'s clock; scoring puts it off.
        score_seconds: the longest time for scoring, and for a rehearsal.
        deadline: when all of it must be done.
        stall_seconds: the longest time without progress.
        weights_limit: the most bytes of weights to take.
        export: make an ONNX file of the network instead of timing it here.
        zero_cost: score the untrained network as well.
        cap_seconds: to measure for at most, whether the latency has settled or not.
        precision: to train in, ``fp32`` or ``bf16``.
        record: train with recorded steps, if a rehearsal says that they can be.
        place: among trainings at the same time.
        exported: the ONNX file, or why there is none; ``None`` if it was not asked for, or the candidate failed.
        outputs: what the network said last of the validation inputs, ``(M, classes)``.
    """

    child: Child
    another: Callable[[], Child]
    heir: Callable[[Withheld], Child]
    hidden: Callable[[ArrayName], contextlib.AbstractContextManager[Callable[[int], None]]]
    dataset: Dataset
    meter: EnergyMeter
    epochs: int
    check_until: float
    score_seconds: float
    deadline: float
    stall_seconds: float
    weights_limit: int
    export: bool = False
    zero_cost: bool = False
    cap_seconds: float = CAP_SECONDS
    precision: str = "fp32"
    record: bool = False
    place: Place = field(default_factory=by_itself)
    exported: bytes | Failure | None = field(default=None, init=False)
    outputs: NDArray[np.float32] | None = field(default=None, init=False)
    _making: Mapping[str, Any] = field(default_factory=dict, init=False)
    _specs: Mapping[str, TensorSpec] | None = field(default=None, init=False)
    _found: Findings = field(default_factory=Findings, init=False)

    @property
    def _ask(self) -> Questions:
        return Questions(self.child, self.deadline, self.stall_seconds, self.dataset.task.classes)

    def run(self, source: str, report: CheckReport | None, *, seed: int, on_epoch: OnEpoch | None) -> Trained:
        """Takes the candidate through all steps, or as far as it gets, and ends the child.

        Args:
            source: the candidate.
            report: of its check; ``None`` checks it now.
            seed: for weights, order and augmentation.
            on_epoch: told of each epoch as it ends, with its number from 0; :class:`StopTraining` ends it there.
        """
        try:
            self._prepare(source, report, seed)
            self._train(seed, on_epoch)
            self._measure()
        except StopTraining:
            self._found.stopped = len(self._found.epochs)
        except CandidateFailed as failed:
            self._found.failure = failed.failure
        finally:
            self.child.close()  # if need be in the middle of its work
        return self._record()

    def appraise(self, source: str, weights: Weights | None, *, seed: int) -> Trained:
        """Measures a network as it is, without training it, and ends the child.

        Args:
            source: the network.
            weights: of an earlier training; ``None`` leaves those that it is made with.
            seed: for these.

        Raises:
            ConfigError: the weights are another network's.
        """
        self.record = False
        try:
            self._prepare(source, None, seed)
            if weights is not None:
                weights.demand_fit(self._manifest())
            self._ask.load(b"" if weights is None else weights.content)
            self._found.absent |= dict.fromkeys(("T_E", *readings.OF_COURSE), "it was not trained here")
            self._measure(trained=weights is not None)
        except CandidateFailed as failed:
            self._found.failure = failed.failure
        finally:
            self.child.close()
        return self._record()

    def _prepare(self, source: str, report: CheckReport | None, seed: int) -> None:
        if report is None:
            with self.hidden("train_labels"):  # it learns when its time and energy are taken
                report = inspect(self.child, source, Budget(), seed=seed, deadline=self.check_until)
        self._found.metrics["P"] = _number(report.parameters)
        self._found.metrics["M"] = _number(report.macs)
        if not report.ok:
            refused = Failure(report.code or "REFUSED", report.message or "refused by the check", report.line)
            raise CandidateFailed(refused)
        self._found.note = report.message
        if self.zero_cost:
            self._score(source, report, seed)
        if self.record:
            self._rehearse(source, report, seed)
        self._making = {"source": source, "seed": seed, "macs": report.macs or 0, "onednn": report.onednn}
        with self.hidden("train_labels"):
            self.child.call("build", **self._making, deadline=self.check_until)

    def _score(self, source: str, report: CheckReport, seed: int) -> None:
        """Scores of the untrained network; one that has none is sound all the same."""
        with self._aside(lambda failure: proxies.unscored(f"{failure.code}: {failure.message}")) as ask:
            macs = report.macs or 0
            self._found.take(proxies.scores(ask, source, seed=seed, macs=macs, onednn=report.onednn))

    def _rehearse(self, source: str, report: CheckReport, seed: int) -> None:
        """Whether its steps can be recorded."""
        with self._aside(self._unrehearsed) as ask:
            self._found.unrecorded = ask.obstacle(source, seed=seed, macs=report.macs or 0, precision=self.precision)
        self.record = self._found.unrecorded is None

    def _unrehearsed(self, failure: Failure) -> Mapping[str, Reading]:
        self._found.unrecorded = f"{failure.code}: {failure.message}"
        return {}

    @contextlib.contextmanager
    def _aside(self, otherwise: Callable[[Failure], Mapping[str, Reading]]) -> Iterator[Questions]:
        """Questions before training, which have a time of their own; where one fails, another child trains."""
        started = time.monotonic()
        try:
            yield replace(
                self._ask, deadline=started + min(self.score_seconds, _SCORE_SHARE * (self.deadline - started))
            )
        except CandidateFailed as error:
            if error.failure.code == "PROTOCOL":
                raise
            self._found.take(otherwise(error.failure))
            self.child.close()  # it may still be at it, or be gone
            self.child = self.another()
        finally:
            spent = time.monotonic() - started
            self._found.measuring_seconds += spent
            self.check_until = min(self.deadline, self.check_until + spent)

    def _train(self, seed: int, on_epoch: OnEpoch | None) -> None:
        started = last = time.perf_counter()
        looks = self._looks

        def progress(frame: Frame) -> None:
            nonlocal last
            now, index = time.perf_counter(), len(self._found.epochs)
            epoch = Epoch(readings.epoch_loss(frame.message.get("epoch"), index, self.epochs), now - last)
            last = now
            self._found.epochs.append(epoch)
            if bool(frame.tensors) is not (index in looks.kept):
                raise broken("weights that were not asked for, or none where they were")
            self._found.keep(index, frame.tensors)
            self.meter.touch()
            if on_epoch is not None:
                on_epoch(index, epoch)

        try:
            with self._metered("training", "T_E"):
                self._ask.call(
                    "train",
                    seed=seed,
                    precision=self.precision,
                    record=self.record,
                    checkpoints=looks.kept,
                    tensor_limit=self.weights_limit,
                    on_progress=progress,
                )
                if len(self._found.epochs) != self.epochs:
                    raise broken(f"{len(self._found.epochs)} epochs of {self.epochs}")
                self._specs = self._manifest()  # what it learns later is not there
        except CandidateFailed as failed:
            if failed.failure.code == "DIVERGED":  # what the gradients were before may say why
                with contextlib.suppress(CandidateFailed):
                    self._found.take(readings.gradients(self._ask.call("gradients").message))
            raise
        finally:
            self._found.training_seconds = time.perf_counter() - started

    @property
    def _looks(self) -> Checkpoints:
        room = 1 + int(KEPT_BYTES // max(4.0, 4 * (self._found.metrics["P"] or 0.0)))  # the last ones are there anyway
        inputs = len(self.dataset.train_labels), len(self.dataset.validation_labels)
        return checkpoints(self.epochs, *inputs, min(room, MOST_CHECKPOINTS))

    def _look_back(self) -> None:
        """Validation accuracy on the way, once that of the trained network is known; which is made anew afterwards."""
        found, looks = self._found, self._looks
        assert self.outputs is not None  # noqa: S101  (the validation set has been answered)
        if set(found.kept) != set(looks.kept):
            found.take(readings.unseen("what it saves is too large to be kept on the way"))
            return
        anew, labels = partial(self._make_anew, self.child), self.dataset.validation_labels
        seen = accuracies(self._ask, anew, looks, found.kept, self.outputs, labels)
        if found.kept:
            found.kept.clear()
            anew()
            self._ask.load(found.weights or b"")
        for index, accuracy in seen.items():
            found.epochs[index] = replace(found.epochs[index], V_Acc=accuracy)
        shares = self.dataset.task.objective == "classification"
        found.take(readings.peak(seen, len(looks.rows), self.epochs, shares=shares))

    def _measure(self, *, trained: bool = True) -> None:
        started = time.perf_counter()
        try:
            self._keep_weights()
            if self._found.epochs:
                self._found.take(readings.gradients(self._ask.call("gradients").message))
                self._found.take(readings.losses([epoch.loss for epoch in self._found.epochs]))
            if trained:
                self._score_training()
            with self.hidden("validation") as show:
                self._hand_over("training")
                self._ask.load(self._found.weights or b"")
                alone = self._ask.alone(min(ALONE, len(self.dataset.validation_labels)), show)
            self._evaluate(alone)
            if not trained:
                self._found.leave_out(OF_TRAINING, _UNTRAINED)
            elif self._found.nonfinite:
                whose = "the trained network" if self._found.epochs else "with these weights the network"
                if not self._found.epochs:
                    self._found.metrics.update(dict.fromkeys(("T_Acc", "V_Acc", "class_gap")))
                raise CandidateFailed(Failure("DIVERGED", f"{whose} has weights or outputs that are not finite"))
            else:
                self._found.take(readings.units(self._ask.call("activity", rows=self._looks.batch).message))
            if self._found.epochs:
                self._look_back()
            if self.export:
                self._export()
            else:
                with self.place.turn() as waited:  # which is not the candidate's time
                    self.deadline += waited
                    started += waited
                    self._time()
        finally:
            self._found.measuring_seconds += time.perf_counter() - started

    def _keep_weights(self) -> None:
        specs = self._manifest() if self._specs is None else self._specs
        tensors = self._found.weights or b""
        kept, parameters = sum(math.prod(spec.shape) for spec in specs.values()), self._found.metrics["P"] or 0
        if kept < parameters:
            raise broken(f"weights of {kept:,} numbers for a network of {parameters:,.0f} parameters")
        self._found.metrics["S"] = len(tensors) / 1e6
        for spec in specs.values():
            if spec.dtype == "F32":
                values = np.frombuffer(tensors[spec.start : spec.end], np.float32)
                self._found.nonfinite |= bool(np.isnan(values).any())  # infinity may be a mask; outputs tell the rest

    def _manifest(self) -> Mapping[str, TensorSpec]:
        """What the network's weights are; they are kept."""
        self._found.weights, specs = self._ask.weights(self.weights_limit)
        return specs

    def _score_training(self) -> None:
        """Training accuracy, for which the labels must not be at hand; and whether the saved network is as good."""
        labels = self.dataset.train_labels
        rows = sample(len(labels), _COMPARED)
        live = self._ask.outputs(len(rows), split="train", rows=rows)
        self._hand_over("labels")
        self._ask.load(self._found.weights or b"")
        outputs = self._ask.outputs(len(labels), split="train")
        scored = score(outputs, labels)
        self._found.nonfinite |= scored.nonfinite_rows > 0
        self._found.metrics["T_Acc"] = scored.accuracy
        if (why := loss(outputs[list(rows)], live, labels[list(rows)])) is not None:
            raise CandidateFailed(Failure(UNSAVED, why))

    def _hand_over(self, withheld: Withheld) -> None:
        """Another child takes the network over: it makes it from its source, and is to load its saved weights.

        That is what will be deployed. What the first child knows besides is of no use.

        Args:
            withheld: from the other child.
        """
        self.child.close()
        self._found.take_end(self.child.exit)
        self.child = self.heir(withheld)
        self._make_anew(self.child)

    def _make_anew(self, child: Child) -> None:
        """Has a child make the network from its source."""
        # from other random numbers: those of a constant that is not saved will be others, too
        making = {**self._making, "seed": self._making["seed"] ^ 1}
        child.call("build", **making, deadline=min(self.deadline, time.monotonic() + self.score_seconds))

    def _evaluate(self, alone: NDArray[np.float32]) -> None:
        """The validation set, as often as the meter needs to tell its energy."""
        labels = self.dataset.validation_labels
        self._ask.validation(len(labels))  # what the first pass sets up is no part of V_E
        rounds = 0
        started = time.monotonic()
        with self._metered("validation", "V_E", lambda: rounds):
            while rounds == 0 or time.monotonic() - started < self.meter.least_seconds:
                outputs = self._ask.validation(len(labels))
                rounds += 1
        self.outputs = outputs
        scored = score(outputs, labels)
        self._found.nonfinite |= scored.nonfinite_rows > 0
        if (why := inconsistency(alone, outputs, labels)) is not None:
            raise CandidateFailed(Failure("INCONSISTENT", why))
        self._found.metrics["V_Acc"] = scored.accuracy
        self._found.metrics["class_gap"] = scored.class_gap
        if scored.class_gap is None:
            self._found.absent["class_gap"] = NO_CLASS_GAP

    def _time(self) -> None:
        timing = Timing(self._ask, self.meter, self.child.pid)
        try:
            timing.take(self.cap_seconds)
        finally:
            self._found.latency = timing.latency
            self._found.energy |= timing.energy
            self._found.take(timing.readings)

    def _export(self) -> None:
        """The network as ONNX; one that cannot be exported is sound all the same."""
        try:
            self.exported = self._ask.onnx(len(self._found.weights or b""))
        except CandidateFailed as failed:
            self.exported = failed.failure

    @contextlib.contextmanager
    def _metered(self, phase: str, metric: str, parts: Callable[[], int] = lambda: 1) -> Iterator[None]:
        """Meters what is done inside, also if it fails."""
        window = self.meter.begin(self.child.pid)
        try:
            yield
        finally:
            ended = self.child.exit
            energy = self.meter.end(window, cpu_seconds=ended.cpu_seconds if ended else None)
            self._found.take_energy(phase, metric, share(energy, max(1, parts())))

    def _record(self) -> Trained:
        self._found.take_end(self.child.exit)
        return self._found.trained(of=self.epochs, precision=self.precision, zero_cost=self.zero_cost)


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)
