"""The view of a search for logs and pipes, a line for each thing that happened; and what is left of it in quiet."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console

from lemonade_es.engine.history.bill import Bill
from lemonade_es.engine.history.events import (
    Accepted,
    Advised,
    Event,
    IterationEnded,
    Measured,
    NoiseEstimated,
    Pruned,
    Refused,
    Repeated,
    Replied,
    RulebookChanged,
    RulebookKept,
    RunStarted,
    Unanswered,
)
from lemonade_es.engine.history.tally import DeviceTally
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.executor import Try
from lemonade_es.report.downloading import DownloadTeller
from lemonade_es.report.formats import duration, value, weighted
from lemonade_es.report.noise import combined, noise_told
from lemonade_es.report.sayings import (
    failure_told,
    headline,
    isolation_told,
    paid,
    repetition_told,
    rulebook_told,
    stand_in_told,
    wait_told,
)
from lemonade_es.report.unread import unread_settings
from lemonade_es.report.weakened import weakened
from lemonade_es.trainer.measurement import Epoch


class SilentView:
    """Shows nothing."""

    def __enter__(self) -> SilentView:
        """Nothing to set up."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to take down."""

    def fetching(self, done: int, total: int | None) -> None:
        """Nothing is shown."""

    def begin(self, run: str, started: RunStarted, spec: RunSpec) -> None:
        """Nothing is shown."""

    def event(self, event: Event) -> None:
        """Nothing is shown."""

    def doing(self, iteration: int, state: str) -> None:
        """Nothing is shown."""

    def waiting(self, iteration: int, executor: str, failed: Try) -> None:
        """Nothing is shown."""

    def epoch(self, iteration: int, number: int, epoch: Epoch) -> None:
        """Nothing is shown."""


class WarningView(SilentView):
    """Shows nothing but what a user should not miss."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._device = DeviceTally()

    def begin(self, run: str, started: RunStarted, spec: RunSpec) -> None:
        """Say what isolates less than it could, and what was set in vain."""
        if (less := weakened(started.isolation, started.isolation_reason)) is not None:
            self._warn(less)
        for warning in unread_settings(started):
            self._warn(warning)

    def event(self, event: Event) -> None:
        """Say that a device fails again and again."""
        if isinstance(event, Measured | Repeated) and (warning := self._device.heard(event.measurement)) is not None:
            self._warn(warning)

    def _warn(self, said: str) -> None:
        self._console.print(f"warning: {said}", markup=False, highlight=False, soft_wrap=True)


class PlainView(SilentView):
    """One line for each thing that happened: for logs, pipes, and terminals that cannot redraw."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._fetched = DownloadTeller(self._say)
        self._weights: dict[str, float] = {}
        self._bill = Bill()
        self._device = DeviceTally()
        self._repairs = 0

    def fetching(self, done: int, total: int | None) -> None:
        """Say how far a download is, now and then."""
        self._fetched(done, total)

    def begin(self, run: str, started: RunStarted, spec: RunSpec) -> None:
        """Say what is searched, and by whom."""
        self._repairs = spec.repairs
        self._say(headline(run, started))
        self._say(isolation_told(started))
        for note in started.data.notes:
            self._say(f"note: {note}")
        for warning in unread_settings(started):
            self._say(f"warning: {warning}")

    def event(self, event: Event) -> None:
        """Say what an iteration was asked to do and what came of it."""
        if isinstance(event, Advised):
            self._weights = dict(event.resolution.instructions)
        elif isinstance(event, Refused | Unanswered | Replied):
            self._called(event)
        elif isinstance(event, Accepted):
            if event.check.message is not None:
                self._say(f"iteration {event.iteration}: odd about the network: {event.check.message}")
        elif isinstance(event, Measured | Repeated):
            self._measured(event)
        elif isinstance(event, NoiseEstimated):
            self._say(f"iteration {event.iteration}: {noise_told(event)}")
        elif isinstance(event, Pruned):
            self._say(f"iteration {event.iteration}: pruned: {event.reason}")
        elif isinstance(event, RulebookChanged | RulebookKept):
            self._say(f"iteration {event.iteration}: {rulebook_told(event)}")
        elif isinstance(event, IterationEnded):
            self._say(f"iteration {event.iteration}: {self._outcome(event)}")
            self._weights = {}

    def _measured(self, event: Measured | Repeated) -> None:
        """Say what went wrong with a training, and that it was one more with another seed."""
        failure = event.measurement.failure
        if isinstance(event, Repeated):
            self._say(f"iteration {event.iteration}: {repetition_told(event)}")
        elif failure is not None:
            self._say(f"iteration {event.iteration}: {failure_told(failure)}")
        if event.measurement.device is not None and (unmeasured := event.measurement.device.failure) is not None:
            self._say(f"iteration {event.iteration}: not measured on the device: {unmeasured.message}")
        if (warning := self._device.heard(event.measurement)) is not None:
            self._say(f"warning: {warning}")

    def _called(self, event: Refused | Unanswered | Replied) -> None:
        """Say what came of asking an executor, where that is not a reply of the usual one."""
        if isinstance(event, Refused):
            self._say(f"iteration {event.iteration}: refused ({event.code}): {event.message}")
            return
        self._bill += Bill.of(event)
        if isinstance(event, Unanswered):
            self._say(f"iteration {event.iteration}: no answer: {event.message}")
        elif (stand_in := stand_in_told(event, self._repairs)) is not None:
            self._say(f"iteration {event.iteration}: {stand_in}")

    def waiting(self, iteration: int, executor: str, failed: Try) -> None:
        """Say that there was no answer, and when the next try is."""
        self._say(f"iteration {iteration}: {wait_told(executor, failed)}")

    def _outcome(self, ended: IterationEnded) -> str:
        done = weighted(self._weights) or ("first network" if ended.iteration == 1 else "no instruction")
        shown = "  ".join(f"{name} {value(name, ended.metrics.get(name))}" for name in ("V_Acc", "T_Acc", "F", "P"))
        head = "" if ended.outcome == "ok" else f"{ended.outcome}  "
        tail = f"  [{done}]  {duration(ended.seconds.total)}{paid(self._bill)}"
        note = f"  ({ended.note})" if ended.note and ended.outcome == "ok" else ""
        return f"{head}{shown}  CM {combined(ended)}{'  best' if ended.is_best else ''}{note}{tail}"

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
