"""What a measuring command prints: one JSON object of figures, checked before anything is believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lemonade_es.trainer.isolation.protocol import ProtocolError, decode
from lemonade_es.vocabulary import closest

UNITS: Mapping[str, str] = {
    "L": "median latency of one input, in ms",
    "F": "inputs per second, one after the other",
    "B": "inputs per second in batches of 128",
    "W": "power drawn by inference, in mW",
    "R": "peak memory of the process, in MB",
    "joules": "energy of one input, in J",
}
"""The figures that a command may tell."""

_WORDS = ("provenance", "device")
_LARGEST = 1e15
_AGREEMENT = 0.05
_TEXT_LIMIT = 200


class ReportError(Exception):
    """What a command printed is no report; the message says why."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """The figures of one network on a device; what the device did not tell is ``None``.

    Attributes:
        metrics: by vocabulary name: ``L``, ``F``, ``B``, ``W``, ``R``.
        joules: energy of one input.
        provenance: of power and energy.
        device: what the command calls the device.
    """

    metrics: Mapping[str, float | None]
    joules: float | None
    provenance: Literal["measured", "estimated"]
    device: str


def read_report(text: bytes) -> DeviceReport:
    """The report in what a command printed: all of it, or its last line.

    ``L`` and ``F`` follow from each other (``F = 1000 / L``), and so do ``W`` and ``joules``.

    Raises:
        ReportError: there is no JSON object, a key is unknown, or a figure cannot be one.
    """
    said = _object(text)
    for key in said:
        if key not in UNITS and key not in _WORDS:
            near = closest(key, (*UNITS, *_WORDS))
            hint = f"did you mean {near}?" if near else f"it may tell {', '.join((*UNITS, *_WORDS))}"
            raise ReportError(f"it tells {_short(key)}, which is unknown: {hint}")
    figures = {name: _figure(name, said.get(name)) for name in UNITS}
    latency, rate = figures["L"], figures["F"]
    if latency is None and rate is None:
        raise ReportError(f"it tells neither L ({UNITS['L']}) nor F ({UNITS['F']})")
    if latency is None:
        latency = 1e3 / (rate or math.inf)
    if rate is None:
        rate = 1e3 / latency
    if abs(rate * latency / 1e3 - 1) > _AGREEMENT:
        raise ReportError(f"L = {latency:g} ms and F = {rate:g} 1/s contradict each other: F is 1000 / L")
    power, joules = figures["W"], figures["joules"]
    if power is None and joules is not None:
        power = joules / latency * 1e6
    elif joules is None and power is not None:
        joules = power * latency / 1e6
    for name, derived in (("L", latency), ("F", rate), ("W", power), ("joules", joules)):
        _figure(name, derived)
    return DeviceReport(
        metrics={"L": latency, "F": rate, "B": figures["B"], "W": power, "R": figures["R"]},
        joules=joules,
        provenance=_provenance(said.get("provenance")),
        device=_device(said.get("device")),
    )


def _object(text: bytes) -> Mapping[str, Any]:
    lines = text.strip().splitlines()
    if not lines:
        raise ReportError("it printed nothing on stdout")
    try:
        return decode(text)
    except ProtocolError as error:
        if len(lines) == 1:
            raise ReportError(f"it printed {error}") from None
    try:
        return decode(lines[-1])
    except ProtocolError as error:
        raise ReportError(f"its last line is {error}") from None


def _figure(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LARGEST:
        raise ReportError(f"{name} is {_short(repr(value))}; it must be a number above 0 ({UNITS[name]})")
    return float(value)


def _provenance(value: object) -> Literal["measured", "estimated"]:
    match value:
        case None | "measured":
            return "measured"
        case "estimated":
            return "estimated"
    raise ReportError(f"provenance is {_short(repr(value))}; it must be measured or estimated")


def _device(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable() or len(value) > _TEXT_LIMIT:
        raise ReportError(f"device is {_short(repr(value))}; it must be a line of at most {_TEXT_LIMIT} characters")
    return value


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
