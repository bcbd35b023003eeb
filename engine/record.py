"""A run as its journal holds it, read back without doing anything again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lemonade_es.engine.history.artifacts import Artifacts
from lemonade_es.engine.history.bill import Answer, Bill
from lemonade_es.engine.history.events import Event, RulebookChanged, RunEnded, RunResumed, RunStarted
from lemonade_es.engine.history.journal import Entry, started
from lemonade_es.engine.history.sent import replies
from lemonade_es.engine.history.tape import Tape, TapeEnd
from lemonade_es.engine.loop.advisor import Advisor
from lemonade_es.engine.loop.search import Search
from lemonade_es.engine.loop.state import SearchState
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import StoreError
from lemonade_es.llm.executor import Reply, Try
from lemonade_es.llm.request import EditRequest, Feedback
from lemonade_es.rules.load import parse_rulebook
from lemonade_es.rules.rulebook import Rulebook, Source
from lemonade_es.trainer.measurement import Budget, CheckReport, Epoch, Trained

_SPEC = TypeAdapter(RunSpec)


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that ended, or that was interrupted.

    Attributes:
        run: its id.
        started: its first event.
        end: how it ended; ``None`` if it was interrupted.
        state: all that the search knows.
        startup_seconds: what its processes needed before they could search.
        model: the file with the source of the best network, if it was left in the run's folder.
        weights: that with its weights, likewise.
    """

    run: str
    started: RunStarted
    end: RunEnded | None
    state: SearchState
    startup_seconds: float
    model: Path | None
    weights: Path | None


def recorded_result(
    run: str,
    entries: tuple[Entry, ...],
    artifacts: Artifacts,
    listener: Callable[[Event], None] | None = None,
) -> RunResult:
    """What the journal holds of a run, without doing anything again; files of its best network are not named.

    Raises:
        StoreError: the journal or an artifact is damaged.
    """
    begun, spec = as_resumed(entries), current_spec(entries)
    search = Search(
        spec=spec,
        settings=begun.settings,
        task=begun.data.task,
        advisor=Advisor(rulebook_at(entries, 0), begun.settings),
        executor=_NOBODY,
        fallback=_NOBODY if spec.fallback is not None else None,
        trainer=_NOBODY,
        tape=Tape(None, run, entries, listener),
        artifacts=artifacts,
        watcher=_NOBODY,
        epochs=begun.recipe.epochs,
    )
    with suppress(TapeEnd):
        search.run()
    last = next((entry.event for entry in reversed(entries) if isinstance(entry.event, RunEnded)), None)
    end = last if is_over(entries) else None
    return RunResult(run, begun, end, search.state, startup_seconds(entries), None, None)


def recorded_replies(entries: tuple[Entry, ...]) -> tuple[Reply, ...]:
    """All that the run's executors answered, oldest first."""
    return tuple(replied.reply for replied in replies(entry.event for entry in entries))


def rulebook_at(entries: tuple[Entry, ...], iteration: int) -> Rulebook:
    """The rulebook that was in force at an iteration; at 0, the one that the run was started with."""
    begun = started(entries)
    sources = (Source(begun.rulebook_file, begun.rulebook), *begun.rulebook_bases)
    for entry in entries:
        if isinstance(entry.event, RulebookChanged) and entry.event.iteration <= iteration:
            sources = entry.event.sources
    return _parsed(sources)


@lru_cache(maxsize=8)
def _parsed(sources: tuple[Source, ...]) -> Rulebook:
    own, *bases = sources
    return parse_rulebook(own.text, own.file, bases)


def current_spec(entries: tuple[Entry, ...]) -> RunSpec:
    """The specification as the last resume left it; a value that this version would refuse is what it was.

    Raises:
        StoreError: a resume has changed an option that there is not, or to a value of a wrong type.
    """
    spec = started(entries).spec
    for event in _resumes(entries):
        changed = {name: value for name, value in event.extended.items() if value not in (None, {})}
        if isinstance(target := changed.get("target"), Mapping):
            changed["target"] = {**spec.target, **target}
        try:
            spec = _SPEC.validate_python({**_SPEC.dump_python(spec), **changed})
        except ValidationError as error:
            option = error.errors()[0]["loc"][0]
            raise StoreError(f"a recorded RunResumed is damaged at {option}", where=f"run {entries[0].run}") from None
    return spec


def taken_on(entries: tuple[Entry, ...]) -> int:
    """How many calls without a known price the user knew of, and named a budget for the rest of the run."""
    named = [place for place, entry in enumerate(entries) if _names_a_budget(entry.event)]
    before = entries[: named[-1]] if named else ()
    return sum(Bill.of(entry.event).unpriced for entry in before if isinstance(entry.event, Answer))


def _names_a_budget(event: Event) -> bool:
    return isinstance(event, RunResumed) and "max_llm_cost" in event.extended


def is_foreign(entries: tuple[Entry, ...]) -> bool:
    """Whether source of the run must only run isolated, as an executor may have returned it that is trusted with less.

    A resume may name another fallback: what was foreign once stays so, and what was not may become it. Journals of old
    do not say so: there every name but that of the built-in executor counts as foreign.
    """
    begun = started(entries)
    told = [(begun.foreign, {begun.spec.llm, begun.spec.fallback})]
    told += [(event.foreign, {event.extended.get("fallback")}) for event in _resumes(entries)]
    return any(not names <= {"builtin", None} if foreign is None else foreign for foreign, names in told)


def as_resumed(entries: tuple[Entry, ...]) -> RunStarted:
    """The first event of the run, isolated and served as the process was that took it up last."""
    begun = started(entries)
    for event in _resumes(entries):
        begun = replace(begun, executor=event.executor or begun.executor)
        if event.isolation:
            begun = replace(
                begun,
                isolation=event.isolation,
                isolation_reason=event.isolation_reason,
                canaries=event.canaries,
            )
    return begun


def isolations(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """The levels that generated code of the run ran at, each once, in the order of its processes."""
    levels = [started(entries).isolation, *(event.isolation for event in _resumes(entries))]
    return tuple(dict.fromkeys(level for level in levels if level))


def startup_seconds(entries: tuple[Entry, ...]) -> float:
    """What the processes of the run needed before they could search, as far as they recorded it."""
    return started(entries).startup_seconds + sum(event.startup_seconds for event in _resumes(entries))


def _resumes(entries: tuple[Entry, ...]) -> list[RunResumed]:
    return [entry.event for entry in entries if isinstance(entry.event, RunResumed)]


def is_over(entries: tuple[Entry, ...]) -> bool:
    """Whether the run came to its end and was not taken up again."""
    marks = [entry.event for entry in entries if isinstance(entry.event, RunEnded | RunResumed)]
    return bool(marks) and isinstance(marks[-1], RunEnded)


class _Nobody:
    """Stands in for executor, trainer and watcher where a finished tape is only read."""

    name = "nobody"
    foreign = False
    priced = True

    def ask(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> Reply:
        raise TapeEnd

    def check(self, source: str, budget: Budget) -> CheckReport:
        raise TapeEnd

    def train(self, *_: Any, **__: Any) -> Trained:
        raise TapeEnd

    def train_again(self, *_: Any, **__: Any) -> Iterator[Trained]:
        raise TapeEnd

    def event(self, event: Event) -> None:
        """Nobody is told."""

    def doing(self, iteration: int, state: str) -> None:
        """Nobody is told."""

    def waiting(self, iteration: int, executor: str, failed: Try) -> None:
        """Nobody is told."""

    def epoch(self, iteration: int, number: int, epoch: Epoch) -> None:
        """Nobody is told."""


_NOBODY = _Nobody()
