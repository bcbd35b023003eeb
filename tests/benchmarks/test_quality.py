"""The comparison with peers: its space, its figures, and that a broken-off campaign goes on."""

import random
from dataclasses import replace

import pytest

from benchmarks.quality import figures, goals, ours, space, trace
from benchmarks.quality.campaign import Campaign, Search
from benchmarks.quality.tasks import tasks
from benchmarks.zen_rules import ZenRules
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.llm.builtin.cost import macs
from lemonade_es.llm.builtin.reader import parse
from lemonade_es.llm.builtin.source import render
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.task import Task
from lemonade_es.vocabulary import settings

DIGITS = Task("image", "digits", (1, 8, 8), 10)
PHOTOGRAPHS = Task("image", "photographs", (3, 32, 32), 10)
CAP = 4_000_000


def drawn(task, seed):
    generator = random.Random(seed)
    return space.blueprint(task, lambda _, options: generator.choice(options))


def evaluation(accuracy, **more):
    values = {"test": None, "S": 1.0, "F": 100.0, "V_E": None, "seconds": 1.0, **more}
    return trace.Evaluation(accuracy, **values)


def searched(contender, accuracies, seed=0):
    evaluations = tuple(evaluation(value, seconds=float(number)) for number, value in enumerate(accuracies, 1))
    return trace.SearchTrace("digits", contender, seed, "abc", evaluations)


@pytest.mark.parametrize("task", [DIGITS, PHOTOGRAPHS], ids=["digits", "photographs"])
def test_each_point_of_the_space_is_a_network_that_the_executor_can_read_and_keeps_the_budget(task):
    for seed in range(60):
        made = space.fitted(drawn(task, seed), CAP)
        assert macs(made) <= CAP
        assert render(parse(render(made))) == render(made)


@pytest.mark.parametrize("task", [DIGITS, PHOTOGRAPHS], ids=["digits", "photographs"])
@pytest.mark.parametrize("seed", range(6))
def test_the_space_has_the_network_that_a_search_begins_with(task, seed):
    first = ours.first_network(task, CAP, seed)
    chosen = space.choices_of(first, task)
    assert space.blueprint(task, lambda name, _: chosen[name]) == first
    assert chosen.keys() == space.names(task).keys()


def test_a_network_outside_of_the_space_is_refused():
    odd = ours.first_network(DIGITS, CAP, 0)
    with pytest.raises(ValueError, match=r"0\.33"):
        space.choices_of(replace(odd, noise=0.33), DIGITS)


def test_curves_take_the_best_so_far_and_its_test_accuracy():
    run = trace.SearchTrace(
        "digits",
        "tpe",
        0,
        "abc",
        (
            evaluation(None),
            evaluation(0.5, test=0.4),
            evaluation(0.4),
            evaluation(0.6, test=0.3),
        ),
    )
    assert run.best() == [0.0, 0.5, 0.5, 0.6]
    assert run.held_out_of_best() == [0.0, 0.4, 0.4, 0.3]
    assert figures.evaluations_to(run, 0.55) == 4
    assert figures.evaluations_to(run, 0.7) == float("inf")


def test_what_is_told_of_two_contenders():
    pytest.importorskip("moocore")  # it comes with the peers
    traces = [searched("lemonade", [0.5, 0.8, 0.9], seed) for seed in range(3)]
    traces += [searched("tpe", [0.4, 0.6, 0.8], seed) for seed in range(3)]
    found = figures.summary(traces, 3)
    tpe = found["contenders"]["tpe"]
    assert tpe["ours_less_theirs"]["V_Acc"][3] == pytest.approx((0.1, 0.1, 0.1, 3))
    assert found["contenders"]["lemonade"]["evaluations_to"] == {"lemonade": 3.0, "tpe": 2.0}
    assert tpe["evaluations_to"] == {"lemonade": None, "tpe": 3.0}
    assert tpe["V_Acc_after_seconds"][3][0] == pytest.approx(0.8)
    assert tpe["proposed"] == {"2 to 2": 0.6, "3 to 3": 0.8}
    assert "never" in "\n".join(figures.table("digits", found))


def test_a_few_seeds_have_a_range_and_no_interval():
    few, enough = figures.mean([0.5, 0.7]), figures.mean([0.1 * seed for seed in range(figures.ENOUGH)])
    assert few == pytest.approx((0.6, 0.5, 0.7, 2))
    assert figures.told(few) == "0.6000 (0.500 to 0.700)"
    assert enough.value == pytest.approx(0.2)
    assert 0 < enough.low < 0.2 < enough.high < 0.4
    assert figures.told(enough).startswith("0.2000 [0.")


