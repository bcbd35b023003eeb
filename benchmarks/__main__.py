"""`python -m benchmarks [NAME] [--quick]`: run one benchmark or all, print a table, write the result as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import dynamics, gpu, improvement, inference, isolation, phases, proxies, robustness, train_throughput
from benchmarks.page import RESULTS, write_page
from benchmarks.quality import measure as quality
from benchmarks.quality import tuning
from benchmarks.result import Result

BENCHMARKS: dict[str, Callable[[argparse.Namespace], Result | None]] = {
    "inference": inference.measure,
    "improvement": improvement.measure,
    "isolation": isolation.measure,
    "dynamics": dynamics.measure,
    "proxies": proxies.measure,
    "train_throughput": train_throughput.measure,
    "phases": phases.measure,
    "gpu": gpu.measure,
    "robustness": robustness.measure,
    "quality": quality.quality,
    "ablations": quality.ablations,
    "goals": quality.goals,
    "tuning": tuning.tuning,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=list(BENCHMARKS), help="which one [default: all]")
    parser.add_argument("--quick", action="store_true", help="a short form that keeps the benchmark alive")
    parser.add_argument("--photos", type=Path, help="an ImageFolder tree of CIFAR-10, for what needs photographs")
    parser.add_argument("--draws", type=Path, help="where proxies keeps its searches, to go on with after a break")
    parser.add_argument("--report", action="store_true", help="only tell what searches that are done say")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results go")
    options = parser.parse_args()
    for name in [options.name] if options.name else list(BENCHMARKS):
        begin = time.monotonic()
        result = BENCHMARKS[name](options)
        print(f"== {name}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
        if result is None:
            continue
        print(result.text)
        if not options.quick:
            result.write(options.results)
            if options.results.resolve() == RESULTS:  # else somebody tries something out
                write_page()
    return 0


if __name__ == "__main__":
    sys.exit(main())
