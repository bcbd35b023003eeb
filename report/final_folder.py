"""The folder of a finished network: source, weights, card, curves, and the record that programs read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lemonade_es.engine.final.final_plan import FinalResult
from lemonade_es.engine.final.origin import Origin
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.artifacts import write_file
from lemonade_es.engine.history.finalized import Finalized, trainings
from lemonade_es.engine.history.journal import Entry, started, to_data
from lemonade_es.report.curves import confusion_csv, curves_csv, curves_png
from lemonade_es.report.model_card import accuracy_told, model_card
from lemonade_es.wording import counted

RECORD = "final.json"

_MEASURED = ("metrics", "absent", "energy", "latency", "epochs", "training_seconds", "precision")


@dataclass(frozen=True, slots=True)
class FinalTraining:
    """A final training of a run, and where it was left.

    Attributes:
        final: its record.
        data: the data set that the network was trained and tested on.
        folder: of the finished network; ``None`` if it is no longer there.
    """

    final: Finalized
    data: str
    folder: Path | None

    def to_json(self) -> dict[str, Any]:
        """The training as JSON data, with the names that ``runs show --json`` documents."""
        final = self.final
        return {
            "iteration": final.iteration,
            "training": final.training,
            "data": self.data,
            "trained_on": final.trained_on,
            "held_out": final.held_out,
            "epochs": final.recipe.epochs,
            "test": {
                "count": final.test.count,
                "accuracy": final.test.accuracy,
                "interval": asdict(final.test.interval),
            },
            "tested_before": final.tested_before,
            "folder": None if self.folder is None else str(self.folder.resolve()),
        }

    @property
    def told(self) -> str:
        """The training on one line."""
        final = self.final
        where = "its folder is gone" if self.folder is None else f"in {self.folder}"
        return (
            f"iteration {final.iteration}, {counted(final.recipe.epochs, 'epoch')} on {final.trained_on:,} inputs of "
            f"{self.data}: test accuracy {accuracy_told(final)}, {final.test.count:,} inputs; {where}"
        )


def final_trainings(entries: Sequence[Entry], folder: RunFolder) -> tuple[FinalTraining, ...]:
    """The final trainings of a run that were tested, in the order in which they were first done.

    Args:
        entries: the run's journal.
        folder: where the run lies.
    """
    found = trainings(entry.event for entry in entries)
    if not found:
        return ()
    run, data = entries[0].run, started(tuple(entries)).data.task.data
    places = {held: path for path in sorted((folder.path / run).glob("final*")) if (held := _held(path)) is not None}
    return tuple(FinalTraining(final, data, places.get(training)) for training, final in found.items())


def leave_final(result: FinalResult, folder: RunFolder) -> Path | None:
    """Puts a finished network where a person finds it; all of it follows from the journal and its artifacts.

    It is ``final`` in the run's folder for the run's first training, ``final-2`` for the second, or the next one that
    holds no other training.

    Args:
        result: of the final training.
        folder: where the run lies.

    Returns:
        The folder, or ``None`` if the training failed.

    Raises:
        StoreError: it cannot be written, or an artifact is missing or damaged.
    """
    final, origin = result.finalized, result.origin
    if final is None:
        return None
    path = _place(folder.path / origin.run, final.training, result.number)
    artifacts = folder.artifacts
    task = origin.begun.data.task
    write_file(path / "model.py", artifacts.read(final.source))
    write_file(path / "weights.safetensors", artifacts.read(final.weights))
    write_file(path / "curves.png", curves_png(final, task))
    write_file(path / "curves.csv", curves_csv(final))
    if (confusion := confusion_csv(final)) is not None:
        write_file(path / "confusion.csv", confusion)
    write_file(path / "model-card.md", model_card(final, origin, folder).encode("utf-8", "backslashreplace"))
    write_file(path / RECORD, (json.dumps(_record(final, origin), allow_nan=False, indent=1) + "\n").encode())
    return path


def final_outcome(result: FinalResult, path: Path | None) -> dict[str, Any]:
    """The result as JSON data, with the names that ``finalize --json`` documents."""
    final, origin = result.finalized, result.origin
    if final is None or path is None:
        return {
            "run": origin.run,
            "iteration": origin.accepted.iteration,
            "trained_now": result.fresh,
            "failure": None if result.failure is None else asdict(result.failure),
            "folder": None,
            "recipe": asdict(result.recipe),
        }
    return {"trained_now": result.fresh, "failure": None, "folder": str(path.resolve()), **_record(final, origin)}


def _record(final: Finalized, origin: Origin) -> dict[str, Any]:
    data = to_data(final)
    measurement, meter = data.pop("measurement"), data.pop("energy")
    return {
        "run": origin.run,
        "data": origin.begun.data.task.data,
        "fingerprint": origin.begun.data.fingerprint,
        **data,
        "meter": meter,
        **{key: measurement[key] for key in _MEASURED},
    }


def _place(run: Path, training: str, number: int) -> Path:
    while True:
        path = run / ("final" if number == 1 else f"final-{number}")
        if _held(path) in (None, training):
            return path
        number += 1


def _held(path: Path) -> str | None:
    """The digest of the training that a folder holds; ``None`` if it is free, or not finished."""
    try:
        held = json.loads((path / RECORD).read_bytes()).get("training")
    except (OSError, ValueError, AttributeError):
        return None
    return held if isinstance(held, str) else None
