"""The final training of a run's network: from scratch, on training and validation inputs, then tested once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lemonade_es.engine.final.final_plan import (
    OF_THE_SEARCH,
    FinalResult,
    FinalSpec,
    FinalWatcher,
    Plan,
)
from lemonade_es.engine.final.origin import Origin, network_of
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.checkpoints import FolderCheckpoints
from lemonade_es.engine.history.events import Measured
from lemonade_es.engine.history.finalized import Finalized, OpenedTest, openings, trainings
from lemonade_es.engine.history.journal import Entry, Journal
from lemonade_es.engine.options import MAX_CANDIDATE_SECONDS
from lemonade_es.engine.record import current_spec, is_foreign
from lemonade_es.engine.run_data import reading, same_data
from lemonade_es.engine.spec import RunSpec
from lemonade_es.engine.versions import versions
from lemonade_es.errors import ConfigError, DataError, StoreError
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.merged import FinalData, for_test, merged
from lemonade_es.trainer.data.spec import load_test
from lemonade_es.trainer.isolation.protocol import manifest
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.measurement import Measurement
from lemonade_es.trainer.measuring.examination import Examination, examine
from lemonade_es.trainer.recipe import Recipe, final_recipe, with_epochs, with_overrides
from lemonade_es.trainer.trials.final_trial import Course, Finished, Progress
from lemonade_es.trainer.weights import Weights
from lemonade_es.trainer.workshop import Examined, Workshop

_STALL_SECONDS = 1800.0
_STALL_EPOCHS = 50.0
_TESTED = ("L", "F", "B", "W")
_NO_V_E = "the energy of the test is told in its place"


def finalize(name: str, folder: RunFolder, watcher: FinalWatcher, wishes: FinalSpec) -> FinalResult:
    """Trains a run's network in the end and tests it, or says what came of it when that was done before.

    A training that was broken off goes on at its last checkpoint; with ``anew``, one that was begun so.

    Args:
        name: the run's id, its beginning, or ``latest``.
        folder: where it lies.
        watcher: is told how far it is.
        wishes: what the user says of it.

    Raises:
        LemonadeError: there is no such run or network, its data changed, or nothing can be written.
    """
    with closing(folder.journal(create=False)) as journal:
        run = journal.find(name)
        with folder.held(run):
            entries = journal.read(run)
            origin = network_of(entries, wishes.iteration)
            spec = current_spec(entries).relocated(wishes.whereabouts)
            session = _Session(folder, journal, entries, origin, spec, wishes, watcher)
            return session.result()


@dataclass(frozen=True, slots=True)
class _Done:
    """A training that came to its end, and what it ran on."""

    finished: Finished
    device: str
    isolation: str
    isolation_reason: str
    meter: str


@dataclass(frozen=True, slots=True)
class _Session:
    """One call of the command: the network is chosen, the run is held."""

    folder: RunFolder
    journal: Journal
    entries: tuple[Entry, ...]
    origin: Origin
    spec: RunSpec
    wishes: FinalSpec
    watcher: FinalWatcher

    def result(self) -> FinalResult:
        """Train, test, record; or tell what was recorded before."""
        recipe, training = self._recipe(), self._training()
        finals = [entry.event for entry in self.entries if isinstance(entry.event, Finalized)]
        known = [final for final in finals if final.training == training]
        checkpoints = self.folder.checkpoints(self.origin.run, training)
        over = self.wishes.anew and not _begun_anew(checkpoints, known)
        if not self.wishes.anew and known and not _broken_off(checkpoints.progress(), known[-1]):
            checkpoints.forget()
            return FinalResult(self.origin, known[-1], None, fresh=False, recipe=recipe, number=self._number)
        dataset = same_data(self.spec, self.origin.begun, self.watcher.fetching)
        examination = self._test(dataset)  # read now: what is wrong with it should not wait for the training's end
        data = merged(dataset, hold_out=self.wishes.hold_out)
        checkpoints = replace(checkpoints, anew=self.wishes.anew or checkpoints.begun_anew())
        done = self._trained(data, recipe, checkpoints, dataset.test_count, over=over)
        weights = done.finished.trained.weights
        if (failure := done.finished.trained.measurement.failure) is not None or weights is None:
            if known:  # else each later call would take up what failed, and not tell what is known
                checkpoints.forget()
            checkpoints.failed()
            return FinalResult(self.origin, None, failure, fresh=True, recipe=recipe)
        examined = self._examined(examination, recipe, weights)
        if (failure := examined.trained.measurement.failure) is not None or examined.outputs is None:
            checkpoints.failed()
            return FinalResult(self.origin, None, failure, fresh=True, recipe=recipe)
        test = examine(examined.outputs, examination.validation_labels, dataset.class_names, dataset.target)
        final = self._finalized(data, recipe, done, examined, test)
        self.journal.append(self.origin.run, len(self.entries) + 1, final)
        checkpoints.forget()
        return FinalResult(self.origin, final, None, fresh=True, recipe=recipe, number=self._number)

    def _trained(
        self, data: FinalData, recipe: Recipe, checkpoints: FolderCheckpoints, tested_on: int, *, over: bool
    ) -> _Done:
        with self._workshop(data.dataset, recipe) as workshop:
            device, isolation = workshop.device, workshop.isolation  # may be refused: nothing is taken away before that
            if over:
                checkpoints.forget()
            before = checkpoints.progress()
            _demand_device(before, device, checkpoints)
            self.watcher.begin(
                Plan(
                    self.origin,
                    recipe,
                    trained_on=len(data.dataset.train_labels),
                    held_out=data.held_out,
                    tested_on=tested_on,
                    done=0 if before is None else len(before.epochs),
                    device=device,
                    isolation=isolation,
                    isolation_reason=workshop.isolation_reason,
                )
            )
            finished = workshop.finish(
                self._source,
                Course(checkpoints, data.probe, self.wishes.save_seconds, self.watcher.point, self.watcher.saved),
                seed=self._seed,
                on_epoch=lambda number, epoch: self.watcher.epoch(number + 1, epoch),
            )
            return _Done(
                finished,
                device=device,
                isolation=isolation,
                isolation_reason=workshop.isolation_reason,
                meter=workshop.meter.describe(),
            )

    def _examined(self, examination: Dataset, recipe: Recipe, weights: bytes) -> Examined:
        """What the network answers to the test split, which is recorded as opened before it is."""
        self.watcher.testing()
        with self._workshop(examination, recipe) as workshop:
            opened = OpenedTest(self.origin.accepted.iteration, self._training())
            self.journal.append(self.origin.run, len(self.entries), opened)
            given = Weights("the trained network", weights, manifest(weights))
            return workshop.examine(self._source, given, seed=self._seed)

    def _finalized(
        self, data: FinalData, recipe: Recipe, done: _Done, examined: Examined, test: Examination
    ) -> Finalized:
        """The record of a training that was tested; its weights are an artifact from here on."""
        dataset, weights = data.dataset, done.finished.trained.weights
        assert weights is not None  # noqa: S101  (without any, nothing is tested)
        return Finalized(
            iteration=self.origin.accepted.iteration,
            training=self._training(),
            recipe=recipe,
            seed=self._seed,
            source=self.origin.accepted.source,
            weights=self.folder.artifacts.put(weights, ".safetensors"),
            trained_on=len(dataset.train_labels),
            held_out=data.held_out,
            measurement=_joined(done.finished, examined),
            points=done.finished.points,
            test=test,
            tested_before=openings(entry.event for entry in self.entries),
            taken_up=done.finished.taken_up,
            isolation=done.isolation,
            isolation_reason=done.isolation_reason,
            device=done.device,
            energy=done.meter,
            versions=versions(),
            mirrored=recipe.flip and dataset.flip,
            mean=dataset.mean,
            std=dataset.std,
            target_scale=None if dataset.target is None else (dataset.target.mean, dataset.target.std),
        )

    @property
    def _source(self) -> str:
        return self.folder.artifacts.read(self.origin.accepted.source).decode()

    @property
    def _seed(self) -> int:
        return self.spec.seed if self.wishes.seed is None else self.wishes.seed

    def _recipe(self) -> Recipe:
        """The shipped recipe, then what the run changed in its own, then what the user says now."""
        recipe = final_recipe(self.origin.begun.data.task.kind)
        kept = {name: value for name, value in self.spec.recipe.items() if name not in OF_THE_SEARCH}
        recipe = with_overrides(recipe, kept, where=f"recipe of run {self.origin.run}")
        return with_epochs(recipe, self.wishes.recipe, self.wishes.epochs, where="--recipe")

    def _training(self) -> str:
        """The digest of all that determines the training."""
        parts = {
            "source": self.origin.accepted.source,
            "data": self.origin.begun.data.fingerprint,
            "recipe": asdict(self._recipe()),
            "seed": self._seed,
            "hold_out": self.wishes.hold_out,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def _number(self) -> int:
        """Of this training among those of the run."""
        before = list(trainings(entry.event for entry in self.entries))
        training = self._training()
        return before.index(training) + 1 if training in before else len(before) + 1

    def _test(self, dataset: Dataset) -> Dataset:
        """The data set with its test split in the place of validation.

        Raises:
            DataError: there is no test split.
        """
        spec = self.spec
        if dataset.test_count == 0:
            raise DataError("the data have no test split", where=spec.data, hint="give them a folder `test`")
        inputs, labels = load_test(
            spec.data,
            dataset.task,
            limit=spec.limit,
            seed=spec.seed,
            root=Path(spec.data_root),
            reading=reading(spec, self.origin.begun.data),
        )
        return for_test(dataset, inputs, labels)

    def _workshop(self, dataset: Dataset, recipe: Recipe) -> Workshop:
        wishes = self.wishes
        epochs = [event.measurement.epochs for entry in self.entries if isinstance(event := entry.event, Measured)]
        slowest = max((epoch.seconds for told in epochs for epoch in told), default=0.0)
        stall_seconds = max(_STALL_SECONDS, _STALL_EPOCHS * slowest)
        return Workshop(
            dataset,
            recipe,
            device=wishes.device,
            limits=Limits(train_seconds=MAX_CANDIDATE_SECONDS, stall_seconds=stall_seconds),
            foreign=is_foreign(self.entries),
            unsafe_no_isolation=wishes.unsafe_no_isolation,
            isolation=wishes.isolation,
            container_image=wishes.container_image,
        )


def _begun_anew(checkpoints: FolderCheckpoints, known: Sequence[Finalized]) -> bool:
    """Whether there is a checkpoint of a training with ``--anew`` that was broken off: the same words go on there."""
    try:
        found = checkpoints.load()
    except StoreError:  # as it says: --anew trains from the beginning
        return False
    return found is not None and checkpoints.begun_anew() and (not known or _broken_off(found[0], known[-1]))


def _broken_off(progress: Progress | None, last: Finalized) -> bool:
    """Whether a checkpoint is of a training with ``--anew``, and not of the one that was recorded last."""
    return progress is not None and progress.epochs != last.measurement.epochs


def _demand_device(before: Progress | None, device: str, checkpoints: FolderCheckpoints) -> None:
    if before is not None and before.device != device:
        way = "remove this folder" if checkpoints.anew else "--anew"  # which goes on with what it began itself
        raise ConfigError(
            f"the checkpoint is of a training on {before.device}, and this would go on on {device}",
            where=str(checkpoints.path),
            hint=f"use --device {before.device}, or {way} to train from the beginning",
        )


def _joined(finished: Finished, examined: Examined) -> Measurement:
    """One measurement of training and test."""
    trained, tested = finished.trained.measurement, examined.trained.measurement
    metrics = dict(trained.metrics) | {name: tested.metrics.get(name) for name in _TESTED}
    absent = dict(trained.absent) | {"V_E": _NO_V_E}
    for name in _TESTED:
        absent.pop(name, None)
        if metrics[name] is None:
            absent[name] = tested.absent.get(name, "it was not measured")
    energies = {
        "training": trained.energy.get("training"),
        "test": tested.energy.get("validation"),
        "inference": tested.energy.get("inference"),
    }
    return replace(
        trained,
        metrics=metrics,
        absent=absent,
        energy={phase: energy for phase, energy in energies.items() if energy is not None},
        latency=tested.latency,
        measuring_seconds=trained.measuring_seconds + tested.measuring_seconds,
    )
