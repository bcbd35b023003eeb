"""`--require`: what a network must keep before its CM counts."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from lemonade_es.engine.bounds import breaches, budget, excess
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Accepted, DataSummary, IterationEnded, Requested, RunStarted
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.history.tape import TapeEnd
from lemonade_es.engine.loop.ranking import Rank, challenges, ranked
from lemonade_es.engine.loop.state import Network, SearchState
from lemonade_es.engine.options import extend, resolve
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import ConfigError
from lemonade_es.report.run_report import report_page, run_report
from lemonade_es.task import Task
from lemonade_es.trainer.measurement import Budget, CheckReport, Energy, Measurement
from lemonade_es.trainer.recipe import Recipe
from tests.engine.conftest import LineTrainer

ACCEPTED = Accepted(1, 1, "s", CheckReport(ok=True, stage="done"), (), "", (), (), None, ())


class SmallTrainer(LineTrainer):
    """Sizes are what the network's line says: ``S=0.3``; without it nothing is known of it."""

    def check(self, source, budget):
        self.budget = budget
        return super().check(source, budget)

    def train(self, source, report, *, seed, on_epoch):
        trained = super().train(source, report, seed=seed, on_epoch=on_epoch)
        size = self.words(source).get("S")
        trained.measurement.metrics["S"] = None if size is None else float(size)
        return trained


def network(accuracy, parameters=10, size=None):
    source = f"accuracy={accuracy} parameters={parameters}" + ("" if size is None else f" S={size}")
    return json.dumps(
        {"summary": "a change", "model_py": source, "edits": None, "applied": [], "skipped": [], "predicted": None}
    )


def searched(bench, *replies, trainer=None, **options):
    spec = RunSpec(iterations=len(replies), repairs=0, **options)
    search = bench.search(list(replies), spec=spec, trainer=trainer or SmallTrainer())
    search.run()
    return search


def of(bench, kind):
    return [event for event in bench.events() if isinstance(event, kind)]


@pytest.mark.parametrize(
    ("name", "value", "bound", "said"),
    [
        ("P", 100_001.0, 100_000.0, "P 100,001 is more than 100,000"),
        ("S", 0.100004, 0.1, "S 0.100004 is more than 0.1"),
        ("S", 0.2, 0.1, "S 0.2 is more than 0.1"),
        ("V_Acc", 0.94999999, 0.95, "V_Acc 0.94999999 is less than 0.95"),
        ("M", 1_300_000.0, 1_234_567.0, "M 1,300,000 is more than 1,234,567"),
        ("V_E", 2.5e-7, 1e-7, "V_E 2.5e-07 is more than 1e-07"),
        ("F", 3905.25, 4000.0, "F 3,905 is less than 4,000"),
    ],
)
def test_a_broken_bound_is_told_with_as_many_digits_as_it_takes(name, value, bound, said):
    assert list(breaches({name: bound}, {name: value})) == [said]


def test_measured_energy_is_not_held_against_a_bound_that_the_leader_meets_by_an_estimate():
    def network(iteration, joules, provenance):
        energy = {"validation": Energy(joules, 1.0, provenance, "m", "process")}
        return Network(iteration, "", ACCEPTED, {"V_E": joules}, 1.0, Measurement({}, energy=energy), None)

    state = SearchState({"V_E": 1e-6})
    state.best = network(1, 5e-6, "estimated")
    note = "its energy is measured, that of the best is estimated: not comparable"
    assert ranked(network(2, 2e-6, "measured"), state, {}) == Rank(False, note=note)
    assert not challenges(network(2, 2e-6, "measured"), state, {})
    assert ranked(network(2, 2e-6, "estimated"), state, {}).leads
    state.bounds = {"S": 1.0}  # energy counts for nothing
    assert ranked(network(2, 2e-6, "measured"), state, {}).note is None


def test_excess_is_the_share_of_each_bound_that_is_broken():
    bounds = {"S": 0.1, "F": 4000.0}
    assert excess(bounds, {"S": 0.1, "F": 4000.0}) == 0
    assert excess(bounds, {"S": 0.15, "F": 5000.0}) == pytest.approx(0.5)
    assert excess(bounds, {"S": 0.2, "F": 1000.0}) == pytest.approx(1.75)
    assert excess(bounds, {"S": 0.05}) == math.inf
    assert excess({}, {}) == 0
    assert list(breaches(bounds, {"S": 0.2, "F": 1000.0})) == ["S 0.2 is more than 0.1", "F 1,000 is less than 4,000"]
    assert list(breaches(bounds, {"F": 4000.0})) == ["S is unknown"]


