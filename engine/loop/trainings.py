"""The trainings of a candidate: one, which ends early if it is hopeless, or several with other seeds for a leader."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from lemonade_es.engine.history.artifacts import Artifacts
from lemonade_es.engine.history.events import Measured, NoiseEstimated, Pruned, Repeated
from lemonade_es.engine.history.tape import Tape
from lemonade_es.engine.loop.ladder import Candidate
from lemonade_es.engine.loop.noise import averaged
from lemonade_es.engine.loop.pruning import Pruning
from lemonade_es.engine.loop.ranking import challenges
from lemonade_es.engine.loop.roles import Trainer, Watcher
from lemonade_es.engine.loop.seeds import seed_for
from lemonade_es.engine.loop.state import Network, SearchState
from lemonade_es.engine.metric import combined_metric, normalised
from lemonade_es.engine.spec import RunSpec
from lemonade_es.trainer.measurement import Epoch, Measurement, StopTraining, Trained

Settings = Mapping[str, float | None]


class Trainings:
    """Trains candidates, as often as the options say, and keeps what came of it; recorded trainings are read back.

    Args:
        spec: the options.
        settings: thresholds and weights that CM is taken with.
        trainer: who trains.
        tape: the journal.
        artifacts: where weights go.
        watcher: is told what is trained.
        state: what the search knows; the noise floor is put there.
        spend: is told the seconds of a training and measuring that was done now, and not read back.
        pruning: which trainings to stop; ``None`` stops none.
    """

    def __init__(
        self,
        *,
        spec: RunSpec,
        settings: Settings,
        trainer: Trainer,
        tape: Tape,
        artifacts: Artifacts,
        watcher: Watcher,
        state: SearchState,
        spend: Callable[[float], None],
        pruning: Pruning | None = None,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._trainer = trainer
        self._tape = tape
        self._artifacts = artifacts
        self._watcher = watcher
        self._state = state
        self._spend = spend
        self._pruning = pruning

    def train(self, iteration: int, candidate: Candidate) -> Network:
        """Train and measure a candidate, again with other seeds if it may lead."""
        measured = self._tape.recall(Measured)
        if measured is None:
            self._watcher.doing(iteration, "training")
            trained = self._trained(iteration, candidate)
            weights = None if trained.weights is None else self._artifacts.put(trained.weights, ".safetensors")
            measured = self._tape.record(Measured(iteration, trained.measurement, weights))
        once = self._network(iteration, candidate, measured, ())
        if measured.measurement.stopped is not None:
            return replace(once, pruned=self._pruned(iteration, measured.measurement))
        if self._spec.repeats == 1 or not challenges(once, self._state, self._settings):
            return once
        network = self._network(iteration, candidate, measured, tuple(self._repeats(iteration, candidate, measured)))
        self._hear_noise(network)
        return network

    def _pruned(self, iteration: int, measurement: Measurement) -> Pruned:
        """Why the training was stopped: what was decided while it went on follows from its losses once more."""
        recorded = self._tape.recall(Pruned)
        if recorded is not None:
            return recorded
        verdict = self._verdict(iteration, measurement.epochs)
        assert verdict is not None  # noqa: S101  (it was stopped for one)
        return self._tape.record(verdict)

    def _verdict(self, iteration: int, curve: Sequence[Epoch]) -> Pruned | None:
        return None if self._pruning is None else self._pruning.verdict(iteration, curve, self._state)

    def _repeats(self, iteration: int, candidate: Candidate, measured: Measured) -> Iterator[Measurement]:
        """What the other seeds give: first those that are recorded, then the rest, trained now."""
        numbers = deque(range(2, self._spec.repeats + 1))
        while numbers and (recorded := self._tape.recall(Repeated)) is not None:
            numbers.popleft()
            yield recorded.measurement
        if not numbers:
            return
        self._watcher.doing(iteration, "training again with another seed" + ("" if len(numbers) == 1 else "s"))
        again = self._trainer.train_again(
            candidate.source,
            candidate.accepted.check,
            measured.measurement,
            seeds=[self._seed(number) for number in numbers],
            on_epoch=self._teller(iteration, prune=False),
        )
        for number, trained in zip(numbers, again, strict=True):
            self._account(trained)
            self._tape.record(Repeated(iteration, number, self._seed(number), trained.measurement))
            yield trained.measurement

    def _trained(self, iteration: int, candidate: Candidate) -> Trained:
        trained = self._trainer.train(
            candidate.source,
            candidate.accepted.check,
            seed=self._seed(1),
            on_epoch=self._teller(iteration, prune=True),
        )
        self._account(trained)
        return trained

    def _account(self, trained: Trained) -> None:
        self._spend(trained.measurement.training_seconds + trained.measurement.measuring_seconds)

    def _teller(self, iteration: int, *, prune: bool) -> Callable[[int, Epoch], None]:
        curve: list[Epoch] = []

        def tell(number: int, epoch: Epoch) -> None:
            self._watcher.epoch(iteration, number + 1, epoch)
            curve.append(epoch)
            if prune and self._verdict(iteration, curve) is not None:
                raise StopTraining

        return tell

    def _seed(self, number: int) -> int:
        """The same for all candidates, so that differences are due to the networks."""
        return seed_for(self._spec.seed, "training", number - 1)

    def _network(
        self, iteration: int, candidate: Candidate, measured: Measured, repeats: tuple[Measurement, ...]
    ) -> Network:
        first = measured.measurement
        sound = [first, *(item for item in repeats if item.failure is None)]
        each = [self._metrics(item) for item in sound]
        mean = averaged(each)
        return Network(
            iteration=iteration,
            source=candidate.source,
            accepted=candidate.accepted,
            metrics={name: value for name, value in mean.metrics.items() if name != "CM"},
            CM=None if any(metrics["CM"] is None for metrics in each) else mean.metrics["CM"],
            measurement=first,
            weights=measured.weights,
            repeats=repeats,
            spread=mean.spread,
        )

    def _metrics(self, measurement: Measurement) -> dict[str, float | None]:
        """Measured and derived metrics of one training, and its CM."""
        metrics = dict(measurement.metrics)
        metrics.update(normalised(metrics, self._settings))
        metrics["CM"] = None if measurement.failure is not None else combined_metric(metrics, self._settings)
        return metrics

    def _hear_noise(self, network: Network) -> None:
        state = self._state
        values = [value for item in network.all if (value := self._metrics(item)["CM"]) is not None]
        state.noise.heard(network.iteration, values)
        if state.estimated is not None or state.noise.floor is None:
            return
        noise = state.noise
        state.estimated = self._tape.recall(NoiseEstimated) or self._tape.record(
            NoiseEstimated(network.iteration, state.noise.floor, noise.degrees, tuple(noise.networks))
        )
