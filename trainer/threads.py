"""How many threads a training gets."""

from __future__ import annotations

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
