"""A search without a trainer: networks are one-line texts, and what they measure follows from that line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pytest

from lemonade_es.engine.history.artifacts import Artifacts
from lemonade_es.engine.history.journal import Journal
from lemonade_es.engine.history.tape import Tape
from lemonade_es.engine.loop.advisor import Advisor
from lemonade_es.engine.loop.search import Search
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.scripted import ScriptedExecutor
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import CheckReport, Energy, Epoch, Failure, Measurement, Trained
from lemonade_es.vocabulary import settings


@dataclass
class LineTrainer:
    """A trainer for networks of the form ``accuracy=0.9 parameters=10 [refuse=CODE|fail=CODE|energy=estimated]``."""

    checked: list[str] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    interrupt_at: int | None = None

    @staticmethod
    def words(source):
        return dict(word.split("=", 1) for word in source.split())

    def check(self, source, budget):
        self.checked.append(source)
        words = self.words(source)
        if "refuse" in words:
            return CheckReport(False, "forward", words["refuse"], "the shapes differ", 1)
        census = {"conv_layers": float(len(self.checked)), "kernels": 8.0}
        structure = f"{words['accuracy']} {words.get('parameters')}"
        digest = hashlib.sha256(structure.encode()).hexdigest()
        parameters = int(words.get("parameters", "10"))
        return CheckReport(True, "done", parameters=parameters, census=census, architecture=digest)

    def train(self, source, report, *, seed, on_epoch):
        self.trained.append(source)
        if len(self.trained) == self.interrupt_at:
            raise KeyboardInterrupt
        on_epoch(0, Epoch(0.5, 0.01))
        words = self.words(source)
        if "fail" in words:
            metrics = {"failed": 1.0, "nonfinite": 1.0, "V_Acc": None, "T_Acc": None}
            failure = Failure(words["fail"], "the loss is not finite")
            return Trained(Measurement(metrics, {"V_Acc": "it failed"}, failure))
        accuracy = float(words["accuracy"])
        metrics = {
            "T_Acc": accuracy,
            "V_Acc": accuracy,
            "F": 1000.0,
            "T_E": 1e-4,
            "V_E": 1e-6,
            "P": float(words.get("parameters", "10")),
            "failed": 0.0,
            "nonfinite": 0.0,
        }
        energy = {"training": Energy(1.0, 1.0, words.get("energy", "measured"), "a meter", "process")}
        return Trained(Measurement(metrics, energy=energy, training_seconds=0.0), b"weights of " + source.encode())

    def train_again(self, source, report, first, *, seeds, on_epoch):
        for seed in seeds:
            yield self.train(source, report, seed=seed, on_epoch=on_epoch)


@dataclass
class Notes:
    """A watcher that keeps what it is told."""

    events: list[object] = field(default_factory=list)
    states: list[tuple[int, str]] = field(default_factory=list)
    epochs: list[tuple[int, int]] = field(default_factory=list)
    waits: list[tuple[int, str, str, float]] = field(default_factory=list)

    def event(self, event):
        self.events.append(event)

    def doing(self, iteration, state):
        self.states.append((iteration, state))

    def waiting(self, iteration, executor, failed):
        self.waits.append((iteration, executor, failed.code, failed.waited))

    def epoch(self, iteration, number, epoch):
        self.epochs.append((iteration, number))


@dataclass
class Bench:
    """Builds searches over one journal."""

    journal: Journal
    artifacts: Artifacts
    notes: Notes = field(default_factory=Notes)
    run: str = "r"

    def search(
        self,
        replies,
        *,
        trainer=None,
        spec=None,
        executor=None,
        fallback=None,
        read_only=False,
        watch=None,
        epochs=1,
        taken_on=0,
    ):
        spec = spec or RunSpec(iterations=len(replies), repairs=0)
        rulebook = load_rulebook(find_rulebook("lemonade"))
        entries = self.journal.read(self.run) if self.journal.count(self.run) else ()
        return Search(
            spec=spec,
            settings=settings(spec.preset, spec.set),
            task=Task("image", "lines", (1, 8, 8), 10),
            advisor=Advisor(rulebook, settings(spec.preset, spec.set)),
            executor=executor or ScriptedExecutor(replies),
            fallback=fallback,
            trainer=trainer or LineTrainer(),
            tape=Tape(None if read_only else self.journal, self.run, entries, self.notes.event),
            artifacts=self.artifacts,
            watcher=self.notes,
            watch=watch,
            epochs=epochs,
            taken_on=taken_on,
        )

    def events(self):
        return [entry.event for entry in self.journal.read(self.run)]


@pytest.fixture
def trainer():
    return LineTrainer()


@pytest.fixture
def bench(tmp_path):
    journal = Journal.in_folder(tmp_path, create=True)
    yield Bench(journal, Artifacts(tmp_path / "artifacts"))
    journal.close()