def test_each_network_that_breaks_a_bound_says_so_the_leader_too(bench):
    searched(bench, network(0.5, 10, 0.4), network(0.6, 11, 0.4), network(0.4, 12, 0.4), require={"S": 0.1})
    assert [item.note for item in of(bench, IterationEnded)] == ["S 0.4 is more than 0.1"] * 3


def test_a_network_that_keeps_the_bound_leads_before_one_of_a_higher_metric(bench):
    replies = [network(0.9, 10, 0.4), network(0.6, 11, 0.2), network(0.5, 12, 0.1), network(0.95, 13, 0.11)]
    search = searched(bench, *replies, network(0.55, 14, 0.08), require={"S": 0.1})
    ended = of(bench, IterationEnded)
    assert [item.is_best for item in ended] == [True, True, True, False, True]
    assert ended[3].note == "S 0.11 is more than 0.1"
    assert ended[4].note is None
    assert search.state.best.iteration == 5
    bases = [event.request["model_py"] for event in of(bench, Requested)[1:]]
    assert ["S=0.4" in bases[0], "S=0.2" in bases[1], "S=0.1" in bases[2], "S=0.1" in bases[3]] == [True] * 4


def test_what_is_not_known_keeps_no_bound(bench):
    search = searched(bench, network(0.9), network(0.5, 11, 3.0), network(0.95), require={"S": 0.1})
    assert search.state.best.iteration == 2


def test_without_bounds_size_counts_for_nothing(bench):
    assert searched(bench, network(0.9, 10, 9.0), network(0.5, 11, 0.1)).state.best.iteration == 1


def test_the_highest_metric_of_those_that_break_the_bound_decides_no_tie_of_those_that_keep_it(bench):
    replies = [network(0.9, 10, 0.4), network(0.5, 20, 0.1), network(0.5, 15, 0.1)]
    search = searched(bench, *replies, require={"S": 0.1})
    assert search.state.best.iteration == 3  # a tie in CM, and smaller
    assert search.state.peak == 1.0


def test_a_target_is_reached_only_within_the_bounds(bench):
    replies = [network(0.9, 10, 0.4), network(0.8, 11, 0.1), network(0.91, 12, 0.1), network(0.95, 13, 0.1)]
    search = searched(bench, *replies, require={"S": 0.1}, target={"V_Acc": 0.85})
    assert search.iteration == 3


def test_a_replay_comes_to_the_same_leader(bench):
    replies = [network(0.9, 10, 0.4), network(0.6, 11, 0.2), network(0.5, 12, 0.1)]
    spec = RunSpec(iterations=3, repairs=0, require={"S": 0.1})
    searched(bench, *replies, require={"S": 0.1})
    again = bench.search([], spec=spec, read_only=True)
    with pytest.raises(TapeEnd):
        again.run()
    assert again.state.best.iteration == 3


def test_a_network_that_may_keep_the_bounds_better_is_trained_again(bench):
    replies = [network(0.9, 10, 0.4), network(0.9, 11, 0.3), network(0.2, 12, 0.1), network(0.9, 13, 0.2)]
    searched(bench, *replies, require={"S": 0.1}, repeats=3)
    assert [item.trainings for item in of(bench, IterationEnded)] == [3, 3, 3, 1]


def test_no_candidate_is_trained_that_cannot_keep_the_bounds():
    spec = RunSpec(require={"S": 0.1, "M": 2e6}, max_parameters=50_000, max_macs=1_000_000)
    assert spec.budget == Budget(25_000, 1_000_000)
    assert spec.likely_budget == Budget(23_280, 1_000_000)
    assert RunSpec(require={"P": 1000.0, "F": 100.0}).budget == Budget(1000, None)
    assert RunSpec(require={"S": 0.001}).likely_budget == Budget(1, None)  # nothing fits: that is said, not guessed
    assert budget({}, None, None) == Budget()


