"""The crew: trainings at the same time give what trainings one after the other give, and end together."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial

import psutil
import pytest

from lemonade_es.errors import DataError, IsolationError, LemonadeError
from lemonade_es.trainer.crew import Crew, _room, _Shift, shared
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.energy.estimate import EstimatedMeter
from lemonade_es.trainer.measurement import Budget, Epoch, Measurement, Trained
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.trials.company import Company
from lemonade_es.trainer.workshop import Workshop
from tests.trainer.conftest import zygotes

SEEDS = (11, 12, 13)
FIRST = Measurement({"R": 300.0})
TEMPERAMENTAL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))

    def forward(self, x):
        if torch.initial_seed() == 12:
            raise ValueError("not with this seed")
        return self.layers(x)
"""


def deaf(_: int, __: Epoch) -> None:
    """Is told of epochs."""


class Opened:
    """Makes workshops on two cores, and counts them."""

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        *,
        most: int = 9,
        counts: bool = False,
        refusal: LemonadeError | None = None,
    ) -> None:
        self.models: list[Workshop | None] = []
        self._most = most
        self._refusal = refusal or IsolationError("there is no process for another one")
        self._make = partial(Workshop, dataset, recipe, device="cpu", meter=EstimatedMeter(counts=counts))

    def __call__(self, like: Workshop | None = None) -> Workshop:
        self.models.append(like)
        if len(self.models) > self._most:
            raise self._refusal
        workshop = self._make(isolation="auto" if like is None else like.isolation)
        workshop.threads = 2
        return workshop


@pytest.fixture
def opened(toy: Dataset, quick_recipe: Recipe) -> Opened:
    return Opened(toy, quick_recipe)


@pytest.fixture(scope="module")
def alone(workshop: Workshop, good: str) -> dict[int, bytes | None]:
    """The weights of each seed, trained by itself."""
    return {seed: workshop.train(good, seed=seed).weights for seed in SEEDS}


@pytest.mark.isolation
def test_trained_at_once_a_network_is_the_same_as_trained_alone(
    opened: Opened, alone: dict[int, bytes | None], good: str
) -> None:
    told: list[int] = []
    with Crew(opened, again=3) as crew:
        report = crew.check(good, Budget())
        started = time.perf_counter()
        done = list(crew.train_again(good, report, FIRST, seeds=SEEDS, on_epoch=lambda index, _: told.append(index)))
        elapsed = time.perf_counter() - started
        assert opened.models == [None, crew.lead]
    assert [item.weights for item in done] == [alone[seed] for seed in SEEDS]
    epochs = len(done[0].measurement.epochs)
    assert told == [*range(epochs), *range(epochs)]  # those of two at once are told once
    measurements = [item.measurement for item in done]
    assert all(item.failure is None and item.latency is not None for item in measurements)
    assert 0 < sum(item.training_seconds + item.measuring_seconds for item in measurements) <= elapsed


class Scripted:
    """A workshop whose training ends its epochs when it is its turn, in the order of a script of all workshops."""

    def __init__(self, name: str, script: list[str], turn: threading.Condition, fails: bool) -> None:
        self._name, self._script, self._turn, self._fails = name, script, turn, fails
        self._epochs = script.count(name)

    def train(self, *_: object, on_epoch, **__: object) -> Trained:
        for index in range(self._epochs):
            with self._turn:
                assert self._turn.wait_for(lambda: self._script[:1] == [self._name], timeout=30)
                if not self._fails:
                    on_epoch(index, Epoch(float(index), 1.0))
                self._script.pop(0)
                self._turn.notify_all()
        return Trained(Measurement({}), None)


@pytest.mark.parametrize(
    ("script", "failing"),
    [("abcabc", ""), ("aabbcc", ""), ("aabcbc", ""), ("abacbc", "a"), ("acbabc", "b"), ("cab", "c"), ("aaabcc", "")],
)
def test_an_epoch_is_told_once_when_all_that_still_train_have_ended_it(script, failing):
    told: list[int] = []
    turns, turn = list(script), threading.Condition()
    hands = [Scripted(name, turns, turn, name in failing) for name in "abc"]
    with _Shift(hands, Company(3)) as shift:
        shift.train("", None, SEEDS, lambda index, epoch: told.append(index if epoch.loss == index else -1))
    assert told == list(range(max(script.count(name) for name in "abc" if name not in failing)))


@pytest.mark.isolation
def test_a_seed_that_fails_leaves_the_other_one_its_way(opened: Opened) -> None:
    with Crew(opened, again=2) as crew:
        report = crew.check(TEMPERAMENTAL, Budget())
        failed, sound = crew.train_again(TEMPERAMENTAL, report, FIRST, seeds=(12, 14), on_epoch=deaf)
    assert failed.measurement.failure is not None
    assert "not with this seed" in failed.measurement.failure.message
    assert sound.measurement.failure is None
    assert sound.measurement.metrics["F"] is not None


