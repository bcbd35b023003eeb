"""The events of a final training: the journal keeps them beside those of the search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lemonade_es.trainer.measurement import Measurement
from lemonade_es.trainer.measuring.examination import Examination
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.trials.final_trial import CurvePoint


@dataclass(frozen=True, slots=True)
class OpenedTest:
    """The test split is about to be opened for a network that was trained in the end; whatever then comes of it.

    Journals of old do not have it: there only a test that succeeded left a trace, :class:`Finalized`.

    Attributes:
        iteration: whose network it is.
        training: digest of all that determines the training.
    """

    iteration: int
    training: str


@dataclass(frozen=True, slots=True)
class Finalized:
    """A network of the run was trained from scratch by a final recipe, and then the test split was opened, once.

    It is recorded in one piece when the test split has been scored; the search takes no notice of it.

    Attributes:
        iteration: whose network it is.
        training: digest of all that determines the training: source, data, recipe, seed, what is held out.
        recipe: how it was trained.
        seed: for its weights and the order of its inputs.
        source: the artifact that holds the model's source.
        weights: the artifact that holds its weights.
        trained_on: inputs; validation inputs are among them unless they were held out.
        held_out: validation inputs that were not trained on.
        measurement: ``T_Acc`` and ``T_E`` of this training, ``V_Acc`` of what was held out, and size, speed, power
            of the trained network; its energies are ``training``, ``test`` (one pass over the test split) and
            ``inference``.
        points: the curve of accuracy.
        test: what the network scored on the test split.
        tested_before: how often the test split had been opened before in this run; in journals of old, how many
            trainings had been tested.
        taken_up: after which epochs a new process took the training up.
        isolation: the level that the network's code ran at.
        isolation_reason: what it rests on.
        device: where it was trained.
        energy: what metered the energy.
        versions: of the packages.
        mirrored: whether images were mirrored, which also depends on the data.
        mean: of each channel of images in 0..1, which inputs are normalised with.
        std: likewise.
        target_scale: of a regression, mean and standard deviation of the target, which outputs are told in.
    """

    iteration: int
    training: str
    recipe: Recipe
    seed: int
    source: str
    weights: str
    trained_on: int
    held_out: int
    measurement: Measurement
    points: tuple[CurvePoint, ...]
    test: Examination
    tested_before: int
    taken_up: tuple[int, ...]
    isolation: str
    isolation_reason: str
    device: str
    energy: str
    versions: Mapping[str, str]
    mirrored: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    target_scale: tuple[float, float] | None = None


def trainings(events: Iterable[object]) -> dict[str, Finalized]:
    """The last record of each final training by its digest, in the order in which they were first done.

    The N-th of them is called ``final-N``, and the first one's folder ``final``.

    Args:
        events: of the run, in their order.
    """
    found: dict[str, Finalized] = {}
    for event in events:
        if isinstance(event, Finalized):
            found[event.training] = event
    return found


def openings(events: Iterable[object]) -> int:
    """How often the test split was opened in a run, whatever came of it.

    Args:
        events: of the run, in their order.
    """
    count, told = 0, False
    for event in events:
        opened = isinstance(event, OpenedTest)
        count += opened or (isinstance(event, Finalized) and not told)
        told = opened
    return count
