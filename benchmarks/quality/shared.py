"""Evaluations that the searches of one task and seed share: a network is trained once, whoever proposes it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.quality.trace import Evaluation
from benchmarks.result import revision

_OF_THE_MOMENT = frozenset({"TIMED_OUT", "CRASHED", "OUT_OF_MEMORY"})
"""Failures that may not come again."""


@dataclass(frozen=True)
class Shared:
    """A folder of them.

    Attributes:
        folder: where those of one task, recipe and seed lie.
        revision: of the code; what another one came to is not taken over.
    """

    folder: Path
    revision: str = field(default_factory=revision)

    @property
    def certain(self) -> bool:
        """Whether the revision says what the code is; where the tree has changes beside it, nothing is shared."""
        return bool(self.revision) and not self.revision.endswith("+")

    def find(self, source: str) -> Evaluation | None:
        """What came of a network, if it was evaluated; its ``seconds`` are those that this took."""
        path = self._path(source)
        if not self.certain:
            return None
        return Evaluation(**json.loads(path.read_text())) if path.is_file() else None

    def keep(self, source: str, evaluation: Evaluation) -> None:
        """Keep what came of a network; its ``seconds`` are those that this took."""
        if not self.certain or evaluation.note in _OF_THE_MOMENT:
            return
        path = self._path(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}.{os.getpid()}.part")
        part.write_text(json.dumps(asdict(evaluation)))
        part.replace(path)

    def _path(self, source: str) -> Path:
        digest = hashlib.sha256(f"{self.revision} {source}".encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"
