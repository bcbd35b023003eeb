"""Trainings at the same time: each is timed alone, when no other one trains any more."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self


class Company:
    """Trainings that are under way at the same time.

    Args:
        count: how many there are; each must take a place, or the others wait for it.
    """

    def __init__(self, count: int) -> None:
        self._training = count
        self._changed = threading.Condition()
        self._timing = threading.Lock()

    def place(self) -> Place:
        """A place for one training."""
        return Place(self)

    def left(self) -> None:
        """One of them trains no more."""
        with self._changed:
            self._training -= 1
            self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until none trains any more, and lets in one at a time."""
        with self._changed:
            self._changed.wait_for(lambda: self._training == 0)
        with self._timing:
            yield


class Place:
    """One training's place among others, in the thread that leads it; where its block ends, it is given up.

    Args:
        company: those others.
    """

    def __init__(self, company: Company) -> None:
        self._company = company
        self._trains = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    @contextlib.contextmanager
    def turn(self) -> Iterator[float]:
        """To be entered, when all is trained, for what others would disturb; gives the seconds of waiting."""
        started = time.monotonic()
        self._leave()
        with self._company.alone():
            yield time.monotonic() - started

    def _leave(self) -> None:
        if self._trains:
            self._trains = False
            self._company.left()


def by_itself() -> Place:
    """The place of a training beside which there is no other one."""
    return Company(1).place()
