"""The folder of a finished network: source, weights, card, curves, and the record that programs read."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lemonade_es.engine.artifacts import write_file
from lemonade_es.engine.final_plan import FinalResult
from lemonade_es.engine.finalized import Finalized
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.journal import to_data
from lemonade_es.engine.origin import Origin
from lemonade_es.report.curves import confusion_csv, curves_csv, curves_png
from lemonade_es.report.model_card import model_card

RECORD = "final.json"

_MEASURED = ("metrics", "absent", "energy", "latency", "epochs", "training_seconds", "precision")


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
        try:
            held = json.loads((path / RECORD).read_bytes()).get("training")
        except (OSError, ValueError, AttributeError):
            held = None  # free, or not finished
        if held in (None, training):
            return path
        number += 1
