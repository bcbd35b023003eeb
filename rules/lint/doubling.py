"""Rules that give the same instruction, the one wherever the other does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.firing import ENOUGH
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.rules.lint.wording import example, listed, located
from lemonade_es.rules.rulebook import Rule

_PROOFS = 1000
"""So many implications are tried to be proved; beyond them there are only the points."""

_LOOKS = 50
"""So many that cannot be proved are looked at closely; the others are not told."""


@dataclass(slots=True)
class _Nested:
    """Two rules, the first of which fired only where the second did, and the instructions that both give."""

    inner: int
    outer: int
    instructions: list[str]


def double_counts(scene: Scene) -> Iterator[Finding]:
    """For each rule, the nearest rule that gives the same instruction wherever it fires."""
    if scene.rulebook.combine != "sum":
        return  # of two equal instructions the heavier counts: nothing is added up
    proofs, looks = itertools.repeat(True, _PROOFS), itertools.repeat(True, _LOOKS)
    for candidates in _nested(scene):
        for nested in candidates:
            proved = _proved(scene, nested, proofs, looks)
            if proved is not None:
                yield _finding(scene, nested, proved=proved)
                break


def _proved(scene: Scene, nested: _Nested, proofs: Iterator[bool], looks: Iterator[bool]) -> bool | None:
    """Whether it is proved that two rules are nested, or only found; ``None`` if they are not, or may not be."""
    inner, outer = scene.rulebook.rules[nested.inner], scene.rulebook.rules[nested.outer]
    certain = scene.prover.implies(inner, outer) if next(proofs, False) else None
    if certain is None and next(looks, False) and _holds_closely(scene, inner, outer):
        return False
    return certain or None


def _holds_closely(scene: Scene, inner: Rule, outer: Rule) -> bool:
    """Whether one rule fires wherever the other does, looking closely; in a few situations that says nothing."""
    closely = scene.closely([inner, outer])
    fires = closely.firing_of(inner)
    return int(fires.sum()) >= ENOUGH and not (fires & ~closely.firing_of(outer)).any()


def _nested(scene: Scene) -> Iterator[list[_Nested]]:
    """For each rule those that fired wherever it did, the nearest first."""
    found: dict[int, dict[int, list[str]]] = {}
    for name, givers in scene.givers.items():
        numbers = [number for number in givers if scene.times[number] and scene.may_count(number)]
        bits = scene.bits[numbers]
        for inner, own in zip(numbers, bits, strict=True):
            for row in np.flatnonzero(~(own & ~bits).any(axis=1)).tolist():
                outer = numbers[row]
                if outer == inner or (scene.times[inner] == scene.times[outer] and outer > inner):
                    continue  # of two that always fire together, the later one is told
                found.setdefault(inner, {}).setdefault(outer, []).append(name)
    for inner, outers in sorted(found.items()):
        near = sorted(outers.items(), key=lambda item: scene.times[item[0]])
        yield [_Nested(inner, outer, names) for outer, names in near]


def _finding(scene: Scene, nested: _Nested, *, proved: bool) -> Finding:
    inner, outer = scene.rulebook.rules[nested.inner], scene.rulebook.rules[nested.outer]
    both = proved and scene.times[nested.inner] == scene.times[nested.outer]
    same = both and scene.prover.implies(outer, inner) is True
    witness = scene.witness(scene.fired[:, nested.inner], (inner, outer))
    tried = "" if proved else f" (in all {scene.times[nested.inner]:,} such situations tried)"
    start = (
        f"{inner.id} fires exactly when {located(outer)} does"
        if same
        else (f"whenever {inner.id} fires, so does {located(outer)}")
    )
    cure = "merge the two" if same else "if that is not meant, narrow one of the conditions"
    said = (
        f"{start}{tried}, for example with {example(witness)}; both ask for {listed(nested.instructions)}, and their "
        f"weights are added: {_sum(scene, nested.inner, nested.outer)}; {cure}"
    )
    ids = (inner.id, outer.id)
    return Finding(
        "warning" if same else "note", "DOUBLE_COUNT", inner.place, said, ids, witness, "proved" if proved else "tried"
    )


def _sum(scene: Scene, inner: int, outer: int) -> str:
    """``PV_Acc + PV_Acc * 0.5 = 1.5``."""
    one, other = scene.fixed_weights[inner], scene.fixed_weights[outer]
    told = f"{_source(scene.rulebook.rules[inner])} + {_source(scene.rulebook.rules[outer])}"
    return told if one is None or other is None else f"{told} = {one + other:.4g}"


def _source(rule: Rule) -> str:
    return rule.weight.source if rule.weight is not None else "0"
