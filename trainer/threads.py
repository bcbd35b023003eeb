"""How many threads a training gets, and how many cores there are for them."""

from __future__ import annotations

import os

_SMALL_STEP = 200_000_000
"""Multiply-accumulates of a batch below which a second thread gains little, and loses much on a busy machine."""


def threads_for(macs: int, batch_size: int, cores: int) -> int:
    """How many threads a training gets: a rule, not a trial, for their number decides the last bits of the weights.

    Args:
        macs: multiply-accumulates of one input.
        batch_size: inputs in a step.
        cores: how many there are.
    """
    return 1 if macs * batch_size < _SMALL_STEP else cores


def usable_cores() -> int:
    """How many cores this process may use: all, or those that a container, a scheduler or ``taskset`` left it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
