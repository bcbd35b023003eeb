"""Latency at batch size 1 and throughput of batches, by the parent's clock around windows of many passes.

A busy machine slows everything alike; so a reference network that never changes is timed in turn with the
candidate, and the ratio of the two is the steadiest figure there is.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from lemonade_es.trainer.measurement import Latency

WARM_UPS = 20
SPREAD_BOUND = 0.01
"""Measuring ends when the median is known to +-1 %, or its time is up."""

CAP_SECONDS = 1.0
"""For measuring a candidate of a search."""

BATCH = 128
"""Inputs in a batch whose throughput is measured: the paper's batch size."""

_IN_TURN = ("candidate", "reference")
_WINDOW_SECONDS = 0.01
_LEAST_SECONDS = 0.3
_LEAST_WINDOWS = 20
_LEAST_WINDOWS_SLOW = 5
_SLOW_FACTOR = 1.5
_MOST_PASSES = 100_000
_CONFIRMATIONS = 2
_SURELY_LONG = 20
_TWICE, _GROWTH = 1.5, 4
"""Twice as many passes take at least so much longer, or most of a window is waiting: then there are to be more."""
_BATCH_WINDOW_SECONDS = 0.05
_BATCH_WINDOWS = 5
_CONFIDENCE = 1.96

Timer = Callable[[str, int], float]
"""Has ``candidate``, ``reference`` or ``batch`` do a number of passes and gives the seconds that it took."""


def latency(
    timer: Timer, clock: Callable[[], float] = time.perf_counter, *, cap_seconds: float = CAP_SECONDS
) -> Latency:
    """Times candidate and reference in turn, in windows, until the median is known well or the time is up.

    There are 20 windows or more; a network that is too slow for these has at least 5. Where a window is much shorter
    than it should be, the machine was busy when its passes were counted, and all begins anew with more of them.

    Args:
        timer: runs and times one window.
        clock: how long it all takes, in seconds.
        cap_seconds: to measure for at most, whether it has settled or not; half as much more for slow networks.
    """
    passes = tuple(passes_for(timer, which, _WINDOW_SECONDS) for which in _IN_TURN)
    candidate: list[float] = []
    reference: list[float] = []
    settled = False
    started = clock()
    while True:
        took = [timer(which, count) for which, count in zip(_IN_TURN, passes, strict=True)]
        wanted = tuple(map(_enough, passes, took))
        if wanted != passes:
            passes = wanted
            candidate.clear()
            reference.clear()
            started = clock()
            continue
        candidate.append(took[0] / passes[0])
        reference.append(took[1] / passes[1])
        spent = clock() - started
        if len(candidate) >= _LEAST_WINDOWS:
            settled = spent >= _LEAST_SECONDS and spread(candidate) <= SPREAD_BOUND
            if settled or spent >= cap_seconds:
                break
        elif len(candidate) >= _LEAST_WINDOWS_SLOW and spent >= _SLOW_FACTOR * cap_seconds:
            break
    milliseconds = np.array(candidate) * 1e3
    p10, p50, p90, p95, p99 = (float(value) for value in np.percentile(milliseconds, (10, 50, 90, 95, 99)))
    return Latency(
        p10=p10,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        best=float(milliseconds.min()),
        windows=len(candidate),
        passes=passes[0],
        reference_ratio=float(np.median(np.array(candidate) / np.array(reference))),
        spread=spread(candidate),
        settled=settled,
    )


def throughput(timer: Timer) -> float:
    """Inputs per second in batches of :data:`BATCH`: the median of 5 windows."""
    passes = passes_for(timer, "batch", _BATCH_WINDOW_SECONDS)
    seconds = statistics.median(timer("batch", passes) for _ in range(_BATCH_WINDOWS))
    return BATCH * passes / seconds


def spread(values: Sequence[float]) -> float:
    """Half the width of the median's 95 % confidence interval, relative to the median.

    The interval lies between two order statistics (the binomial distribution, approximated), so nothing is assumed
    of how the values are spread but that they do not depend on each other.
    """
    ordered = sorted(values)
    count = len(ordered)
    reach = _CONFIDENCE * math.sqrt(count) / 2
    low = max(0, math.floor(count / 2 - reach) - 1)
    high = min(count - 1, math.ceil(count / 2 + reach))
    return (ordered[high] - ordered[low]) / 2 / statistics.median(ordered)


def passes_for(timer: Timer, which: str, seconds: float) -> int:
    """How many passes fill a window of at least ``seconds``, from windows that grow until one does.

    On a busy machine each window may wait for the processor for as long: it must be the passes that fill it.
    """
    passes = 1
    while passes < _MOST_PASSES:
        took = _shortest(timer, which, passes, seconds)
        if took < seconds:
            passes = _more(passes, took, seconds)
        elif took < _SURELY_LONG * seconds and timer(which, 2 * passes) < _TWICE * took:
            passes = min(_GROWTH * passes, _MOST_PASSES)
        else:
            break
    return passes


def _enough(passes: int, took: float) -> int:
    """More passes, if a window shows by its haste that those were waiting by which the passes were counted."""
    return passes if took >= _WINDOW_SECONDS / 2 else _more(passes, took, _WINDOW_SECONDS)


def _more(passes: int, took: float, seconds: float) -> int:
    """A tenth more than needed, and no more than tenfold: the first pass may be a slow one."""
    wanted = math.ceil(passes * 1.1 * seconds / max(took, 1e-9))
    return min(max(wanted, passes + 1), passes * 10, _MOST_PASSES)


def _shortest(timer: Timer, which: str, passes: int, seconds: float) -> float:
    """The seconds of a window; a long one is tried again, for a busy machine may have kept it waiting."""
    took = timer(which, passes)
    for _ in range(_CONFIRMATIONS):
        if seconds <= took < _SURELY_LONG * seconds:
            took = min(took, timer(which, passes))
    return took
