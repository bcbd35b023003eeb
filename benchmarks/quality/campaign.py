"""Which searches are run, two at a time; those that an earlier call finished are kept."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from benchmarks.quality import trace

FIRST_SEED = 1000
"""Seeds below were used while rules and executor were written; those reported are others."""


@dataclass(frozen=True)
class Search:
    """One search to be run."""

    task: str
    contender: str
    seed: int


@dataclass(frozen=True)
class Campaign:
    """Searches, and where and how they are run.

    Attributes:
        searches: in the order in which they are begun.
        evaluations: of each.
        traces: the folder of what they leave behind.
        cores: how many run at once, each pinned to a core of its own.
        photos: an ImageFolder tree of CIFAR-10, if there is one.
        quick: the short form of the tasks.
    """

    searches: Sequence[Search]
    evaluations: int
    traces: Path
    cores: Sequence[int]
    photos: Path | None
    quick: bool

    def run(self) -> None:
        """Run what is not there yet."""
        missing = [search for search in self.searches if not self._path(search).is_file()]
        free: SimpleQueue[int] = SimpleQueue()
        for core in self.cores:
            free.put(core)
        begin = time.monotonic()

        def one(search: Search) -> None:
            core = free.get()
            try:
                self._run(search, core)
            finally:
                free.put(core)
            minutes = (time.monotonic() - begin) / 60
            done = sum(self._path(item).is_file() for item in missing)
            print(f"{done:4} of {len(missing)}  {minutes:6.1f} min  {search}", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(len(self.cores)) as pool:
            for _ in pool.map(one, missing):
                pass

    def found(self) -> Iterator[trace.SearchTrace]:
        """The searches that are done."""
        for search in self.searches:
            if self._path(search).is_file():
                yield trace.read(self._path(search))

    def _path(self, search: Search) -> Path:
        return trace.path_of(self.traces, search.task, search.contender, search.seed)

    def _run(self, search: Search, core: int) -> None:
        options = ["--evaluations", str(self.evaluations), "--core", str(core), "--traces", str(self.traces)]
        options += ["--photos", str(self.photos)] if self.photos is not None else []
        options += ["--quick"] if self.quick else []
        words = [sys.executable, "-m", "benchmarks.quality.worker", search.task, search.contender, str(search.seed)]
        done = subprocess.run([*words, *options], capture_output=True, text=True, check=False)
        if done.returncode != 0 or not self._path(search).is_file():
            raise SystemExit(f"{search} failed with exit code {done.returncode}: {done.stderr}")
