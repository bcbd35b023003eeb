"""What repeats and pruning look like: in the table, in the plain view, and in words."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from lemonade_es.engine.history.events import IterationEnded, NoiseEstimated, Pruned, Repeated, Seconds
from lemonade_es.engine.loop.noise import Noise
from lemonade_es.report.live import LiveView
from lemonade_es.report.noise import combined, noise_told, still_unknown
from lemonade_es.report.plain import PlainView
from lemonade_es.report.tables import iterations_table
from lemonade_es.trainer.measurement import Failure, Measurement

NOISE = NoiseEstimated(2, 0.0123, 4, (1, 2))
PRUNED = Pruned(4, 3, 50, 6, 6, 0.3, 1.2, 2, "after 3 of 50 epochs its summed loss is 6th of 6")


def ended(iteration, CM, **changes):  # noqa: N803  (the paper's name)
    return IterationEnded(iteration, "ok", {"V_Acc": 0.9}, CM, False, Seconds(2.0), **changes)


def drawn(renderable):
    out = io.StringIO()
    Console(file=out, width=120).print(renderable)
    return out.getvalue()


def said(*events):
    out = io.StringIO()
    view = PlainView(Console(file=out, width=200))
    for event in events:
        view.event(event)
    return out.getvalue()


def test_the_table_marks_what_the_noise_does_not_tell_from_the_best():
    rows = [ended(1, 1.80), ended(2, 1.90), ended(3, 1.895), IterationEnded(4, "pruned", {}, None, False, Seconds())]
    lines = drawn(iterations_table(rows, [{}] * 4, best=2, floor=0.0123)).splitlines()
    assert [line.split()[-1] for line in lines[2:]] == ["best", "tie", "pruned"]
    assert "tie" not in lines[1]


def test_who_keeps_the_bounds_ties_with_nobody_who_breaks_them():
    rows = [ended(1, 1.90), ended(2, 1.899), ended(3, 1.898)]
    rows = [replace(row, metrics={"S": size}) for row, size in zip(rows, (0.05, 0.4, 0.08), strict=True)]
    lines = drawn(iterations_table(rows, [{}] * 3, best=1, floor=0.01, bounds={"S": 0.1})).splitlines()
    assert [line.split()[-1] for line in (lines[1], lines[3])] == ["best", "tie"]
    assert "tie" not in lines[2]


def test_without_a_noise_floor_there_are_no_ties():
    rows = [ended(1, 1.90), ended(2, 1.90)]
    assert "tie" not in drawn(iterations_table(rows, [{}] * 2, best=1))


def test_a_mean_is_shown_with_its_spread_and_a_single_value_without():
    assert combined(ended(1, 1.9, spread={"CM": 0.0031}, trainings=3)) == "1.9000±0.0031"
    assert combined(ended(1, 1.9)) == "1.9000"
    assert combined(ended(1, None)) == "-"


def test_the_noise_floor_is_told_with_what_it_rests_on():
    assert "0.0123" in noise_told(NOISE)
    assert "of iterations 1, 2;" in noise_told(NOISE)
    assert "of iteration 3;" in noise_told(replace(NOISE, networks=(3,)))
    noise = Noise()
    noise.heard(1, [1.0, 1.1])
    assert "1 of the 4 degrees of freedom" in still_unknown(noise)


def test_the_plain_view_tells_each_training_the_floor_ties_and_prunings():
    text = said(
        Repeated(1, 2, 7, Measurement({"V_Acc": 0.875})),
        Repeated(1, 3, 8, Measurement({}, failure=Failure("DIVERGED", "the loss is not finite"))),
        NOISE,
        PRUNED,
        ended(3, 1.9, tie=2, note="a tie with iteration 2"),
    )
    assert "iteration 1: trained again with another seed (2): V_Acc 87.50%" in text
    assert "iteration 1: training 3, with another seed, failed: the loss is not finite" in text
    assert "iteration 2: noise floor" in text
    assert "iteration 4: pruned: after 3 of 50 epochs" in text
    assert "(a tie with iteration 2)" in text


def test_the_live_view_takes_all_of_it():
    view = LiveView(Console(file=io.StringIO(), width=100))
    for event in (ended(1, 1.9), ended(2, 1.895), NOISE, PRUNED):
        view.event(event)
    assert view._noise == NOISE
    assert view._problem == f"pruned: {PRUNED.reason}"
