"""One run from its options to its result: check everything, open the journal, search, leave the best behind."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from lemonade_es.engine.expert.selftest import tested
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import (
    IterationEnded,
    RulebookKept,
    RunEnded,
    RunInterrupted,
    RunResumed,
    RunStarted,
)
from lemonade_es.engine.history.journal import Entry, Journal, new_run_id, started
from lemonade_es.engine.history.tape import Tape
from lemonade_es.engine.loop.advisor import Advisor, RulebookWatch
from lemonade_es.engine.loop.roles import Watcher
from lemonade_es.engine.loop.search import Search
from lemonade_es.engine.options import extend, said_anew
from lemonade_es.engine.record import (
    RunResult,
    as_resumed,
    current_spec,
    is_foreign,
    is_over,
    recorded_result,
    rulebook_at,
    startup_seconds,
    taken_on,
)
from lemonade_es.engine.run_data import new_data, same_data, summary
from lemonade_es.engine.spec import RunSpec
from lemonade_es.engine.staff import Staff, hired, named
from lemonade_es.engine.versions import versions
from lemonade_es.errors import LemonadeError, SearchError
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.trainer.crew import Crew
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.device.command import device_command
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.recipe import Recipe, search_recipe, with_epochs, with_overrides
from lemonade_es.trainer.workshop import Workshop


class RunWatcher(Watcher, Protocol):
    """A watcher that is also told what is searched."""

    def fetching(self, done: int, total: int | None) -> None:
        """So many bytes of the data set have been downloaded; ``total`` is ``None`` if it is not known."""

    def begin(self, run: str, started: RunStarted, spec: RunSpec) -> None:
        """Everything is checked; the search begins or goes on, with the options in force now."""


def new_run(spec: RunSpec, folder: RunFolder, watcher: RunWatcher, *, unsafe_no_isolation: bool = False) -> RunResult:
    """Run a search from its beginning.

    Everything that can be wrong with the input is found before anything is written.

    Raises:
        LemonadeError: bad input, or the search cannot go on; what was recorded stays and can be resumed.
    """
    clock = time.monotonic()
    rulebook = tested(load_rulebook(find_rulebook(spec.rulebook)))
    settings = spec.settings(rulebook.defaults)
    spec = named(spec, folder)
    staff = hired(spec, folder)
    _ = _changed(Recipe(), spec)  # what is wrong with it is told before a data set is fetched and read
    dataset = new_data(spec, watcher.fetching)
    recipe = _changed(search_recipe(dataset.task.kind), spec)
    opening = partial(_workshop, spec, dataset, recipe, foreign=staff.foreign, unsafe=unsafe_no_isolation)
    with Crew(opening, spec.repeats - 1) as crew:
        workshop = crew.lead
        begun = RunStarted(
            spec=spec.public(),
            settings=settings,
            recipe=recipe,
            rulebook=rulebook.sources[0].text,
            rulebook_file=rulebook.file,
            rulebook_digest=rulebook.digest,
            data=summary(dataset),
            executor=staff.told,
            isolation=workshop.isolation,
            device=workshop.device,
            energy=workshop.meter.describe(),
            versions=versions(),
            rulebook_bases=rulebook.sources[1:],
            isolation_reason=workshop.isolation_reason,
            canaries=workshop.canaries,
            foreign=staff.foreign,
            startup_seconds=time.monotonic() - clock,
        )
        run = new_run_id()
        with folder.opened(run, begun) as (journal, first):
            session = _Session(folder, journal, run, begun, begun.spec, rulebook, staff, crew, watcher)
            return session.search((first,))


def resume_run(
    name: str,
    folder: RunFolder,
    watcher: RunWatcher,
    options: Mapping[str, Any],
    *,
    unsafe_no_isolation: bool = False,
) -> RunResult:
    """Take up a run where its journal ends; no recorded reply is asked for again, no training repeated.

    Args:
        name: the run's id, its beginning, or ``latest``.
        folder: where it lies.
        watcher: is told what happens.
        options: what to change; only what :data:`lemonade_es.engine.options.EXTENDABLE` names.
        unsafe_no_isolation: as for a new run; it is never remembered.

    Raises:
        LemonadeError: there is no such run, its data changed, or the search cannot go on.
    """
    clock = time.monotonic()
    with closing(folder.journal(create=False)) as journal:
        run = journal.find(name)
        with folder.held(run):
            entries = journal.read(run)
            begun = started(entries)
            before = current_spec(entries)
            spec = named(extend(before, options), folder)
            if is_over(entries) and spec.public() == before:
                watcher.begin(run, as_resumed(entries), before)
                result = recorded_result(run, entries, folder.artifacts, watcher.event)
                model, weights = folder.leave_best(run, result.state)
                return replace(result, model=model, weights=weights)
            rulebook = rulebook_at(entries, 0)
            changed = said_anew(before, options)
            staff = hired(spec, folder, changed)
            dataset = same_data(spec, begun, watcher.fetching)
            foreign = staff.foreign or is_foreign(entries)
            opening = partial(_workshop, spec, dataset, begun.recipe, foreign=foreign, unsafe=unsafe_no_isolation)
            with Crew(opening, spec.repeats - 1) as crew:
                workshop = crew.lead
                spec = spec.public()
                mark = RunResumed(
                    {key: getattr(spec, key) for key in changed},
                    isolation=workshop.isolation,
                    isolation_reason=workshop.isolation_reason,
                    canaries=workshop.canaries,
                    foreign=foreign,
                    executor=staff.told,
                    startup_seconds=time.monotonic() - clock,
                )
                entries = (*entries, journal.append(run, len(entries), mark))
                session = _Session(folder, journal, run, as_resumed(entries), spec, rulebook, staff, crew, watcher)
                return session.search(entries)


@dataclass(frozen=True, slots=True)
class _Session:
    """One process's part of a run: all parts checked and open."""

    folder: RunFolder
    journal: Journal
    run: str
    begun: RunStarted
    spec: RunSpec
    rulebook: Rulebook
    staff: Staff
    crew: Crew
    watcher: RunWatcher

    def search(self, entries: tuple[Entry, ...]) -> RunResult:
        """Search to the end, or to the user's Ctrl-C; leave the best network in the run's folder."""
        try:
            search = self._begun(entries)
        except KeyboardInterrupt:  # the run is on record: the user is to hear how it goes on
            result = recorded_result(self.run, entries, self.folder.artifacts)
            self.journal.append(self.run, len(entries), RunInterrupted(len(result.state.ended)))
            model, weights = self.folder.leave_best(self.run, result.state)
            return replace(result, end=None, model=model, weights=weights)
        try:
            end = self._ended(search)
            model, weights = self._left(search)
        except (LemonadeError, OSError) as error:
            with suppress(LemonadeError, OSError):  # the first error is the one to tell
                self.folder.leave_best(self.run, search.state)
            told = LemonadeError.of_system(error) if isinstance(error, OSError) else error
            raise SearchError(str(told), run=self.run) from error
        return RunResult(self.run, self.begun, end, search.state, startup_seconds(entries), model, weights)

    def _begun(self, entries: tuple[Entry, ...]) -> Search:
        """The search, of which the watcher is told."""
        self.watcher.begin(self.run, self.begun, self.spec)
        if (untaken := self._untaken(entries)) is not None:
            self.watcher.event(untaken)
        return Search(
            spec=self.spec,
            settings=self.begun.settings,
            task=self.begun.data.task,
            advisor=Advisor(self.rulebook, self.begun.settings),
            executor=self.staff.executor,
            fallback=self.staff.fallback,
            trainer=self.crew,
            tape=Tape(self.journal, self.run, entries, self.watcher.event),
            artifacts=self.folder.artifacts,
            watcher=self.watcher,
            watch=self._watch(entries),
            epochs=self.begun.recipe.epochs,
            taken_on=taken_on(entries),
        )

    def _ended(self, search: Search) -> RunEnded | None:
        """How a search came to its end; ``None`` if the user broke it off, which is recorded."""
        try:
            return search.run()
        except KeyboardInterrupt:
            self.journal.append(self.run, self.journal.count(self.run), RunInterrupted(search.iteration))
            return None

    def _left(self, search: Search) -> tuple[Path | None, Path | None]:
        """Leave the best network behind; a signal that comes in the middle of it has come too late."""
        with suppress(KeyboardInterrupt):
            return self.folder.leave_best(self.run, search.state)
        return self.folder.leave_best(self.run, search.state)

    def _untaken(self, entries: tuple[Entry, ...]) -> RulebookKept | None:
        """What to say where the rulebook's file is no longer what the run goes on with; it is not recorded."""
        if self.spec.watch_rulebook or len(entries) == 1:  # a new run has just read it
            return None
        try:
            found = load_rulebook(find_rulebook(self.spec.rulebook))
        except LemonadeError:  # it is gone, or not whole: nobody means it to be used
            return None
        if found.digest == rulebook_at(entries, self.spec.iterations).digest:
            return None
        done = sum(isinstance(entry.event, IterationEnded) for entry in entries)
        return RulebookKept(
            done + 1, ("a resume goes on with its own; with --watch-rulebook it takes the change over",)
        )

    def _watch(self, entries: tuple[Entry, ...]) -> RulebookWatch | None:
        if not self.spec.watch_rulebook:
            return None
        return RulebookWatch(self.spec.rulebook, rulebook_at(entries, self.spec.iterations).digest)


def _changed(recipe: Recipe, spec: RunSpec) -> Recipe:
    return with_epochs(recipe, spec.recipe, spec.epochs)


def _workshop(
    spec: RunSpec, dataset: Dataset, recipe: Recipe, like: Workshop | None = None, *, foreign: bool, unsafe: bool
) -> Workshop:
    return Workshop(
        dataset,
        recipe if like is None else with_overrides(recipe, {"precision": like.precision}),
        device=spec.device,
        limits=Limits(
            train_seconds=spec.candidate_seconds,
            stall_seconds=max(300.0, spec.candidate_seconds / 2),
            train_option="--candidate-seconds",
        ),
        foreign=foreign,
        unsafe_no_isolation=unsafe,
        isolation=spec.isolation if like is None else like.isolation,
        container_image=spec.container_image,
        zero_cost=spec.zero_cost,
        command=None if spec.measure_with is None else device_command(spec.measure_with, spec.measure_seconds),
    )
