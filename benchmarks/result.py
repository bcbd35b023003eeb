"""A benchmark's result: what was run, where, and what came out."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def revision() -> str:
    """The commit that is measured, with a `+` if the tree differs from it in more than results.

    A copy of the tree without its repository is told by the environment variable ``BENCH_REVISION``.
    """
    if told := os.environ.get("BENCH_REVISION"):
        return told

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results", ":!docs")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def machine() -> dict[str, Any]:
    """The kind of machine, without its name."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "system": platform.system(),
    }


@dataclass(frozen=True)
class Result:
    """What one benchmark gave.

    Attributes:
        name: of the benchmark.
        about: what was done, in a sentence or two.
        command: that repeats it.
        text: the figures for a person.
        figures: the figures as data.
    """

    name: str
    about: str
    command: str
    text: str
    figures: dict[str, Any]
    revision: str = field(default_factory=revision)
    machine: dict[str, Any] = field(default_factory=machine)
    date: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d}")

    def write(self, folder: Path) -> None:
        """Keep the result as JSON, named after the benchmark."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")
