"""The figures of a device in the place of this machine's: all of those that differ from one machine to another."""

from __future__ import annotations

import time
from dataclasses import replace

from lemonade_es.task import Task
from lemonade_es.trainer.device.command import DeviceCommand
from lemonade_es.trainer.device.report import DeviceReport
from lemonade_es.trainer.measurement import DeviceOutcome, Energy, Failure, Measurement

ON_DEVICE = ("L", "F", "B", "W", "R")
"""The metrics that a device tells; with a device, those of this machine do not stand in for them."""


AGAIN_AFTER = 5.0
"""Seconds after which a command that failed is tried once more: a board may have been away for a moment."""


def on_device(measurement: Measurement, command: DeviceCommand, model: bytes | Failure, task: Task) -> Measurement:
    """A measurement with the figures of the user's device, or with the reason why there are none.

    Args:
        measurement: what was measured here.
        command: measures there.
        model: the network as ONNX, or why it could not be exported.
        task: says what one input is.
    """
    started = time.perf_counter()
    report = model if isinstance(model, Failure) else _asked(command, model, task)
    seconds = time.perf_counter() - started
    energy = {phase: taken for phase, taken in measurement.energy.items() if phase != "inference"}
    if isinstance(report, Failure):
        figures: dict[str, float | None] = dict.fromkeys(ON_DEVICE)
        why = f"{report.code}: {report.message}"
        outcome = DeviceOutcome(command.text, seconds, failure=report)
    else:
        figures = dict(report.metrics)
        why = "the device did not tell it"
        outcome = DeviceOutcome(command.text, seconds, report.device)
        energy["inference"] = Energy(
            joules=report.joules,
            seconds=(figures["L"] or 0.0) / 1e3,
            provenance="unavailable" if report.joules is None else report.provenance,
            method=f"device {report.device}".rstrip(),
            scope="device",
            reason=why if report.joules is None else None,
        )
    known = [name for name, value in figures.items() if value is not None]
    absent = {name: reason for name, reason in measurement.absent.items() if name not in known}
    return replace(
        measurement,
        metrics={**measurement.metrics, **figures},
        absent={**absent, **{name: why for name, value in figures.items() if value is None}},
        energy=energy,
        measuring_seconds=measurement.measuring_seconds + seconds,
        sources=dict.fromkeys(known, "device"),
        device=outcome,
    )


def _asked(command: DeviceCommand, model: bytes, task: Task) -> DeviceReport | Failure:
    """What the device tells; a command that fails is tried a second time, one that is slow or babbles is not."""
    shape = (1, *task.input_shape)
    report = command.run(model, shape, task.vocabulary_size)
    if isinstance(report, Failure) and report.code == "DEVICE_FAILED":
        time.sleep(AGAIN_AFTER)
        return command.run(model, shape, task.vocabulary_size)
    return report
