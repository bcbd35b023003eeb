"""What the traces say: curves with intervals, differences between contenders, evaluations to a level, hypervolume."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.quality.trace import SearchTrace

Values = npt.NDArray[np.float64]
DRAWS = 4000
ENOUGH = 5
"""Of fewer seeds a bootstrap says nothing."""


class Mean(NamedTuple):
    """A mean over seeds with its 95 % interval; of a few seeds, with the lowest and the highest value."""

    value: float
    low: float
    high: float
    seeds: int


def mean(values: Sequence[float], seed: int = 0) -> Mean:
    """The mean, and from some seeds on a bootstrap of it: 2.5 and 97.5 %."""
    found = np.asarray(values, dtype=np.float64)
    ends = found.min(), found.max()
    if len(found) >= ENOUGH:
        drawn = np.random.default_rng(seed).integers(0, len(found), (DRAWS, len(found)))
        ends = np.quantile(found[drawn].mean(axis=1), (0.025, 0.975))
    return Mean(float(found.mean()), float(ends[0]), float(ends[1]), len(found))


def told(figure: Mean | None, sign: str = "") -> str:
    """``0.9852 [0.981, 0.989]``; ``0.9852 (0.981 to 0.989)`` where the ends are those of a few seeds."""
    if figure is None:
        return "-"
    value, low, high, seeds = figure
    if seeds >= ENOUGH:
        return f"{value:{sign}.4f} [{low:{sign}.3f}, {high:{sign}.3f}]"
    return f"{value:{sign}.4f} ({low:{sign}.3f} to {high:{sign}.3f})"


def at(
    traces: Sequence[SearchTrace], evaluations: int, curve: Callable[[SearchTrace], list[float]]
) -> dict[int, float]:
    """A curve's value after so many evaluations, by seed; of searches that came as far."""
    found = {item.seed: curve(item) for item in traces}
    return {seed: values[evaluations - 1] for seed, values in found.items() if len(values) >= evaluations}


def at_seconds(trace: SearchTrace, seconds: float) -> float:
    """The highest validation accuracy of evaluations that had ended by then."""
    reached = [item.V_Acc or 0.0 for item in trace.evaluations if item.seconds <= seconds]
    return max(reached, default=0.0)


def evaluations_to(trace: SearchTrace, level: float) -> float:
    """How many evaluations it took to reach a validation accuracy; infinite if it never did."""
    return next((float(number) for number, best in enumerate(trace.best(), 1) if best >= level - 1e-9), math.inf)


