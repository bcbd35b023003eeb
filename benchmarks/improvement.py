"""Does the search improve? Best of 8 iterations against the first network, built-in executor, several seeds.

Digits with the paper's 50 epochs; photographs (`--photos`, an ImageFolder tree such as CIFAR-10's) on 3,000 of them,
with 8 epochs and at most 8 MMACs, so that five seeds fit into half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.result import Result

ITERATIONS = 8
ABOUT = (
    "The best of 8 iterations against the first network, with the built-in executor and the `lemonade` rulebook. "
    "Digits with the paper's 50 epochs; photographs are 3,000 CIFAR-10 training images (15 % for validation) "
    "with 8 epochs and at most 8 MMACs."
)


def one_search(data: str, seed: int, *options: str) -> dict[str, Any]:
    """One search in a process of its own, and the journal's V_Acc of each iteration."""
    with tempfile.TemporaryDirectory() as out:
        shared = ["--out", out, "--json"]
        command = [sys.executable, "-m", "lemonade_es.cli", "run", "--data", data, "--seed", str(seed)]
        done = subprocess.run([*command, *options, *shared], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"the search failed with exit code {done.returncode}: {done.stderr}")
        outcome: dict[str, Any] = json.loads(done.stdout)
        explained = [sys.executable, "-m", "lemonade_es.cli", "explain", outcome["run"], *shared]
        told = json.loads(subprocess.run(explained, capture_output=True, text=True, check=True).stdout)
    return {
        "seed": seed,
        "V_Acc": [item["outcome"]["metrics"].get("V_Acc") for item in told],
        "best": outcome["best"]["metrics"]["V_Acc"],
        "seconds": outcome["seconds"],
    }


def measure(options: argparse.Namespace) -> Result:
    """Searches on digits, and on photographs if there are any."""
    seeds = range(100, 101 if options.quick else 105)
    rounds = str(3 if options.quick else ITERATIONS)
    epochs = ["--epochs", "3"] if options.quick else []
    tasks = {"digits": ["digits", "--iterations", rounds, *epochs]}
    if options.photos is not None:
        size = ["--limit", "1000"] if options.quick else ["--limit", "3000", "--max-macs", "8000000"]
        tasks["photographs"] = [str(options.photos), "--iterations", rounds, *size, *(epochs or ["--epochs", "8"])]
    lines, figures = [], {}
    for task, (data, *rest) in tasks.items():
        searches = [one_search(data, seed, *rest) for seed in seeds]
        better = sum(search["best"] > (search["V_Acc"][0] or 0.0) for search in searches)
        figures[task] = {"options": rest, "searches": searches, "better": better}
        lines.append(f"{task}: the best of {rounds} beats the first network in {better} of {len(searches)} seeds")
        for search in searches:
            seconds = search["seconds"]
            lines.append(
                f"  seed {search['seed']}: first {search['V_Acc'][0]:.4f}  best {search['best']:.4f}  "
                f"{seconds['total']:.0f} s, overhead {seconds['overhead_per_iteration']:.3f} s an iteration (median)"
            )
    photos = " --photos CIFAR10_TREE" if options.photos is not None else ""
    return Result("improvement", ABOUT, f"python -m benchmarks improvement{photos}", "\n".join(lines), figures)
