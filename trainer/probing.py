"""What the machine can do, tried in a locked child with code of our own: whether a GPU works, whether bfloat16 pays."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from lemonade_es.errors import ConfigError
from lemonade_es.trainer.isolation.child import CandidateFailed, Child

Device = Literal["auto", "cpu", "cuda"]

PROBE_SECONDS = 60.0
"""For one of these trials."""

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def working_device(wished: Device, probe: Callable[[], Child]) -> str:
    """``cpu`` or ``cuda``: a GPU if it is not unwished for, and works.

    Args:
        wished: ``auto`` takes a GPU if it works.
        probe: gives a child that says whether CUDA works; it is only asked where there is a GPU.

    Raises:
        ConfigError: ``cuda`` was wished for and does not work.
        IsolationError: no locked child can be had.
    """
    if wished == "cpu":
        return "cpu"
    if any(Path(device).exists() for device in _GPU_DEVICES):
        why = _why_no_cuda(probe)
    else:
        why = "there is no GPU device on this machine"
    if why is None:
        return "cuda"
    if wished == "cuda":
        raise ConfigError(f"cuda cannot be used: {why}", where="device", hint="choose --device cpu or --device auto")
    return "cpu"


def _why_no_cuda(probe: Callable[[], Child]) -> str | None:
    with probe() as child:
        try:
            said = child.listen(time.monotonic() + PROBE_SECONDS).message
        except CandidateFailed as failed:
            return failed.failure.message
    return None if said.get("cuda") is True else str(said.get("why"))


def faster_precision(probe: Child) -> str:
    """``bf16`` if it is worth it on a child's device, else ``fp32``.

    Args:
        probe: trains a network of our own in both; it is ended.
    """
    with probe as child:
        try:
            said = child.call("pace", deadline=time.monotonic() + PROBE_SECONDS).message
        except CandidateFailed:  # what cannot be tried cannot be trusted
            return "fp32"
    return "bf16" if said.get("bf16_pays") is True else "fp32"
