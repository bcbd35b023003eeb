"""Writes docs/benchmarks.md from the results that runs have left behind."""

from __future__ import annotations

import json
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Made by `python -m benchmarks` from the results in `benchmarks/results/`; every figure comes from a run of the command
beside it. Each search runs in a process of its own.
"""


def write_page(results: Path) -> None:
    """The page, from every result in the folder."""
    parts = [HEAD]
    for path in sorted(results.glob("*.json")):
        result = json.loads(path.read_text())
        machine = result["machine"]
        where = f"{machine['cores']} cores of {machine['cpu']}, Python {machine['python']}, torch {machine['torch']}"
        parts.append(
            f"## {result['name'].capitalize()}\n\n{result['about']}\n\n"
            f"`{result['command']}` at revision {result['revision']} on {result['date']}, {where}:\n\n"
            f"```\n{result['text']}\n```\n"
        )
    PAGE.write_text("\n".join(parts), encoding="utf-8")
