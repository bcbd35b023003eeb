"""What is said before and after a final training: the wishes, the plan, the result, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from lemonade_es.engine.final.origin import Origin
from lemonade_es.engine.history.finalized import Finalized
from lemonade_es.engine.spec import NOT_MOVED, Whereabouts
from lemonade_es.trainer.isolation.level import Wish
from lemonade_es.trainer.measurement import Epoch, Failure
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.trials.final_trial import SAVE_SECONDS, CurvePoint

OF_THE_SEARCH = frozenset({"epochs", "batch_size"})
"""Fields that a final recipe exists to change: what a run changed in them does not carry over."""


@dataclass(frozen=True, slots=True)
class FinalSpec:
    """What a user may say of a final training.

    Attributes:
        iteration: whose network; ``None`` takes the best.
        epochs: over the recipe's.
        recipe: fields of the recipe to change.
        hold_out: keep the validation split out of the training.
        seed: ``None`` takes the run's.
        anew: train and test again what was trained and tested before; what was begun so and broken off goes on.
        save_seconds: between two checkpoints.
        whereabouts: where the run's data are now.
        device: where to train.
        isolation: the level that the network's code runs at.
        container_image: for the level ``container``.
        unsafe_no_isolation: run generated code even where it cannot be isolated.
    """

    iteration: int | None = None
    epochs: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    hold_out: bool = False
    seed: int | None = None
    anew: bool = False
    save_seconds: float = SAVE_SECONDS
    whereabouts: Whereabouts = NOT_MOVED
    device: Literal["auto", "cpu", "cuda"] = "auto"
    isolation: Wish = "auto"
    container_image: str | None = None
    unsafe_no_isolation: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A final training that is about to begin or to go on.

    Attributes:
        origin: of the network.
        recipe: how it is trained.
        trained_on: inputs.
        held_out: inputs.
        tested_on: inputs.
        done: epochs that a checkpoint holds.
        device: where it is trained.
        isolation: the level in force.
        isolation_reason: what it rests on, and why no better one is in force.
    """

    origin: Origin
    recipe: Recipe
    trained_on: int
    held_out: int
    tested_on: int
    done: int
    device: str
    isolation: str
    isolation_reason: str


@dataclass(frozen=True, slots=True)
class FinalResult:
    """What came of it.

    Attributes:
        origin: of the network.
        finalized: the record; ``None`` if the training or the test failed.
        failure: why, if so.
        fresh: whether it was trained now; false if it had been before.
        recipe: how it was to be trained.
        number: of the training among those of the run, from 1 as they were done.
    """

    origin: Origin
    finalized: Finalized | None
    failure: Failure | None
    fresh: bool
    recipe: Recipe
    number: int = 1


class FinalWatcher(Protocol):
    """Is told how far a final training is."""

    def fetching(self, done: int, total: int | None) -> None:
        """So many bytes of the data set have been downloaded; ``total`` is ``None`` if it is not known."""

    def begin(self, plan: Plan) -> None:
        """Everything is checked; the training begins or goes on."""

    def epoch(self, number: int, epoch: Epoch) -> None:
        """An epoch ended; ``number`` counts from 1."""

    def point(self, point: CurvePoint) -> None:
        """A point of the curve was taken."""

    def saved(self, epochs: int) -> None:
        """A checkpoint was kept after so many epochs."""

    def testing(self) -> None:
        """The training is over, and the test split is opened."""
