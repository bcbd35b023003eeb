"""Latency at batch size 1 and what follows from it, by the parent's clock around windows of many passes.

A busy machine slows everything alike; so a reference network that never changes is timed in turn with the
candidate, and the ratio of the two is the steadiest figure there is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from lemonade_es.trainer.measurement import Latency

WARM_UPS = 20

_WINDOW_SECONDS = 0.005
_BUDGET_SECONDS = 0.7
_LEAST_WINDOWS = 20
_LEAST_WINDOWS_SLOW = 5
_SLOW_FACTOR = 3
_MOST_PASSES = 100_000

Timer = Callable[[str, int], float]
"""Has ``candidate`` or ``reference`` do a number of passes and gives the seconds that it took."""


def latency(timer: Timer, clock: Callable[[], float] = time.perf_counter) -> Latency:
    """Times candidate and reference in turn: 20 windows or more in about 0.7 s, fewer for slow networks.

    Args:
        timer: runs and times one window.
        clock: how long it all takes, in seconds.
    """
    passes = passes_for(timer, "candidate", _WINDOW_SECONDS)
    reference_passes = passes_for(timer, "reference", _WINDOW_SECONDS)
    candidate: list[float] = []
    reference: list[float] = []
    started = clock()
    while True:
        candidate.append(timer("candidate", passes) / passes)
        reference.append(timer("reference", reference_passes) / reference_passes)
        spent = clock() - started
        enough = len(candidate) >= _LEAST_WINDOWS and spent >= _BUDGET_SECONDS
        too_slow = len(candidate) >= _LEAST_WINDOWS_SLOW and spent >= _SLOW_FACTOR * _BUDGET_SECONDS
        if enough or too_slow:
            break
    milliseconds = np.array(candidate) * 1e3
    p10, p50, p90, p99 = (float(value) for value in np.percentile(milliseconds, (10, 50, 90, 99)))
    return Latency(
        p10=p10,
        p50=p50,
        p90=p90,
        p99=p99,
        best=float(milliseconds.min()),
        windows=len(candidate),
        passes=passes,
        reference_ratio=float(np.median(np.array(candidate) / np.array(reference))),
    )


def passes_for(timer: Timer, which: str, seconds: float) -> int:
    """How many passes fill a window of at least ``seconds``, from windows that grow until one does."""
    passes = 1
    while (took := timer(which, passes)) < seconds and passes < _MOST_PASSES:
        # a tenth more than needed, and no more than tenfold: the first pass may be a slow one
        wanted = math.ceil(passes * 1.1 * seconds / max(took, 1e-9))
        passes = min(max(wanted, passes + 1), passes * 10, _MOST_PASSES)
    return passes
