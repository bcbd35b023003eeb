"""What the paper's setting takes on a GPU: one ResNet-18 trained whole, the plain loop beside ours, and a search."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.reference_networks import NETWORKS
from benchmarks.result import Result, machine
from benchmarks.train_throughput import Worker
from lemonade_es import cli
from lemonade_es.engine.events import IterationEnded, Measured
from lemonade_es.engine.folder import RunFolder
from lemonade_es.trainer.data.spec import load
from lemonade_es.trainer.measurement import Energy, Trained
from lemonade_es.trainer.recipe import Recipe, search_recipe, with_overrides
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
        return None
    epochs = 2 if options.quick else search_recipe("image").epochs
    card = torch.cuda.get_device_name()
    figures: dict[str, Any] = {"card": card, "epochs": epochs}
    lines = [f"{card}, driver {_driver()}, {epochs} epochs of each training", ""]
    for name, part in (
        ("candidate", lambda: _candidate(options.photos, epochs)),
        ("loops", lambda: _loops(1 if options.quick else _ROUNDS)),
        ("search", lambda: _search(options.photos, epochs, 20 if options.quick else SEARCH_SECONDS)),
    ):
        figures[name], told = part()
        print("\n".join(told), file=sys.stderr, flush=True)  # a lent machine may go before the end
        lines += [*told, ""]
    return Result(
        "gpu",
        ABOUT,
        "python -m benchmarks gpu --photos CIFAR10_TREE",
        "\n".join(lines).rstrip(),
        figures,
        machine={**machine(), "gpu": card},
    )


def _candidate(photos: Path, epochs: int) -> tuple[dict[str, Any], list[str]]:
    """One ResNet-18, as a search would train and measure it."""
    dataset = load(str(photos), seed=0)
    recipe: Recipe = with_overrides(search_recipe("image"), {"epochs": epochs})
    with Workshop(dataset, recipe, device="cuda") as workshop:
        trained = workshop.train(NETWORKS["resnet18"].source, seed=0)
        precision, isolation = workshop.precision, workshop.isolation
    measurement = trained.measurement
    if measurement.failure is not None:
        raise SystemExit(f"the ResNet-18 failed: {measurement.failure}")
    pace = statistics.median(epoch.seconds for epoch in measurement.epochs)
    training, measuring = measurement.training_seconds, measurement.measuring_seconds
    figures = {
        "precision": precision,
        "isolation": isolation,
        "seconds": {"training": training, "measuring": measuring},
        "epoch_seconds": pace,
        "images_a_second": len(dataset.train_labels) / pace,
        "metrics": dict(measurement.metrics),
        "joules": {phase: _joules(energy) for phase, energy in measurement.energy.items()},
        "hours_for_30": HOUR_CANDIDATES * (training + measuring) / 3600,
    }
    return figures, [
        (
            f"ResNet-18, {precision}, isolation {isolation}: {figures['images_a_second']:,.0f} images a second, "
            f"{pace:.2f} s an epoch (median)"
        ),
        (
            f"  training {training:.1f} s, measuring {measuring:.1f} s; "
            f"{HOUR_CANDIDATES} such candidates, reckoned from this one: {figures['hours_for_30']:.2f} GPU-hours"
        ),
        *_told(trained),
    ]


def _told(trained: Trained) -> list[str]:
    metrics, energy = trained.measurement.metrics, trained.measurement.energy
    lines = [
        "  "
        + ", ".join(
            f"{name} {value:,.4g}" for name in ("T_Acc", "V_Acc", "L", "F", "B") if (value := metrics.get(name))
        )
    ]
    for phase, whole in energy.items():
        parts = "; ".join(
            f"{part.domain} {part.joules:,.4g} J {part.provenance}, idle {part.idle_joules or 0:,.4g}"
            for part in whole.domains
            if part.joules is not None
        )
        lines.append(f"  energy of {phase}: {parts or whole.reason}")
    return lines


def _joules(energy: Energy) -> dict[str, Any]:
    return {part.domain: [part.joules, part.provenance, part.idle_joules] for part in energy.domains}


def _loops(rounds: int) -> tuple[dict[str, Any], list[str]]:
    """Our loop and the plain one in turn."""
    figures: dict[str, Any] = {}
    lines = [f"{'images a second':18}{'plain':>9}{'ours':>9}{'ratio':>7}"]
    with Worker("ours") as ours, Worker("plain") as plain:
        for name in NETWORKS:
            pairs = [
                (plain.measured(name, _COUNT, device="cuda"), ours.measured(name, _COUNT, device="cuda"))
                for _ in range(rounds)
            ]
            ratio = statistics.median(mine / other for other, mine in pairs)
            figures[name] = {"plain": [pair[0] for pair in pairs], "ours": [pair[1] for pair in pairs], "ratio": ratio}
            median = [statistics.median(column) for column in zip(*pairs, strict=True)]
            lines.append(f"{name:18}{median[0]:9,.0f}{median[1]:9,.0f}{ratio:7.2f}")
    return figures, lines


def _search(photos: Path, epochs: int, seconds: float) -> tuple[dict[str, Any], list[str]]:
    """A whole search, and where its time went."""
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()) as said:
        words = ["run", "--data", str(photos), "--device", "cuda", "--epochs", str(epochs), "--seed", "1000"]
        with contextlib.suppress(SystemExit):
            cli.main([*words, "--max-seconds", str(seconds), "--out", out, "--json"], standalone_mode=False)
        told = json.loads(said.getvalue())
        with contextlib.closing(RunFolder(Path(out), None).journal(create=False)) as journal:
            entries = journal.read(journal.runs()[0])
    measured = [entry.event.measurement for entry in entries if isinstance(entry.event, Measured)]
    spent = [entry.event.seconds for entry in entries if isinstance(entry.event, IterationEnded)]
    best = told["best"]["metrics"]
    figures = {
        "iterations": told["iterations"],
        "failed": told["failed"],
        "seconds": told["seconds"],
        "iteration_seconds": [round(one.training + one.measuring + one.llm + one.overhead, 2) for one in spent],
        "V_Acc": [one.metrics.get("V_Acc") for one in measured],
        "parameters": [one.metrics.get("P") for one in measured],
        "best": best,
        "energy": told["energy"],
        "isolation": told["isolation"],
    }
    phases = ", ".join(f"{name} {told['seconds'][name]:.1f}" for name in ("startup", "training", "measuring"))
    return figures, [
        f"search: {told['iterations']} iterations, {told['failed']} failed, {told['seconds']['total']:.0f} s, {phases}",
        f"  an iteration took {statistics.median(figures['iteration_seconds']):.1f} s (median)",
        (
            f"  best: iteration {told['best']['iteration']}, V_Acc {best['V_Acc']:.4f}, P {best['P']:,.0f}, "
            f"F {best['F']:,.0f}; V_Acc of all: {_course(figures['V_Acc'])}"
        ),
        f"  energy {told['energy']['kwh_pue']:.4g} kWh-PUE ({told['energy']['source']})",
    ]


def _course(values: Sequence[float | None]) -> str:
    return " ".join("failed" if value is None else f"{value:.3f}" for value in values)


def _driver() -> str:
    path = Path("/proc/driver/nvidia/version")
    words = path.read_text(encoding="ascii", errors="replace").split() if path.exists() else []
    return next((word for word in words if word[:1].isdigit() and word.count(".") == 2), "unknown")
