"""A rulebook against recorded runs: which rules would have fired, and which decisions would have been others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lemonade_es.engine.difference import Flipped, Shift, decide, decisions, turned
from lemonade_es.engine.journal import Entry
from lemonade_es.rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class RunReplay:
    """One run under a rulebook.

    Attributes:
        run: its id.
        decisions: how many it has.
        fires: how often each rule would have fired.
        flipped: the decisions that would have been others.
    """

    run: str
    decisions: int
    fires: Mapping[str, int]
    flipped: tuple[Flipped, ...]


@dataclass(frozen=True, slots=True)
class Backtest:
    """A rulebook against runs.

    Attributes:
        rules: all its rules.
        runs: each run.
    """

    rules: tuple[str, ...]
    runs: tuple[RunReplay, ...]

    @property
    def fires(self) -> dict[str, int]:
        """How often each rule would have fired in all runs."""
        return {rule: sum(run.fires.get(rule, 0) for run in self.runs) for rule in self.rules}

    @property
    def never(self) -> tuple[str, ...]:
        """The rules that would never have fired."""
        return tuple(rule for rule, count in self.fires.items() if not count)

    @property
    def decisions(self) -> int:
        """How many decisions there are in all runs."""
        return sum(run.decisions for run in self.runs)

    @property
    def flipped(self) -> tuple[Flipped, ...]:
        """The decisions that would have been others, run by run."""
        return tuple(item for run in self.runs for item in run.flipped)

    def to_json(self) -> dict[str, Any]:
        """The whole as JSON data."""
        return {
            "decisions": self.decisions,
            "fires": self.fires,
            "never_fired": list(self.never),
            "flipped": [item.to_json() for item in self.flipped],
            "runs": [
                {
                    "run": run.run,
                    "decisions": run.decisions,
                    "fires": dict(run.fires),
                    "flipped": [item.iteration for item in run.flipped],
                }
                for run in self.runs
            ],
        }


def backtest(rulebook: Rulebook, runs: Sequence[Sequence[Entry]]) -> Backtest:
    """Put what was measured in recorded runs to a rulebook, under the settings that their users gave.

    Raises:
        StoreError: a run has no beginning.
    """
    return Backtest(tuple(rule.id for rule in rulebook.rules), tuple(_replayed(rulebook, entries) for entries in runs))


def _replayed(rulebook: Rulebook, entries: Sequence[Entry]) -> RunReplay:
    situations = decisions(rulebook, entries)
    fires: Counter[str] = Counter()
    flipped = []
    for situation in situations:
        said = decide(rulebook, situation.facts)
        fires.update(list(said.fired))
        if Shift.between(situation.recorded, said.kept) is not None:
            other_winners = turned(situation.won, said.won)
            flipped.append(Flipped(entries[0].run, situation.iteration, situation.recorded, said.kept, other_winners))
    ordered = {rule.id: fires[rule.id] for rule in rulebook.rules}
    return RunReplay(entries[0].run, len(situations), ordered, tuple(flipped))
