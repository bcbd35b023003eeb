"""Which trainings are hopeless: successive halving over epochs, and an optimistic look at where they would end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lemonade_es.engine.history.events import Pruned
from lemonade_es.engine.loop.extrapolation import extrapolated
from lemonade_es.engine.loop.state import Network, SearchState
from lemonade_es.engine.metric import combined_metric
from lemonade_es.task import Objective
from lemonade_es.trainer.measurement import Epoch, Measurement
from lemonade_es.wording import counted, ordinal

FIRST = 5
"""Networks that must be trained to their end before any is pruned."""

KEPT = 3
"""One of so many goes on at each rung."""

_RUNGS = (3 / 50, 9 / 50, 27 / 50)
_LIKE_BEST = {"NF": max, "T_NE": min, "V_NE": min}


def rungs(epochs: int) -> tuple[int, ...]:
    """After how many epochs a training is looked at: 3, 9 and 27 of 50, and as many of others."""
    found = {max(1, round(epochs * part)) for part in _RUNGS}
    return tuple(sorted(rung for rung in found if rung < epochs))


def saved_seconds(measurement: Measurement, epochs: int) -> float:
    """About how long the epochs would have taken that a pruned training was spared, by those that it had."""
    if measurement.stopped is None or not measurement.epochs:
        return 0.0
    spent = sum(epoch.seconds for epoch in measurement.epochs)
    return spent / len(measurement.epochs) * (epochs - measurement.stopped)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Judges trainings while they go on; the same losses and the same past give the same verdict.

    Attributes:
        epochs: of a whole training.
        objective: what the losses are.
        settings: weights of CM.
    """

    epochs: int
    objective: Objective
    settings: Mapping[str, float | None]

    def verdict(self, iteration: int, curve: Sequence[Epoch], state: SearchState) -> Pruned | None:
        """Why a training should end here, or ``None`` if it should go on.

        It ends at a rung if both hold: its summed loss is not among the best third of all that came so far (itself
        counted), and its CM would stay below the leader's even if it ended as much better than extrapolated as the
        luckiest network so far, and were as fast and as frugal as the fastest and the most frugal one.

        Args:
            iteration: of the candidate.
            curve: its epochs so far.
            state: the networks before it.
        """
        rung = len(curve)
        finished = [network for network in state.networks if network.CM is not None and network.pruned is None]
        best = state.best
        if rung not in rungs(self.epochs) or len(finished) < FIRST or best is None or best.CM is None:
            return None
        if state.excess(best):  # a network of a lower CM may lead
            return None
        losses = [epoch.loss for epoch in curve]
        rivals = [sum(told[:rung]) for network in state.networks if len(told := _losses(network)) >= rung]
        rank = 1 + sum(rival < sum(losses) for rival in rivals)
        if rank <= math.ceil((len(rivals) + 1) / KEPT):
            return None
        hope = extrapolated(losses, self.epochs, self.objective)
        ceiling = self._ceiling(hope, rung, finished)
        if ceiling is None or ceiling >= best.CM - (state.floor or 0.0):
            return None
        reason = (
            f"after {rung} of {counted(self.epochs, 'epoch')} its summed loss is {ordinal(rank)} of {len(rivals) + 1}, "
            f"and its CM would be {ceiling:.4f} at most, where iteration {best.iteration} has {best.CM:.4f}"
        )
        return Pruned(iteration, rung, self.epochs, rank, len(rivals) + 1, hope, ceiling, best.iteration, reason)

    def _ceiling(self, hope: float, rung: int, finished: Sequence[Network]) -> float | None:
        """The CM of a network that ends as much better than extrapolated as the luckiest one did."""
        metrics: dict[str, float | None] = {}
        for name in ("T_Acc", "V_Acc"):
            surprises = [
                actual - extrapolated(_losses(network)[:rung], self.epochs, self.objective)
                for network in finished
                if (actual := network.metrics.get(name)) is not None
            ]
            metrics[name] = min(1.0, max(0.0, hope + max(surprises))) if surprises else None
        for name, better in _LIKE_BEST.items():
            known = [value for network in finished if (value := network.metrics.get(name)) is not None]
            metrics[name] = better(known) if known else None
        return combined_metric(metrics, self.settings)


def _losses(network: Network) -> tuple[float, ...]:
    """The training curve of a network; of one that failed none, for it speaks of nothing."""
    return () if network.failed else tuple(epoch.loss for epoch in network.measurement.epochs)
