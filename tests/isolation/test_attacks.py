"""Every attack, at strong, at medium and where nothing isolates: there it works, and here it does not.

All of that is slow. The fast run tries a sample of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable

import pytest
from arena import Naive, WorkshopAt, bare, confront
from attack import GOOD, Attack, Outcome
from attacks import ATTACKS
from groups import GROUPS
from scene import Scene

from lemonade_es.trainer.workshop import Workshop

pytestmark = pytest.mark.isolation

Tally = dict[str, dict[str, dict[str, list[str]]]]

LEVELS = ("strong", "medium")


def _rows(attacks: Iterable[Attack]) -> list[object]:
    return [pytest.param(attack, id=f"{attack.group}: {attack.name}") for attack in attacks]


def _first_of_each(key: Callable[[Attack], str]) -> tuple[Attack, ...]:
    """The first attack of each kind, those that take long left out where there is another."""
    found: dict[str, Attack] = {}
    for attack in sorted(ATTACKS, key=lambda attack: attack.slow):
        found.setdefault(key(attack), attack)
    return tuple(found.values())


def _theme(attack: Attack) -> str:
    return next(theme for theme, groups in GROUPS.items() if attack.group in groups)


SAMPLE = _first_of_each(lambda attack: attack.group)
"""One attack of each group: what the fast run tries at medium, where nothing else stands behind the lock."""

THEMES = _first_of_each(_theme)
"""One attack of each theme: what the fast run tries at strong, and where nothing isolates."""


def _note(tally: Tally, attack: Attack, level: str, verdict: str) -> None:
    kinds = tally.setdefault(attack.group, {}).setdefault(level, {"tried": [], "held": [], "failed": [], "known": []})
    kinds["tried"].append(attack.name)
    kinds[verdict].append(attack.name)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("attack", _rows(ATTACKS))
def test_an_attack_does_not_reach_its_goal(
    attack: Attack, level: str, workshop_at: WorkshopAt, scene: Scene, tally: Tally
) -> None:
    _hold(attack, level, workshop_at, scene, tally)


@pytest.mark.slow
@pytest.mark.parametrize("attack", _rows(attack for attack in ATTACKS if attack.control != "own"))
def test_the_attack_works_where_nothing_isolates(
    attack: Attack, workshop_at: WorkshopAt, naive: Naive, scene: Scene, tally: Tally
) -> None:
    _succeed(attack, workshop_at, naive, scene, tally)


@pytest.mark.parametrize("attack", _rows(attack for attack in SAMPLE if not attack.slow))
def test_an_attack_of_each_group_does_not_reach_its_goal(
    attack: Attack, workshop_at: WorkshopAt, scene: Scene, tally: Tally
) -> None:
    _hold(attack, "medium", workshop_at, scene, tally)


@pytest.mark.parametrize("attack", _rows(THEMES))
def test_an_attack_of_each_theme_does_not_reach_its_goal_within_walls(
    attack: Attack, workshop_at: WorkshopAt, scene: Scene, tally: Tally
) -> None:
    _hold(attack, "strong", workshop_at, scene, tally)


@pytest.mark.parametrize("attack", _rows(THEMES))
def test_an_attack_of_each_theme_works_where_nothing_isolates(
    attack: Attack, workshop_at: WorkshopAt, naive: Naive, scene: Scene, tally: Tally
) -> None:
    _succeed(attack, workshop_at, naive, scene, tally)


@pytest.mark.parametrize("level", LEVELS)
def test_a_good_candidate_still_trains_after_all_of_them(level: str, workshop_at: WorkshopAt) -> None:
    measurement = workshop_at(level).train(GOOD, seed=1).measurement
    assert measurement.failure is None
    assert measurement.absent == {}


def test_each_group_is_tried() -> None:
    required = {group for groups in GROUPS.values() for group in groups}
    assert {attack.group for attack in ATTACKS} == required
    assert len(SAMPLE) == len(required)
    assert {_theme(attack) for attack in THEMES} == set(GROUPS)
    assert not any(attack.control == "own" for attack in THEMES)
    names = [(attack.group, attack.name) for attack in ATTACKS]
    assert len(set(names)) == len(names)


def _hold(attack: Attack, level: str, workshop_at: WorkshopAt, scene: Scene, tally: Tally) -> None:
    workshop = workshop_at(level)
    outcome = confront(attack, scene, workshop)
    reached = attack.goal(scene, outcome)
    expected = level in attack.known
    _note(tally, attack, level, "known" if reached and expected else "failed" if reached else "held")
    assert reached == expected, outcome
    _good_candidate_passes(workshop)


def _succeed(attack: Attack, workshop_at: WorkshopAt, naive: Naive, scene: Scene, tally: Tally) -> None:
    outcome = _uncontrolled(attack, workshop_at, naive, scene)
    reached = attack.goal(scene, outcome)
    scene.stop_by_name()
    if not reached and attack.lacks:
        pytest.skip(f"this machine has no {attack.lacks}")
    _note(tally, attack, "none", "failed" if reached else "held")
    assert reached, outcome


def _uncontrolled(attack: Attack, workshop_at: WorkshopAt, naive: Naive, scene: Scene) -> Outcome:
    match attack.control:
        case "naive":
            return naive.run(attack, scene)
        case "none":
            return confront(attack, scene, workshop_at("none"))
        case "contained" if shutil.which("bwrap") is None:
            pytest.skip("without bubblewrap the attack cannot be contained")
    return bare(attack, scene)


def _good_candidate_passes(workshop: Workshop) -> None:
    report = workshop.check(GOOD)
    if report.code == "TIMED_OUT":  # a busy machine, and little patience
        report = workshop.check(GOOD)
    assert report.ok, report
