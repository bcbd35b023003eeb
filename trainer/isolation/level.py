"""How well this machine can keep a candidate apart, and whether that is enough to run it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation import landlock
from lemonade_es.trainer.isolation.system_calls import ARCHITECTURES, this_architecture

_SECCOMP_ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")


@dataclass(frozen=True, slots=True)
class Level:
    """What stands between a candidate and the machine.

    Attributes:
        name: ``medium`` is Landlock, seccomp and resource limits; ``none`` is resource limits alone.
        reason: what the level rests on; for ``none``, what is missing.
    """

    name: Literal["medium", "none"]
    reason: str


def best_level() -> Level:
    """The best level of this machine; it asks the kernel and changes nothing."""
    if sys.platform != "linux":
        return Level("none", f"Landlock and seccomp are Linux's, and this is {sys.platform}")
    architecture = this_architecture()
    if architecture is None:
        return Level("none", f"there are system call filters for {', '.join(ARCHITECTURES)} only")
    version = landlock.version(architecture)
    if version < 1:
        return Level("none", "the kernel has no Landlock (Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK)")
    if not _SECCOMP_ACTIONS.exists():
        return Level("none", "the kernel has no seccomp filters")
    return Level("medium", f"Landlock version {version}, seccomp allow-list, resource limits")


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
            f"generated code cannot be isolated on this machine: {level.reason}",
            hint="use a machine that can, or accept the risk with --unsafe-no-isolation",
        )
