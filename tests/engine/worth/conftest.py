"""Steps and runs made by hand, whose effects are known."""

from __future__ import annotations

import numpy as np
import pytest

from lemonade_es.engine.compliance import Verdict
from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import compile_rulebook
from lemonade_es.engine.history.events import Accepted, Advised, IterationEnded, Pruned, Seconds
from lemonade_es.engine.history.journal import Entry
from lemonade_es.rules.load import find_rulebook, parse_rulebook
from lemonade_es.trainer.measurement import CheckReport
from lemonade_es.vocabulary import settings

HEAD = find_rulebook("lemonade").read_text(encoding="utf-8").partition("rules:\n")[0]
BOOK = parse_rulebook(
    HEAD
    + """rules:
  - {id: deeper, when: F > 100, weight: PV_Acc * 0.5, instruct: [ACL, ASC], because: deep}
  - {id: wider, when: L > 1, weight: PV_Acc, instruct: [AMK], because: wide}
  - {id: faster, when: F < 50, weight: PF, instruct: [RCL], because: slow}
  - {id: silent, when: R > 100, weight: 0.25, instruct: [AD], because: silent}
""",
    "own.yaml",
)


OPPOSED = parse_rulebook(
    HEAD
    + """rules:
  - {id: deeper, when: F > 100, weight: PV_Acc * 0.5, instruct: [ACL, ASC], because: deep}
  - {id: hold, when: L > 1, weight: -(PV_Acc * 4), instruct: [AMK, RD], because: one change at a time}
  - {id: wider, when: L > 1, weight: PV_Acc * 4.25, instruct: [AMK], because: wide}
""",
    "opposed.yaml",
)


class Maker:
    """Makes the events of steps."""

    book = BOOK

    def advised(self, iteration, base, metrics, **wishes):
        inference = compile_rulebook(self.book).infer(Facts.of(metrics, settings(None, wishes)))
        return Advised(iteration, base, inference, resolve(inference, self.book), self.book.digest)

    def accepted(self, iteration, verdicts):
        told = tuple(Verdict(name, verdict) for name, verdict in verdicts.items())
        return Accepted(iteration, 1, "x", CheckReport(True, "done"), told, "", (), (), None, ())

    def ended(self, iteration, metrics, level, outcome="ok"):
        return IterationEnded(iteration, outcome, metrics, level, False, Seconds())

    def pruned(self, iteration, metrics, ceiling):
        """A network whose training was stopped, of which CM could have been ``ceiling`` at most."""
        reason = Pruned(iteration, 3, 50, 9, 9, 0.5, ceiling, 1, "it is hopeless")
        unknown = dict.fromkeys(("T_Acc", "V_Acc", "F"))
        return reason, self.ended(iteration, {**metrics, **unknown}, None, "pruned")

    def entries(self, *events, run="r"):
        return tuple(Entry(run, number, "", event) for number, event in enumerate(events))


@pytest.fixture
def make():
    return Maker()


@pytest.fixture
def opposed(make):
    """What makes steps of a rulebook in which a rule of a large weight outweighs one that holds all back."""
    make.book = OPPOSED
    return make


@pytest.fixture
def hopeless(make):
    """A run in which what `wider` asked for led to networks that were stopped."""

    def record(steps=20, ceiling=0.46):
        facts = {"T_Acc": 0.6, "V_Acc": 0.5, "F": 80.0, "L": 2.0}
        events = [make.ended(1, facts, 0.5)]
        for number in range(2, steps + 2):
            events += [make.advised(number, 1, facts), make.accepted(number, {"AMK": "followed"})]
            events += make.pruned(number, facts, ceiling)
        return make.entries(*events, run="hopeless")

    return record


@pytest.fixture
def recorded(make):
    """Runs of steps in which `deeper` adds `deep` to CM, and `wider` adds `wide`; which of them fire is drawn."""

    def record(steps=60, *, deep=0.0, wide=0.0, noise=0.01, seed=0, run="r"):
        rng = np.random.default_rng(seed)
        level, metrics = 0.5, {"V_Acc": 0.5, "F": 200.0, "L": 0.5}
        events = [make.ended(1, metrics, level)]
        for number in range(2, steps + 2):
            metrics = {**metrics, "F": float(rng.choice([80.0, 200.0])), "L": float(rng.choice([0.5, 2.0]))}
            step = make.advised(number, number - 1, metrics)
            level += deep * (metrics["F"] > 100) + wide * (metrics["L"] > 1) + noise * rng.standard_normal()
            done = dict.fromkeys(step.resolution.instructions, "followed")
            events += [step, make.accepted(number, done), make.ended(number, {**metrics, "V_Acc": level}, level)]
        return make.entries(*events, run=run)

    return record
