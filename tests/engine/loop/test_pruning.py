"""Pruning: which trainings are stopped, what is kept of them, and that a run so shortened can be taken up again."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from lemonade_es.engine.explain import explain
from lemonade_es.engine.history.events import Advised, IterationEnded, Measured, Pruned, Repeated
from lemonade_es.engine.history.tally import EnergyTally
from lemonade_es.engine.loop.extrapolation import extrapolated, fitted
from lemonade_es.engine.loop.pruning import rungs, saved_seconds
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.scripted import ScriptedExecutor
from lemonade_es.report.explanation import explanation_text
from lemonade_es.trainer.energy import kwh_pue
from lemonade_es.trainer.measurement import Energy, Epoch, Measurement, StopTraining, Trained
from tests.engine.conftest import LineTrainer

EPOCHS = 50


def network(accuracy, parameters=10, extra=""):
    source = f"accuracy={accuracy} parameters={parameters} {extra}".strip()
    return json.dumps(
        {"summary": "a change", "model_py": source, "edits": None, "applied": [], "skipped": [], "predicted": None}
    )


class CurveTrainer(LineTrainer):
    """Losses fall as a power law to what the accuracy speaks of, unless ``level`` says to what."""

    def train(self, source, report, *, seed, on_epoch):
        words = self.words(source)
        level = -math.log(float(words.get("level", words["accuracy"])))
        curve = [Epoch(level + 2 * number**-0.5, 0.1) for number in range(1, EPOCHS + 1)]
        trained = super().train(source, report, seed=seed, on_epoch=lambda *_: None)
        if len(self.trained) == self.interrupt_at:
            raise KeyboardInterrupt
        measurement = replace(trained.measurement, epochs=tuple(curve), training_seconds=5.0)
        for number, epoch in enumerate(curve):
            try:
                on_epoch(number, epoch)
            except StopTraining:
                metrics = {"P": measurement.metrics["P"], "failed": 0.0, "nonfinite": 0.0, "V_Acc": None, "T_Acc": None}
                kept = tuple(curve[: number + 1])
                return Trained(replace(measurement, metrics=metrics, epochs=kept, stopped=number + 1))
        return Trained(measurement, trained.weights)


GOOD = [network(0.8, 10), network(0.82, 20), network(0.84, 30), network(0.86, 40), network(0.88, 50)]


def searched(bench, *replies, trainer=None, **options):
    spec = RunSpec(iterations=len(replies), repairs=0, **{"prune": True, **options})
    search = bench.search(list(replies), spec=spec, trainer=trainer or CurveTrainer(), epochs=EPOCHS)
    search.run()
    return search


def of(bench, kind):
    return [event for event in bench.events() if isinstance(event, kind)]


def test_a_hopeless_training_is_stopped_and_is_neither_failed_nor_best(bench):
    search = searched(bench, *GOOD, network(0.3, 5))
    ended = search.state.ended[-1]
    assert (ended.outcome, ended.CM, ended.is_best) == ("pruned", None, False)
    assert ended.metrics["failed"] == 0.0
    assert ended.metrics["P"] == 5.0
    assert ended.metrics["V_Acc"] is None
    (pruned,) = of(bench, Pruned)
    assert (pruned.epoch, pruned.rank, pruned.of, pruned.leader) == (3, 6, 6, 5)
    assert pruned.ceiling < 2 * 0.88
    assert pruned.reason == ended.note
    assert "after 3 of 50 epochs its summed loss is 6th of 6" in pruned.reason
    assert search.state.best.iteration == 5


def test_it_is_off_unless_asked_for(bench):
    search = searched(bench, *GOOD, network(0.3, 5), prune=False)
    assert search.state.ended[-1].outcome == "ok"
    assert of(bench, Pruned) == []


def test_nothing_is_pruned_while_the_leader_breaks_a_bound_for_any_network_may_keep_it(bench):
    search = searched(bench, *GOOD, network(0.3, 5), require={"F": 2000.0})
    assert search.state.ended[-1].outcome == "ok"


def test_a_hopeless_training_is_stopped_where_the_leader_keeps_all_bounds(bench):
    search = searched(bench, *GOOD, network(0.3, 5), require={"F": 500.0})
    assert search.state.ended[-1].outcome == "pruned"


def test_nothing_is_pruned_before_five_networks_have_finished(bench):
    search = searched(bench, *GOOD[1:], network(0.3, 5), network(0.31, 6))
    assert [item.outcome for item in search.state.ended] == ["ok"] * 5 + ["pruned"]


def test_a_failed_network_is_not_one_of_the_five(bench):
    search = searched(bench, *GOOD[1:], network(0.5, extra="fail=DIVERGED"), network(0.3, 5))
    assert search.state.ended[-1].outcome == "ok"


def test_one_of_the_best_third_goes_on_whatever_its_end(bench):
    # its losses are second of six, though it will not learn much
    search = searched(bench, *GOOD, network(0.3, 5, "level=0.87"))
    assert search.state.ended[-1].outcome == "ok"


def test_a_network_that_may_still_win_by_an_optimistic_guess_goes_on(bench):
    # one network ended 0.5 above what its losses spoke of: so may the next
    lucky = network(0.85, 15, "level=0.35")
    search = searched(bench, lucky, *GOOD[1:], network(0.4, 5))
    assert search.state.ended[-1].outcome == "ok"


def test_what_is_not_dominated_at_the_first_rung_may_be_at_a_later_one(bench):
    class Crossing(CurveTrainer):
        """Promises much and stands still after ten epochs."""

        def train(self, source, report, *, seed, on_epoch):
            if "stuck" not in source:
                return super().train(source, report, seed=seed, on_epoch=on_epoch)
            stuck = [Epoch(loss, 0.1) for loss in (1.9, 1.5, *[1.2] * 48)]
            for number, epoch in enumerate(stuck):
                try:
                    on_epoch(number, epoch)
                except StopTraining:
                    break
            metrics = {"P": 5.0, "failed": 0.0, "nonfinite": 0.0}
            return Trained(Measurement(metrics, epochs=tuple(stuck[: number + 1]), stopped=number + 1))

    searched(bench, *GOOD, network(0.3, 5, "stuck=1"), trainer=Crossing())
    assert [event.epoch for event in of(bench, Pruned)] == [9]


def test_after_a_pruned_network_the_best_is_edited_and_its_facts_are_seen(bench):
    searched(bench, *GOOD[:4], GOOD[4], network(0.7, 1), network(0.3, 5), network(0.85, 7))
    advised = of(bench, Advised)
    assert [event.base for event in advised] == [1, 2, 3, 4, 5, 5, 5]
    assert advised[-1].inference.facts["V_Acc"] == 0.88


def test_the_same_network_is_not_trained_again_after_it_was_pruned(bench):
    again = [network(0.3, 5, "words=other"), network(0.3, 5, "words=more")]  # the reply, and the fresh sample
    spec = RunSpec(iterations=7, repairs=0, prune=True)
    search = bench.search([*GOOD, network(0.3, 5), *again], spec=spec, trainer=CurveTrainer(), epochs=EPOCHS)
    search.run()
    assert [item.outcome for item in search.state.ended[5:]] == ["pruned", "DUPLICATE"]


def test_speed_and_energy_of_an_unfinished_network_are_taken_for_the_best_seen(bench):
    weighted = {"preset": "edge"}
    searched(bench, *GOOD, network(0.3, 5), **weighted)
    (pruned,) = of(bench, Pruned)
    alone = pruned.ceiling
    # WF 0.2, NF 1000 / 15000, WE 0.1, T_NE 1e-4 / 1.1e-3, V_NE 1e-6 / 1.1e-5: the same for all networks here
    terms = 0.2 * 1000 / 15000 - 0.1 * 2 * (1 / 11)
    assert alone < 0.7 * 2 * 0.88 + terms
    assert alone > terms


def test_the_energy_of_a_stopped_training_counts_and_is_no_metric():
    spent = EnergyTally()
    energy = {"training": Energy(3600.0, 1.0, "measured", "m", "machine")}
    spent.heard(Measurement({"T_E": None, "V_E": None}, energy=energy, stopped=3))
    assert spent.kwh_pue == pytest.approx(kwh_pue(3600.0))
    assert not spent.unmetered


def test_pruned_and_repeated_trainings_go_together(bench):
    search = searched(bench, *GOOD, network(0.3, 5), network(0.9, 60), repeats=3)
    assert [item.trainings for item in search.state.ended] == [3] * 5 + [1, 3]
    assert {event.measurement.stopped for event in of(bench, Repeated)} == {None}


class Killed(Exception):  # noqa: N818  (what a kill looks like from here)
    pass


@pytest.mark.parametrize("victim", ["Measured", "Pruned", "IterationEnded"])
def test_a_run_killed_around_a_pruning_ends_as_an_unbroken_one(bench, victim):
    replies = [*GOOD, network(0.3, 5), network(0.9, 60)]
    spec = RunSpec(iterations=len(replies), repairs=0, prune=True)
    search = bench.search(replies, spec=spec, trainer=CurveTrainer(), epochs=EPOCHS)
    append = bench.journal.append

    def until(run, seq, event):
        """The event of the pruned iteration is written; then the process is no more."""
        append(run, seq, event)
        if type(event).__name__ == victim and event.iteration == 6:
            raise Killed

    bench.journal.append = until
    with pytest.raises(Killed):
        search.run()
    bench.journal.append = append
    trainer = CurveTrainer()
    rest = ScriptedExecutor(replies[6:])
    resumed = bench.search(replies, spec=spec, trainer=trainer, executor=rest, epochs=EPOCHS)
    assert resumed.run().best == 7
    assert len(trainer.trained) == 1
    broken = _told(bench)
    bench.run = "unbroken"
    searched(bench, *replies)
    assert broken == _told(bench)


def test_a_run_killed_in_a_training_that_would_be_pruned_prunes_it_again(bench):
    replies = [*GOOD, network(0.3, 5)]
    spec = RunSpec(iterations=6, repairs=0, prune=True)
    trainer = CurveTrainer()
    trainer.interrupt_at = 6
    with pytest.raises(KeyboardInterrupt):
        bench.search(replies, spec=spec, trainer=trainer, epochs=EPOCHS).run()
    trainer.interrupt_at = None
    resumed = bench.search(replies, spec=spec, trainer=trainer, executor=ScriptedExecutor([]), epochs=EPOCHS)
    resumed.run()
    assert resumed.state.ended[-1].outcome == "pruned"
    assert len(of(bench, Pruned)) == 1


def _told(bench):
    kept = (Advised, Measured, Pruned, IterationEnded)
    events = [event for event in bench.events() if isinstance(event, kept)]
    return [replace(event, seconds=None) if isinstance(event, IterationEnded) else event for event in events]


def test_the_explanation_says_why_it_was_pruned(bench):
    searched(bench, *GOOD, network(0.3, 5))
    told = explain(bench.journal.read(bench.run), bench.artifacts)[-1]
    assert told.to_json()["pruned"]["epoch"] == 3
    assert "Outcome: pruned: after 3 of 50 epochs" in explanation_text(told, source=False)


@pytest.mark.parametrize(
    ("epochs", "expected"), [(50, (3, 9, 27)), (8, (1, 4)), (100, (6, 18, 54)), (2, (1,)), (1, ())]
)
def test_rungs_are_fractions_of_the_recipe(epochs, expected):
    assert rungs(epochs) == expected


def test_what_was_saved_follows_from_the_epochs_that_were_trained():
    curve = tuple(Epoch(1.0, 2.0) for _ in range(3))
    assert saved_seconds(Measurement({}, epochs=curve, stopped=3), 50) == pytest.approx(94.0)
    assert saved_seconds(Measurement({}, epochs=curve), 50) == 0.0


def test_a_power_law_is_found_again():
    law = fitted([0.4 + 1.5 * number**-0.7 for number in range(1, 10)])
    assert law.power == pytest.approx(0.7)
    assert law.at(50) == pytest.approx(0.4 + 1.5 * 50**-0.7, rel=1e-6)


@pytest.mark.parametrize(
    "losses", [[2.0], [2.0, 1.0], [1.0, 2.0, 3.0], [1.0] * 9, [0.0, 0.0, 0.0], [3.0, 1e-9, 1e-9], [1e9, 1.0, 1e-9]]
)
def test_odd_curves_have_an_end_too(losses):
    end = fitted(losses).at(50)
    assert 0.0 <= end <= max(losses)
    assert 0.0 <= extrapolated(losses, 50, "classification") <= 1.0
    assert 0.0 <= extrapolated(losses, 50, "regression") <= 1.0
