"""Is a rulebook whose weights were learned from earlier searches better than the one that it was learned from?"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.quality.campaign import FIRST_SEED, Search
from benchmarks.quality.figures import told
from benchmarks.quality.measure import EVALUATIONS, FEWER_SEEDS, campaign_of, compared, traces_of
from benchmarks.quality.tasks import QualityTask, tasks
from benchmarks.result import Result
from lemonade_es import cli

LEARNING_SEEDS = range(300, 304)
"""The searches that weights are learned from; the comparison has others."""
ABOUT = (
    f"`rulebook tune` on {len(LEARNING_SEEDS)} searches of {EVALUATIONS} networks on digits (other seeds than those "
    "below), and the rulebook that it printed (`benchmarks/results/tuned.yaml`) beside the one that it was learned "
    "from: on fresh seeds, and on the other data set."
)


def tuning(options: argparse.Namespace) -> Result:
    """Learn, then compare."""
    tuned = traces_of(options).parent / "tuned.yaml"
    known = tasks(options.photos, quick=options.quick)
    if not tuned.is_file() and not options.report:
        seeds, evaluations = (LEARNING_SEEDS[:2], 7) if options.quick else (LEARNING_SEEDS, EVALUATIONS)
        learned = _learned(known["digits"], seeds, evaluations)
        tuned.parent.mkdir(parents=True, exist_ok=True)
        tuned.write_text(learned)
    searches = [
        Search(task, contender, FIRST_SEED + number)
        for task in known
        for number in range(1 if options.quick else FEWER_SEEDS[task])
        for contender in ("lemonade", "tuned")
    ]
    found = compared("tuning", ABOUT, campaign_of(searches, options), known, options)
    return replace(found, text="\n".join([found.text, *(_verdict(*item) for item in found.figures.items())]))


def _verdict(task: str, figures: Mapping[str, Any]) -> str:
    """Which of the two won, if the seeds tell."""
    last = figures["evaluations"]
    theirs = figures["contenders"].get("tuned", {}).get("ours_less_theirs", {})
    difference = theirs.get("V_Acc", {}).get(last)
    if difference is None:
        return f"{task}: not compared"
    _, low, high, _ = difference
    won = "the untuned weights won" if low > 0 else "the tuned weights won" if high < 0 else "neither won"
    return f"{task}: {won}; untuned less tuned, V_Acc after {last}: {told(difference, '+')}"


def _learned(task: QualityTask, seeds: Sequence[int], iterations: int) -> str:
    """What `rulebook tune` prints of searches with these seeds, run two at a time."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as out:

        def search(seed: int) -> None:
            words = [*task.options(seed), "--iterations", str(iterations), "--out", out, "--json"]
            command = [sys.executable, "-m", "lemonade_es.cli", "run", *words]
            pinned = ["taskset", "-c", str(cores[seed % len(cores)])]
            subprocess.run([*pinned, *command], capture_output=True, check=True)

        with ThreadPoolExecutor(len(cores)) as pool:
            list(pool.map(search, seeds))
        printed = io.StringIO()
        runs = sorted(path.name for path in Path(out).iterdir() if (path / "best").is_dir())
        with contextlib.redirect_stdout(printed):
            cli.main(["rulebook", "tune", *runs, "--out", out], standalone_mode=False)
    if not printed.getvalue():
        raise SystemExit(f"rulebook tune learned no weights from {len(runs)} runs")
    return printed.getvalue()
