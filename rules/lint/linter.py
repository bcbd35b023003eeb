"""All checks of a rulebook, at its default settings and over the ranges that it declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lemonade_es.rules.analysis.points import corners
from lemonade_es.rules.lint.doubling import double_counts
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.firing import dead_rules, firing
from lemonade_es.rules.lint.gaps import gaps
from lemonade_es.rules.lint.rivalry import overlaps, ties
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.rules.lint.settings import misplaced_settings
from lemonade_es.rules.lint.structure import structure
from lemonade_es.rules.lint.weights import too_heavy, weights
from lemonade_es.rules.lint.writing import writing
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import settings as resolve_settings

POINTS = 4096
_POINTS_ELSEWHERE = 512


def lint(rulebook: Rulebook, settings: Mapping[str, float | None] | None = None) -> tuple[Finding, ...]:
    """What is doubtful about a rulebook that can be used, in the order of its files.

    Args:
        rulebook: loaded and checked.
        settings: thresholds and priorities to look at it under; by default those that it has without ``--set``.
    """
    usual = resolve_settings(None, {}, rulebook.defaults) if settings is None else settings
    scene = Scene(rulebook, usual, POINTS)
    found = [*structure(scene), *misplaced_settings(rulebook), *writing(rulebook)]
    contradictory = {item.rules[0] for item in found if item.code in {"CONTRADICTION", "ALWAYS_FALSE"}}
    found += firing(scene, contradictory)
    found += weights(scene)
    found += double_counts(scene)
    found += overlaps(scene)
    found += _weighing(scene)
    known = {_key(item) for item in found if item.level == "warning"}
    for corner in corners(rulebook.ranges, usual):
        at = ", ".join(f"{name} = {value:g}" for name, value in corner.items())
        for item in _weighing(Scene(rulebook, {**usual, **corner}, _POINTS_ELSEWHERE)):
            if item.level == "warning" and _key(item) not in known:
                known.add(_key(item))
                found.append(replace(item, level="note", message=f"at {at}: {item.message}"))
    position = {source.file: index for index, source in enumerate(rulebook.sources)}
    return tuple(sorted(found, key=lambda item: (position.get(item.place.file, 0), item.place.line, item.place.column)))


def _weighing(scene: Scene) -> Iterator[Finding]:
    """The checks whose findings may be others at other settings."""
    yield from too_heavy(scene)
    yield from dead_rules(scene)
    yield from ties(scene)
    yield from gaps(scene)


def _key(item: Finding) -> tuple[str, object, str]:
    return item.code, item.place, item.rules[0] if item.code == "DEAD_RULE" else ""
