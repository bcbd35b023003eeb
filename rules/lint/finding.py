"""What a linter finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lemonade_es.rules.problem import Place

Level = Literal["warning", "note"]
Proof = Literal["proved", "tried"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something doubtful about a rulebook that can be used.

    Attributes:
        level: a warning is most likely a mistake; a note is worth knowing.
        code: a stable word in capitals.
        place: where to look first.
        message: what is doubtful, with an example, and what to do.
        rules: the rules that are involved.
        witness: metrics with which it happens, if it happens somewhere.
        proof: whether it was proved, or only held in every situation that was tried.
    """

    level: Level
    code: str
    place: Place
    message: str
    rules: tuple[str, ...] = ()
    witness: Mapping[str, float] | None = None
    proof: Proof = "proved"

    def __str__(self) -> str:
        """``file:line:col CODE message``."""
        return f"{self.place} {self.code} {self.message}"
