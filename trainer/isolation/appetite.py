"""What a process takes while it runs, read from outside: for limits that the kernel does not keep."""

from __future__ import annotations

import contextlib
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Excess = Literal["memory", "threads"]

WATCH_SECONDS = 0.05
"""The time between two looks of the zygote at its children."""

_THREADS, _RESIDENT_PAGES = 17, 21
"""Fields of ``/proc/PID/stat`` that come so many places after the process's name."""


@dataclass(frozen=True, slots=True)
class Appetite:
    """What a process has at this moment.

    Attributes:
        resident: bytes of resident memory.
        threads: how many there are, the first among them.
    """

    resident: int
    threads: int


def appetite(pid: int) -> Appetite:
    """What a process has; nothing if it is gone.

    A process whose first thread has left has no memory to its name, while its other threads go on using it: then
    they are asked.
    """
    folder = Path(f"/proc/{pid}")
    resident, threads = _figures(folder)
    if threads > 1 and not resident:
        with contextlib.suppress(OSError):
            resident = max(_figures(task)[0] for task in (folder / "task").iterdir())
    return Appetite(resident, threads)


def _figures(folder: Path) -> tuple[int, int]:
    try:
        text = (folder / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0, 0
    # the name is the process's to choose, blanks and parentheses too
    fields = text.rpartition(")")[2].split()
    return int(fields[_RESIDENT_PAGES]) * resource.getpagesize(), int(fields[_THREADS])