def test_searches_that_are_done_are_not_run_again(tmp_path, monkeypatch):
    begun = []

    def run(self, search, core):
        begun.append(search)
        found = trace.SearchTrace(search.task, search.contender, search.seed, "abc", (evaluation(0.5),))
        trace.write(found, trace.path_of(tmp_path, search.task, search.contender, search.seed))

    monkeypatch.setattr(Campaign, "_run", run)
    searches = [Search("digits", "tpe", seed) for seed in range(4)]
    first = Campaign(searches[:2], 1, tmp_path, (0, 1), None, quick=True)
    first.run()
    whole = Campaign(searches, 1, tmp_path, (0, 1), None, quick=True)
    whole.run()
    assert sorted(begun, key=lambda search: search.seed) == searches
    assert [item.seed for item in whole.found()] == [0, 1, 2, 3]
    assert next(whole.found()).evaluations == (evaluation(0.5),)


def test_rulebooks_of_the_ablations_are_what_they_say():
    heaviest = parse_rulebook(ours.OURS["heaviest"].rulebook(), "heaviest.yaml")
    assert heaviest.max_instructions == 1
    without = parse_rulebook(ours.OURS["no-conflicts"].rulebook(), "no-conflicts.yaml")
    assert {item.conflicts_with for item in without.instructions.values()} == {None}
    assert len(without.rules) == len(heaviest.rules)


def test_zen_says_what_the_plain_evaluator_says():
    pytest.importorskip("zen")
    book = load_rulebook(find_rulebook("lemonade"))
    zen = ZenRules(book)
    for accuracy in (0.3, 0.8, 0.999):
        metrics = {"T_Acc": accuracy, "V_Acc": accuracy - 0.13, "F": 900.0, "T_E": 1e-2, "V_E": 1e-6}
        facts = Facts.of({**metrics, "failed": 0.0, "nonfinite": 0.0}, settings("edge", {}))
        said = evaluate(book, facts)
        fired, weights = zen.infer(facts)
        assert fired == [firing.rule for firing in said.fired]
        assert weights == pytest.approx(said.weights)


def test_a_goal_counts_the_best_that_keeps_its_bounds():
    small = goals.GOALS["small"]
    run = trace.SearchTrace(
        "small",
        "tpe",
        0,
        "abc",
        (
            evaluation(0.99, S=0.2),
            evaluation(None),
            evaluation(0.9, S=0.09),
            evaluation(0.8, S=0.05),
            evaluation(0.95, S=0.0999),
        ),
    )
    assert small.best(run) == [None, None, 0.9, 0.9, 0.95]
    found = goals.summary(small, [run], 5)
    assert found["tpe"]["kept"] == 1
    assert found["tpe"]["first"] == 3
    assert found["tpe"]["value"] == pytest.approx((0.95, 0.95, 0.95, 1))
    assert "1 of 1" in "\n".join(goals.table(small, found))
    never = goals.summary(small, [trace.SearchTrace(run.task, "tpe", 0, "abc", run.evaluations[:2])], 2)
    assert never["tpe"]["first"] is None
    assert "never" in goals.table(small, never)[-1]


def test_what_is_neither_good_nor_fast_enough_is_not_frugal():
    frugal = goals.GOALS["frugal"]
    assert not frugal.kept(evaluation(0.99, F=goals.FRAMES - 1, V_E=1e-9))
    assert not frugal.kept(evaluation(0.94, F=9000.0, V_E=1e-9))
    assert frugal.kept(evaluation(0.95, F=goals.FRAMES, V_E=1e-9))
    assert frugal.value(evaluation(0.95, F=goals.FRAMES, V_E=1e-9)) == pytest.approx(9)


def test_a_search_that_was_broken_off_is_no_result(tmp_path, monkeypatch):
    monkeypatch.setattr(ours.cli, "main", lambda *_, **__: None)
    monkeypatch.setattr(ours, "_evaluations", lambda *_: (evaluation(0.5),))
    task = tasks(None, quick=True)["digits"]
    with pytest.raises(SystemExit, match="1 of 2 networks"):
        ours.search(task, ours.OURS["lemonade"], 2, 0, tmp_path)
    assert len(ours.search(task, ours.OURS["lemonade"], 1, 0, tmp_path)) == 1
