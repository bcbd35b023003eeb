"""What one search left behind: its evaluations in their order."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Objectives = tuple[float, float, float]
"""Validation accuracy, size in MB, frames per second at batch size 1."""


@dataclass(frozen=True)
class Evaluation:
    """One network that was tried.

    Attributes:
        V_Acc: validation accuracy; ``None`` if it could not be built or trained.
        test: test accuracy, of networks that led when they came; ``None`` for others.
        S: MB.
        F: frames per second at batch size 1.
        V_E: kWh-PUE of evaluating the validation set.
        seconds: since the search began, at the evaluation's end.
        note: why there is no accuracy.
        taken_over: whether another search with the same seed had it trained.
    """

    V_Acc: float | None
    test: float | None
    S: float | None
    F: float | None
    V_E: float | None
    seconds: float
    note: str = ""
    taken_over: bool = False


@dataclass(frozen=True)
class SearchTrace:
    """One search by one contender.

    Attributes:
        task: its name.
        contender: its name.
        seed: of everything.
        revision: the commit that ran it.
        evaluations: in their order.
        cpu: the kind of processor; empty in traces of old, which do not say.
    """

    task: str
    contender: str
    seed: int
    revision: str
    evaluations: tuple[Evaluation, ...]
    cpu: str = ""

    def best(self) -> list[float]:
        """The highest validation accuracy after each evaluation; 0 before there is any."""
        found, top = [], 0.0
        for item in self.evaluations:
            top = max(top, item.V_Acc or 0.0)
            found.append(top)
        return found

    def held_out_of_best(self) -> list[float]:
        """The test accuracy of the network with the highest validation accuracy, after each evaluation."""
        found, top, test = [], -1.0, 0.0
        for item in self.evaluations:
            if item.V_Acc is not None and item.V_Acc > top:
                top, test = item.V_Acc, item.test or 0.0
            found.append(test)
        return found

    def points(self) -> list[Objectives]:
        """What was reached: accuracy, size, speed."""
        return [
            (item.V_Acc, item.S, item.F)
            for item in self.evaluations
            if item.V_Acc is not None and item.S is not None and item.F is not None
        ]


def path_of(folder: Path, task: str, contender: str, seed: int) -> Path:
    """Where a search's trace lies."""
    return folder / task / f"{contender}-{seed}.json"


def write(trace: SearchTrace, path: Path) -> None:
    """Keep a finished search; a broken one leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data: dict[str, Any] = asdict(trace)
    rows = data.pop("evaluations")
    head = json.dumps(data)[1:-1]
    lines = ",\n  ".join(json.dumps({key: _short(value) for key, value in row.items()}) for row in rows)
    part = path.with_suffix(".part")
    part.write_text(f'{{{head}, "evaluations": [\n  {lines}\n]}}\n')
    part.replace(path)


def read(path: Path) -> SearchTrace:
    """A search that was kept."""
    data = json.loads(path.read_text())
    return SearchTrace(**{**data, "evaluations": tuple(Evaluation(**row) for row in data["evaluations"])})


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value
