"""What a rulebook would advise: for facts that somebody supposes, without a search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lemonade_es.engine.expert.conflicts import Resolution, resolve
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import Inference, compile_rulebook
from lemonade_es.engine.explain import advice_json
from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.metric import normalised
from lemonade_es.errors import ConfigError, StoreError
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import COUNTS, METRICS, NORMALISED, SETTABLE, closest, settings

KEYS = ("facts", "fired", "not_fired", "conclusions", "conflicts", "instructions", "dropped", "surplus")


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a rulebook makes of supposed facts."""

    rulebook: Rulebook
    inference: Inference
    resolution: Resolution

    def to_json(self) -> dict[str, Any]:
        """The advice, with the names that ``explain --json`` has for the same things."""
        data = advice_json(self.inference, self.resolution)
        return {name: data[name] for name in KEYS}


def suppose(rulebook: Rulebook, facts: Facts) -> Supposed:
    """Fire the rules in Experta, and resolve the conflicts."""
    inference = compile_rulebook(rulebook).infer(facts)
    return Supposed(rulebook, inference, resolve(inference, rulebook))


def supposed_facts(
    rulebook: Rulebook, metrics: Mapping[str, float], wishes: Mapping[str, float], recorded: Advised | None = None
) -> Facts:
    """Facts from what somebody supposes.

    Args:
        rulebook: its defaults come before those of the vocabulary.
        metrics: supposed measurements; all others are unknown, or as they were recorded.
        wishes: thresholds and priorities, over the defaults or over the recorded ones.
        recorded: a decision to start from.

    Raises:
        ConfigError: a name is unknown, stands for the other kind, or a value is out of its range.
    """
    for name, value in metrics.items():
        _check_metric(name, value)
    resolved = settings(None, wishes, rulebook.defaults)
    if recorded is None:
        return restated(Facts.of({}, resolved), metrics, {})
    then = recorded.inference.facts
    chosen = {name: value for name, value in then.items() if name in SETTABLE and value is not None}
    wanted = {**resolved, **chosen, **{name: resolved[name] for name in wishes}}
    return restated(then, metrics, wanted, recorded=True)


def restated(
    facts: Mapping[str, float | None],
    metrics: Mapping[str, float | None],
    wishes: Mapping[str, float | None],
    *,
    recorded: bool = False,
) -> Facts:
    """Facts with some metrics and settings changed; normalised metrics follow those that they come from.

    A normalised metric that is given itself stays as given, and so does one that was given another value before.

    Args:
        facts: to start from.
        metrics: other measurements.
        wishes: other settings.
        recorded: whether the facts are a run's. There, another value is a mean over several trainings, which does not
            stay where what it comes from is another one.
    """
    before = {name: value for name, value in facts.items() if name in METRICS}
    after: dict[str, float | None] = {**before, **metrics}
    now = {name: facts[name] for name in facts if name in SETTABLE} | dict(wishes)
    was, is_ = normalised(before, facts), normalised(after, now)
    moved = {name for name, value in {**metrics, **wishes}.items() if facts.get(name) != value}
    for name, sources in NORMALISED.items():
        made = before.get(name) == was[name] or (recorded and not moved.isdisjoint(sources))
        if made and name not in metrics:
            after[name] = is_[name]
    return Facts.of(after, now)


def recorded_decision(entries: Sequence[Entry], iteration: int | None) -> Advised:
    """The decision of an iteration of a run; of the last one that has one, by default.

    Raises:
        StoreError: no rule advised there.
    """
    made = [entry.event for entry in entries if isinstance(entry.event, Advised)]
    chosen = [item for item in made if iteration is None or item.iteration == iteration]
    if not chosen:
        numbers = ", ".join(str(item.iteration) for item in made) or "none"
        said = "no rule has advised yet" if iteration is None else f"iteration {iteration} was not advised by rules"
        raise StoreError(said, where=f"run {entries[0].run}", hint=f"iterations with a decision: {numbers}")
    return chosen[-1]


def _check_metric(name: str, value: float) -> None:
    term = METRICS.get(name)
    if term is None:
        if name in SETTABLE:
            raise ConfigError(f"{name} is not measured", where=f"fact {name}", hint=f"give it with --set {name}=...")
        near = closest(name, METRICS)
        raise ConfigError(
            f"no metric is called {name!r}",
            where=f"fact {name}",
            hint=f"did you mean {near}?" if near else f"metrics: {', '.join(METRICS)}",
        )
    if not math.isfinite(value) or not term.low <= value <= term.high:
        ends = [f"{word} {end:g}" for word, end in (("from", term.low), ("to", term.high)) if math.isfinite(end)]
        raise ConfigError(f"{value:g} is out of range", where=f"fact {name}", hint=f"{name} is {' '.join(ends)}")
    if name in FLAGS and value not in (0.0, 1.0):
        raise ConfigError(f"{value:g} is neither yes nor no", where=f"fact {name}", hint=f"{name} is 0 or 1")
    if name in COUNTS and not value.is_integer():
        raise ConfigError(f"{value:g} is no whole number", where=f"fact {name}", hint=f"{name} is a count")
