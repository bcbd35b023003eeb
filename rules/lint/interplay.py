"""How rules work together: double counting, conflicts, ties, and situations that no rule speaks of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.scene import Mask, Scene, told
from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Rule
from lemonade_es.vocabulary import METRICS

_PROOFS = 1000
"""So many implications are tried to be proved; those of larger rulebooks are only tried on the points."""

_OUTSIDE = 0.1
"""A region's range is told if at least this share of all situations lies outside of it."""


def interplay(scene: Scene) -> Iterator[Finding]:
    """All checks of more than one rule at a time."""
    if scene.rulebook.combine == "sum":
        yield from _double_counts(scene)
    yield from _conflicts(scene)
    yield from _gaps(scene)


def _double_counts(scene: Scene) -> Iterator[Finding]:
    """For each rule, the nearest rule that gives the same instruction wherever it fires."""
    rules = scene.rulebook.rules
    counts = scene.fired.sum(axis=0)
    nearest: dict[int, tuple[int, list[str]]] = {}
    for name, givers in scene.givers.items():
        numbers = [number for number in givers if counts[number] and _counts(scene.fixed_weights[number])]
        fired = np.packbits(scene.fired[:, numbers], axis=0).T.copy()  # a bit a point
        for row, inner in enumerate(numbers):
            alone = (fired[row] & ~fired).any(axis=1)  # whether it fires somewhere without the other
            for column in np.flatnonzero(~alone):
                outer = numbers[int(column)]
                equal = counts[inner] == counts[outer]
                if outer == inner or (equal and outer > inner):
                    continue  # of two that fire together always, the later is told
                known = nearest.get(inner)
                if known is None or counts[outer] < counts[known[0]]:
                    nearest[inner] = (outer, [name])
                elif known[0] == outer:
                    known[1].append(name)
    for left, (inner, (outer, names)) in zip(range(len(nearest), 0, -1), sorted(nearest.items()), strict=True):
        proved = left <= _PROOFS and scene.prover.implies(rules[inner], rules[outer])
        if not proved and counts[inner] < scene.count // 100:
            continue  # it fired too seldom to say anything
        one, other = rules[inner], rules[outer]
        tried = "" if proved else f" in all {counts[inner]:,} situations tried"
        said = (
            f"whenever {one.id} fires, so does {other.id} ({other.place.file}:{other.place.line}){tried}, and both "
            f"give {', '.join(names)}: their weights are added ({_weight(one)} and {_weight(other)}); if that is not "
            "meant, narrow one of the conditions"
        )
        witness = scene.witness(scene.fired[:, inner], (one, other))
        yield Finding(
            "warning" if counts[inner] == counts[outer] else "note",
            "DOUBLE_COUNT",
            one.place,
            said,
            (one.id, other.id),
            witness,
            "proved" if proved else "tried",
        )


def _counts(weight: float | None) -> bool:
    return weight is None or weight > 0


def _weight(rule: Rule) -> str:
    return rule.weight.source if rule.weight is not None else "0"


def _conflicts(scene: Scene) -> Iterator[Finding]:
    """Partners that are given together, and those that are then equally heavy."""
    names = scene.outcomes.instructions
    for column, name in enumerate(names):
        partner = scene.rulebook.instructions[name].conflicts_with
        if partner is None or names.index(partner) < column:
            continue
        mine, theirs = scene.outcomes.weights[:, column], scene.outcomes.weights[:, names.index(partner)]
        both = (mine > 0) & (theirs > 0)
        if not both.any():
            continue
        place = scene.rulebook.instructions[name].place
        involved = [
            number for number in (*scene.givers[name], *scene.givers[partner]) if scene.fired[both, number].any()
        ]
        rules = tuple(scene.rulebook.rules[number].id for number in involved)
        behind = tuple(scene.rulebook.rules[number] for number in involved)
        witness = scene.witness(both, behind)
        wins, loses = int((mine > theirs)[both].sum()), int((mine < theirs)[both].sum())
        said = (
            f"{name} and {partner} can be asked for at once, for example with {told(witness)}; of {int(both.sum()):,} "
            f"such situations tried {name} is heavier in {wins:,}, {partner} in {loses:,}"
        )
        yield Finding("note", "PARTNER_OVERLAP", place, said, rules, witness)
        tie = both & np.isclose(mine, theirs, rtol=1e-9, atol=0)
        if tie.any():
            witness = scene.witness(tie, behind)
            said = (
                f"{name} and {partner} are equally heavy, for example with {told(witness)}: only salience and the "
                "order of the instructions decide; let the weights differ"
            )
            yield Finding("warning", "WEIGHT_TIE", place, said, rules, witness)


def _gaps(scene: Scene) -> Iterator[Finding]:
    """Situations in which nothing is asked for: with a wish that is not met, and without."""
    flagged = [index for index, name in enumerate(scene.points.names) if name in FLAGS]
    usual = ~(scene.points.values[:, flagged] > 0).any(axis=1)
    nothing = usual & ~(np.nan_to_num(scene.outcomes.weights) > 0).any(axis=1)
    unmet = _unmet(scene)
    place = Place(scene.rulebook.file, 1, 1)
    for where, level in ((nothing & unmet, "warning"), (nothing & ~unmet, "note")):
        if not where.any():
            continue
        witness = scene.witness(where, ())
        state = "though a wish is not met" if level == "warning" else "and every wish that counts is met"
        cure = "; write a rule for it" if level == "warning" else ""
        said = f"no rule asks for anything {_region(scene, where)}, {state}, for example with {told(witness)}{cure}"
        yield Finding("warning" if level == "warning" else "note", "GAP", place, said, (), witness)


def _unmet(scene: Scene) -> Mask:
    """Where a metric misses its threshold, and its priority is above 0."""
    missed = np.zeros(len(scene.points.values), dtype=np.bool_)
    for name, term in METRICS.items():
        threshold, priority = scene.settings.get(f"T{name}"), scene.settings.get(f"P{name}")
        if name not in scene.points.names or threshold is None or not priority:
            continue
        values = scene.points.values[:, scene.points.names.index(name)]
        missed |= (values < threshold) if term.better == "higher" else (values > threshold)
    return missed


def _region(scene: Scene, where: Mask) -> str:
    """The ranges of the metrics that are narrower there than anywhere."""
    parts = []
    for index, name in enumerate(scene.points.names):
        if name not in METRICS or name in FLAGS:
            continue
        inside, everywhere = scene.points.values[where, index], scene.points.values[:, index]
        low, high = float(inside.min()), float(inside.max())
        if ((everywhere < low) | (everywhere > high)).mean() >= _OUTSIDE:
            parts.append(f"{low:.3g} <= {name} <= {high:.3g}")
    return f"in a region within {' and '.join(parts)}" if parts else "in some situations"
