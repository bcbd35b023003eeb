"""Where the time of a whole run goes: phases from its journal, and what its own process did in the rest."""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import json
import pstats
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.result import Result
from lemonade_es import cli
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Accepted, IterationEnded

ABOUT = (
    "Where the time of `lemonade-es run` goes on digits, with the paper's 50 epochs and the built-in executor: phases "
    "from the journal. *start* is data, isolated process and canaries; *measuring* is latency, throughput, energy and "
    "validation; *checks* are the ladder's steps 3 to 6; *rest* is rules, requests, patches and the journal. What was "
    "done about the largest three: trainings of small networks get one thread, and threads of larger ones wait for "
    "each other awake; memory of activations is kept between steps; latency is measured until it has settled, a second "
    "at most; the isolated process imports torch once, and is forked for each candidate."
)
PHASES = ("start", "training", "measuring", "checks", "executor", "rest")
ITERATIONS = 8
_SHOWN = 6


def measure(options: argparse.Namespace) -> Result:
    """Searches with several seeds, under a profiler, which tells of the last one."""
    seeds = range(200, 201 if options.quick else 203)
    rounds = "2" if options.quick else str(ITERATIONS)
    words = ["--iterations", rounds, *(["--epochs", "2"] if options.quick else [])]
    searches = [_run(seed, words) for seed in seeds]
    runs = [run for run, _ in searches]
    profile = searches[-1][1]
    total = statistics.median(sum(run.values()) for run in runs)
    lines = [f"{rounds} iterations, median of {len(runs)} runs: {total:.1f} s"]
    for phase in PHASES:
        seconds = [run[phase] for run in runs]
        shares = [run[phase] / sum(run.values()) for run in runs]
        lines.append(f"{phase:10}{statistics.median(seconds):8.2f} s {statistics.median(shares):7.1%}")
    lines += ["", "our own functions in the parent process, by their own time (waiting for the child left out)"]
    lines += [f"{seconds:8.3f} s  {name}" for name, seconds in profile]
    return Result("phases", ABOUT, "python -m benchmarks phases", "\n".join(lines), {"runs": runs, "profile": profile})


def _run(seed: int, words: list[str]) -> tuple[dict[str, float], list[tuple[str, float]]]:
    profiler = cProfile.Profile()
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()) as told:
        command = ["run", "--seed", str(seed), "--out", out, "--json", *words]
        with contextlib.suppress(SystemExit):
            profiler.runcall(cli.main, command, standalone_mode=False)
        seconds: dict[str, Any] = json.loads(told.getvalue())["seconds"]
        with contextlib.closing(RunFolder(Path(out), None).journal(create=False)) as journal:
            events = [entry.event for entry in journal.read(journal.runs()[0])]
    checks = sum(event.check.seconds for event in events if isinstance(event, Accepted))
    overhead = sum(event.seconds.overhead for event in events if isinstance(event, IterationEnded))
    phases = {
        "start": seconds["startup"],
        "training": seconds["training"],
        "measuring": seconds["measuring"],
        "checks": checks,
        "executor": seconds["llm"],
        "rest": overhead - checks,
    }
    return phases, _ours(profiler)


def _ours(profiler: cProfile.Profile) -> list[tuple[str, float]]:
    found = []
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if "lemonade_es" in file:
            found.append((f"{file.rpartition('lemonade_es/')[2]}:{name}", round(own, 4)))
    return sorted(found, key=lambda item: -item[1])[:_SHOWN]
