"""All checks of a rulebook, at its default settings and over the ranges that it declares."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.firing import firing
from lemonade_es.rules.lint.interplay import interplay
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.rules.lint.structure import idle_comparisons, structure
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import settings as resolve_settings

POINTS = 4096
FEWER_POINTS = 1536
"""For rulebooks of many rules, whose comparisons already give many points."""
MANY_RULES = 200

_CORNERS = 16
_ELSEWHERE = frozenset({"DEAD_RULE", "WEIGHT_TIE", "GAP"})
"""What is also looked for at other settings than the default ones."""


def lint(rulebook: Rulebook, settings: Mapping[str, float | None] | None = None) -> tuple[Finding, ...]:
    """What is doubtful about a rulebook that can be used, in the order of its files.

    Args:
        rulebook: loaded and checked.
        settings: thresholds and priorities to look at it under; by default those that it has without ``--set``.
    """
    usual = resolve_settings(None, {}, rulebook.defaults) if settings is None else settings
    count = POINTS if len(rulebook.rules) <= MANY_RULES else FEWER_POINTS
    scene = Scene(rulebook, usual, count)
    found = [*structure(rulebook), *idle_comparisons(scene), *firing(scene), *interplay(scene)]
    known = {(item.code, item.place, item.rules if item.code == "DEAD_RULE" else ()) for item in found}
    for corner in _corners(rulebook):
        elsewhere = Scene(rulebook, {**usual, **corner}, count)
        for item in (*firing(elsewhere), *interplay(elsewhere)):
            key = (item.code, item.place, item.rules if item.code == "DEAD_RULE" else ())
            if item.code in _ELSEWHERE and item.level == "warning" and key not in known:
                known.add(key)
                at = ", ".join(f"{name} = {value:g}" for name, value in corner.items())
                found.append(replace(item, message=f"at {at}: {item.message}"))
    position = {source.file: index for index, source in enumerate(rulebook.sources)}
    return tuple(sorted(found, key=lambda item: (position.get(item.place.file, 0), item.place.line, item.place.column)))


def _corners(rulebook: Rulebook) -> Iterator[dict[str, float]]:
    """Each end of each range by itself, then some corners in which all are at an end."""
    for name, ends in rulebook.ranges.items():
        for end in dict.fromkeys(ends):
            yield {name: end}
    if len(rulebook.ranges) > 1:
        for corner in itertools.islice(itertools.product(*rulebook.ranges.values()), _CORNERS):
            yield dict(zip(rulebook.ranges, corner, strict=True))
