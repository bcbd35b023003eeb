"""Weights learned from recorded runs: a Bayesian estimate of each rule's effect, with the book's weight as its prior.

The model is linear. A step's gain in CM, in standard deviations of all gains, is what the rules carried out in it add
up to, and noise of one standard deviation::

    gain = constant + sum over rules (share carried out x effect) + noise

Before anything is seen, a rule's effect is its weight in the book, give or take ``doubt``: in the mean of all steps
the book is right, and what is learned is by how much rules differ from what it says. With no evidence a weight
stays as it is; with little, it moves little.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lemonade_es.engine.events import Advised
from lemonade_es.engine.journal import Entry
from lemonade_es.engine.record import rulebook_at
from lemonade_es.engine.worth.step import CM, Step, steps
from lemonade_es.errors import ConfigError, StoreError
from lemonade_es.rules.rulebook import Rulebook

DOUBT = 0.5
"""How far a rule's effect may be from its weight before anything is seen: one standard deviation."""

LEAST_STEPS = 10
"""With fewer steps there is next to nothing to learn from."""

_LEAST_FACTOR, _MOST_FACTOR = 0.1, 3.0
_FLAT = 1e-6  # next to no prior for the constant


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of one rule.

    Attributes:
        rule: its id.
        steps: in how many its advice was carried out, at least in part.
        weight: what it had in the mean of these, under the users' priorities.
        effect: the estimate of what it should have had.
        low: the lower end of the estimate's 95 % interval.
        high: the upper end.
        factor: by what its weight is to be multiplied: effect / weight, within 0.1 and 3, to two digits.
    """

    rule: str
    steps: int
    weight: float
    effect: float
    low: float
    high: float
    factor: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was learned of a rulebook.

    Attributes:
        rules: those whose advice was carried out at least once, in the rulebook's order.
        runs: how many runs.
        steps: how many of their steps have a gain.
        failures: how many of these could not be trained, and count as the worst gain there was.
        spread: the standard deviation of the gains in CM.
    """

    rules: tuple[Learned, ...]
    runs: int
    steps: int
    failures: int
    spread: float

    def to_json(self) -> dict[str, Any]:
        """What was learned as JSON data."""
        return asdict(self)


def advising_rulebook(runs: Sequence[Sequence[Entry]]) -> Rulebook:
    """The one rulebook that advised in all runs, as their journals hold it.

    Raises:
        ConfigError: there were several.
    """
    digests = {
        entry.event.rulebook: entry.run for entries in runs for entry in entries if isinstance(entry.event, Advised)
    }
    if len(digests) > 1:
        several = ", ".join(f"{run} ({digest[:8]})" for digest, run in digests.items())
        raise ConfigError(
            f"{len(digests)} different rulebooks advised in these runs: {several}",
            hint="give runs of one rulebook; `lemonade-es runs show RUN` names it",
        )
    return rulebook_at(tuple(runs[0]), sys.maxsize)


def tune(rulebook: Rulebook, runs: Iterable[Sequence[Entry]], *, doubt: float = DOUBT) -> Tuning:
    """Learn how the weights of a rulebook should be from what became of its advice.

    Args:
        rulebook: the one that advised in the runs.
        runs: their events.
        doubt: the standard deviation of the prior.

    Raises:
        StoreError: there are too few steps, or all gains are the same.
    """
    recorded = list(runs)
    taken = [step for entries in recorded for step in steps(entries)]
    known = [gain for step in taken if (gain := step.gain(CM)) is not None]
    if len(known) < LEAST_STEPS:
        raise StoreError(
            f"{len(known)} step(s) with a gain in CM are too few to learn from",
            hint=f"give runs with {LEAST_STEPS} or more between them",
        )
    worst = min(known)
    failures = [step for step in taken if step.failed and step.before.get(CM) is not None]
    used = [step for step in taken if step.failed or step.gain(CM) is not None]
    used = [step for step in used if step.before.get(CM) is not None]
    gains = np.array([worst if (gain := step.gain(CM)) is None else gain for step in used])
    spread = float(gains.std())
    if spread == 0.0:
        raise StoreError("all steps have the same gain in CM: nothing can be learned", hint="give other runs")
    names = [rule.id for rule in rulebook.rules if any(step.share(rule.id) > 0 for step in used)]
    return Tuning(
        rules=_learned(names, used, (gains - gains.mean()) / spread, doubt),
        runs=len(recorded),
        steps=len(used),
        failures=len(failures),
        spread=spread,
    )


def _learned(
    names: Sequence[str], used: Sequence[Step], gains: np.ndarray[Any, np.dtype[np.float64]], doubt: float
) -> tuple[Learned, ...]:
    if not names:
        return ()
    shares = np.array([[step.share(name) for name in names] for step in used])
    weights = np.array([_mean_weight(name, used) for name in names])
    design = np.hstack([np.ones((len(used), 1)), shares])
    expected = shares @ weights
    surprise = gains - (expected - expected.mean())
    precision = design.T @ design + np.diag([_FLAT, *[doubt**-2] * len(names)])
    covariance = np.linalg.inv(precision)
    effects = weights + (covariance @ design.T @ surprise)[1:]
    reach = 1.96 * np.sqrt(np.diag(covariance)[1:])
    return tuple(
        Learned(
            rule=name,
            steps=int((shares[:, column] > 0).sum()),
            weight=float(weights[column]),
            effect=float(effects[column]),
            low=float(effects[column] - reach[column]),
            high=float(effects[column] + reach[column]),
            factor=_factor(float(effects[column] / weights[column])),
        )
        for column, name in enumerate(names)
    )


def _mean_weight(rule: str, used: Sequence[Step]) -> float:
    found = [part.weight for step in used for part in step.advising if part.rule == rule and part.carried_out > 0]
    return float(np.mean(found))


def _factor(ratio: float) -> float:
    return float(f"{min(max(ratio, _LEAST_FACTOR), _MOST_FACTOR):.2g}")
