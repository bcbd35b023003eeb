"""A network of a run as a folder to deploy: chosen, exported, checked, and written with all that its user needs."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lemonade_es.engine.final.origin import network_of
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.artifacts import UNFINISHED, write_file
from lemonade_es.engine.history.events import RunStarted
from lemonade_es.engine.history.finalized import Finalized, trainings
from lemonade_es.engine.history.journal import Entry, started
from lemonade_es.engine.record import current_spec, is_foreign
from lemonade_es.engine.run_data import same_data
from lemonade_es.engine.spec import NOT_MOVED, Whereabouts
from lemonade_es.errors import ConfigError
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.export.delivery import Delivery, Exported, Format
from lemonade_es.trainer.export.description import (
    LABELS_FILE,
    VOCABULARY_FILE,
    checked,
    described,
    labels_file,
    vocabulary_file,
)
from lemonade_es.trainer.export.example import infer_file
from lemonade_es.trainer.export.form import FORMS, demand_possible
from lemonade_es.trainer.export.header import header_file
from lemonade_es.trainer.isolation.level import Wish
from lemonade_es.trainer.isolation.protocol import manifest
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.measurement import Failure
from lemonade_es.trainer.weights import Weights
from lemonade_es.trainer.workshop import Workshop
from lemonade_es.wording import counted

ABOUT_FILE = "model.json"
_MARK = "lemonade_es_export"
_VERSION = 1
_SEEN = "the final training saw the validation inputs: the accuracies compare files, and say nothing of new inputs"

Which = Literal["best", "final"]


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """What a user says of an export.

    Attributes:
        wanted: the kind of file.
        iteration: whose network; ``None`` takes what ``which`` says.
        which: ``best`` is the search's, ``final`` that of the last ``lemonade-es finalize``; ``None`` takes the final
            one if there is one and no iteration is named.
        number: with ``final``, which of the trainings, counted from 1 as they were done; ``None`` is the last one.
        out_dir: where the folder goes; ``None`` is below the run's.
        whereabouts: where the run's data are now.
        isolation: the level that the network's code runs at.
        container_image: for the level ``container``.
        unsafe_no_isolation: run generated code even where it cannot be isolated.
    """

    wanted: Format
    iteration: int | None = None
    which: Which | None = None
    number: int | None = None
    out_dir: Path | None = None
    whereabouts: Whereabouts = NOT_MOVED
    isolation: Wish = "auto"
    container_image: str | None = None
    unsafe_no_isolation: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The network to deploy.

    Attributes:
        run: whose it is.
        which: where it comes from: an iteration of the search, or the final training.
        iteration: of the search, whose network it is.
        source: its code.
        weights: of its training.
        recorded_accuracy: on the validation set when it was trained; ``None`` if it was trained on that.
        number: of the final training, if the user chose it by that.
    """

    run: str
    which: Which
    iteration: int
    source: str
    weights: Weights
    recorded_accuracy: float | None
    number: int | None = None

    @property
    def weights_name(self) -> str:
        """As ``--weights`` names them."""
        return self.which if self.number is None else f"{self.which}-{self.number}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A folder that is ready.

    Attributes:
        folder: where it lies.
        chosen: the network in it.
        about: what ``model.json`` says.
    """

    folder: Path
    chosen: Chosen
    about: Mapping[str, Any]


def deploy(name: str, folder: RunFolder, wishes: DeploymentSpec, progress: Progress | None) -> Deployment | Failure:
    """Exports a network of a run, or says why its file cannot be trusted; then nothing is written.

    Args:
        name: the run's id, its beginning, or ``latest``.
        folder: where it lies.
        wishes: what to export, and where to.
        progress: told how far a download is.

    Raises:
        LemonadeError: there is no such run or network, its data changed, a package is missing, or the folder cannot
            be written.
    """
    demand_possible(wishes.wanted.form, int8=wishes.wanted.int8)
    entries = folder.entries(name)
    run = entries[0].run
    chosen = _chosen(run, entries, folder, wishes)
    place = wishes.out_dir or folder.path / run / "export" / _place(chosen, wishes.wanted)
    old = _files_of_before(place)
    spec = current_spec(entries).relocated(wishes.whereabouts)
    begun = started(entries)
    dataset = same_data(spec, begun, progress)
    exported = _exported(dataset, begun, chosen, wishes, foreign=is_foreign(entries))
    if isinstance(exported, Failure):
        return exported
    files = _files(dataset, exported, chosen)
    about = _about(dataset, exported, chosen, files)
    for gone in old - {*files, ABOUT_FILE}:
        with suppress(OSError):
            (place / gone).unlink()
    # the list comes first: where the rest is broken off, it tells the next export what may be written over
    listed = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # what is no text in the name of the data is escaped, as JSON has it
    write_file(place / ABOUT_FILE, listed.encode("utf-8", "backslashreplace"), option="--out-dir")
    for file, content in files.items():
        write_file(place / file, content, option="--out-dir")
    return Deployment(place, chosen, about)


def _chosen(run: str, entries: tuple[Entry, ...], folder: RunFolder, wishes: DeploymentSpec) -> Chosen:
    finals = [event for entry in entries if isinstance(event := entry.event, Finalized)]
    number = wishes.number
    which = wishes.which or ("final" if finals and wishes.iteration is None else "best")
    if which == "best":
        return _of_search(entries, folder, wishes.iteration)
    if wishes.iteration is not None:
        raise ConfigError(
            "an iteration has the search's weights",
            where="--weights final" if number is None else f"--weights final-{number}",
            hint="leave one of the two out",
        )
    if not finals:
        raise ConfigError(
            "the run has no final training",
            where=f"run {run}",
            hint=f"train it with `{folder.command('finalize', run)}`, or choose --weights best",
        )
    final = finals[-1] if number is None else _numbered(finals, number)
    source, weights = _read(folder, final.source, final.weights)
    accuracy = final.measurement.metrics.get("V_Acc") if final.held_out else None
    return Chosen(run, "final", final.iteration, source, weights, accuracy, number)


def _numbered(finals: Sequence[Finalized], number: int) -> Finalized:
    """The N-th final training of a run.

    Raises:
        ConfigError: there are not so many.
    """
    done = list(trainings(finals).values())
    if number <= len(done):
        return done[number - 1]
    listed = "; ".join(
        f"final-{at}: iteration {final.iteration}, {counted(final.recipe.epochs, 'epoch')}, seed {final.seed}"
        for at, final in enumerate(done, 1)
    )
    raise ConfigError(
        f"the run has {counted(len(done), 'final training')}",
        where=f"--weights final-{number}",
        hint=f"there is {listed}",
    )


def _read(folder: RunFolder, source: str, weights: str) -> tuple[str, Weights]:
    """Source and weights by their artifacts' names, each the one that its name says.

    Raises:
        StoreError: one is missing, changed or damaged.
    """
    content = folder.artifacts.read(weights)
    where = str(folder.artifacts.path(weights))
    return folder.artifacts.read(source).decode(), Weights(where, content, manifest(content))


def _of_search(entries: tuple[Entry, ...], folder: RunFolder, iteration: int | None) -> Chosen:
    origin = network_of(entries, iteration)
    accepted, measured, ended = origin.accepted, origin.measured, origin.ended
    if measured is None or measured.weights is None:
        outcome = "the search was broken off there" if ended is None else ended.outcome
        raise ConfigError(
            f"iteration {accepted.iteration} gave no trained network: {outcome}",
            where=f"run {origin.run}",
            hint="choose another --iteration, or leave it out",
        )
    source, weights = _read(folder, accepted.source, measured.weights)
    accuracy = measured.measurement.metrics.get("V_Acc")  # of these weights, and no mean over several trainings
    return Chosen(origin.run, "best", accepted.iteration, source, weights, accuracy)


def _place(chosen: Chosen, wanted: Format) -> str:
    source = chosen.weights_name if chosen.which == "final" else f"iteration-{chosen.iteration}"
    return f"{source}-{wanted.form}{'-int8' if wanted.int8 else ''}"


def _files_of_before(place: Path) -> set[str]:
    """The files that an earlier export left in a folder.

    Raises:
        ConfigError: there is something else in it.
    """
    try:
        names = {path.name for path in place.iterdir()}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise ConfigError(f"it cannot be used: {error.strerror}", where=str(place), hint="choose --out-dir") from None
    broken_off = {name for name in names if re.fullmatch(rf"{re.escape(UNFINISHED)}[a-z0-9_]{{8}}", name)}
    found = names - broken_off
    if not found:
        return broken_off
    with suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads((place / ABOUT_FILE).read_text(encoding="utf-8"))
        if about[_MARK] == _VERSION and found <= {*about["files"], ABOUT_FILE, "__pycache__"}:
            return {str(name) for name in about["files"]} & found | broken_off
    raise ConfigError("there are other files in it", where=str(place), hint="choose an empty folder with --out-dir")


def _exported(
    dataset: Dataset, begun: RunStarted, chosen: Chosen, wishes: DeploymentSpec, *, foreign: bool
) -> Exported | Failure:
    limits = Limits()
    with Workshop(
        dataset,
        begun.recipe,
        device="cpu",
        limits=limits,
        foreign=foreign,
        unsafe_no_isolation=wishes.unsafe_no_isolation,
        isolation=wishes.isolation,
        container_image=wishes.container_image,
    ) as workshop:
        return Delivery(
            open=workshop.hand,
            dataset=dataset,
            source=chosen.source,
            weights=chosen.weights,
            wanted=wishes.wanted,
            deadline=time.monotonic() + limits.train_seconds,
            stall_seconds=limits.stall_seconds,
        ).run()


def _files(dataset: Dataset, exported: Exported, chosen: Chosen) -> dict[str, bytes]:
    form, task = exported.wanted.form, dataset.task
    files = {
        FORMS[form].file: exported.content,
        "model.py": chosen.source.encode() if form == "source" else None,
        LABELS_FILE: labels_file(dataset),
        VOCABULARY_FILE: vocabulary_file(dataset),
        "model.h": header_file(dataset, exported),
        "infer.py": infer_file(form, task.kind, task.objective, exported.making),
    }
    return {name: content for name, content in files.items() if content is not None}


def _about(dataset: Dataset, exported: Exported, chosen: Chosen, files: Mapping[str, bytes]) -> Mapping[str, Any]:
    return {
        _MARK: _VERSION,
        "run": chosen.run,
        "weights": chosen.weights_name,
        "iteration": chosen.iteration,
        **described(dataset, exported),
        "check": {
            **checked(exported),
            "accuracy_means": dataset.task.accuracy,
            "recorded_accuracy": chosen.recorded_accuracy,
            "note": _SEEN if chosen.which == "final" and chosen.recorded_accuracy is None else None,
        },
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
