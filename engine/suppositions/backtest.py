"""Rulebooks against recorded runs: which rules would have fired, and which decisions would have been others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lemonade_es.engine.expert.advice import Pairs, Shift, Weights, decide, turned
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.history.journal import Entry, started
from lemonade_es.engine.suppositions.whatif import restated
from lemonade_es.rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts of a recorded decision, as another rulebook would have had them.

    Attributes:
        iteration: the one that carried the instructions out.
        facts: what was measured, under that rulebook's settings and those that the user gave.
        recorded: the instructions that were sent.
        won: the conflicts that were decided then: winner and loser.
    """

    iteration: int
    facts: Facts
    recorded: Weights
    won: Pairs = ()


@dataclass(frozen=True, slots=True)
class Flipped:
    """A recorded decision that would come out otherwise.

    Attributes:
        run: the run.
        iteration: the one that carried the instructions out.
        old: what the old rulebook says, or what was recorded.
        new: what the new one says.
        turned: the conflicts that both decide, but not alike: the instruction that wins now, and the one that won.
    """

    run: str
    iteration: int
    old: Weights
    new: Weights
    turned: Pairs = ()

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON data, with what came, went and changed."""
        shift = Shift.between(self.old, self.new)
        turned = [{"winner": winner, "loser": loser} for winner, loser in self.turned]
        return asdict(self) | {"turned": turned, "shift": None if shift is None else asdict(shift)}


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


def decisions(rulebook: Rulebook, entries: Sequence[Entry]) -> tuple[Situation, ...]:
    """The situations of a run's decisions, in their order.

    Raises:
        StoreError: the run has no beginning.
    """
    spec = started(tuple(entries)).spec
    wishes = spec.settings(rulebook.defaults)
    made = [entry.event for entry in entries if isinstance(entry.event, Advised)]
    return tuple(
        Situation(
            advised.iteration,
            restated(advised.inference.facts, {}, wishes, recorded=True),
            dict(advised.resolution.instructions),
            tuple((item.winner, item.loser) for item in advised.resolution.decisions),
        )
        for advised in made
    )


def flipped(old: Rulebook, new: Rulebook, entries: Sequence[Entry]) -> tuple[Flipped, ...]:
    """The decisions of a run that the two rulebooks would have made differently, on the measured facts."""
    found = []
    for one, other in zip(decisions(old, entries), decisions(new, entries), strict=True):
        ours, theirs = decide(old, one.facts), decide(new, other.facts)
        if Shift.between(ours.kept, theirs.kept) is not None:
            other_winners = turned(ours.won, theirs.won)
            found.append(Flipped(entries[0].run, one.iteration, ours.kept, theirs.kept, other_winners))
    return tuple(found)


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
