"""The levels of isolation: which of them this machine can be asked for, and whether one is enough for a source."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation import bubblewrap, container, landlock
from lemonade_es.trainer.isolation.system_calls import ARCHITECTURES, this_architecture

LevelName = Literal["strong", "medium", "container", "none"]
Wish = Literal["auto", "strong", "medium", "container", "none"]

LEVELS: tuple[LevelName, ...] = ("strong", "medium", "container", "none")
"""All levels, in the order in which ``doctor`` shows them."""

AUTOMATIC: tuple[LevelName, ...] = ("strong", "medium")
"""What ``auto`` chooses from, the best first."""

_SECCOMP_ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")


@dataclass(frozen=True, slots=True)
class Level:
    """What stands between a candidate and the machine.

    Attributes:
        name: ``strong`` is bubblewrap around ``medium``; ``medium`` is Landlock, a seccomp allow-list and resource
            limits; ``container`` is docker or podman around seccomp, resource limits and what there is of Landlock;
            ``none`` is resource limits alone.
        reason: what the level rests on, or what is missing.
        available: whether it can be asked for; whether it then holds, the canaries say.
    """

    name: LevelName
    reason: str
    available: bool = True


def available(name: LevelName, *, image: str | None = None) -> Level:
    """Whether a level can be asked for here, and why not; programs and the kernel are asked, nothing is changed.

    Args:
        name: the level.
        image: for ``container``, instead of the default image.
    """
    missing = _missing(name, image)
    return Level(name, missing or _described(name, image), available=missing is None)


def choices(wish: Wish, *, image: str | None = None) -> tuple[Level, ...]:
    """The levels that would fulfil a wish, the best first; what ``auto`` cannot have is among them, with the reason.

    Args:
        wish: a level, or ``auto`` for the best one.
        image: for ``container``, instead of the default image.

    Raises:
        IsolationError: the level that was wished for cannot be had.
    """
    if wish != "auto":
        level = available(wish, image=image)
        if not level.available:
            raise refusal(level)
        return (level,)
    return tuple(map(available, AUTOMATIC))


def refusal(level: Level) -> IsolationError:
    """The error for a level that was wished for and cannot be had."""
    return IsolationError(
        f"the isolation level {level.name} cannot be had here: {level.reason}",
        where="isolation",
        hint="lemonade-es doctor says which levels can; --isolation auto takes the best of them",
    )


def permit(level: Level, *, foreign: bool, unsafe: bool) -> None:
    """Passes if the source may run at this level.

    Args:
        level: what the machine gives.
        foreign: whether the source comes from anyone but the user and this package (an LLM, a file).
        unsafe: whether the user has asked, in so many words, to run it without isolation.

    Raises:
        IsolationError: foreign source would run without isolation.
    """
    if level.name == "none" and foreign and not unsafe:
        raise IsolationError(
            f"generated code would run without isolation: {level.reason}",
            hint="use a machine or a level that isolates, or accept the risk with --unsafe-no-isolation",
        )


def has_landlock() -> bool:
    """Whether the kernel has Landlock."""
    return _landlock_version() > 0


def _missing(name: LevelName, image: str | None) -> str | None:
    return None if name == "none" else _no_filter() or _no_walls(name, image)


def _no_filter() -> str | None:
    if sys.platform != "linux":
        return f"Landlock and seccomp are Linux's, and this is {sys.platform}"
    if this_architecture() is None:
        return f"there are system call filters for {', '.join(ARCHITECTURES)} only"
    if not _SECCOMP_ACTIONS.exists():
        return "the kernel has no seccomp filters"
    return None


def _no_walls(name: LevelName, image: str | None) -> str | None:
    if name == "container":
        return container.missing(image)
    if not has_landlock():
        return "the kernel has no Landlock (Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK)"
    return bubblewrap.missing() if name == "strong" else None


def _described(name: LevelName, image: str | None) -> str:
    limits = "resource limits"
    if name == "none":
        return f"{limits} alone"
    version = _landlock_version()
    lock = f"{f'Landlock version {version}, ' if version else ''}seccomp allow-list, {limits}"
    if name == "strong":
        return f"bubblewrap, {lock}"
    return f"{container.described(image)}, {lock}" if name == "container" else lock


def _landlock_version() -> int:
    architecture = this_architecture()
    return 0 if architecture is None else landlock.version(architecture)
