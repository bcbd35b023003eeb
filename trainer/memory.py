"""How much memory there is, and how much is free: the machine's, or the container's (cgroup 2) if that has less."""

from __future__ import annotations

from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_FILES = ("active_file", "inactive_file")
"""Of a container's memory, what only keeps files that were read or written: the kernel gives it up when asked."""


def total_bytes() -> int:
    """Memory in bytes, in use or not."""
    machine, container = int(psutil.virtual_memory().total), _limit()
    return machine if container is None else min(machine, container)


def free_bytes() -> int:
    """Memory in bytes that can be had: what keeps files counts as free, as it does for the machine."""
    machine, container = int(psutil.virtual_memory().available), _limit()
    if container is None:
        return machine
    try:
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return machine
    return min(machine, max(0, container - max(0, used - _kept_of_files())))


def _limit() -> int | None:
    """What the container may take; ``None`` where there is no container, or one without a limit (``max``)."""
    try:
        return int((_CGROUP / "memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _kept_of_files() -> int:
    try:
        rows = [line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()]
        return sum(int(number) for name, number in rows if name in _FILES)
    except (OSError, ValueError):
        return 0