def differences(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Mean | None:
    """Ours less theirs, seed by seed: mean and interval."""
    both = sorted(ours.keys() & theirs.keys())
    return mean([ours[seed] - theirs[seed] for seed in both]) if len(both) >= 2 else None


def hypervolumes(traces: Sequence[SearchTrace]) -> dict[tuple[str, int], float]:
    """Of accuracy, size and speed, by contender and seed.

    Sizes and speeds are logarithms; each objective is scaled to 0..1 over all networks of all contenders, and the
    worst corner is the reference.
    """
    import moocore

    def costs(item: SearchTrace) -> Values:
        return np.asarray([(-accuracy, math.log(size), -math.log(speed)) for accuracy, size, speed in item.points()])

    everything = np.concatenate([costs(item) for item in traces])
    low, high = everything.min(axis=0), everything.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    return {
        (item.contender, item.seed): float(moocore.hypervolume((costs(item) - low) / span, ref=[1.0, 1.0, 1.0]))
        for item in traces
    }


def summary(traces: Sequence[SearchTrace], evaluations: int, ours: str = "lemonade") -> dict[str, Any]:
    """All figures of one task."""
    by_contender: dict[str, list[SearchTrace]] = {}
    for item in traces:
        by_contender.setdefault(item.contender, []).append(item)
    budgets = sorted({max(1, evaluations // 6), max(1, evaluations // 3), max(1, 2 * evaluations // 3), evaluations})
    levels = {name: float(np.mean([item.best()[-1] for item in found])) for name, found in by_contender.items()}
    own = by_contender.get(ours, [])
    clock = float(np.median([item.evaluations[-1].seconds for item in own])) if own else 0.0
    volumes = hypervolumes(traces)
    contenders: dict[str, Any] = {}
    for name, found in by_contender.items():
        figures: dict[str, Any] = {
            "seeds": sorted(item.seed for item in found),
            "failed": sum(item.V_Acc is None for one in found for item in one.evaluations),
            "V_Acc": {n: mean([*at(found, n, SearchTrace.best).values()]) for n in budgets},
            "test": {n: mean([*at(found, n, SearchTrace.held_out_of_best).values()]) for n in budgets},
            "V_Acc_after_seconds": {
                round(clock * share): mean([at_seconds(item, clock * share) for item in found])
                for share in (0.25, 0.5, 1.0)
            },
            "seconds": mean([item.evaluations[-1].seconds for item in found]),
            "hypervolume": mean([volumes[name, item.seed] for item in found]),
            "proposed": {
                f"{first + 1} to {last}": float(
                    np.median([item.V_Acc or 0.0 for one in found for item in one.evaluations[first:last]])
                )
                for first, last in pairwise((1, *budgets))
                if last > first
            },
            "evaluations_to": {
                other: _median([evaluations_to(item, level) for item in found]) for other, level in levels.items()
            },
        }
        if name != ours and own:
            figures["ours_less_theirs"] = {
                curve: {n: differences(at(own, n, way), at(found, n, way)) for n in budgets}
                for curve, way in (("V_Acc", SearchTrace.best), ("test", SearchTrace.held_out_of_best))
            }
            figures["ours_less_theirs"]["hypervolume"] = differences(
                {item.seed: volumes[ours, item.seed] for item in own},
                {item.seed: volumes[name, item.seed] for item in found},
            )
        contenders[name] = figures
    return {"evaluations": evaluations, "budgets": budgets, "levels": levels, "contenders": contenders}


def _median(values: Sequence[float]) -> float | None:
    """``None`` where half of the searches or more never got there."""
    middle = float(np.median(values))
    return middle if math.isfinite(middle) else None


def table(task: str, found: Mapping[str, Any]) -> list[str]:
    """The figures of one task for a person."""
    budgets, contenders = found["budgets"], found["contenders"]
    heads = "".join(f"{f'after {n}':>28}" for n in budgets)
    lines = [
        f"{task}: highest V_Acc, mean over seeds [95 %] (lowest to highest, of fewer than 5)",
        f"{'':16}{'seeds':>6}{heads}",
    ]
    for name, figures in contenders.items():
        cells = "".join(f"{told(figures['V_Acc'][n]):>28}" for n in budgets)
        lines.append(f"{name:16}{len(figures['seeds']):6}{cells}")
    lines += ["", f"{'':16}{'test at the end':>28}{'hypervolume':>28}{'seconds':>9}{'failed':>8}"]
    for name, figures in contenders.items():
        test, volume = told(figures["test"][budgets[-1]]), told(figures["hypervolume"])
        lines.append(f"{name:16}{test:>28}{volume:>28}{figures['seconds'][0]:9.0f}{figures['failed']:8}")
    compared = {name: figures for name, figures in contenders.items() if "ours_less_theirs" in figures}
    if compared:
        lines += ["", f"{'lemonade less':16}{'':6}{heads}"]
        for name, figures in compared.items():
            cells = "".join(f"{told(figures['ours_less_theirs']['V_Acc'][n], sign='+'):>28}" for n in budgets)
            lines.append(f"  {name:20}{cells}")
    spans = list(next(iter(contenders.values()))["proposed"])
    lines += ["", "V_Acc (median over all seeds) of the networks that were proposed as", f"{'':16}" + _cells(spans)]
    lines += [f"{name:16}" + _cells([f"{v:.4f}" for v in one["proposed"].values()]) for name, one in contenders.items()]
    lines += ["", "evaluations (median) to the mean final V_Acc of"]
    names = list(contenders)
    lines.append(f"{'':16}" + _cells([name[:13] for name in names]))
    for name, figures in contenders.items():
        reached = [figures["evaluations_to"][other] for other in names]
        lines.append(f"{name:16}" + _cells(["never" if n is None else f"{n:g}" for n in reached]))
    return lines


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"{text:>15}" for text in texts)
