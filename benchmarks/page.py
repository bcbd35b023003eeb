"""`python -m benchmarks.page`: write docs/benchmarks.md from the results that runs have left behind."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.summary import summary

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
RESULTS = Path(__file__).parent / "results"
HEAD = """# Benchmarks

Made by `python -m benchmarks` from the results in `benchmarks/results/`; every figure comes from a run of the command
beside it. Each search runs in a process of its own. A `+` after a revision: the tree had changes beside it.

`make bench` makes all of them, in some four hours on two cores; `make bench BENCH_ARGS="--photos CIFAR10_TREE"` those
on photographs too, in two more; what is broken off goes on where it was. That is the sum of parts that ran on two
cores of an AMD EPYC, with other work beside most of them, and of what recorded searches took: `quality` took 53 minutes
on digits (revision 1ee3549) and 75 on photographs (8bdf28e), `ablations` 45 and 22, `tuning` 17 on both, `goals` 51 and
`improvement` 30 (e7f9193). Seconds of `improvement`, and F of `small` among the goals, are those of a busy machine;
`frugal`, where F and V_E decide, was measured again in 16 minutes, with a minute of light work beside it.

Since 3e8fde9 the heads of image networks see places: the first network is better, ours and the one that warm peers
begin with, and the peers' space has places, too. Digits of `quality` were searched again since then, in 101 minutes
on two cores of an Intel Xeon with other work beside them, so their seconds, F and hypervolume are those of a busy
machine. Photographs of `quality`, and all of `ablations`, `tuning`, `goals` and `improvement`, are older, and are to be
done again.

On digits `lemonade` is ahead early, and in the end no more than a little; it does not reach the final V_Acc of TPE in
half of TPE's evaluations. lemonade proposes networks of a median V_Acc of .97 from the second on, TPE from about the
twentieth, and then both come to much the same: there a validation image more is .0037, and it may well be that the data
allow no more. That has not been tried.

What each of many searches did lies in `benchmarks/results/searches/`; what the older ones on digits did, in the history
of that folder.
"""
TAIL = """## Not measured

- Language models as executors: all searches here have the built-in one, which costs nothing and is the same everywhere.
"""


def page() -> str:
    """The page as it should be, from every result that is kept."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    short = summary({name: result["figures"] for name, result in found.items()})
    parts = [HEAD, "\n".join(["## In short", "", *short, ""])]
    for result in found.values():
        machine = result["machine"]
        where = f"{machine['cores']} cores of {machine['cpu']}, Python {machine['python']}, torch {machine['torch']}"
        if "gpu" in machine:
            where = f"{machine['gpu']}, {where}"
        parts.append(
            f"## {result['name'].capitalize()}\n\n{result['about']}\n\n"
            f"`{result['command']}` at revision {result['revision']} on {result['date']}, {where}:\n\n"
            f"```\n{result['text']}\n```\n"
        )
    return "\n".join([*parts, TAIL])


def write_page() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_page()
