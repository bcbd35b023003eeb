"""Robustness, counted from what the test suites themselves report: what was tried, what held, what failed."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from benchmarks.result import Result

ROOT = Path(__file__).parents[1]
ABOUT = (
    "What the test suites say of themselves, from one run of each. Tests: passed, failed and skipped ones. Cases: what "
    "a test counted while it ran (generated rulebooks, broken texts, faults of a server). Attacks: each at the levels "
    "strong and medium, where it must be held, and once without isolation, where it must reach its goal."
)
ATTACKS = "tests/isolation/test_attacks.py"


@dataclass(frozen=True)
class Suite:
    """Test files that belong together.

    Attributes:
        about: what they try.
        files: the files.
        quick: whether the short form runs them.
    """

    about: str
    files: tuple[str, ...]
    quick: bool = False


SUITES: Mapping[str, Suite] = {
    "inference": Suite("generated rulebooks against a plain definition", ("tests/engine/expert/test_differential.py",)),
    "broken rulebooks": Suite("mutated and invented files and expressions", ("tests/rules/test_fuzz.py",)),
    "hostile rulebooks": Suite("hostile expressions and files", ("tests/rules/test_hostile.py",), quick=True),
    "replies": Suite("a corpus of odd replies of language models", ("tests/llm/test_corpus.py",), quick=True),
    "servers": Suite("searches with servers out of order, and stopped processes", ("tests/engine/loop/test_chaos.py",)),
    "keys": Suite("keys among faults, logs and files", ("tests/llm/test_secrets.py",)),
    "red team": Suite("attacks by generated code", (ATTACKS,)),
}


def measure(options: argparse.Namespace) -> Result:
    """Run the suites, one after the other."""
    lines = [f"{'':20}{'passed':>8}{'failed':>8}{'skipped':>8}   cases"]
    figures: dict[str, Any] = {}
    for name, suite in SUITES.items():
        if options.quick and not suite.quick:
            continue
        found = figures[name] = {"about": suite.about, **_run(suite.files)}
        cases = ", ".join(f"{count:,} {kind}" for kind, count in found["cases"].items())
        lines.append(f"{name:20}{found['passed']:8}{found['failed']:8}{found['skipped']:8}   {cases}")
    attacks = figures.get("red team", {}).get("attacks")
    if attacks:
        lines += ["", f"{'attacks':20}{'tried':>8}{'held':>8}{'reached':>8}{'known':>8}"]
        for level, counted in attacks.items():
            cells = "".join(f"{counted[kind]:8}" for kind in ("tried", "held", "failed", "known"))
            lines.append(f"{level:20}{cells}")
        lines.append("reached: the goal, as it must be at the level none; known: documented, and expected")
    return Result("robustness", ABOUT, "python -m benchmarks robustness", "\n".join(lines), figures)


def _run(files: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        report, summary = Path(scratch) / "junit.xml", Path(scratch) / "attacks.json"
        # in later families of reports, what a test counts has no place, and pytest warns of it
        kept = ("-o", "junit_family=xunit1", f"--junitxml={report}")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *kept, *files]
        environment = {**os.environ, "LEMONADE_REDTEAM_JSON": str(summary)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if not report.is_file():
            raise SystemExit(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        found = counted(report.read_text())
        if summary.is_file():
            found["attacks"] = by_level(json.loads(summary.read_text()))
    return found


def counted(report: str) -> dict[str, Any]:
    """Outcomes of the tests in a JUnit report, and the sums of what they recorded as properties."""
    root = ET.fromstring(report)
    outcomes = {"passed": 0, "failed": 0, "skipped": 0}
    cases: dict[str, int] = {}
    for test in root.iter("testcase"):
        kinds = {child.tag for child in test}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        outcomes[outcome] += 1
        for item in test.iter("property"):
            cases[item.attrib["name"]] = cases.get(item.attrib["name"], 0) + int(item.attrib["value"])
    return {**outcomes, "cases": cases}


def by_level(tally: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]]) -> dict[str, dict[str, int]]:
    """How many attacks were tried, held, reached their goal, and are known to reach it, at each level."""
    levels: dict[str, dict[str, int]] = {}
    for group in tally.values():
        for level, kinds in group.items():
            sums = levels.setdefault(level, dict.fromkeys(kinds, 0))
            for kind, names in kinds.items():
                sums[kind] += len(names)
    return dict(sorted(levels.items()))
