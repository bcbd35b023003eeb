"""The curves of a final training, as the paper's Fig. 3 has them: loss and accuracy over the epochs."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lemonade_es.engine.history.finalized import Finalized
from lemonade_es.report.formats import value
from lemonade_es.task import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRAINING, _HELD_OUT, _TEST = "#1f5fa8", "#d9822b", "#2a8c4a"
_HELD_OUT_LABEL = "validation (held out)"
_GRID, _INK = "#dddddd", "#333333"
_WIDE = 20
"""A loss that falls so many times is drawn on a logarithmic scale."""


def curves_png(final: Finalized, task: Task) -> bytes:
    """Two panels: the loss of every epoch, and accuracy, with the one figure of the test beside its interval.

    Args:
        final: the training.
        task: what accuracy means.
    """
    import matplotlib as mpl  # noqa: PLC0415  (half a second that only this page needs)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(
        {"font.size": 10, "axes.edgecolor": _INK, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(11, 4.2), dpi=140, layout="constrained")
        FigureCanvasAgg(figure)
        loss, accuracy = figure.subplots(1, 2)
        _draw_loss(loss, final, task)
        _draw_accuracy(accuracy, final, task)
        inputs = f"{final.trained_on:,} inputs" + (
            f", {final.held_out:,} held out" if final.held_out else ", validation split included"
        )
        name = "".join(letter if letter.isprintable() else "?" for letter in task.data)
        figure.suptitle(
            f"{name}: final training of iteration {final.iteration} on {inputs}",
            fontsize=11,
            color=_INK,
            parse_math=False,  # a name may have dollar signs
        )
        picture = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # it is drawn as a box
            figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def curves_csv(final: Finalized) -> bytes:
    """A row for each epoch: its loss and seconds, and the accuracies where they were taken."""
    points = {point.epoch: point for point in final.points}
    rows: list[Sequence[object]] = [
        ("epoch", "loss", "seconds", "training_accuracy", "held_out_accuracy", "held_out_loss")
    ]
    for number, epoch in enumerate(final.measurement.epochs, start=1):
        point = points.get(number)
        seen = (None, None, None) if point is None else (point.training, point.held_out, point.held_out_loss)
        rows.append((number, epoch.loss, round(epoch.seconds, 4), *seen))
    return _table(rows)


def confusion_csv(final: Finalized) -> bytes | None:
    """The confusion matrix, a row for each true class; ``None`` for a regression."""
    if not final.test.confusion:
        return None
    names = [item.name for item in final.test.classes]
    rows: list[Sequence[object]] = [("true class", *names)]
    rows += [(name, *counts) for name, counts in zip(names, final.test.confusion, strict=True)]
    return _table(rows)


def _table(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _draw_loss(axes: Axes, final: Finalized, task: Task) -> None:
    """The panel of the loss: of every epoch, and of what was held out where that was taken."""
    losses = [epoch.loss for epoch in final.measurement.epochs]
    axes.plot(range(1, len(losses) + 1), losses, color=_TRAINING, label="training")
    held = {point.epoch: point.held_out_loss for point in final.points if point.held_out_loss is not None}
    if held:
        axes.plot(list(held), list(held.values()), color=_HELD_OUT, label=_HELD_OUT_LABEL)
    if 0 < _WIDE * min(losses) < max(losses):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda number, _place: f"{number:g}")
    _dress(axes, "mean squared error" if task.objective == "regression" else "cross-entropy", len(losses))


def _draw_accuracy(axes: Axes, final: Finalized, task: Task) -> None:
    """The panel of accuracy: between epochs, and at their end that of the test."""
    places = [point.epoch for point in final.points]
    mark = "." if len(places) < 30 else ""
    axes.plot(places, [point.training for point in final.points], color=_TRAINING, marker=mark, label="training")
    held = {point.epoch: point.held_out for point in final.points if point.held_out is not None}
    if held:
        axes.plot(list(held), list(held.values()), color=_HELD_OUT, marker=mark, label=_HELD_OUT_LABEL)
    epochs, test = len(final.measurement.epochs), final.test
    axes.errorbar(
        [epochs],
        [test.accuracy],
        # a bootstrap's interval need not hold the figure itself
        yerr=[
            [max(0.0, test.accuracy - test.interval.low)],
            [max(0.0, test.interval.high - test.accuracy)],
        ],
        color=_TEST,
        marker="D",
        capsize=4,
        clip_on=False,
        linestyle="none",
        label=f"test, once: {value('V_Acc', test.accuracy)} (95 % interval)",
    )
    _dress(axes, "R2, clipped at 0" if task.objective == "regression" else "accuracy", epochs)
    if task.objective == "classification":
        axes.yaxis.set_major_formatter(lambda share, _place: f"{100 * share:.4g} %")


def _dress(axes: Axes, what: str, epochs: int) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    axes.set_xlim(0 if epochs > 30 else 0.5, epochs + (0 if epochs > 30 else 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(frameon=False)
