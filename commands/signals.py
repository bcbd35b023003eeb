"""What signals do to commands that go on for long."""

from __future__ import annotations

import atexit
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from lemonade_es.commands.options import INTERRUPTED
from lemonade_es.commands.output import echo

GRACE = 10.0
"""Seconds after a signal in which no other one interrupts: what was done is recorded then, and how to go on told."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_by_signals() -> None:
    """SIGTERM and SIGHUP interrupt as Ctrl-C does, but for one that is ignored on purpose, as under ``nohup``.

    What follows within :data:`GRACE` seconds does nothing, lest it break off what the first one set going; what comes
    later interrupts again, until the program's last lines are run.
    """
    interrupt = _Interrupt()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def end_interrupted(said: str) -> NoReturn:
    """Say how to go on, and end; whoever read that from a pipe may have been interrupted, too, and be gone."""
    with suppress(BrokenPipeError):
        echo(said, err=True)
    sys.exit(INTERRUPTED)


class _Interrupt:
    """A handler of signals that interrupts once in a while."""

    def __init__(self) -> None:
        self._last: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._last is not None and now - self._last < GRACE:
            return
        if self._last is None:
            atexit.register(_ignore)
        self._last = now
        raise KeyboardInterrupt


def _ignore() -> None:
    """Let no signal change the exit code of a process that is ending: Python takes its handlers away before that."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
