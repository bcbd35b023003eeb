"""Weights learned from recorded runs: a Bayesian estimate of each rule's effect, with the book's weight as its prior.

The model is linear. A step's gain in CM, in standard deviations of all gains, is what the rules carried out in it add
up to, and noise of one standard deviation::

    gain = constant + sum over rules (share carried out x effect) + noise

Before anything is seen, a rule's effect is its weight in the book, give or take ``doubt``: in the mean of all steps
the book is right, and what is learned is by how much rules differ from what it says. With no evidence a weight
stays as it is; with little, it moves little.

Where other rules speak against an instruction with a negative weight, the effect is what they leave of the weight, and
it is that remainder that grows or shrinks: a weight of 4.25 against one of -4 stays above 4.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.record import rulebook_at
from lemonade_es.engine.worth.step import CM, Step, completed, steps
from lemonade_es.errors import ConfigError, StoreError
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.wording import counted

Vector = np.ndarray[Any, np.dtype[np.float64]]

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
        net: what rules of negative weight left of that.
        effect: the estimate of what should have been left.
        low: the lower end of the estimate's 95 % interval.
        high: the upper end.
        factor: by what its weight is to be multiplied, so that ``effect`` is left, within 0.1 and 3 times ``net``.
    """

    rule: str
    steps: int
    weight: float
    net: float
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
        pruned: how many of the steps led to a network that was stopped as hopeless, and count as
            :func:`lemonade_es.engine.worth.step.completed` says.
    """

    rules: tuple[Learned, ...]
    runs: int
    steps: int
    failures: int
    spread: float
    pruned: int = 0

    def to_json(self) -> dict[str, Any]:
        """What was learned as JSON data."""
        return asdict(self)


def advising_rulebook(runs: Sequence[Sequence[Entry]]) -> Rulebook:
    """The one rulebook that advised in all runs, as their journals hold it.

    Raises:
        ConfigError: there were several.
        StoreError: none did.
    """
    advised = {
        entry.event.rulebook: (entries, entry.event.iteration)
        for entries in runs
        for entry in entries
        if isinstance(entry.event, Advised)
    }
    if not advised:
        raise StoreError("no rulebook advised in these runs", hint="give runs of two iterations or more")
    if len(advised) > 1 and len(runs) == 1:
        raise ConfigError(
            f"the rulebook was changed {counted(len(advised) - 1, 'time')} while run {runs[0][0].run} went on",
            hint="weights are learned from the advice of one rulebook: give a run that it was not changed in",
        )
    if len(advised) > 1:
        several = ", ".join(f"{entries[0].run} ({digest[:8]})" for digest, (entries, _) in advised.items())
        raise ConfigError(
            f"{len(advised)} different rulebooks advised in these runs: {several}",
            hint="give runs of one rulebook; `lemonade-es runs show RUN` names it",
        )
    ((entries, iteration),) = advised.values()
    return rulebook_at(tuple(entries), iteration)


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
    taken = [step for entries in recorded for step in steps(entries) if step.before.get(CM) is not None]
    measured = sum(step.gain(CM) is not None for step in taken)
    if measured < LEAST_STEPS:
        raise StoreError(
            f"{counted(measured, 'step')} with a gain in CM {'is' if measured == 1 else 'are'} too few to learn from",
            hint=f"give runs with {LEAST_STEPS} or more between them",
        )
    told = [(step, step.gain(CM)) for step in completed(taken) if step.failed or step.gain(CM) is not None]
    known = [gain for _, gain in told if gain is not None]
    used = [step for step, _ in told]
    gains = np.array([min(known) if gain is None else gain for _, gain in told])
    spread = float(gains.std())
    if spread == 0.0:
        raise StoreError("all steps have the same gain in CM: nothing can be learned", hint="give other runs")
    names = [rule.id for rule in rulebook.rules if any(step.share(rule.id) > 0 for step in used)]
    return Tuning(
        rules=_learned([_evidence(name, used, rulebook) for name in names], (gains - gains.mean()) / spread, doubt),
        runs=len(recorded),
        steps=len(used),
        failures=sum(step.failed for step in used),
        spread=spread,
        pruned=sum(step.ceiling is not None for step in used),
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the steps tell of a rule.

    Attributes:
        rule: its id.
        weight: the mean in the steps in which its advice was carried out.
        net: what rules of negative weight left of that.
        sent: for each step, how much of ``net`` was carried out; above 1 where it was heavier then.
    """

    rule: str
    weight: float
    net: float
    sent: Vector

    @property
    def steps(self) -> int:
        """In how many its advice was carried out."""
        return int(np.count_nonzero(self.sent))


def _evidence(rule: str, used: Sequence[Step], rulebook: Rulebook) -> _Evidence:
    parts = [step.part(rule) for step in used]
    # of several weights `max` takes the largest: there is nothing that a negative one could take away
    sums = rulebook.combine == "sum"
    left = [0.0 if part is None else part.weight - part.opposed * sums for part in parts]
    shares = [0.0 if part is None else part.carried_out for part in parts]
    weight = statistics.fmean(part.weight for part in parts if part is not None and part.carried_out)
    net = statistics.fmean(w for w, share in zip(left, shares, strict=True) if share)
    return _Evidence(rule, weight, net, np.array(left) * np.array(shares) / net)


def _learned(rules: Sequence[_Evidence], gains: Vector, doubt: float) -> tuple[Learned, ...]:
    if not rules:
        return ()
    sent = np.column_stack([rule.sent for rule in rules])
    nets = np.array([rule.net for rule in rules])
    design = np.hstack([np.ones((len(gains), 1)), sent])
    expected = sent @ nets
    surprise = gains - (expected - expected.mean())
    precision = design.T @ design + np.diag([_FLAT, *[doubt**-2] * len(rules)])
    covariance = np.linalg.inv(precision)
    effects = nets + (covariance @ design.T @ surprise)[1:]
    reach = 1.96 * np.sqrt(np.diag(covariance)[1:])
    return tuple(
        Learned(
            rule=rule.rule,
            steps=rule.steps,
            weight=rule.weight,
            net=rule.net,
            effect=float(effect),
            low=float(effect - far),
            high=float(effect + far),
            factor=_factor(rule, float(effect)),
        )
        for rule, effect, far in zip(rules, effects, reach, strict=True)
    )


def _factor(rule: _Evidence, effect: float) -> float:
    """Two digits say enough, but not where a small remainder of a large weight is meant."""
    wanted = min(max(effect, rule.net * _LEAST_FACTOR), rule.net * _MOST_FACTOR)
    if rule.net == rule.weight:
        return float(f"{wanted / rule.weight:.2g}")
    return float(f"{1 + (wanted - rule.net) / rule.weight:.4g}")
