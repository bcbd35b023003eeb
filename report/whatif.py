"""What a rulebook would advise, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lemonade_es.engine.suppositions.sweep import Stretch
from lemonade_es.engine.suppositions.whatif import Supposed
from lemonade_es.report.explanation import (
    atom_told,
    conflict_lines,
    facts_lines,
    fired_lines,
    none_told,
    unsent_lines,
    weight_told,
)
from lemonade_es.rules.expression import Atom


def supposed_text(supposed: Supposed) -> str:
    """Facts, rules that fired, rules that did not with what held them back, conflicts, instructions."""
    return "\n".join(_lines(supposed)).lstrip("\n")


def sweep_text(name: str, stretches: Sequence[Stretch]) -> str:
    """Each stretch in which the advice is the same, and the rules that make the difference.

    An end in square brackets belongs to its stretch, one in round ones does not.
    """
    following = [*stretches[1:], None]
    return "\n".join(
        line
        for stretch, after in zip(stretches, following, strict=True)
        for line in _stretch(name, stretch, closed=after is None or not after.starts_here)
    )


def _lines(supposed: Supposed) -> Iterator[str]:
    inference, resolution = supposed.inference, supposed.resolution
    combine = supposed.rulebook.combine
    yield from facts_lines(inference.facts)
    yield from fired_lines(inference)
    yield ""
    yield "Rules that did not fire"
    for item in inference.not_fired:
        state = "is false" if item.truth is False else "is unknown"
        held = "; ".join(_obstacle(atom) for atom in item.atoms if atom.truth is not atom.wanted)
        yield f"  {item.rule}  ({item.place}) {state}: {held}"
    if not inference.not_fired:
        yield "  none"
    yield from conflict_lines(inference, resolution.decisions, combine)
    yield ""
    yield "Instructions, heaviest first"
    for name, weight in resolution.instructions.items():
        behind = weight_told(inference.contributions[name], weight, combine)
        yield f"  {weight:6.3f}  {name}  {supposed.rulebook.instructions[name].text}  = {behind}"
    if not resolution.instructions:
        yield none_told(inference)
    yield from unsent_lines(resolution)


def _obstacle(atom: Atom) -> str:
    if atom.truth is None:
        why = f"{', '.join(atom.unknown)} unknown" if atom.unknown else "it cannot be computed: a division by zero, say"
        return f"{atom_told(atom)} ({why})"
    if atom.left is None or atom.right is None:
        return f"{atom.text} {'holds' if atom.truth else 'does not hold'}"
    distance = f", by {abs(atom.distance):.6g}" if atom.distance else ""
    return f"{atom_told(atom)} ({atom.left:.6g} against {atom.right:.6g}{distance})"


def _weight(name: str, stretch: Stretch) -> str:
    first, last = stretch.instructions[name], stretch.instructions_to[name]
    return f"{name} {first:.3g}" if math.isclose(first, last) else f"{name} {first:.3g}..{last:.3g}"


def _stretch(name: str, stretch: Stretch, *, closed: bool) -> Iterator[str]:
    begin, end = "[" if stretch.starts_here else "(", "]" if closed else ")"
    advice = ", ".join(_weight(name, stretch) for name in stretch.instructions) or "nothing"
    yield f"{name} {begin}{stretch.start:.10g} .. {stretch.stop:.10g}{end}  {advice}"
    if stretch.on:
        yield f"    now fires: {', '.join(stretch.on)}"
    if stretch.off:
        yield f"    no longer: {', '.join(stretch.off)}"
