"""A network that several contenders propose is trained once, and counts for each of them."""

from types import SimpleNamespace

import pytest

from benchmarks.quality import evaluator as evaluators
from benchmarks.quality.evaluator import Evaluator
from benchmarks.quality.shared import Shared
from benchmarks.quality.tasks import QualityTask
from lemonade_es.trainer.measurement import CheckReport

ACCURACIES = {"a": 0.5, "b": 0.7, "c": 0.6}
TOOK = 10.0


class Stand:
    """In the workshop's place: networks are letters, and each takes ten seconds."""

    isolation = "none"

    def __init__(self, clock):
        self.clock = clock
        self.trained = []

    def start(self):
        pass

    def close(self):
        pass

    def check(self, source, _):
        return CheckReport(source != "broken", "done", code="RAISED")

    def train(self, source, _, *, seed):
        assert seed
        self.clock.now += TOOK
        self.trained.append(source)
        metrics = {"V_Acc": ACCURACIES[source], "S": 1.0, "F": 100.0, "V_E": 1e-8}
        return SimpleNamespace(measurement=SimpleNamespace(metrics=metrics, failure=None), weights=b"w")


@pytest.fixture
def contender(tmp_path, monkeypatch):
    """Begins a search of another contender; they share a folder, and each has a stand of its own."""
    clock = SimpleNamespace(now=100.0)
    stands = []
    monkeypatch.setattr(evaluators, "fitted", lambda made, _: made)
    monkeypatch.setattr(evaluators, "render", lambda made: made)
    monkeypatch.setattr(evaluators.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(QualityTask, "dataset", lambda *_: SimpleNamespace(task=None))
    monkeypatch.setattr(
        evaluators, "TestSplit", lambda *_: SimpleNamespace(accuracy=lambda source, *_: ACCURACIES[source] - 0.1)
    )

    def made(*_, **__):
        stands.append(Stand(clock))
        return stands[-1]

    monkeypatch.setattr(evaluators, "Workshop", made)

    def begin(revision="abc"):
        begun = Evaluator(QualityTask("digits", "digits", 1, 1000), 3, Shared(tmp_path, revision))
        return begun.__enter__(), stands[-1]

    return begin


def test_what_another_search_trained_is_taken_over_with_its_figures_and_seconds(contender):
    one, _ = contender()
    for name in ("a", "b", "broken"):
        one.evaluate(name)
    first = one.evaluations()
    two, stand = contender()
    for name in ("broken", "a", "c", "b"):
        two.evaluate(name)
    second = two.evaluations()
    assert stand.trained == ["c"]
    assert [item.seconds for item in second] == [0.0, TOOK, 2 * TOOK, 3 * TOOK]
    assert (second[1].V_Acc, second[3].V_Acc) == (first[0].V_Acc, first[1].V_Acc)
    assert [item.test for item in second] == [None, 0.4, 0.5, pytest.approx(0.6)]


def test_one_that_leads_here_and_was_never_tested_is_trained_again(contender):
    one, _ = contender()
    one.evaluate("b")
    one.evaluate("a")  # leads nowhere, and so is not tested
    one.evaluations()
    two, stand = contender()
    two.evaluate("a")
    assert stand.trained == ["a"]
    assert two.evaluations()[0].test == pytest.approx(0.4)


def test_the_figures_of_another_revision_are_not_taken_over(contender):
    one, _ = contender()
    one.evaluate("a")
    one.evaluations()
    two, stand = contender("def")
    two.evaluate("a")
    assert stand.trained == ["a"]
