"""The tape: what lets one code path search, resume and read back a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lemonade_es.engine.history.events import Event, RunEnded, RunInterrupted, RunResumed, RunStarted
from lemonade_es.engine.history.finalized import Finalized, OpenedTest
from lemonade_es.engine.history.journal import Entry, Journal
from lemonade_es.errors import StoreError

E = TypeVar("E", bound=Event)


class TapeEnd(Exception):  # noqa: N818  (nothing is wrong: the tape is at its end)
    """A tape that is only read holds no more events."""


class Tape:
    """Replays the events of a run that is resumed, then records new ones: one code path for both.

    The search asks for each step by the kind of its event. While recorded events are left, the step is not
    done again but answered from the journal; so a resume repeats no paid call and no training.

    Args:
        journal: where events go; ``None`` only reads: the first step that is not recorded raises TapeEnd.
        run: the run's id.
        recorded: what the journal holds of it; beginnings, ends, interruptions and final trainings
            are passed over.
        listener: is told each event, whether read back or new, once it is on disk.
    """

    def __init__(
        self,
        journal: Journal | None,
        run: str,
        recorded: tuple[Entry, ...] = (),
        listener: Callable[[Event], None] | None = None,
    ) -> None:
        self._journal = journal
        self.run = run
        self._seq = len(recorded)
        marks = (RunStarted, RunInterrupted, RunResumed, RunEnded, OpenedTest, Finalized)
        self._recorded = [entry for entry in recorded if not isinstance(entry.event, marks)]
        self._next = 0
        self._listener = listener

    @property
    def replaying(self) -> bool:
        """Whether recorded events are left."""
        return self._next < len(self._recorded)

    @property
    def coming(self) -> Event | None:
        """The next recorded event, which is still to be recalled; ``None`` if none is left."""
        return self._recorded[self._next].event if self.replaying else None

    def recall(self, kind: type[E]) -> E | None:
        """The next recorded event, if there is one left and it is of that kind."""
        if self.replaying and isinstance(event_ := self._recorded[self._next].event, kind):
            self._next += 1
            self._tell(event_)
            return event_
        return None

    def _tell(self, event_: Event) -> None:
        if self._listener is not None:
            self._listener(event_)

    def record(self, event_: E) -> E:
        """Write a new event.

        Raises:
            StoreError: recorded events are left: the run does not replay as it was recorded.
            TapeEnd: the tape is only read, and this step is not on it.
        """
        if self._journal is None:
            raise TapeEnd
        if self.replaying:
            entry = self._recorded[self._next]
            raise StoreError(
                f"event {entry.seq} is {type(entry.event).__name__}, but the search now does "
                f"{type(event_).__name__}: this version decides otherwise than the one that recorded the run",
                where=f"run {self.run}",
                hint="resume it with the version it was started with",
            )
        self._journal.append(self.run, self._seq, event_)
        self._seq += 1
        self._tell(event_)
        return event_
