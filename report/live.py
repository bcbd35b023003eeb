"""The live view of a search, which redraws itself; and which view fits a console."""

from __future__ import annotations

import math
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

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
from lemonade_es.report.downloading import downloaded
from lemonade_es.report.formats import UNKNOWN, duration, value
from lemonade_es.report.noise import noise_told
from lemonade_es.report.plain import PlainView, SilentView, WarningView
from lemonade_es.report.sayings import failure_told, headline, paid, rulebook_told, stand_in_told, wait_told
from lemonade_es.report.tables import iterations_table
from lemonade_es.report.unread import unread_settings
from lemonade_es.report.weakened import weakened
from lemonade_es.trainer.measurement import Epoch

_AGAINST = (
    ("T_Acc", "TT_Acc"),
    ("V_Acc", "TV_Acc"),
    ("F", "TF"),
    ("T_E", "TT_E"),
    ("V_E", "TV_E"),
    ("P", "TP"),
    ("S", "TS"),
)


class LiveView(SilentView):
    """A view that redraws itself: the iteration, its state, rules and instructions, metrics, best, time left."""

    def __init__(self, console: Console) -> None:
        self._started: RunStarted | None = None
        self._run = ""
        self._iterations = 0
        self._seconds: float | None = None
        self._iteration = 0
        self._state = "starting"
        self._fetched: str | None = None
        self._epoch = 0
        self._loss: float | None = None
        self._advised: Advised | None = None
        self._problem: str | None = None
        self._failure: str | None = None
        self._stand_in: str | None = None
        self._rulebook: str | None = None
        self._ended: list[IterationEnded] = []
        self._instructions: list[dict[str, float]] = []
        self._best: IterationEnded | None = None
        self._bill = Bill()
        self._device = DeviceTally()
        self._warning: str | None = None
        self._noise: NoiseEstimated | None = None
        # last: it draws at once
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveView:
        """Take the terminal over."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        self._live.stop()

    def fetching(self, done: int, total: int | None) -> None:
        """A download goes on."""
        self._fetched = downloaded(done, total)

    def begin(self, run: str, started: RunStarted, spec: RunSpec) -> None:
        """The search begins or goes on; what a user should know of its data and settings stays on the screen."""
        self._run, self._iterations, self._started = run, spec.iterations, started
        self._seconds = spec.max_seconds
        for note in started.data.notes:
            self._say(Text(f"note: {note}", "dim"))
        for warning in unread_settings(started):
            self._say(Text(f"warning: {warning}", "yellow"))

    def _say(self, line: Text) -> None:
        self._live.console.print(line, soft_wrap=True)

    def event(self, event: Event) -> None:
        """Take over what was recorded."""
        if isinstance(event, Advised):
            self._advised = event
        elif isinstance(event, Refused):
            self._problem = f"refused: {event.code}: {event.message}"
        elif isinstance(event, Unanswered):
            self._bill += Bill.of(event)
            self._problem = f"no answer: {event.message}"
        elif isinstance(event, Replied):
            self._bill += Bill.of(event)
            self._stand_in = stand_in_told(event, self._started.spec.repairs) if self._started is not None else None
        elif isinstance(event, NoiseEstimated):
            self._noise = event
        elif isinstance(event, Pruned):
            self._problem = f"pruned: {event.reason}"
        elif isinstance(event, Measured | Repeated):
            self._epoch, self._loss = 0, None
            if isinstance(event, Measured):
                failure = event.measurement.failure
                self._failure = None if failure is None else f"iteration {event.iteration}: {failure_told(failure)}"
            warning = self._device.heard(event.measurement)
            self._warning = (self._warning or warning) if self._device.in_a_row else None
        elif isinstance(event, RulebookChanged | RulebookKept):
            self._rulebook = rulebook_told(event)
        elif isinstance(event, Accepted):
            self._problem = None
        elif isinstance(event, IterationEnded):
            advised = self._advised
            self._ended.append(event)
            self._instructions.append(dict(advised.resolution.instructions) if advised is not None else {})
            self._best = event if event.is_best else self._best
            self._advised, self._epoch, self._loss, self._problem = None, 0, None, None

    def doing(self, iteration: int, state: str) -> None:
        """The search turned to something else."""
        self._iteration, self._state = iteration, state

    def waiting(self, iteration: int, executor: str, failed: Try) -> None:
        """There was no answer; the next try comes later."""
        self._iteration, self._state = iteration, wait_told(executor, failed)

    def epoch(self, iteration: int, number: int, epoch: Epoch) -> None:
        """An epoch ended."""
        self._epoch, self._loss = number, epoch.loss

    def _draw(self) -> Group | Text:
        if self._started is None:
            return Text(self._fetched or "reading the data and starting the trainer …", "dim")
        parts: list[Text | Table] = [Text(headline(self._run, self._started), "dim")]
        if (less := weakened(self._started.isolation, self._started.isolation_reason)) is not None:
            parts.append(Text(less, "yellow"))
        parts.append(self._status())
        if self._rulebook is not None:
            parts.append(Text(self._rulebook, "yellow"))
        if self._advised is not None:
            parts.append(self._rules(self._advised))
        parts += [Text(said, "yellow") for said in (self._problem, self._failure, self._stand_in) if said is not None]
        if self._warning is not None:
            parts.append(Text(f"warning: {self._warning}", "bold yellow"))
        if self._ended:
            parts.append(self._measures(self._ended[-1]))
            best = self._best.iteration if self._best is not None else None
            floor = self._noise.floor if self._noise is not None else None
            bounds = self._started.spec.require
            table = iterations_table(self._ended, self._instructions, best=best, last=12, floor=floor, bounds=bounds)
            parts.append(table)
        if self._noise is not None:
            parts.append(Text(noise_told(self._noise), "dim"))
        return Group(*parts)

    def _status(self) -> Text:
        assert self._started is not None  # noqa: S101  (drawn only after begin)
        epochs = self._started.recipe.epochs
        text = Text()
        text.append(f"iteration {self._iteration}/{self._iterations}  ", "bold")
        text.append(self._state)
        if self._epoch:
            loss = UNKNOWN if self._loss is None else f"{self._loss:.3f}"
            text.append(f"  epoch {self._epoch}/{epochs}, loss {loss}")
        text.append(paid(self._bill))
        left = self._left()
        if left is not None:
            text.append(f"  about {duration(left)} left", "dim")
        return text

    def _left(self) -> float | None:
        done = [ended.seconds.total for ended in self._ended]
        missing = self._iterations - len(done)
        if not done or missing <= 0:
            return None
        budget = math.inf if self._seconds is None else max(self._seconds - sum(done), 0.0)
        return min(sum(done) / len(done) * missing, budget)

    def _rules(self, advised: Advised) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        contributions = advised.inference.contributions
        for name, weight in advised.resolution.instructions.items():
            rules = ", ".join(part.rule for part in contributions.get(name, ()) if part.weight)
            table.add_row(Text(name, "bold cyan"), f"{weight:.3g}", Text(rules, "dim"))
        return table

    def _measures(self, ended: IterationEnded) -> Text:
        assert self._started is not None  # noqa: S101
        text = Text(f"measured at iteration {ended.iteration}: ", "dim")
        for name, threshold in _AGAINST:
            number = ended.metrics.get(name)
            wanted = self._started.settings.get(threshold)
            if number is None:
                continue
            text.append(f"{name} {value(name, number)}")
            text.append(f" ({value(threshold, wanted)})  " if wanted is not None else "  ", "dim")
        return text


def view(console: Console, *, quiet: bool) -> WarningView | PlainView | LiveView:
    """The view that fits the console: live on a terminal, plain lines elsewhere, warnings alone if asked."""
    if quiet:
        return WarningView(console)
    return LiveView(console) if redraws(console) else PlainView(console)


def redraws(console: Console) -> bool:
    """Whether what is shown can be drawn anew: on a terminal that can. ``FORCE_COLOR`` makes none of a file."""
    return console.file.isatty() and console.is_terminal and not console.is_dumb_terminal
