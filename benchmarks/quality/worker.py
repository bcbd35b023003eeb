"""`python -m benchmarks.quality.worker`: one search in a process of its own, pinned to one core."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.quality import ours, trace
from benchmarks.quality.evaluator import Evaluator
from benchmarks.quality.goals import GOALS
from benchmarks.quality.peers import PEERS, Peer, constrained
from benchmarks.quality.shared import Shared
from benchmarks.quality.tasks import QualityTask, tasks
from benchmarks.result import machine, revision

WARM = "-warm"
"""Ends the names of peers that begin with our first network."""


def main() -> None:
    """Run one search, and keep its trace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task")
    parser.add_argument("contender")
    parser.add_argument("seed", type=int)
    parser.add_argument("--evaluations", type=int, required=True)
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--traces", type=Path, required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    goal = GOALS.get(options.task)
    task = tasks(options.photos, quick=options.quick)["digits" if goal else options.task]
    variant = ours.OURS.get(options.contender)
    if options.contender == "tuned":
        variant = ours.Variant("a rulebook that was learned", rulebook=(options.traces.parent / "tuned.yaml").read_text)
    if variant is not None:
        wishes = () if goal is None else goal.options
        with tempfile.TemporaryDirectory() as folder:
            found = ours.search(task, variant, options.evaluations, options.seed, Path(folder), *wishes)
    else:
        name: str = options.contender
        plain = name.removesuffix(WARM)
        peer = PEERS[plain] if goal is None else constrained(plain, goal)
        shared = Shared(options.traces.parent / "evaluations" / f"{task.name}-{options.seed}")
        found = _searched(task, peer, options.evaluations, options.seed, shared, warm=name != plain)
    made = trace.SearchTrace(options.task, options.contender, options.seed, revision(), found, machine()["cpu"])
    trace.write(made, trace.path_of(options.traces, options.task, options.contender, options.seed))


def _searched(
    task: QualityTask, peer: Peer, evaluations: int, seed: int, shared: Shared, *, warm: bool
) -> tuple[trace.Evaluation, ...]:
    with Evaluator(task, seed, shared) as evaluator:
        peer(evaluator, evaluations, seed, ours.first_network(evaluator.task, task.max_macs, seed) if warm else None)
        return evaluator.evaluations()


if __name__ == "__main__":
    main()
