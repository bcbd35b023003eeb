"""How well one could tell beforehand, or early, how good a network will be; and what `--prune` saves and loses.

Networks are drawn by searches with the built-in executor and trained by the full recipe. Scores of the untrained
network, early losses and their extrapolation are then held against the validation accuracy at the end. The number of
parameters is the baseline that any of them must beat.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result
from lemonade_es.engine.history.events import Accepted, IterationEnded, Measured
from lemonade_es.engine.history.journal import Journal, started
from lemonade_es.engine.loop.extrapolation import extrapolated
from lemonade_es.engine.loop.pruning import Pruning, rungs
from lemonade_es.engine.loop.state import Network, SearchState
from lemonade_es.engine.record import is_over

DRAWS, ORDERS, LENGTH = 2000, 200, 30
ABOUT = (
    "Networks drawn by searches with the built-in executor and the `lemonade` rulebook, each trained by the full "
    "recipe (digits: the paper's 50 epochs; photographs: 3,000 CIFAR-10 images, 8 epochs, at most 8 MMACs). *rho* is "
    "Spearman's rank correlation with V_Acc at the end, its interval a bootstrap over the networks (95 %); *beats P* "
    "is the share of the bootstrap's draws in which a score beats the number of parameters. Networks of one search are "
    "edits of each other, so the intervals are rather too narrow. Then `--prune`, replayed on the recorded curves in "
    "random orders: what it would have saved, and lost of the leader's V_Acc, with quantiles of 5 and 95 % over the "
    "orders. In a search the path would part after the first pruned network."
)


@dataclass(frozen=True)
class Draw:
    """The networks of one search.

    Attributes:
        networks: those that came to their end, in order.
        epochs: of the recipe.
    """

    networks: tuple[Network, ...]
    epochs: int


def draw(folder: Path, data: str, seed: int, *options: str) -> Draw:
    """One search in a process of its own, read back from its journal.

    Args:
        folder: where its journal lies; one that is there and finished is not run again.
        data: what is searched for.
        seed: of the search.
        options: of the command.
    """
    command = [sys.executable, "-m", "lemonade_es.cli", "run", "--data", data, "--seed", str(seed), "--zero-cost"]
    if not (folder / "lemonade.db").is_file():
        _run([*command, *options, "--out", str(folder), "--json"])
    journal = Journal.in_folder(folder, create=False)
    entries = journal.read(journal.runs()[0])
    journal.close()
    if not is_over(entries):
        _run([sys.executable, "-m", "lemonade_es.cli", "run", "--resume", "latest", "--out", str(folder), "--json"])
        return draw(folder, data, seed, *options)
    accepted, measured, ended = (
        {entry.event.iteration: entry.event for entry in entries if isinstance(entry.event, kind)}
        for kind in (Accepted, Measured, IterationEnded)
    )
    networks = tuple(
        Network(number, "", accepted[number], ended[number].metrics, ended[number].CM, event.measurement, None)
        for number, event in measured.items()
        if ended[number].CM is not None
    )
    return Draw(networks, started(entries).recipe.epochs)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the search failed with exit code {done.returncode}: {done.stderr}")


def scores(networks: Sequence[Network], epochs: int) -> dict[str, list[float | None]]:
    """What each proxy says of each network; more is better."""

    def losses(network: Network, rung: int) -> list[float]:
        return [epoch.loss for epoch in network.measurement.epochs[:rung]]

    ways: dict[str, Callable[[Network], float | None]] = {
        name: lambda network, name=name: network.metrics.get(name)  # type: ignore[misc]
        for name in ("P", "M", "synflow", "jacob_cov", "grad_norm")
    }
    for rung in rungs(epochs):
        ways[f"losses of {rung}/{epochs}"] = lambda network, rung=rung: -sum(losses(network, rung))  # type: ignore[misc]
        ways[f"extrapolated, {rung}/{epochs}"] = lambda network, rung=rung: extrapolated(  # type: ignore[misc]
            losses(network, rung), epochs, "classification"
        )
    return {name: [way(network) for network in networks] for name, way in ways.items()}


def ranks(values: Any) -> Any:
    """Ranks from 0, equal values sharing the mean of theirs."""
    values = np.asarray(values, dtype=float)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]


def spearman(one: Any, other: Any) -> float:
    """The rank correlation; NaN if one side does not vary."""
    first, second = ranks(one), ranks(other)
    first, second = first - first.mean(), second - second.mean()
    size = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / size if size else math.nan


def correlations(networks: Sequence[Network], epochs: int) -> dict[str, Any]:
    """Each proxy's rank correlation with the accuracy at the end, and how often it beats the parameters."""
    wanted = np.array([network.metrics["V_Acc"] for network in networks], dtype=float)
    told = {name: np.array(values, dtype=float) for name, values in scores(networks, epochs).items()}
    generator = np.random.default_rng(0)
    resamples = [generator.integers(0, len(networks), len(networks)) for _ in range(DRAWS)]
    found: dict[str, Any] = {}
    for name, values in told.items():
        known = np.isfinite(values)
        rows = [sample[known[sample]] for sample in resamples]
        drawn = np.array([spearman(values[row], wanted[row]) for row in rows])
        parameters = np.array([spearman(told["P"][row], wanted[row]) for row in rows])
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        found[name] = {
            "rho": spearman(values[known], wanted[known]),
            "interval_95": [float(low), float(high)],
            "beats_parameters": None if name == "P" else float(np.mean(drawn > parameters)),
            "networks": int(known.sum()),
        }
    return found


