"""What the search needs of those that it works with: who trains, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from lemonade_es.engine.history.events import Event
from lemonade_es.llm.executor import Try
from lemonade_es.trainer.measurement import Budget, CheckReport, Epoch, Measurement, Trained


class Trainer(Protocol):
    """What the search needs of a crew."""

    def check(self, source: str, budget: Budget) -> CheckReport:
        """Steps 3 to 6 of the ladder."""

    def train(self, source: str, report: CheckReport, *, seed: int, on_epoch: Callable[[int, Epoch], None]) -> Trained:
        """Train and measure a source that passed the check; ``on_epoch`` is told its number from 0.

        Where ``on_epoch`` raises :class:`lemonade_es.trainer.measurement.StopTraining`, the training ends there.
        """

    def train_again(
        self,
        source: str,
        report: CheckReport,
        first: Measurement,
        *,
        seeds: Sequence[int],
        on_epoch: Callable[[int, Epoch], None],
    ) -> Iterator[Trained]:
        """Train and measure it once with each other seed, in their order; ``first`` says what a training takes."""


class Watcher(Protocol):
    """Is told what the search does, while it does it."""

    def event(self, event: Event) -> None:
        """An event was recorded, or read back from the journal by a resume."""

    def doing(self, iteration: int, state: str) -> None:
        """The search turned to something else: ``asking builtin``, ``checking``, ``training``."""

    def waiting(self, iteration: int, executor: str, failed: Try) -> None:
        """An executor got no answer; it waits ``failed.waited`` seconds, and asks again."""

    def epoch(self, iteration: int, number: int, epoch: Epoch) -> None:
        """An epoch of the candidate's training ended; ``number`` counts from 1."""
