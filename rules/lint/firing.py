"""Rules that never fire, or fire without effect."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lemonade_es.rules.analysis.linear import Prover
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.rules.rulebook import Rule
from lemonade_es.vocabulary import PRIORITIES, TERMS

_ENOUGH = 20
"""A rule that fired less often says little about all situations."""


def firing(scene: Scene) -> Iterator[Finding]:
    """Rules that never fire, that are unknown, that have no weight, or that always lose."""
    free = Prover(scene.rulebook, {})
    ranged = Prover(scene.rulebook, scene.settings, scene.rulebook.ranges) if scene.rulebook.ranges else None
    for number, rule in enumerate(scene.rulebook.rules):
        unset = scene.unset(rule)
        if unset:
            names = ", ".join(f"{name} ({TERMS[name].text})" for name in unset)
            said = f"{rule.id} is unknown until {names} is set; set it with --set, or give it a default here"
            yield Finding("note", "UNKNOWN_UNTIL_SET", rule.when.place, said, (rule.id,))
        elif not scene.fired[:, number].any():
            yield from _never_fires(scene, rule, free, ranged)
        elif rule.instruct:
            yield from _without_effect(scene, number, rule)


def _never_fires(scene: Scene, rule: Rule, free: Prover, ranged: Prover | None) -> Iterator[Finding]:
    proved = scene.prover.never(rule.when.tree)
    if proved and free.never(rule.when.tree):
        said = f"the condition of {rule.id} contradicts itself: it can hold with no thresholds whatever"
        yield Finding("warning", "CONTRADICTION", rule.when.place, said, (rule.id,))
        return
    tried = "" if proved else f" (in none of {len(scene.points.values):,} situations tried)"
    said = f"{rule.id} can never fire at the default settings{tried}"
    if ranged is not None and not ranged.never(rule.when.tree):
        said += ", though perhaps at others in their ranges"
        yield Finding("note", "NEVER_FIRES", rule.when.place, said, (rule.id,), proof="proved" if proved else "tried")
        return
    said += "; look at its comparisons, and at the rules whose conclusions it reads"
    yield Finding("warning", "NEVER_FIRES", rule.when.place, said, (rule.id,), proof="proved" if proved else "tried")


def _without_effect(scene: Scene, number: int, rule: Rule) -> Iterator[Finding]:
    weight = scene.fixed_weights[number]
    if weight is not None and weight <= 0:
        names = [name for name in (rule.weight.names if rule.weight else ()) if name in PRIORITIES]
        raise_it = f"raise {' or '.join(names)} to use it" if names else "give it a weight above 0"
        said = f"{rule.id} has the weight {weight:g} at the default settings; {raise_it}"
        yield Finding("note", "NO_WEIGHT", rule.weight.place if rule.weight else rule.place, said, (rule.id,))
        return
    at = scene.fired[:, number]
    columns = [scene.outcomes.instructions.index(name) for name in rule.instruct]
    given, kept = scene.outcomes.weights[:, columns][at], scene.outcomes.kept[:, columns][at]
    if int(at.sum()) < _ENOUGH or not np.nanmax(np.where(np.isnan(given), -np.inf, given)) > 0 or (kept > 0).any():
        return
    rivals = [_rival(scene, number, name) for name in rule.instruct]
    proved = all(rivals)
    winners = ", ".join(dict.fromkeys(other for group in rivals for other in group))
    told = f"it loses to {winners}" if proved else f"in none of {int(at.sum()):,} situations tried was one passed on"
    said = f"whenever {rule.id} fires, none of {', '.join(rule.instruct)} is passed on: {told}; raise its weight"
    witness = scene.witness(at, (rule,))
    yield Finding("warning", "DEAD_RULE", rule.place, said, (rule.id,), witness, "proved" if proved else "tried")


def _rival(scene: Scene, number: int, instruction: str) -> list[str]:
    """The rules that surely outweigh an instruction wherever a rule fires; none if that is not proved."""
    rules, weights = scene.rulebook.rules, scene.fixed_weights
    partner = scene.rulebook.instructions[instruction].conflicts_with
    if partner is None or scene.rulebook.combine != "sum":
        return []
    ours = 0.0
    for other in scene.givers[instruction]:
        weight = weights[other]
        if weight is None:
            return []
        together = bool((scene.fired[:, other] & scene.fired[:, number]).any())
        if weight > 0 and (together or not scene.prover.exclude(rules[number], rules[other])):
            ours += weight
    against, names = 0.0, []
    for other in scene.givers[partner]:
        weight = weights[other]
        if weight is None:
            return []
        always = bool((scene.fired[:, other] | ~scene.fired[:, number]).all())
        if weight < 0 or (always and scene.prover.implies(rules[number], rules[other])):
            against += weight
            names.append(rules[other].id)
    return names if against > ours else []
