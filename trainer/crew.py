"""The crew: a workshop for all candidates, and more of them for trainings of one candidate with several seeds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from lemonade_es.errors import DataError, IsolationError
from lemonade_es.trainer.measurement import Budget, CheckReport, Epoch, Measurement, Trained
from lemonade_es.trainer.memory import free_bytes
from lemonade_es.trainer.trials.company import Company
from lemonade_es.trainer.trials.trial import OnEpoch
from lemonade_es.trainer.workshop import Workshop


class Opening(Protocol):
    """Makes workshops."""

    def __call__(self, like: Workshop | None = None) -> Workshop:
        """As the user wishes, or ``like`` another one: at the level that it has proved, with the precision it found."""


class Crew:
    """Checks and trains candidates; trainings that differ in their seed alone are done at once where they can be.

    They can be where nothing but time tells them apart from trainings one after the other: on a CPU, with memory for
    all, without counters of energy, which count the whole machine, and for networks that train on one thread. With a
    share of the cores, a larger one would take longer than in its first training, and another energy by the estimate.
    What is timed is timed in turn, on a quiet machine.

    Use it as a context manager.

    Args:
        opening: makes the workshops.
        again: how often a candidate may be trained again.
    """

    def __init__(self, opening: Opening, again: int) -> None:
        self._opening = opening
        self._again = again
        self.lead = opening()
        """The workshop that does all that is not done at once."""
        self._others: list[Workshop] = []
        self._refused = False

    def __enter__(self) -> Self:
        self.lead.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._dismiss()
        finally:
            self.lead.close()

    def check(self, source: str, budget: Budget) -> CheckReport:
        """As :meth:`Workshop.check`."""
        return self.lead.check(source, budget)

    def train(self, source: str, report: CheckReport, *, seed: int, on_epoch: OnEpoch) -> Trained:
        """As :meth:`Workshop.train`."""
        return self.lead.train(source, report, seed=seed, on_epoch=on_epoch)

    def train_again(
        self, source: str, report: CheckReport, first: Measurement, *, seeds: Sequence[int], on_epoch: OnEpoch
    ) -> Iterator[Trained]:
        """Trains and measures a candidate once with each seed, as many at once as can be.

        Args:
            source: the candidate.
            report: what its check said.
            first: of its first training, which says how much memory one takes.
            seeds: for weights, order and augmentation.
            on_epoch: told of an epoch, in the caller's thread, when all that train at the same time have ended it.

        Yields:
            What came of each, in the order of the seeds. Their seconds are shares of the time that all took at once.

        Raises:
            ConfigError: the device that was wished for does not work.
            IsolationError: no locked process can be had.
        """
        hands = self._hands(min(self._at_once(report), len(seeds), _room(first, self.lead.bytes_beside)))
        for part in (seeds[start : start + len(hands)] for start in range(0, len(seeds), len(hands))):
            if len(part) > 1:
                with _Shift(hands, Company(len(part))) as shift:
                    done = shift.train(source, report, part, on_epoch)
                yield from done
            else:
                yield self.lead.train(source, report, seed=part[0], on_epoch=on_epoch)

    def _at_once(self, report: CheckReport) -> int:
        """How many trainings of a network can be told apart at the same time."""
        lead = self.lead
        together = lead.device == "cpu" and not lead.meter.counts and lead.threads_for(report) == 1
        return min(self._again, lead.threads) if together else 1

    def _hands(self, count: int) -> Sequence[Workshop]:
        """So many workshops, or the one that there is for certain."""
        if count < 2 or self._refused:
            return (self.lead,)
        try:
            while len(self._others) < count - 1:
                self._others.append(self._opening(self.lead))
                self._others[-1].start()
            for other in self._others:
                _ = other.isolation  # waits until it is proved
        except (IsolationError, DataError):  # what one can do is not given up for want of a second one, or of room
            self._dismiss()
            self._refused = True
            return (self.lead,)
        return (self.lead, *self._others[: count - 1])

    def _dismiss(self) -> None:
        while self._others:
            self._others.pop().close()


class _Shift:
    """Workshops that train at the same time, each in a thread of its own; an error ends all of them."""

    def __init__(self, hands: Sequence[Workshop], company: Company) -> None:
        self._hands = hands
        self._company = company
        self._heard: SimpleQueue[tuple[int, tuple[int, Epoch] | None] | BaseException] = SimpleQueue()
        self._pool = ThreadPoolExecutor(len(hands))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for workshop in self._hands:
                workshop.abort()
        self._pool.shutdown()

    def train(self, source: str, report: CheckReport, seeds: Sequence[int], on_epoch: OnEpoch) -> list[Trained]:
        """What comes of each seed."""

        def one(who: int, seed: int) -> Trained:
            def hear(index: int, epoch: Epoch) -> None:
                self._heard.put((who, (index, epoch)))

            try:
                with self._company.place() as place:
                    done = self._hands[who].train(source, report, seed=seed, on_epoch=hear, place=place)
            except BaseException as error:
                self._heard.put(error)
                raise
            self._heard.put((who, None))
            return done

        started = time.perf_counter()
        futures = [self._pool.submit(one, who, seed) for who, seed in enumerate(seeds)]
        self._tell(len(seeds), on_epoch)
        return shared([future.result() for future in futures], time.perf_counter() - started)

    def _tell(self, count: int, on_epoch: OnEpoch) -> None:
        """Passes each epoch on once, when all trainings that still go on have ended it, until none goes on.

        Raises:
            BaseException: what ended one of them.
        """
        done = dict.fromkeys(range(count), 0)
        latest: dict[int, Epoch] = {}
        told = 0
        while done:
            heard = self._heard.get()
            if isinstance(heard, BaseException):
                raise heard
            who, ended = heard
            if ended is None:
                del done[who]
            else:
                done[who], latest[ended[0]] = ended[0] + 1, ended[1]
            upto = min(done.values()) if done else len(latest)
            for index in range(told, upto):
                on_epoch(index, latest[index])
            told = max(told, upto)


def _room(first: Measurement, beside: int) -> int:
    """How many trainings like one the free memory has room for; 1 where only a device of the user's tells memory.

    Args:
        first: one of them.
        beside: bytes that each workshop but the first takes beside its training.
    """
    peak = None if first.sources.get("R") == "device" else first.metrics.get("R")
    return max(1, int((free_bytes() + beside) / (peak * 1e6 + beside))) if peak else 1


def shared(done: Sequence[Trained], seconds: float) -> list[Trained]:
    """Trainings with their shares of the time that all of them took at once.

    Args:
        done: with the seconds that each took for itself.
        seconds: that passed meanwhile.
    """
    spent = sum(item.measurement.training_seconds + item.measurement.measuring_seconds for item in done)
    share = seconds / spent if spent else 0.0
    return [
        replace(
            item,
            measurement=replace(
                item.measurement,
                training_seconds=item.measurement.training_seconds * share,
                measuring_seconds=item.measurement.measuring_seconds * share,
            ),
        )
        for item in done
    ]
