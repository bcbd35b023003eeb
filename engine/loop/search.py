"""Algorithm 1: the search. Measure, advise, ask, check, train; keep the best; until the terminating condition."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from lemonade_es.engine.history.artifacts import Artifacts
from lemonade_es.engine.history.bill import Answer, Bill
from lemonade_es.engine.history.events import (
    Advised,
    IterationEnded,
    Refused,
    Requested,
    RulebookChanged,
    RulebookKept,
    RunEnded,
    Seconds,
)
from lemonade_es.engine.history.tape import Tape
from lemonade_es.engine.loop.advisor import Advisor, RulebookWatch
from lemonade_es.engine.loop.ladder import Candidate, Ladder
from lemonade_es.engine.loop.pruning import Pruning
from lemonade_es.engine.loop.ranking import ranked
from lemonade_es.engine.loop.requests import build_request, instructions_of, matched_facts
from lemonade_es.engine.loop.roles import Trainer, Watcher
from lemonade_es.engine.loop.seeds import seed_for
from lemonade_es.engine.loop.state import Network, SearchState
from lemonade_es.engine.loop.trainings import Trainings
from lemonade_es.engine.metric import reached
from lemonade_es.engine.spec import LOWER_IS_BETTER, RunSpec
from lemonade_es.errors import InferenceError, RulebookError
from lemonade_es.llm.executor import Executor, Try
from lemonade_es.llm.request import EditRequest
from lemonade_es.llm.schema import check_request
from lemonade_es.rules.load import parse_rulebook
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.task import Task
from lemonade_es.wording import counted


class Search:
    """One run of Algorithm 1 over a tape: recorded steps are read back, new ones are done and recorded.

    Args:
        spec: the options.
        settings: thresholds, priorities and weights that networks are ranked by, from the beginning to the end.
        task: what the network must take and give.
        advisor: the rules in force.
        executor: who carries instructions out.
        trainer: who checks, trains and measures.
        tape: the journal of this run; the search's state listens to it.
        artifacts: where sources and weights go.
        watcher: is told what happens.
        watch: the rulebook's file, if changes of it are to be taken over.
        fallback: who answers once where the executor cannot, or does not to any use.
        epochs: of a whole training, by which ``prune`` knows how far one is.
        taken_on: calls without a known price that the user accepted, by naming a budget again in a resume.
    """

    def __init__(
        self,
        *,
        spec: RunSpec,
        settings: Mapping[str, float | None],
        task: Task,
        advisor: Advisor,
        executor: Executor,
        trainer: Trainer,
        tape: Tape,
        artifacts: Artifacts,
        watcher: Watcher,
        watch: RulebookWatch | None = None,
        fallback: Executor | None = None,
        epochs: int = 1,
        taken_on: int = 0,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._task = task
        self._advisor = advisor
        self._watch = watch
        self._trainer = trainer
        self._tape = tape
        self._artifacts = artifacts
        self._watcher = watcher
        self.state = SearchState(spec.require)
        self._trainings = Trainings(
            spec=spec,
            settings=settings,
            trainer=trainer,
            tape=tape,
            artifacts=artifacts,
            watcher=watcher,
            state=self.state,
            spend=self._spend,
            pruning=Pruning(epochs, task.objective, settings) if spec.prune else None,
        )
        self._ladder = Ladder(
            executor,
            lambda source: trainer.check(source, spec.budget),
            tape,
            artifacts,
            repairs=spec.repairs,
            answered=self._answered,
            watch=self._doing,
            waiting=self._waiting,
            fallback=fallback,
        )
        self._taken_on = taken_on
        self.iteration = 0
        self._elsewhere = 0.0  # seconds of this process's part of the iteration that are not overhead

    def run(self) -> RunEnded:
        """Iterate until the terminating condition, and record the end.

        Raises:
            LemonadeError: the search cannot go on (store, executor); what was recorded stays.
        """
        end = self._end_reached()
        while end is None:
            self.iteration += 1
            self._iterate()
            # what is on the tape was done, even if the end has been moved before it since
            end = None if self._tape.replaying else self._end_reached()
        best = self.state.best
        if best is None:
            trained = sum(not network.failed for network in self.state.networks)
            why = (
                f", though {counted(trained, 'network')} trained: a metric that ranks them is missing"
                if trained
                else ""
            )
            return self._tape.record(RunEnded("failed", f"no valid model was found{why}: {end.reason}", None))
        return self._tape.record(replace(end, best=best.iteration))

    def _end_reached(self) -> RunEnded | None:
        """TC of Algorithm 1: the target, the number of iterations, or a budget."""
        spec, state = self._spec, self.state
        best = state.best
        arrived = best is not None and reached(spec.target, best.metrics, lower_is_better=LOWER_IS_BETTER)
        if arrived and not state.excess(best):
            return RunEnded("finished", "the target is reached", None)
        if self.iteration >= spec.iterations:
            done = "1 iteration is" if self.iteration == 1 else f"{self.iteration} iterations are"
            return RunEnded("finished", f"{done} done", None)
        if spec.max_energy is not None and state.spent.unmetered:
            return RunEnded("stopped", "energy could not be measured, so its budget cannot be kept", None)
        if spec.max_llm_cost is not None and state.bill.unpriced > self._taken_on:
            reason = "the server did not count tokens, so the LLM budget cannot be kept"
            return RunEnded("stopped", f"{reason}; a resume with another --max-llm-cost goes on all the same", None)
        budgets = (
            ("time", "s", spec.max_seconds, state.seconds.total),
            ("energy", "kWh-PUE", spec.max_energy, state.spent.kwh_pue),
            ("LLM", "USD", spec.max_llm_cost if self.iteration else None, state.cost),
            ("LLM", "call" if spec.max_llm_calls == 1 else "calls", spec.max_llm_calls, state.bill.calls),
        )
        for name, unit, budget, spent in budgets:
            if budget is not None and spent >= budget:
                over = f": {spent:.4g}" if name == "LLM" and spent > budget else ""  # times differ from run to run
                return RunEnded("stopped", f"the {name} budget of {budget:g} {unit} is spent{over}", None)
        return None

    def _iterate(self) -> None:
        start = time.monotonic()
        self._elsewhere = 0.0
        base = self.state.base(self._spec.start_from)
        advised = self._advise(base) if base is not None else None
        request = self._request(base, advised)
        outcome = self._ladder.climb(request, self.state.architectures)
        network = None if isinstance(outcome, Refused) else self._train(outcome)
        ended = self._tape.recall(IterationEnded)
        if ended is None:
            reason = outcome.code if isinstance(outcome, Refused) else None
            ended = self._tape.record(self._judged(network, reason, time.monotonic() - start - self._elsewhere))
        self.state.end(ended, advised, network)

    def _advise(self, base: Network) -> Advised:
        self._look_at_rulebook()
        advised = self._tape.recall(Advised)
        if advised is not None:
            return advised
        metrics = {**base.metrics, "plateau": float(self.state.plateau)}
        return self._tape.record(self._advisor.advise(self.iteration, base.iteration, metrics))

    def _look_at_rulebook(self) -> None:
        """Take over a changed rulebook, as recorded, or from its file if that is watched."""
        changed, kept = self._tape.recall(RulebookChanged), self._tape.recall(RulebookKept)
        if changed is not None:
            own, *bases = changed.sources
            self._take(parse_rulebook(own.text, own.file, bases))
        if changed is not None or kept is not None or self._tape.replaying or self._watch is None:
            return
        news = self._watch.look()
        if isinstance(news, RulebookError | InferenceError):
            problems = tuple(map(str, news.problems)) if isinstance(news, RulebookError) else ()
            self._tape.record(RulebookKept(self.iteration, problems or (str(news),)))
        elif news is not None:
            self._tape.record(RulebookChanged(self.iteration, news.digest, news.sources))
            self._take(news)

    def _take(self, rulebook: Rulebook) -> None:
        self._advisor = Advisor(rulebook, self._spec.settings(rulebook.defaults))

    def _request(self, base: Network | None, advised: Advised | None) -> EditRequest:
        recorded = self._tape.recall(Requested)
        if recorded is not None:
            return EditRequest.from_json(recorded.request)
        request = build_request(
            spec=self._spec,
            settings=self._advisor.settings,
            task=self._task,
            iteration=self.iteration,
            base=base,
            instructions=instructions_of(advised, self._advisor.rulebook),
            history=self.state.history,
            seed=seed_for(self._spec.seed, "request", self.iteration),
            matched=matched_facts(advised),
        )
        data = request.to_json()
        check_request(data)
        self._tape.record(Requested(self.iteration, data))
        return request

    def _train(self, candidate: Candidate) -> Network:
        network = self._trainings.train(self.iteration, candidate)
        self.state.trained(network)
        return network

    def _judged(self, network: Network | None, refusal: str | None, overhead: float) -> IterationEnded:
        trainings = network.all if network is not None else ()
        training = sum((item.training_seconds for item in trainings), 0.0)
        measuring = sum((item.measuring_seconds for item in trainings), 0.0)
        llm = self.state.llm_seconds
        standing = ranked(network, self.state, self._settings)
        failure = network.measurement.failure if network is not None else None
        pruned = network is not None and network.pruned is not None
        return IterationEnded(
            iteration=self.iteration,
            outcome=refusal or (failure.code if failure is not None else "pruned" if pruned else "ok"),
            metrics=network.metrics if network is not None else {},
            CM=network.CM if network is not None else None,
            is_best=standing.leads,
            seconds=Seconds(training + measuring + llm + overhead, training, measuring, llm, overhead),
            note=standing.note,
            trainings=len(trainings),
            spread=network.spread if network is not None else {},
            tie=standing.tie,
        )

    def _answered(self, answer: Answer, *, new: bool) -> None:
        self.state.answered(answer)
        if new:
            self._spend(Bill.of(answer).seconds)

    def _spend(self, seconds: float) -> None:
        self._elsewhere += seconds

    def _doing(self, state: str) -> None:
        self._watcher.doing(self.iteration, state)

    def _waiting(self, executor: str, failed: Try) -> None:
        self._watcher.waiting(self.iteration, executor, failed)
