"""Trains and measures what optimisers propose, as a search of lemonade-es does."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from benchmarks.quality.shared import Shared
from benchmarks.quality.space import fitted
from benchmarks.quality.tasks import QualityTask
from benchmarks.quality.testing import TestSplit
from benchmarks.quality.trace import Evaluation
from lemonade_es.engine.loop.seeds import seed_for
from lemonade_es.llm.builtin.blueprint import Blueprint
from lemonade_es.llm.builtin.source import render
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import Budget
from lemonade_es.trainer.workshop import Workshop


@dataclass
class _Leader:
    number: int
    source: str
    weights: bytes


class Evaluator:
    """One search's trainer, and the record of what it was asked to train."""

    def __init__(self, task: QualityTask, seed: int, shared: Shared) -> None:
        self._task, self._seed, self._shared = task, seed, shared
        self._dataset = task.dataset(seed)
        self._workshop = Workshop(self._dataset, task.recipe(), device="cpu", foreign=False)
        self._training_seed = seed_for(seed, "training", 0)
        self._leaders: list[_Leader] = []
        self._evaluations: list[Evaluation] = []
        self._begun = 0.0
        self._spared = 0.0

    def __enter__(self) -> Self:
        self._workshop.start()
        _ = self._workshop.isolation  # waits until it is ready: its start is not an optimiser's time
        self._begun = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workshop.close()

    @property
    def task(self) -> Task:
        """What networks must take and give."""
        return self._dataset.task

    @property
    def done(self) -> int:
        """How many networks were evaluated."""
        return len(self._evaluations)

    def evaluate(self, made: Blueprint) -> Evaluation:
        """Check, train and measure a network; one that is too large is narrowed first.

        What the same network came to in another search is taken over, and counts the seconds that it took there.
        """
        source = render(fitted(made, self._task.max_macs))
        known = self._shared.find(source)
        leads = known is not None and self._leads(known.V_Acc)
        if known is not None and not (leads and known.test is None):  # who leads is to be tested in the end
            self._spared += known.seconds
            return self._keep(replace(known, test=known.test if leads else None, seconds=self._now(), taken_over=True))
        before = self._now()
        made_of = self._evaluated(source)
        self._shared.keep(source, replace(made_of, seconds=made_of.seconds - before))
        return self._keep(made_of)

    def _evaluated(self, source: str) -> Evaluation:
        report = self._workshop.check(source, Budget(macs=self._task.max_macs))
        if not report.ok:
            return Evaluation(None, None, None, None, None, self._now(), report.code or "REFUSED")
        trained = self._workshop.train(source, report, seed=self._training_seed)
        found, failure = trained.measurement.metrics, trained.measurement.failure
        note = failure.code if failure is not None else ""
        accuracy = None if failure is not None else found.get("V_Acc")
        figures = (found.get("S"), found.get("F"), found.get("V_E"))
        if self._leads(accuracy) and trained.weights is not None:
            self._leaders.append(_Leader(self.done, source, trained.weights))
        return Evaluation(accuracy, None, *figures, self._now(), note)

    def _leads(self, accuracy: float | None) -> bool:
        return accuracy is not None and accuracy > max((item.V_Acc or 0.0 for item in self._evaluations), default=-1)

    def evaluations(self) -> tuple[Evaluation, ...]:
        """All of them, with the test accuracy of those that led."""
        split = TestSplit(self._task, self._seed, self._dataset)
        for leader in self._leaders:
            found = self._evaluations[leader.number]
            test = split.accuracy(leader.source, leader.weights, found.V_Acc or 0.0)
            self._evaluations[leader.number] = replace(found, test=test)
            if (known := self._shared.find(leader.source)) is not None:
                self._shared.keep(leader.source, replace(known, test=test))
        return tuple(self._evaluations)

    def _keep(self, evaluation: Evaluation) -> Evaluation:
        self._evaluations.append(evaluation)
        return evaluation

    def _now(self) -> float:
        return time.monotonic() - self._begun + self._spared