def replayed(networks: Sequence[Network], epochs: int) -> dict[str, Any]:
    """What pruning would have saved and lost, had the same networks come in random orders."""
    pruning = Pruning(epochs, "classification", {"WA": 1.0})
    orders = [random.Random(number).sample(networks, min(LENGTH, len(networks))) for number in range(ORDERS)]
    runs = [_replay(order, pruning) for order in orders]
    return {key: _quantiles([run[key] for run in runs]) for key in runs[0]} | {
        "orders": ORDERS,
        "networks_in_each": len(orders[0]),
        "leader_lost": statistics.fmean(run["lost"] > 0 for run in runs),
    }


def _replay(order: Sequence[Network], pruning: Pruning) -> dict[str, float]:
    state = SearchState()
    spared_epochs, spared, spent = 0, 0.0, 0.0
    for network in order:
        curve = network.measurement.epochs
        seconds = [epoch.seconds for epoch in curve]
        spent += sum(seconds)
        verdicts = (pruning.verdict(network.iteration, curve[:rung], state) for rung in rungs(pruning.epochs))
        verdict = next((item for item in verdicts if item is not None), None)
        if verdict is None:
            state.networks.append(network)
            if state.best is None or (network.CM or 0) > (state.best.CM or 0):
                state.best = network
            continue
        spared_epochs += len(curve) - verdict.epoch
        spared += sum(seconds[verdict.epoch :])
        cut = replace(network.measurement, epochs=curve[: verdict.epoch], stopped=verdict.epoch)
        state.networks.append(replace(network, CM=None, measurement=cut, pruned=verdict))
    best = max(order, key=lambda network: network.CM or 0)
    assert state.best is not None
    return {
        "epochs_saved": spared_epochs / (len(order) * pruning.epochs),
        "seconds_saved": spared / spent,
        "lost": (best.metrics["V_Acc"] or 0.0) - (state.best.metrics["V_Acc"] or 0.0),
    }


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    low, high = np.quantile(values, [0.05, 0.95])
    return {"mean": statistics.fmean(values), "low": float(low), "high": float(high)}


def measure(options: argparse.Namespace) -> Result:
    """Both tasks, or one where there are no photographs."""
    if options.draws is None:
        with tempfile.TemporaryDirectory() as folder:
            return _measured(options, Path(folder))
    return _measured(options, options.draws)


def _measured(options: argparse.Namespace, folder: Path) -> Result:
    quick = options.quick
    tasks: dict[str, tuple[str, Sequence[int], list[str]]] = {
        "digits": ("digits", range(300, 301 if quick else 302), ["--iterations", "6" if quick else "10"])
    }
    if quick:
        tasks["digits"][2].extend(["--epochs", "4", "--limit", "500"])
    elif options.photos is not None:
        size = ["--iterations", "8", "--limit", "3000", "--max-macs", "8000000", "--epochs", "8"]
        tasks["photographs"] = (str(options.photos), range(300, 302), size)
    lines: list[str] = []
    figures: dict[str, Any] = {}
    for task, (data, seeds, rest) in tasks.items():
        searches = [draw(folder / f"{task}-{seed}", data, seed, *rest) for seed in seeds]
        networks = [network for search in searches for network in search.networks]
        epochs = searches[0].epochs
        found = correlations(networks, epochs)
        replays = replayed(networks, epochs)
        lines += [*_told(task, networks, found), *_prune_told(replays)]
        figures[task] = {
            "options": rest,
            "networks": [_kept(network) for network in networks],
            "correlations": found,
            "replayed": replays,
        }
    photos = " --photos CIFAR10_TREE" if options.photos is not None else ""
    return Result("proxies", ABOUT, f"python -m benchmarks proxies{photos}", "\n".join(lines), figures)


def _kept(network: Network) -> Mapping[str, Any]:
    told = {
        name: network.metrics.get(name) for name in ("V_Acc", "T_Acc", "P", "M", "synflow", "jacob_cov", "grad_norm")
    }
    return told | {"losses": [round(epoch.loss, 4) for epoch in network.measurement.epochs]}


def _told(task: str, networks: Sequence[Network], found: Mapping[str, Any]) -> list[str]:
    accuracies = [network.metrics["V_Acc"] or 0.0 for network in networks]
    lines = [f"{task}: {len(networks)} networks, V_Acc {min(accuracies):.4f} to {max(accuracies):.4f}"]
    lines.append(f"  {'':20} {'rho':>6}  {'[95 %]':16} beats P")
    for name, item in found.items():
        low, high = item["interval_95"]
        beats = "" if item["beats_parameters"] is None else f"{item['beats_parameters']:.0%}"
        lines.append(f"  {name:20} {item['rho']:6.2f}  [{low:5.2f}, {high:5.2f}]   {beats:>7}")
    return lines


def _prune_told(replays: Mapping[str, Any]) -> list[str]:
    epochs, seconds, lost = replays["epochs_saved"], replays["seconds_saved"], replays["lost"]
    replay = (
        f"  --prune in {replays['orders']} orders of {replays['networks_in_each']} networks: "
        f"{epochs['mean']:.0%} of the epochs saved [{epochs['low']:.0%}, {epochs['high']:.0%}], "
        f"{seconds['mean']:.0%} of the seconds [{seconds['low']:.0%}, {seconds['high']:.0%}];"
    )
    loss = (
        f"    the leader's V_Acc lower by {lost['mean']:.4f} [{lost['low']:.4f}, {lost['high']:.4f}], "
        f"lost in {replays['leader_lost']:.0%} of the orders"
    )
    return [replay, loss]
