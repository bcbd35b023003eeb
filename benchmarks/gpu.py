"""What the paper's setting takes on a GPU: one ResNet-18 trained whole, the plain loop beside ours, and a search."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.reference_networks import NETWORKS
from benchmarks.result import Result, machine
from benchmarks.train_throughput import Worker
from lemonade_es import cli
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import IterationEnded, Measured
from lemonade_es.trainer.data.spec import load
from lemonade_es.trainer.measurement import Energy
from lemonade_es.trainer.recipe import search_recipe, with_overrides
from lemonade_es.trainer.workshop import Workshop

ABOUT = (
    "The paper's setting on a GPU: all of CIFAR-10 (45,000 images to train on, 5,000 to validate), 50 epochs in "
    "batches of 128, networks in locked processes. First a ResNet-18 (11.2 million parameters, 556 million "
    "multiply-accumulates) as one candidate of a search: trained, validated, timed and metered. Then images a second "
    "in training beside a plain torchvision `Dataset` + `DataLoader(num_workers=8)` + PIL transforms loop with the "
    "same network, both with bfloat16 autocast, in turn. Last a search with the built-in executor, stopped by the "
    "clock."
)
HOUR_CANDIDATES = 30
SEARCH_SECONDS = 180
_COUNT = 12_800
_ROUNDS = 3


def measure(options: argparse.Namespace) -> Result | None:
    """All three; ``None`` where there is no GPU, or no photographs."""
    if not torch.cuda.is_available() or options.photos is None:
        print("gpu is not measured: it needs a GPU, and --photos", file=sys.stderr)
        return None
    epochs = 2 if options.quick else search_recipe("image").epochs
    figures: dict[str, Any] = {"card": torch.cuda.get_device_name(), "driver": _driver(), "epochs": epochs}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "candidate": lambda: _candidate(options.photos, epochs),
        "loops": lambda: _loops(1 if options.quick else _ROUNDS),
        "search": lambda: _search(options.photos, epochs, 20 if options.quick else SEARCH_SECONDS),
    }
    for name, part in parts.items():
        figures[name] = part()
        print(
            f"{name}: {json.dumps(figures[name])}", file=sys.stderr, flush=True
        )  # a lent machine may go before the end
    return Result(
        "gpu",
        ABOUT,
        "python -m benchmarks gpu --photos CIFAR10_TREE",
        told(figures),
        figures,
        machine={**machine(), "gpu": figures["card"]},
    )


def told(figures: Mapping[str, Any]) -> str:
    """The figures for a person."""
    lines = [f"{figures['card']}, driver {figures['driver']}, {figures['epochs']} epochs of each training", ""]
    for part in (_told_candidate(figures["candidate"]), _told_loops(figures["loops"]), _told_search(figures["search"])):
        lines += [*part, ""]
    return "\n".join(lines).rstrip()


def _candidate(photos: Path, epochs: int) -> dict[str, Any]:
    """One ResNet-18, as a search would train and measure it."""
    dataset = load(str(photos), seed=0)
    recipe = with_overrides(search_recipe("image"), {"epochs": epochs})
    with Workshop(dataset, recipe, device="cuda") as workshop:
        measurement = workshop.train(NETWORKS["resnet18"].source, seed=0).measurement
        precision, isolation = workshop.precision, workshop.isolation
    if measurement.failure is not None:
        raise SystemExit(f"the ResNet-18 failed: {measurement.failure}")
    pace = statistics.median(epoch.seconds for epoch in measurement.epochs)
    training, measuring = measurement.training_seconds, measurement.measuring_seconds
    return {
        "precision": precision,
        "isolation": isolation,
        "seconds": {"training": training, "measuring": measuring},
        "epoch_seconds": pace,
        "images_a_second": len(dataset.train_labels) / pace,
        "metrics": dict(measurement.metrics),
        "joules": {phase: _joules(energy) for phase, energy in measurement.energy.items()},
        "hours_for_30": HOUR_CANDIDATES * (training + measuring) / 3600,
    }


def _joules(energy: Energy) -> dict[str, Any]:
    return {part.domain: [part.joules, part.provenance, part.idle_joules] for part in energy.domains}


def _told_candidate(figures: Mapping[str, Any]) -> list[str]:
    seconds, metrics = figures["seconds"], figures["metrics"]
    shown = ", ".join(f"{name} {metrics[name]:,.4g}" for name in ("T_Acc", "V_Acc", "L", "F", "B"))
    return [
        (
            f"ResNet-18, {figures['precision']}, isolation {figures['isolation']}: "
            f"{figures['images_a_second']:,.0f} images a second, {figures['epoch_seconds']:.2f} s an epoch (median)"
        ),
        (
            f"  training {seconds['training']:.1f} s, measuring {seconds['measuring']:.1f} s; "
            f"{HOUR_CANDIDATES} such candidates, reckoned from this one: {figures['hours_for_30']:.2f} GPU-hours"
        ),
        f"  {shown}",
        *(f"  energy of {phase}: {_told_energy(parts)}" for phase, parts in figures["joules"].items()),
    ]


def _told_energy(parts: Mapping[str, Any]) -> str:
    idle = {name: f", {idle:,.3g} of it idle" for name, (_, _, idle) in parts.items() if idle is not None}
    return "; ".join(
        f"{name} {joules:,.3g} J ({provenance}{idle.get(name, '')})"
        for name, (joules, provenance, _) in parts.items()
        if joules is not None
    )


def _loops(rounds: int) -> dict[str, Any]:
    """Our loop and the plain one in turn."""
    figures: dict[str, Any] = {}
    with Worker("ours") as ours, Worker("plain") as plain:
        for name in NETWORKS:
            pairs = [
                (plain.measured(name, _COUNT, device="cuda"), ours.measured(name, _COUNT, device="cuda"))
                for _ in range(rounds)
            ]
            ratio = statistics.median(mine / other for other, mine in pairs)
            figures[name] = {"plain": [pair[0] for pair in pairs], "ours": [pair[1] for pair in pairs], "ratio": ratio}
    return figures


def _told_loops(figures: Mapping[str, Any]) -> list[str]:
    lines = [f"{'images a second':18}{'plain':>9}{'ours':>9}{'ratio':>7}"]
    for name, found in figures.items():
        plain, ours = statistics.median(found["plain"]), statistics.median(found["ours"])
        lines.append(f"{name:18}{plain:9,.0f}{ours:9,.0f}{found['ratio']:7.2f}")
    return lines


def _search(photos: Path, epochs: int, seconds: float) -> dict[str, Any]:
    """A whole search, and where its time went."""
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()) as said:
        words = ["run", "--data", str(photos), "--device", "cuda", "--epochs", str(epochs), "--seed", "1000"]
        with contextlib.suppress(SystemExit):
            cli.main([*words, "--max-seconds", str(seconds), "--out", out, "--json"], standalone_mode=False)
        result = json.loads(said.getvalue())
        with contextlib.closing(RunFolder(Path(out), None).journal(create=False)) as journal:
            events = [entry.event for entry in journal.read(journal.runs()[0])]
    measured = [event.measurement.metrics for event in events if isinstance(event, Measured)]
    spent = [event.seconds for event in events if isinstance(event, IterationEnded)]
    return {
        "iterations": result["iterations"],
        "failed": result["failed"],
        "seconds": result["seconds"],
        "iteration_seconds": [round(one.training + one.measuring + one.llm + one.overhead, 2) for one in spent],
        "V_Acc": [metrics.get("V_Acc") for metrics in measured],
        "parameters": [metrics.get("P") for metrics in measured],
        "best": {"iteration": result["best"]["iteration"], **result["best"]["metrics"]},
        "energy": result["energy"],
        "isolation": result["isolation"],
    }


def _told_search(figures: Mapping[str, Any]) -> list[str]:
    seconds, best, energy = figures["seconds"], figures["best"], figures["energy"]
    phases = ", ".join(f"{name} {seconds[name]:.1f} s" for name in ("startup", "training", "measuring"))
    course = " ".join("failed" if value is None else f"{value:.3f}" for value in figures["V_Acc"])
    return [
        f"search: {figures['iterations']} iterations, {figures['failed']} failed, {seconds['total']:.0f} s: {phases}",
        f"  an iteration took {statistics.median(figures['iteration_seconds']):.1f} s (median)",
        f"  V_Acc: {course}",
        f"  best: iteration {best['iteration']}, V_Acc {best['V_Acc']:.4f}, P {best['P']:,.0f}, F {best['F']:,.0f}",
        f"  energy {energy['kwh_pue']:.3g} kWh-PUE ({energy['source']})",
    ]


def _driver() -> str:
    path = Path("/proc/driver/nvidia/version")
    words = path.read_text(encoding="ascii", errors="replace").split() if path.exists() else []
    return next((word for word in words if word[:1].isdigit() and word.count(".") == 2), "unknown")
