"""Trainings at the same time: each has threads of its own, and is timed alone, when no other one trains any more."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """One training's place among others.

    Attributes:
        threads: that it may train with; ``None`` for all.
        turn: to be entered for what others would disturb; waits until all have trained, lets in one at a time, and
            gives the seconds of waiting.
    """

    threads: int | None
    turn: Callable[[], contextlib.AbstractContextManager[float]]


BY_ITSELF = Place(None, lambda: contextlib.nullcontext(0.0))
"""The place of a training beside which there is no other one."""


class Company:
    """Trainings that are under way at the same time.

    Args:
        count: how many there are; each must take a place, or the others wait for it.
        threads: of each.
    """

    def __init__(self, count: int, threads: int) -> None:
        self._training = count
        self._threads = threads
        self._changed = threading.Condition()
        self._timing = threading.Lock()

    @contextlib.contextmanager
    def place(self) -> Iterator[Place]:
        """A place for one training, in the thread that leads it; it is given up at the latest where the block ends."""
        trains = True

        def leave() -> None:
            nonlocal trains
            with self._changed:
                self._training -= trains
                trains = False
                self._changed.notify_all()

        @contextlib.contextmanager
        def turn() -> Iterator[float]:
            started = time.monotonic()
            leave()
            with self._changed:
                self._changed.wait_for(lambda: self._training == 0)
            with self._timing:
                yield time.monotonic() - started

        try:
            yield Place(self._threads, turn)
        finally:
            leave()
