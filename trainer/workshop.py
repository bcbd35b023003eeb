"""The workshop: candidates go in as source, and come out checked, or trained and measured.

What a candidate does wrong, be it an endless loop or an attack, is an outcome in the record; exceptions are
for the user's own mistakes and for a machine that cannot isolate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from types import TracebackType
from typing import Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.arrays import SharedArrays
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.device.command import DeviceCommand
from lemonade_es.trainer.device.figures import on_device
from lemonade_es.trainer.energy import EnergyMeter, best_meter, watch_idle
from lemonade_es.trainer.export.form import PACKAGES
from lemonade_es.trainer.isolation.child import Child
from lemonade_es.trainer.isolation.cover import Withheld
from lemonade_es.trainer.isolation.level import LevelName, Wish
from lemonade_es.trainer.isolation.nursery import Job
from lemonade_es.trainer.isolation.proof import Canary
from lemonade_es.trainer.isolation.shelter import Needs, Shelter
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.measurement import Budget, CheckReport, Trained
from lemonade_es.trainer.measuring.latency import CAP_SECONDS
from lemonade_es.trainer.probing import PROBE_SECONDS, Device, faster_precision, working_device
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.threads import threads_for, usable_cores
from lemonade_es.trainer.trials.company import Place, by_itself
from lemonade_es.trainer.trials.final_trial import Course, FinalTrial, Finished
from lemonade_es.trainer.trials.inspection import inspect
from lemonade_es.trainer.trials.trial import OnEpoch, Trial
from lemonade_es.trainer.weights import Weights

T = TypeVar("T", bound=Trial)

_CHECK_SEED = 0
_PATIENT_SECONDS = 10.0  # for a network that is measured for its own sake
_IDLE_ZYGOTE_BYTES = 512 * 10**6  # with torch imported


@dataclass(frozen=True, slots=True)
class Examined:
    """A network that was measured, and what it said of the validation inputs; ``None`` if it did not come so far."""

    trained: Trained
    outputs: NDArray[np.float32] | None


class Workshop:
    """Checks, trains and measures candidates, each in a locked process of its own.

    Use it as a context manager, or call :meth:`start` early (it returns at once, while the isolated process
    imports torch) and :meth:`close` at the end. Use it from one thread at a time (but for :meth:`abort`); where the
    thread that starts the isolated process ends, bubblewrap ends with it, and the next job waits for a new one.

    Args:
        dataset: what candidates are trained and scored on.
        recipe: how they are trained.
        device: ``auto`` takes a GPU if it works.
        limits: what a candidate may take.
        foreign: whether sources come from anyone but the user and this package.
        unsafe_no_isolation: run foreign sources even where they cannot be isolated.
        isolation: the level to keep, or ``auto`` for the best that this machine proves.
        container_image: for the level ``container``, instead of its default image.
        meter: for energy; ``None`` takes the best that the machine has.
        command: measures speed, power and memory on a device of the user's, in the place of this machine.
        zero_cost: whether candidates are scored before they are trained.

    Raises:
        IsolationError: the level cannot be had here, or foreign sources would run without isolation and that was
            not accepted. Where only the canaries show it, the first use of the workshop raises it.
    """

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        *,
        device: Device = "auto",
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        foreign: bool = True,
        unsafe_no_isolation: bool = False,
        isolation: Wish = "auto",
        container_image: str | None = None,
        meter: EnergyMeter | None = None,
        command: DeviceCommand | None = None,
        zero_cost: bool = False,
    ) -> None:
        self._dataset = dataset
        self._recipe = recipe
        self._wished = device
        self._limits = limits
        self._meter = meter
        self._idle_known = False
        self._command = command
        self._zero_cost = zero_cost
        self._device: str | None = None
        self._precision: str | None = None
        self.threads = usable_cores()
        """Of the CPU, that a training may use; that of a small network uses one."""
        needs = Needs(
            wish=isolation,
            foreign=foreign,
            unsafe=unsafe_no_isolation,
            image=container_image,
            gpu=device != "cpu",
            memory_bytes=limits.house_bytes,
        )
        self._arrays = SharedArrays(dataset)
        self._shelter = Shelter(needs, self._supplies(), self._arrays.descriptors)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def isolation(self) -> LevelName:
        """The level of isolation in force; it is proved first, which waits for the isolated process.

        Raises:
            IsolationError: no level holds that would do.
        """
        return self._shelter.proven.level.name

    @property
    def isolation_reason(self) -> str:
        """What the level rests on, and why no better one is in force; for ``none``, what is missing.

        Raises:
            IsolationError: no level holds that would do.
        """
        return self._shelter.proven.level.reason

    @property
    def canaries(self) -> tuple[Canary, ...]:
        """The forbidden things that a locked child has tried at this level, all of them in vain.

        Raises:
            IsolationError: no level holds that would do.
        """
        return self._shelter.proven.canaries

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``; whether a GPU works is asked of a child, once.

        Raises:
            ConfigError: ``cuda`` was wished for and does not work.
        """
        if self._device is None:
            self._device = working_device(self._wished, lambda: self._child("cuda", PROBE_SECONDS, "cuda"))
        return self._device

    @property
    def precision(self) -> str:
        """``fp32`` or ``bf16``; where the recipe leaves it open, a child tries both once, with code of our own."""
        if self._precision is None:
            wished = self._recipe.precision
            if wished == "auto":
                self._precision = faster_precision(self._child(self.device, PROBE_SECONDS))
            else:
                self._precision = wished
        return self._precision

    @property
    def meter(self) -> EnergyMeter:
        """What meters the energy."""
        if self._meter is None:
            self._meter = best_meter(self.device)
        return self._meter

    def threads_for(self, report: CheckReport) -> int:
        """How many threads the training of a network gets, on a CPU."""
        return threads_for(report.macs or 0, self._recipe.batch_size, self.threads)

    @property
    def bytes_beside(self) -> int:
        """Memory that a further workshop like this one takes, beside that of its candidates."""
        return self._arrays.nbytes + _IDLE_ZYGOTE_BYTES

    def start(self) -> None:
        """Starts the isolated process and returns; the first job waits until it is ready.

        Raises:
            IsolationError: it cannot be started.
            DataError: there is no room for the shared copy of the data set.
        """
        self._shelter.start()

    def close(self) -> None:
        """Ends the isolated process and gives up the shared copy of the data set."""
        try:
            self._shelter.close()
        finally:
            self._arrays.close()

    def abort(self) -> None:
        """Ends the job under way, from any thread, as if it had crashed; each further one is an ``IsolationError``."""
        self._shelter.abort()

    def check(self, source: str, budget: Budget = Budget()) -> CheckReport:  # noqa: B008  (frozen)
        """Whether a candidate can be trained; one that crashes, hangs or eats the memory gets a report too.

        Args:
            source: the candidate.
            budget: bounds that it must keep.

        Raises:
            ConfigError: the device that was wished for does not work.
            IsolationError: no locked process can be had.
        """
        seconds = self._limits.check_seconds
        # on the CPU whatever the device: a check computes batches of a few rows; what it says may go to an LLM
        with self._child("cpu", seconds, withheld="everything") as child:
            return inspect(child, source, budget, seed=_CHECK_SEED, deadline=time.monotonic() + seconds)

    def train(
        self,
        source: str,
        report: CheckReport | None = None,
        *,
        seed: int,
        on_epoch: OnEpoch | None = None,
        place: Place | None = None,
    ) -> Trained:
        """Trains and measures a candidate; what goes wrong is in the measurement, beside what went well.

        Args:
            source: the candidate.
            report: what :meth:`check` said of it; ``None`` checks it first.
            seed: for weights, order and augmentation.
            on_epoch: told of each epoch as it ends, with its number from 0; where it raises
                :class:`~lemonade_es.trainer.measurement.StopTraining`, the training ends there.
            place: among trainings at the same time, in other workshops.

        Raises:
            ConfigError: the device that was wished for does not work.
            IsolationError: no locked process can be had.
        """
        trial = self._trial(place=place)
        trained = trial.run(source, report, seed=seed, on_epoch=on_epoch)
        return self._completed(trial, self._limits.told(trained, trial.deadline))

    def measure(self, source: str, weights: Weights | None = None, *, seed: int = 0) -> Trained:
        """Measures a network as it is, without training it; what goes wrong is in the measurement.

        Args:
            source: the network.
            weights: of an earlier training; without them it has no accuracy.
            seed: for the weights that it is made with.

        Raises:
            ConfigError: the weights are another network's, or the device that was wished for does not work.
            IsolationError: no locked process can be had.
        """
        trial = self._trial(cap_seconds=_PATIENT_SECONDS)
        return self._completed(trial, trial.appraise(source, weights, seed=seed))

    def examine(self, source: str, weights: Weights, *, seed: int = 0) -> Examined:
        """Measures a trained network as it is, as :meth:`measure` does, and hands over what it said.

        Args:
            source: the network.
            weights: of its training.
            seed: for the weights that it is made with.

        Raises:
            ConfigError: the weights are another network's, or the device that was wished for does not work.
            IsolationError: no locked process can be had.
        """
        trial = self._trial(cap_seconds=_PATIENT_SECONDS)
        return Examined(trial.appraise(source, weights, seed=seed), trial.outputs)

    def finish(self, source: str, course: Course, *, seed: int, on_epoch: OnEpoch | None = None) -> Finished:
        """Trains a network in the end: in stretches that are kept, so that a broken training can be taken up.

        Args:
            source: the network.
            course: how the training is watched and kept.
            seed: for weights, order and augmentation.
            on_epoch: told of each epoch as it ends, with its number from 0.

        Raises:
            ConfigError: the device that was wished for does not work.
            IsolationError: no locked process can be had.
            StoreError: a checkpoint cannot be read or kept.
        """
        all_seen = len(self._dataset.validation_labels) == course.probe  # the split has training inputs alone
        kind = partial(FinalTrial, course=course, device=self.device)
        trial = self._made(kind, withheld="nothing" if all_seen else "validation")
        return trial.finish(source, seed=seed, on_epoch=on_epoch)

    def hand(self, work: Literal["bench", "stand"]) -> Child:
        """A locked child on the CPU that may also read the packages that exports need.

        Args:
            work: ``bench`` leads a network, ``stand`` runs exported files.

        Raises:
            IsolationError: none can be had.
        """
        kept: Withheld = "training" if work == "bench" else "nothing"  # a stand quantises with training inputs
        return self._child("cpu", self._limits.train_seconds, work, PACKAGES, withheld=kept)

    def _trial(self, cap_seconds: float = CAP_SECONDS, place: Place | None = None) -> Trial:
        return self._made(partial(Trial, place=place or by_itself()), cap_seconds)

    def _made(self, kind: Callable[..., T], cap_seconds: float = CAP_SECONDS, withheld: Withheld = "validation") -> T:
        limits, device, precision = self._limits, self.device, self.precision
        if not self._idle_known:
            _ = self.isolation  # waits: while the isolated process starts, the machine is not idle
            watch_idle(self.meter)
            self._idle_known = True
        another = partial(self._child, device, limits.train_seconds, withheld=withheld)
        child, started = another(), time.monotonic()
        return kind(
            child=child,
            another=another,
            heir=lambda withheld: another(withheld=withheld),
            hidden=self._arrays.hidden,
            dataset=self._dataset,
            meter=self.meter,
            epochs=self._recipe.epochs,
            check_until=started + min(limits.check_seconds, limits.train_seconds),
            score_seconds=limits.check_seconds,
            deadline=started + limits.train_seconds,
            stall_seconds=limits.stall_seconds,
            weights_limit=limits.weights_bytes,
            export=self._command is not None,
            zero_cost=self._zero_cost,
            cap_seconds=cap_seconds,
            precision=precision,
            record=device == "cuda",
        )

    def _completed(self, trial: Trial, trained: Trained) -> Trained:
        """With the device's figures, if there is a command and the candidate came so far."""
        if self._command is None or trial.exported is None:
            return trained
        with trial.place.turn():
            measured = on_device(trained.measurement, self._command, trial.exported, self._dataset.task)
            return replace(trained, measurement=measured)

    def _child(
        self,
        device: str,
        seconds: float,
        work: Literal["bench", "stand", "cuda"] = "bench",
        packages: tuple[str, ...] = (),
        *,
        withheld: Withheld = "validation",
    ) -> Child:
        cuda = device == "cuda"
        policy = self._limits.policy(seconds, self.threads, cuda=cuda, packages=packages)
        watched = self._limits.memory_bytes if cuda else None
        return self._shelter.child(Job(policy, device, self.threads, watched, work, withheld=withheld))

    def _supplies(self) -> Mapping[str, object]:
        dataset = self._dataset
        return {
            "task": asdict(dataset.task),
            "recipe": asdict(self._recipe),
            "arrays": self._arrays.described(),
            "mean": dataset.mean,
            "std": dataset.std,
            "flip": dataset.flip,
        }