@pytest.mark.slow
@pytest.mark.isolation
@pytest.mark.parametrize("why", ["counters", "memory", "disk", pytest.param("isolation", marks=pytest.mark.slow)])
def test_what_cannot_be_done_at_once_is_done_in_turn(
    toy: Dataset, quick_recipe: Recipe, alone: dict[int, bytes | None], good: str, why: str
) -> None:
    refused = why in ("isolation", "disk")
    opened = Opened(
        toy,
        quick_recipe,
        counts=why == "counters",
        most=1 if refused else 9,
        refusal=DataError("there is no room for the shared copy") if why == "disk" else None,
    )
    first = Measurement({"R": psutil.virtual_memory().total / 1e6}) if why == "memory" else FIRST
    with Crew(opened, again=3) as crew:
        report = crew.check(good, Budget())
        done = list(crew.train_again(good, report, first, seeds=SEEDS, on_epoch=deaf))
    assert [item.weights for item in done] == [alone[seed] for seed in SEEDS]
    assert len(opened.models) == (2 if refused else 1)


@pytest.mark.slow
@pytest.mark.isolation
def test_a_network_that_trains_on_several_threads_has_them_all_with_each_seed(opened: Opened, good: str) -> None:
    with Crew(opened, again=2) as crew:
        large = replace(crew.check(good, Budget()), macs=10**9)
        done = list(crew.train_again(good, large, FIRST, seeds=SEEDS[:2], on_epoch=deaf))
        first = crew.train(good, large, seed=SEEDS[0], on_epoch=deaf)
    assert opened.models == [None]
    assert done[0].weights == first.weights
    assert done[1].weights is not None


@pytest.mark.isolation
def test_an_interrupt_ends_all_trainings_at_once(toy: Dataset, quick_recipe: Recipe, good: str) -> None:
    def interrupt(_: int, __: Epoch) -> None:
        raise KeyboardInterrupt

    others = zygotes()
    threads = threading.active_count()
    for_hours = Opened(toy, replace(quick_recipe, epochs=10_000))
    with Crew(for_hours, again=2) as crew:
        report = crew.check(good, Budget())
        again = crew.train_again(good, report, FIRST, seeds=SEEDS[:2], on_epoch=interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(again)
        assert threading.active_count() == threads
    assert zygotes() == others


@pytest.mark.isolation
def test_an_error_of_one_training_ends_the_others_at_once(
    toy: Dataset, quick_recipe: Recipe, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> Trained:
        raise IsolationError("no locked process can be had")

    class Failing(Opened):
        def __call__(self, like: Workshop | None = None) -> Workshop:
            workshop = super().__call__(like)
            if like is not None:
                monkeypatch.setattr(workshop, "train", refused)
            return workshop

    for_hours = Failing(toy, replace(quick_recipe, epochs=10_000))
    with Crew(for_hours, again=2) as crew:
        report = crew.check(good, Budget())
        started = time.monotonic()
        with pytest.raises(IsolationError, match="no locked process"):
            next(crew.train_again(good, report, FIRST, seeds=SEEDS[:2], on_epoch=deaf))
        assert time.monotonic() - started < 60  # and not for hours


def test_a_further_training_needs_room_for_its_workshop_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lemonade_es.trainer.crew.free_bytes", lambda: int(2e9))
    assert _room(Measurement({"R": 500.0}), beside=0) == 4
    assert _room(Measurement({"R": 500.0}), beside=int(1e9)) == 2
    assert _room(Measurement({"R": 5000.0}), beside=0) == 1
    assert _room(Measurement({}), beside=0) == 1


def test_seconds_are_shares_of_the_time_that_all_took_at_once() -> None:
    done = [
        Trained(Measurement({}, training_seconds=training, measuring_seconds=measuring))
        for training, measuring in ((4.0, 1.0), (6.0, 1.0))
    ]
    first, second = (item.measurement for item in shared(done, 6.0))
    assert (first.training_seconds, first.measuring_seconds) == pytest.approx((2.0, 0.5))
    assert (second.training_seconds, second.measuring_seconds) == pytest.approx((3.0, 0.5))


def test_each_is_timed_when_none_trains_any_more_and_alone() -> None:
    company = Company(3)
    training, timing = {0, 1, 2}, set[int]()
    seen: list[tuple[int, int]] = []

    def work(number: int) -> None:
        with company.place() as place:
            time.sleep(0.05 * number)  # training: the first is done while the others are not
            training.discard(number)
            if number == 1:
                return  # it failed, and is not waited for
            with place.turn():
                timing.add(number)
                seen.append((len(training), len(timing)))
                time.sleep(0.02)  # being timed: who does not wait for its turn would be seen beside this one
                timing.discard(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert seen == [(0, 1), (0, 1)]
