"""Repeated trainings: who is trained again, with which seeds, and what the noise makes of comparisons."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field, replace

import pytest

from lemonade_es.engine.explain import explain
from lemonade_es.engine.history.events import IterationEnded, Measured, NoiseEstimated, Repeated, Requested
from lemonade_es.engine.history.tape import TapeEnd
from lemonade_es.engine.loop.noise import ENOUGH, Noise, averaged
from lemonade_es.engine.loop.seeds import seed_for
from lemonade_es.engine.options import extend, resolve
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import ConfigError
from lemonade_es.llm.scripted import ScriptedExecutor
from lemonade_es.trainer.measurement import Failure, Measurement, Trained
from tests.engine.conftest import LineTrainer

SEEDS = [seed_for(0, "training", number) for number in range(5)]
STEPS = [0.0, 0.01, -0.01, 0.02, -0.02]


def good(accuracy, parameters=10, extra=""):
    source = f"accuracy={accuracy} parameters={parameters} {extra}".strip()
    return json.dumps(
        {"summary": "a change", "model_py": source, "edits": None, "applied": [], "skipped": [], "predicted": None}
    )


@dataclass
class SeededTrainer(LineTrainer):
    """Accuracy depends on the seed as well: by 0, +1, -1, +2, -2 times ``noise``, 0.01 if not given."""

    seeds: list[int] = field(default_factory=list)

    def train(self, source, report, *, seed, on_epoch):
        self.seeds.append(seed)
        trained = super().train(source, report, seed=seed, on_epoch=on_epoch)
        words = self.words(source)
        number = SEEDS.index(seed)
        if int(words.get("fails_at", -1)) == number:
            return Trained(Measurement({"failed": 1.0}, failure=Failure("DIVERGED", "the loss is not finite")))
        measurement = trained.measurement
        if measurement.failure is not None:
            return trained
        if int(words.get("unknown_at", -1)) == number:
            return Trained(replace(measurement, metrics={**measurement.metrics, "V_Acc": None}), trained.weights)
        accuracy = float(words["accuracy"]) + STEPS[number] * float(words.get("noise", 1))
        metrics = {**measurement.metrics, "T_Acc": accuracy, "V_Acc": accuracy}
        return Trained(replace(measurement, metrics=metrics, training_seconds=0.5), trained.weights)


def searched(bench, *replies, repeats=3, trainer=None, **options):
    spec = RunSpec(iterations=len(replies), repairs=0, repeats=repeats, **options)
    trainer = trainer or SeededTrainer()
    search = bench.search(list(replies), spec=spec, trainer=trainer)
    search.run()
    return search, trainer


def of(bench, kind):
    return [event for event in bench.events() if isinstance(event, kind)]


def test_without_repeats_each_candidate_is_trained_once_and_nothing_is_estimated(bench):
    search, trainer = searched(bench, good(0.5), good(0.6), repeats=1)
    assert trainer.seeds == [SEEDS[0]] * 2
    assert of(bench, Repeated) == of(bench, NoiseEstimated) == []
    assert search.state.ended[1].trainings == 1
    assert search.state.floor is None


def test_a_candidate_that_may_lead_is_trained_with_other_seeds_and_its_metrics_are_means(bench):
    search, trainer = searched(bench, good(0.5, extra="noise=2"), repeats=2)
    assert trainer.seeds == SEEDS[:2]
    assert [(event.number, event.seed) for event in of(bench, Repeated)] == [(2, SEEDS[1])]
    ended = search.state.ended[0]
    assert ended.metrics["V_Acc"] == pytest.approx(0.51)
    assert pytest.approx(1.02) == ended.CM
    assert ended.spread["V_Acc"] == pytest.approx(statistics.stdev([0.5, 0.52]))
    assert ended.spread["CM"] == pytest.approx(2 * statistics.stdev([0.5, 0.52]))
    assert "P" not in ended.spread
    assert ended.trainings == 2


def test_once_the_noise_is_known_a_hopeless_candidate_is_trained_once(bench):
    search, trainer = searched(bench, good(0.5), good(0.6), good(0.3), good(0.595), good(0.7))
    # with three trainings a network gives two degrees of freedom, so that two networks settle it
    assert [ended.trainings for ended in search.state.ended] == [3, 3, 1, 3, 3]
    assert len(trainer.seeds) == 13
    (estimated,) = of(bench, NoiseEstimated)
    assert (estimated.iteration, estimated.degrees, estimated.networks) == (2, 4, (1, 2))
    assert estimated.floor == pytest.approx(statistics.stdev([1.0, 1.02, 0.98]))


def test_of_two_networks_that_the_noise_does_not_tell_apart_the_smaller_leads(bench):
    search, _ = searched(bench, good(0.5, 100), good(0.6, 100), good(0.595, 50), good(0.603, 70))
    ended = search.state.ended
    assert [item.is_best for item in ended] == [True, True, True, False]
    assert (ended[2].tie, ended[3].tie) == (2, 3)
    assert "it is smaller" in ended[2].note
    assert "not smaller" in ended[3].note
    assert search.state.best.iteration == 3


def test_a_difference_above_the_noise_wins_whatever_the_size(bench):
    search, _ = searched(bench, good(0.5, 10), good(0.6, 10), good(0.62, 900))
    assert search.state.best.iteration == 3
    assert search.state.ended[2].tie is None


def test_a_row_of_ties_does_not_lead_downwards(bench):
    # the floor is 0.02: each is 0.016 below the one before
    search, _ = searched(bench, good(0.5, 100), good(0.6, 100), good(0.592, 90), good(0.584, 80), good(0.576, 70))
    assert [item.is_best for item in search.state.ended] == [True, True, True, False, False]
    assert "the highest CM so far is not within it" in search.state.ended[3].note


def test_a_network_that_fails_with_another_seed_does_not_lead(bench):
    search, _ = searched(bench, good(0.5), good(0.9, extra="fails_at=1"))
    assert search.state.best.iteration == 1
    ended = search.state.ended[1]
    assert ended.note == "1 of its 3 trainings failed"
    assert ended.metrics["V_Acc"] == pytest.approx(0.895)  # the mean of those that did not
    assert ended.metrics["failed"] == 0.0


def test_a_network_of_which_one_training_has_no_CM_has_none_and_the_note_says_what_is_unknown(bench):
    search, _ = searched(bench, good(0.5), good(0.9, extra="unknown_at=1"))
    assert search.state.best.iteration == 1
    ended = search.state.ended[1]
    assert (ended.CM, ended.is_best) == (None, False)
    assert ended.note == "it has no CM: V_Acc of training 2 is not known"


def test_a_candidate_whose_first_training_failed_is_not_trained_again(bench):
    search, trainer = searched(bench, good(0, extra="fail=DIVERGED"), good(0.5))
    assert search.state.ended[0].trainings == 1
    assert trainer.seeds == [SEEDS[0], *SEEDS[:3]]


def test_the_mean_is_what_the_rules_and_the_next_request_see(bench):
    searched(bench, good(0.5, extra="noise=3"), good(0.9), repeats=2)
    request = of(bench, Requested)[1].request
    assert request["metrics"]["V_Acc"] == pytest.approx(0.515)


def test_no_seed_of_a_training_is_in_what_the_executor_is_sent(bench):
    searched(bench, good(0.5), good(0.6), good(0.7))
    sent = json.dumps([event.request for event in of(bench, Requested)])
    assert not any(str(seed) in sent for seed in SEEDS)


def test_time_and_energy_budgets_count_every_training(bench):
    search, _ = searched(bench, good(0.5), good(0.6), good(0.7), good(0.8), max_energy=5e-4)
    assert search.state.ended[0].seconds.training == pytest.approx(1.5)
    # three trainings of 1.01e-4 kWh-PUE an iteration
    assert len(search.state.ended) == 2
    assert search.state.spent.kwh_pue == pytest.approx(6 * 1.01e-4)


@pytest.mark.parametrize("stopped_at", range(1, 9))
def test_a_run_killed_in_any_training_ends_as_an_unbroken_one(bench, stopped_at):
    replies = [good(0.5, 100), good(0.6, 100), good(0.595, 50)]
    trainer = SeededTrainer()
    trainer.interrupt_at = stopped_at
    spec = RunSpec(iterations=3, repairs=0, repeats=3)
    with pytest.raises(KeyboardInterrupt):
        bench.search(replies, trainer=trainer, spec=spec).run()
    trainer.interrupt_at = None
    done = len(of(bench, Measured))
    executor = ScriptedExecutor(replies[sum(1 for event in bench.events() if type(event).__name__ == "Replied") :])
    resumed = bench.search(replies, trainer=trainer, spec=spec, executor=executor)
    assert resumed.run().best == 3
    assert len(trainer.seeds) == 10  # nine, and the one that was broken off
    assert len(of(bench, Measured)) >= done
    broken = _told(bench)
    bench.run = "unbroken"
    searched(bench, *replies)
    assert broken == _told(bench)


def _told(bench):
    """All that a run came to, but for its clock."""
    kept = (Measured, Repeated, NoiseEstimated, IterationEnded)
    events = [event for event in bench.events() if isinstance(event, kept)]
    return [replace(event, seconds=None) if isinstance(event, IterationEnded) else event for event in events]


def test_a_finished_run_is_read_back_without_training(bench):
    search, _ = searched(bench, good(0.5), good(0.6), good(0.595, 5))
    trainer = SeededTrainer()
    again = bench.search([], trainer=trainer, spec=RunSpec(iterations=3, repairs=0, repeats=3), read_only=True)
    with pytest.raises(TapeEnd):
        again.run()  # its end is no step, so that it is not on the tape
    assert trainer.seeds == []
    assert again.state.floor == search.state.floor
    assert again.state.best.iteration == search.state.best.iteration == 3
    assert again.state.ended == search.state.ended


def test_the_explanation_tells_every_training(bench):
    searched(bench, good(0.5), good(0.6))
    first, second = explain(bench.journal.read(bench.run), bench.artifacts)
    assert [item["seed"] for item in second.to_json()["repeated"]] == SEEDS[1:3]
    assert first.to_json()["noise"] is None
    assert second.to_json()["noise"]["degrees"] == ENOUGH


def test_the_noise_settles_once_and_stays():
    noise = Noise()
    noise.heard(1, [1.0, 3.0])
    assert noise.floor is None
    noise.heard(2, [1.0])
    noise.heard(3, [1.0, 1.0, 1.0, 1.0])
    assert noise.floor == pytest.approx((2 / 4) ** 0.5)
    noise.heard(4, [0.0, 100.0])
    assert noise.floor == pytest.approx((2 / 4) ** 0.5)
    assert noise.networks == [1, 3]


def test_a_mean_is_over_the_trainings_in_which_a_metric_is_known():
    assert averaged([{"dead_layers": 0.0}, {"dead_layers": 1.0}]).metrics == {"dead_layers": 0.0}  # a count stays one
    found = averaged([{"F": None, "V_Acc": 0.5, "W": None}, {"F": 10.0, "V_Acc": 0.7}, {"F": 20.0}])
    assert found.metrics == {"F": 15.0, "V_Acc": pytest.approx(0.6), "W": None}
    assert set(found.spread) == {"F", "V_Acc"}


def test_at_least_one_training_is_wanted_and_a_resume_keeps_their_number():
    with pytest.raises(ConfigError, match="too few"):
        resolve({}, {"repeats": 0})
    with pytest.raises(ConfigError, match="keeps what it was started with"):
        extend(RunSpec(), {"repeats": 3})
