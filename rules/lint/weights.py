"""Weights that cannot be computed, added or counted, and instructions that nothing gives a weight above 0."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import numpy as np

from lemonade_es.rules.analysis.arrays import number
from lemonade_es.rules.analysis.prover import Prover
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.rules.lint.wording import example, listed, located_all
from lemonade_es.rules.rulebook import Rule

_ZERO = ast.Constant(0)


def weights(scene: Scene) -> Iterator[Finding]:
    """Rules that ask for nothing since their weight cannot be computed, and instructions that are never passed on."""
    prover = Prover(scene.rulebook, {})
    broken: set[str] = set()
    unknown: dict[tuple[str, ...], list[Rule]] = {}
    for index, rule in enumerate(scene.rulebook.rules):
        if rule.weight is None or scene.fixed_weights[index] is not None:
            continue
        cause = _incomputable(rule.weight.tree, prover)
        if cause is not None:
            broken.add(rule.id)
            said = f"the weight of {rule.id} can never be computed: {cause}; look at its numbers"
            yield Finding("warning", "NEVER_WEIGHED", rule.weight.place, said, (rule.id,))
        elif index in scene.unweighed:
            unknown.setdefault(_zero_settings(scene, rule.weight.tree), []).append(rule)
    for names, rules in unknown.items():
        yield _unknown(scene, names, rules)
    yield from _never_passed_on(scene, prover, broken)
    if scene.rulebook.combine == "max":
        yield from _takes_nothing(scene, prover, broken)


def _incomputable(tree: ast.expr, prover: Prover) -> str | None:
    """Why a number cannot be computed, whatever is measured and wished; ``None`` if that is not proved."""
    for part in ast.walk(tree):
        if not isinstance(part, ast.BinOp):
            continue
        if isinstance(part.op, ast.Div) and prover.never(ast.Compare(part.right, [ast.NotEq()], [_ZERO])):
            return f"`{ast.unparse(part)}` divides by 0"
        named = any(isinstance(inner, ast.Name) for inner in ast.walk(part))
        if not named and np.isnan(number(part, {})):
            return f"`{ast.unparse(part)}` is too large"
    return None


def _zero_settings(scene: Scene, tree: ast.expr) -> tuple[str, ...]:
    """The settings in what is divided by, where that is 0 in every situation."""
    divisors = [
        part.right
        for part in ast.walk(tree)
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div) and not scene.sampled(part.right).any()
    ]
    names = [part.id for divisor in divisors for part in ast.walk(divisor) if isinstance(part, ast.Name)]
    return tuple(dict.fromkeys(name for name in names if name in scene.settings))


def _unknown(scene: Scene, names: Sequence[str], rules: Sequence[Rule]) -> Finding:
    ids = [rule.id for rule in rules]
    where, cure = "in the situations tried", "look at its numbers"
    if names:
        where = f"at the default settings, where {listed([f'{name} = {scene.settings[name]:g}' for name in names])}"
        cure = f"set {' or '.join(names)} to use {'it' if len(ids) == 1 else 'them'}"
    said = f"the weight of {listed(ids)} cannot be computed {where}, so nothing is asked for; {cure}"
    place = rules[0].weight.place if rules[0].weight is not None else rules[0].place
    return Finding("note", "UNKNOWN_WEIGHT", place, said, tuple(ids), None, "proved" if names else "tried")


def _never_passed_on(scene: Scene, prover: Prover, broken: set[str]) -> Iterator[Finding]:
    """Instructions that rules only take weight from."""
    for name, numbers in scene.givers.items():
        if any((scene.fixed_weights[index] or 0) > 0 for index in numbers):
            continue
        givers = [scene.rulebook.rules[index] for index in numbers]
        givers = [rule for rule in givers if rule.id not in broken]
        takers = [rule for rule in givers if not _never(prover, rule, ast.Lt())]
        if not takers or not all(_never(prover, rule, ast.Gt()) for rule in givers):
            continue
        ids = [rule.id for rule in takers]
        said = (
            f"{name} can never be passed on: {listed(ids)} only take{'s' if len(ids) == 1 else ''} weight from it, and "
            f"no rule gives it any; raise the weight above 0, or let another rule ask for {name}"
        )
        place = takers[0].weight.place if takers[0].weight is not None else takers[0].place
        yield Finding("warning", "NEVER_PASSED_ON", place, said, tuple(ids))


def _takes_nothing(scene: Scene, prover: Prover, broken: set[str]) -> Iterator[Finding]:
    """Rules that mean to take weight from what others give, where the largest weight counts."""
    takers = {
        rule.id
        for rule in scene.rulebook.rules
        if rule.weight is not None and rule.id not in broken
        if _never(prover, rule, ast.Gt()) and not _never(prover, rule, ast.Lt())
    }
    others = {
        name for name, numbers in scene.givers.items() if {scene.rulebook.rules[index].id for index in numbers} - takers
    }
    for rule in scene.rulebook.rules:
        names = [name for name in rule.instruct if name in others]
        if rule.weight is None or rule.id not in takers or not names:
            continue
        said = (
            f"{rule.id} takes nothing from {listed(names)}: under `combine: max` the largest weight counts, and "
            f"`{rule.weight.source}` is never above 0; use `combine: sum`, or narrow the conditions of the other rules"
        )
        yield Finding("warning", "TAKES_NOTHING", rule.weight.place, said, (rule.id,))


def too_heavy(scene: Scene) -> Iterator[Finding]:
    """Instructions whose weights are added to more than can be computed, so that there is no advice at all."""
    for column, name in enumerate(scene.outcomes.instructions):
        infinite = np.isinf(scene.outcomes.weights[:, column])
        if not infinite.any():
            continue
        fired = scene.fired[infinite.argmax()]
        numbers = [index for index in scene.givers[name] if fired[index] and index not in scene.weightless]
        rules = [scene.rulebook.rules[index] for index in numbers]
        witness = scene.witness(infinite & scene.fired[:, numbers].all(axis=1), rules)
        said = (
            f"{located_all(rules)} ask for {name} with weights whose sum is too large to compute, for example with "
            f"{example(witness)}, so that nothing can be advised there; lower their weights"
        )
        place = rules[0].weight.place if rules[0].weight is not None else rules[0].place
        yield Finding("warning", "TOO_HEAVY", place, said, tuple(rule.id for rule in rules), witness)


def _never(prover: Prover, rule: Rule, op: ast.cmpop) -> bool:
    """Whether it is proved that a rule's weight is never below (or above) 0."""
    return rule.weight is None or prover.never(ast.Compare(rule.weight.tree, [op], [_ZERO]))
