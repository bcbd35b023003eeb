"""lemonade-es and its ablations: what is left of it without its parts."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.quality.tasks import QualityTask
from benchmarks.quality.testing import TestSplit
from benchmarks.quality.trace import Evaluation
from lemonade_es import cli
from lemonade_es.engine import run
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Accepted, Advised, IterationEnded, Measured
from lemonade_es.engine.loop.advisor import Advisor
from lemonade_es.engine.loop.requests import build_request
from lemonade_es.engine.loop.seeds import seed_for
from lemonade_es.engine.options import resolve
from lemonade_es.llm.builtin.blueprint import Blueprint
from lemonade_es.llm.builtin.executor import BuiltinExecutor
from lemonade_es.llm.builtin.reader import parse
from lemonade_es.rules.load import find_rulebook
from lemonade_es.task import Task
from lemonade_es.vocabulary import settings


@dataclass(frozen=True)
class Variant:
    """One way of running our search.

    Attributes:
        about: what is different about it.
        options: of ``lemonade-es run``.
        rulebook: the text of a rulebook made for it; ``None`` takes that of the options.
        advisor: stands in for the expert system.
    """

    about: str
    options: tuple[str, ...] = ()
    rulebook: Callable[[], str] | None = None
    advisor: type[Advisor] | None = None


class RandomAdvisor(Advisor):
    """As many instructions as the rules give, as heavy, but drawn at random; of a pair that conflicts only one."""

    seed = 0

    def advise(self, iteration: int, base: int, metrics: Mapping[str, float | None]) -> Advised:
        """What chance makes of a network."""
        advised = super().advise(iteration, base, metrics)
        generator = random.Random(seed_for(self.seed, "random advice", iteration))
        given, drawn = advised.resolution.instructions, list(self.rulebook.instructions)
        generator.shuffle(drawn)
        chosen: list[str] = []
        for name in drawn:
            if self.rulebook.instructions[name].conflicts_with not in chosen:
                chosen.append(name)
        weights = dict(zip(chosen, given.values(), strict=False))
        return replace(advised, resolution=replace(advised.resolution, instructions=weights))


def _heaviest_only() -> str:
    return (
        "rulebook: heaviest\nversion: 1\nabout: Lemonade's heaviest instruction alone.\n"
        "extends: lemonade\nmax_instructions: 1\ndrop_tests: all\n"
    )


def _without_conflicts() -> str:
    text = find_rulebook("lemonade").read_text(encoding="utf-8")
    text = text[: text.index("\ntests:")].replace("rulebook: lemonade", "rulebook: no-conflicts")
    return re.sub(r", conflicts_with: \w+", "", text) + "\n"


OURS: Mapping[str, Variant] = {
    "lemonade": Variant("as it comes"),
    "from-current": Variant("edits the last network, as in the paper, not the best", ("--start-from", "current")),
    "diagnosis": Variant("the rulebook on training dynamics", ("--rulebook", "diagnosis")),
    "cautious": Variant("two instructions at most", ("--rulebook", "cautious")),
    "edge": Variant("the rulebook for small devices", ("--rulebook", "edge")),
    "text": Variant("the rulebook for sequences", ("--rulebook", "text")),
    "heaviest": Variant("the heaviest instruction alone", rulebook=_heaviest_only),
    "no-conflicts": Variant("instructions that conflict are both passed on", rulebook=_without_conflicts),
    "random-advice": Variant("as many instructions, drawn at random", advisor=RandomAdvisor),
}


def search(
    task: QualityTask, variant: Variant, evaluations: int, seed: int, folder: Path, *more: str
) -> tuple[Evaluation, ...]:
    """One search by the command line, in this process, read back from its journal.

    Args:
        task: what is searched.
        variant: of our search.
        evaluations: iterations.
        seed: of everything.
        folder: where its run lies; empty.
        more: options.
    """
    options = ["run", *task.options(seed), "--iterations", str(evaluations), *variant.options, *more]
    if variant.rulebook is not None:
        book = folder / "rulebook.yaml"
        book.write_text(variant.rulebook(), encoding="utf-8")
        options += ["--rulebook", str(book)]
    RandomAdvisor.seed = seed
    advisor = mock.patch.object(run, "Advisor", variant.advisor) if variant.advisor else contextlib.nullcontext()
    with advisor, contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        cli.main([*options, "--out", str(folder), "--json"], standalone_mode=False)
    found = _evaluations(task, seed, RunFolder(folder, None))
    if len(found) != evaluations:
        raise SystemExit(f"the search was broken off after {len(found)} of {evaluations} networks")
    return found


def first_network(task: Task, max_macs: int, seed: int) -> Blueprint:
    """What a search with this seed begins with."""
    spec = resolve({}, {"seed": seed, "max_macs": max_macs})
    request = build_request(
        spec=spec,
        settings=settings(spec.preset, {}),
        task=task,
        iteration=1,
        base=None,
        instructions=(),
        history=(),
        seed=seed_for(seed, "request", 1),
    )
    return parse(json.loads(BuiltinExecutor().ask(request).text)["model_py"])


def _evaluations(task: QualityTask, seed: int, folder: RunFolder) -> tuple[Evaluation, ...]:
    with contextlib.closing(folder.journal(create=False)) as journal:
        entries = journal.read(journal.runs()[0])
    events: dict[type, dict[int, Any]] = {
        kind: {entry.event.iteration: entry.event for entry in entries if isinstance(entry.event, kind)}
        for kind in (Accepted, Measured, IterationEnded)
    }
    split = TestSplit(task, seed, task.dataset(seed))
    found, top, seconds = [], -1.0, 0.0
    for number, ended in sorted(events[IterationEnded].items()):
        seconds += ended.seconds.total
        metrics = ended.metrics
        accuracy = metrics.get("V_Acc") if ended.outcome == "ok" else None
        test = None
        if accuracy is not None and accuracy > top:
            top = accuracy
            source = folder.artifacts.read(events[Accepted][number].source).decode()
            test = split.accuracy(source, folder.artifacts.read(events[Measured][number].weights), accuracy)
        figures = (metrics.get("S"), metrics.get("F"), metrics.get("V_E"))
        note = "" if ended.outcome == "ok" else ended.outcome
        found.append(Evaluation(accuracy, test, *figures, seconds, note))
    return tuple(found)
