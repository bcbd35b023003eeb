"""What a candidate may take of the machine before it is stopped."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from lemonade_es.trainer.isolation.lock import Policy
from lemonade_es.trainer.measurement import Trained
from lemonade_es.trainer.memory import total_bytes

_MB = 10**6
# address space that a thread takes without using it: its stack and its part of the heap
_THREAD_BYTES = 256 * _MB
# what Python and torch take before any candidate does
_ZYGOTE_BYTES = 4096 * _MB


@dataclass(frozen=True, slots=True)
class Limits:
    """What a candidate may take before it is stopped.

    Attributes:
        check_seconds: for the check of a candidate.
        train_seconds: for training and measuring it, all in all.
        stall_seconds: between two signs of progress.
        memory_mb: for its process, in MB; ``None`` is half of the machine's (or the container's).
        weights_mb: for its trained weights, in MB.
        train_option: by which a user sets ``train_seconds``; empty if there is none.
    """

    check_seconds: float = 30.0
    train_seconds: float = 3600.0
    stall_seconds: float = 300.0
    memory_mb: int | None = None
    weights_mb: int = 1024
    train_option: str = ""

    @property
    def memory_bytes(self) -> int:
        """The bound for its process, in bytes."""
        return total_bytes() // 2 if self.memory_mb is None else self.memory_mb * _MB

    @property
    def weights_bytes(self) -> int:
        """The bound for its trained weights, in bytes."""
        return self.weights_mb * _MB

    @property
    def house_bytes(self) -> int:
        """What a candidate and the process that it is forked from may take together, in bytes."""
        return self.memory_bytes + _ZYGOTE_BYTES

    def told(self, trained: Trained, deadline: float) -> Trained:
        """What came of a training, with the option that allows more time where it was ended for want of it.

        Args:
            trained: as its trial says.
            deadline: by which all of it had to be done, on :func:`time.monotonic`'s clock.
        """
        failure = trained.measurement.failure
        late = failure is not None and failure.code == "TIMED_OUT" and time.monotonic() >= deadline
        if failure is None or not late or not self.train_option:
            return trained
        named = replace(failure, message=f"{failure.message}: give more with {self.train_option}")
        return replace(trained, measurement=replace(trained.measurement, failure=named))

    def policy(self, seconds: float, threads: int, *, cuda: bool, packages: tuple[str, ...] = ()) -> Policy:
        """How tightly a child is locked.

        Args:
            seconds: that it is given, wall-clock.
            threads: that it may compute with.
            cuda: whether it works on a GPU.
            packages: installed packages that it may read besides those that the zygote has imported.
        """
        return Policy(
            confine=True,
            # a GPU's driver reserves address space without end: there the zygote watches what is really used
            memory_bytes=None if cuda else self.memory_bytes + threads * _THREAD_BYTES,
            cpu_seconds=math.ceil(seconds * threads) + 10,
            cuda=cuda,
            packages=packages,
        )
