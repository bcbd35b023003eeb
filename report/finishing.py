"""The view of a final training: a bar on a terminal, plain lines elsewhere; and what it leaves on the screen."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from lemonade_es.engine.final.final_plan import FinalResult, Plan
from lemonade_es.report.downloading import DownloadTeller, downloaded
from lemonade_es.report.formats import duration, value
from lemonade_es.report.live import redraws
from lemonade_es.report.model_card import accuracy_told, tested_told
from lemonade_es.report.weakened import weakened
from lemonade_es.trainer.measurement import Epoch
from lemonade_es.trainer.trials.final_trial import CurvePoint
from lemonade_es.wording import counted

_LINES = 20


class SilentFinish:
    """Shows nothing, and remembers which checkpoint was kept."""

    def __init__(self) -> None:
        self.kept = 0
        self.began = False

    def __enter__(self) -> SilentFinish:
        """Nothing to set up."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to take down."""

    def fetching(self, done: int, total: int | None) -> None:
        """Nothing is shown."""

    def begin(self, plan: Plan) -> None:
        """A checkpoint may be there already."""
        self.began, self.kept = True, plan.done

    def epoch(self, number: int, epoch: Epoch) -> None:
        """Nothing is shown."""

    def point(self, point: CurvePoint) -> None:
        """Nothing is shown."""

    def saved(self, epochs: int) -> None:
        """A checkpoint was kept."""
        self.kept = epochs

    def testing(self) -> None:
        """Nothing is shown."""


class PlainFinish(SilentFinish):
    """Some twenty lines for a training, however long: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._fetched = DownloadTeller(self._say)
        self._epochs = 1
        self._point: CurvePoint | None = None
        self._last: str | None = None

    def fetching(self, done: int, total: int | None) -> None:
        """Say how far a download is, now and then."""
        self._fetched(done, total)

    def begin(self, plan: Plan) -> None:
        """Say what is trained."""
        super().begin(plan)
        self._epochs = plan.recipe.epochs
        self._say(_headline(plan))
        if (less := weakened(plan.isolation, plan.isolation_reason)) is not None:
            self._say(less)
        if plan.done:
            self._say(f"the checkpoint after epoch {plan.done} is taken up")

    def epoch(self, number: int, epoch: Epoch) -> None:
        """Say how far it is, now and then."""
        line = f"epoch {number}/{self._epochs}: loss {epoch.loss:.4f}  {duration(epoch.seconds)}"
        if number == self._epochs:
            self._last = line
        elif number % -(-self._epochs // _LINES) == 0 or number == 1:
            self._say(line + ("" if self._point is None else f"  {_seen(self._point)}"))

    def point(self, point: CurvePoint) -> None:
        """Keep it for the next line; the last epoch's is told with its own."""
        self._point = point
        if self._last is not None:
            self._say(f"{self._last}  {_seen(point)}")
            self._last = None

    def testing(self) -> None:
        """Say so."""
        self._say("the training is done; the test split is opened")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveFinish(SilentFinish):
    """A bar that redraws itself: epochs, time left, loss, accuracy, the last checkpoint."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._head = Text("reading the data and starting the trainer …", "dim")
        self._state = ""
        self._loss: float | None = None
        self._point: CurvePoint | None = None
        self._bar = Progress(
            TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("training", total=1, visible=False, start=False)
        # last: it draws at once
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveFinish:
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
        self._head = Text(downloaded(done, total), "dim")

    def begin(self, plan: Plan) -> None:
        """The training begins or goes on."""
        super().begin(plan)
        self._head = Text(_headline(plan), "dim")
        if (less := weakened(plan.isolation, plan.isolation_reason)) is not None:
            self._head.append(f"\n{less}", "not dim yellow")
        self._bar.update(self._task, total=plan.recipe.epochs, completed=plan.done, visible=True)
        self._bar.start_task(self._task)

    def epoch(self, number: int, epoch: Epoch) -> None:
        """An epoch ended."""
        self._loss = epoch.loss
        self._bar.update(self._task, completed=number)

    def point(self, point: CurvePoint) -> None:
        """A point of the curve was taken."""
        self._point = point

    def testing(self) -> None:
        """The training is over."""
        self._state = "testing and measuring"

    def _draw(self) -> RenderableType:
        parts: list[RenderableType] = [self._head]
        if self.began:
            words = [self._state] if self._state else []
            words += [] if self._loss is None else [f"loss {self._loss:.4f}"]
            words += [] if self._point is None else [_seen(self._point)]
            words += [f"checkpoint after epoch {self.kept}"] if self.kept else []
            parts += [self._bar, Text("  ".join(words))]
        return Group(*parts)


def finishing_view(console: Console, *, quiet: bool) -> SilentFinish | PlainFinish | LiveFinish:
    """The view that fits the console: a bar on a terminal, plain lines elsewhere, none if asked."""
    if quiet:
        return SilentFinish()
    return LiveFinish(console) if redraws(console) else PlainFinish(console)


def final_summary(result: FinalResult, path: Path | None) -> RenderableType:
    """The end of a final training, for the terminal.

    Args:
        result: what came of it.
        path: the folder of the finished network.
    """
    final, origin = result.finalized, result.origin
    if final is None:
        failure = result.failure
        told = "it left no weights" if failure is None else f"{failure.code}: {failure.message}"
        line = "" if failure is None or failure.line is None else f" (line {failure.line} of the network)"
        return Text(f"the final training of iteration {origin.accepted.iteration} failed: {told}{line}", "bold red")
    parts: list[RenderableType] = []
    if not result.fresh:
        parts.append(
            Text("this was trained and tested before; nothing was computed again (--anew trains and tests again)")
        )
    metrics = final.measurement.metrics
    what = "R2" if origin.begun.data.task.objective == "regression" else "accuracy"
    parts.append(Text(f"test {what} {accuracy_told(final)}, {final.test.count:,} inputs", "bold"))
    if (errors := final.test.residuals) is not None:
        parts.append(Text(f"mean absolute error {errors.mae:.4g}, RMSE {errors.rmse:.4g}, of {errors.target}"))
    if (warning := tested_told(final)) is not None:
        parts.append(Text(f"note: {warning}", "yellow"))
    names = ("T_Acc", "V_Acc") if final.held_out else ("T_Acc",)
    told = "  ".join(f"{name} {value(name, metrics.get(name), unit=True)}" for name in (*names, "P", "S", "F", "L"))
    parts.append(Text(f"iteration {final.iteration}, {counted(final.recipe.epochs, 'epoch')}: {told}"))
    if (less := weakened(final.isolation, final.isolation_reason)) is not None:
        parts.append(Text(less, "yellow"))
    parts.append(Text(f"network, weights, card and curves: {path}", overflow="fold"))
    return Group(*parts)


def _headline(plan: Plan) -> str:
    held = f", {plan.held_out:,} held out" if plan.held_out else ", validation split included"
    task = plan.origin.begun.data.task
    meaning = f"; accuracy is {task.accuracy}" if task.objective == "regression" else ""
    return (
        f"run {plan.origin.run}, iteration {plan.origin.accepted.iteration}: final training on {plan.trained_on:,} "
        f"inputs{held}, {counted(plan.recipe.epochs, 'epoch')}, {plan.device}, isolation {plan.isolation}{meaning}"
    )


def _seen(point: CurvePoint) -> str:
    held = "" if point.held_out is None else f", held out {value('V_Acc', point.held_out)}"
    return f"training accuracy {value('T_Acc', point.training)}{held} after epoch {point.epoch}"
