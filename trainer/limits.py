"""What a candidate may take of the machine before it is stopped."""

from __future__ import annotations

from dataclasses import dataclass

from lemonade_es.trainer.memory import total_bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What a candidate may take before it is stopped.

    Attributes:
        check_seconds: for the check of a candidate.
        train_seconds: for training and measuring it, all in all.
        stall_seconds: between two signs of progress.
        memory_mb: for its process, in MB; ``None`` is half of the machine's (or the container's).
        weights_mb: for its trained weights, in MB.
    """

    check_seconds: float = 30.0
    train_seconds: float = 3600.0
    stall_seconds: float = 300.0
    memory_mb: int | None = None
    weights_mb: int = 1024

    @property
    def memory_bytes(self) -> int:
        """The bound for its process, in bytes."""
        return total_bytes() // 2 if self.memory_mb is None else self.memory_mb * 10**6
