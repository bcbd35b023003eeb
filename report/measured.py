"""What was measured on one network, as JSON and as a table: ``lemonade-es measure``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lemonade_es.engine.appraisal import Appraisal
from lemonade_es.report.formats import UNKNOWN, duration, shape, value
from lemonade_es.trainer.energy import grams_co2e, kwh_pue
from lemonade_es.trainer.measurement import Energy, Latency, Measurement
from lemonade_es.vocabulary import METRICS

_SHOWN = ("V_Acc", "T_Acc", "P", "S", "M", "L", "F", "B", "R", "W", "V_E")


def figures(appraisal: Appraisal) -> dict[str, Any]:
    """All of it as JSON data, with the names that ``measure --json`` documents."""
    measurement = appraisal.measurement
    failure = measurement.failure
    return {
        "model": appraisal.model,
        "weights": appraisal.weights,
        "data": appraisal.task.data,
        "input_shape": list(appraisal.task.input_shape),
        "accuracy": appraisal.task.accuracy,
        "device": appraisal.device,
        "isolation": appraisal.isolation,
        "meter": appraisal.meter,
        "failure": None if failure is None else asdict(failure),
        "note": appraisal.note,
        "metrics": dict(measurement.metrics),
        "absent": dict(measurement.absent),
        "sources": dict(measurement.sources),
        "latency": None if measurement.latency is None else asdict(measurement.latency),
        "energy": {
            phase: asdict(energy) | _derived(energy, appraisal.grid) for phase, energy in measurement.energy.items()
        },
        "assumed_grid_gco2e_per_kwh": appraisal.grid,
        "measured_with": None if measurement.device is None else asdict(measurement.device),
    }


def figures_table(appraisal: Appraisal) -> RenderableType:
    """The figures for the terminal, each with how it is known."""
    measurement, task = appraisal.measurement, appraisal.task
    parts: list[RenderableType] = [
        Text(f"{appraisal.model} on {task.data} ({shape(task)}), {appraisal.device}, isolation {appraisal.isolation}"),
        Text(f"energy {appraisal.meter}", "dim"),
    ]
    if measurement.failure is not None:
        failure = measurement.failure
        line = "" if failure.line is None else f", line {failure.line}"
        parts.append(Text(f"{failure.code}{line}: {failure.message}", "bold red"))
    if appraisal.note is not None:
        parts.append(Text(f"note: {appraisal.note}", "yellow"))
    if task.objective == "regression":
        parts.append(Text(f"accuracy is {task.accuracy}"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for name in _SHOWN:
        number = measurement.metrics.get(name)
        table.add_row(name, value(name, number, unit=True), Text(f"{METRICS[name].text}{_known(measurement, name)}"))
    inference = measurement.energy.get("inference")
    if inference is not None:
        table.add_row("", _joules(inference), Text(f"energy of one input{_energy_known(inference)}"))
        for part in inference.domains if len(inference.domains) > 1 else ():
            shown = UNKNOWN if part.joules is None else f"{part.joules:.3g} J"
            table.add_row("", shown, Text(f"  {part.domain}: {part.reason or part.method}", "dim"))
        if inference.joules is not None:
            derived = _derived(inference, appraisal.grid)
            grams = f"{derived['co2e_grams']:.3g} g"
            table.add_row("", grams, Text(f"CO2e of one input, if a kWh is {appraisal.grid:g} g, PUE included"))
    return Group(*parts, table)


def _known(measurement: Measurement, name: str) -> str:
    return "".join(f"; {note}" for note in _notes(measurement, name))


def _notes(measurement: Measurement, name: str) -> Iterator[str]:
    """How a figure is known, or why it is not."""
    latency, device = measurement.latency, measurement.device
    if measurement.metrics.get(name) is None:
        why, failure = measurement.absent.get(name, "it was not measured"), measurement.failure
        yield "see the failure above" if failure is not None and failure.message in why else why
    elif name in measurement.sources and device is not None:
        yield f"measured on {device.device or 'the device'} in {duration(device.seconds)}"
    elif name == "L" and latency is not None:
        yield from latency_notes(latency)
    elif name == "W" and (inference := measurement.energy.get("inference")) is not None:
        yield inference.provenance
    elif name == "V_E" and (validation := measurement.energy.get("validation")) is not None:
        yield from _energy_notes(validation)


def latency_notes(latency: Latency) -> Iterator[str]:
    """How far the median can be trusted, and what is around it; old records do not say."""
    if latency.spread is not None:
        yield f"+-{latency.spread:.1%}{'' if latency.settled else ', which did not settle: is the machine busy?'}"
    if latency.p95 is not None:
        yield f"p10 {latency.p10:.3g}, p95 {latency.p95:.3g} ms over {latency.windows} windows"


def _energy_known(energy: Energy) -> str:
    return "".join(f"; {note}" for note in _energy_notes(energy))


def _energy_notes(energy: Energy) -> Iterator[str]:
    around = "" if energy.rel_uncertainty is None else f" +-{energy.rel_uncertainty:.0%}"
    yield f"{energy.provenance}{around}: {energy.reason or energy.method}"
    if energy.idle_joules is not None:
        yield f"{energy.idle_joules:.3g} J of it idle"


def _joules(energy: Energy) -> str:
    return UNKNOWN if energy.joules is None else f"{energy.joules:.3g} J"


def _derived(energy: Energy, grid: float) -> dict[str, float | None]:
    if energy.joules is None:
        return {"kwh_pue": None, "co2e_grams": None}
    kwh = kwh_pue(energy.joules)
    return {"kwh_pue": kwh, "co2e_grams": grams_co2e(kwh, grid)}