def test_check_and_executor_are_told_what_cannot_be_or_hardly_be_within_the_bounds(bench):
    trainer = SmallTrainer()
    searched(bench, network(0.5, 10, 0.1), network(0.6, 11, 0.1), trainer=trainer, require={"S": 0.1, "F": 500.0})
    assert trainer.budget == Budget(25_000, None)
    request = of(bench, Requested)[1].request
    assert request["constraints"]["parameters"] == 23_280
    assert request["metrics"]["F"] == 1000.0  # told where it counts


def test_rules_steer_to_where_the_bounds_are_unless_something_else_is_set():
    spec = RunSpec(require={"S": 0.1, "V_Acc": 0.95, "F": 4000.0, "V_NE": 0.5}, set={"TF": 9000.0})
    found = spec.settings({"TS": 1.0, "TL": 2.0})
    assert {name: found[name] for name in ("TS", "TV_Acc", "TF", "TL")} == {
        "TS": 0.1,
        "TV_Acc": 0.95,
        "TF": 9000.0,
        "TL": 2.0,
    }


@pytest.mark.parametrize(
    ("require", "said"),
    [
        ({"TS": 0.1}, "'TS' is no metric that can be required"),
        ({"V_Acc": 1.5}, "--require: V_Acc=1.5 is out of range"),
        ({"S": 0}, "--require: S=0 leaves no room"),
        ({"F": 0}, "--require: F=0 is reached by any network"),
        ({"B": math.inf}, r"--require: B=inf is out of range \(give 0 or more\)"),
        ({"V_E": math.nan}, "--require: V_E=nan is out of range"),
        ({"P": 0.5}, "--require: P=0.5 is reached by none"),
        ({"P": 1000.5}, r"--require: P=1000.5 is no whole number \(P is a count\)"),
        ({"plateau": 3}, "plateau cannot be required: it is of the search, not of a network .* for example V_Acc=0.95"),
        ({"nonfinite": 1}, "nonfinite cannot be required: a network of which it is not 0 never leads .* for example"),
        ({"failed": 0.5}, "failed cannot be required: a network of which it is not 0 never leads"),
        ({"class_gap": 1}, r"--require: class_gap=1 is kept by any network \(give less than 1\)"),
        *(
            ({name: 1}, f"{name} cannot be required: neither more nor less of it is better .* for example V_Acc=0.95")
            for name in ("best_epoch", "loss_slope", "synflow")
        ),
        ({"plateau <": 3}, "'plateau <' is no metric that can be required .plateau cannot be required: it is of the"),
        ({"F >": 3000}, "'F >' is no metric that can be required .write F=3000; for F that means at least"),
        ({"S<": 0.1}, "write S=0.1; for S that means at most"),
    ],
)
def test_what_cannot_be_required_is_refused(require, said):
    with pytest.raises(ConfigError, match=said):
        resolve({}, {"require": require})


def test_no_dead_layer_at_all_may_be_required():
    bounds = resolve({}, {"require": {"dead_layers": 0}}).require
    assert [excess(bounds, {"dead_layers": count}) for count in (0.0, 1.0, 3.0)] == [0.0, 1.0, 3.0]
    assert list(breaches(bounds, {"dead_layers": 2.0})) == ["dead_layers 2 is more than 0"]
    assert resolve({}, {"target": {"dead_layers": 0}}).target == {"dead_layers": 0}


def test_a_resumed_run_keeps_its_bounds():
    with pytest.raises(ConfigError, match="keeps what it was started with"):
        extend(RunSpec(require={"S": 1.0}), {"require": {"S": 0.1}})
    assert resolve({"require": {"S": 1.0, "F": 10.0}}, {"require": {"S": 0.1}}).require == {"S": 0.1, "F": 10.0}


def test_the_report_of_a_run_says_whether_its_best_network_keeps_the_bounds(bench):
    searched(bench, network(0.5, 10, 0.4), require={"S": 0.1})
    data = DataSummary(Task("image", "digits", (1, 8, 8), 10), 1, 1, 1, "", ())
    begun = RunStarted(RunSpec(require={"S": 0.1}), {}, Recipe(), "", "", "", data, "", "strong", "", "", {})
    report = run_report(
        (Entry(bench.run, 0, "2026-11-27T00:00:00", begun), *bench.journal.read(bench.run)), RunFolder(Path("runs"))
    )
    assert report.to_json()["required"] == {"bounds": {"S": 0.1}, "kept": False}
    out = io.StringIO()
    Console(file=out, width=200).print(report_page(report))
    assert "no network keeps what is required: S 0.4 is more than 0.1" in out.getvalue()
