"""What the search knows between two iterations; every part of it follows from the events alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lemonade_es.engine.bounds import Bounds, excess
from lemonade_es.engine.history.bill import Answer, Bill
from lemonade_es.engine.history.events import Accepted, Advised, IterationEnded, NoiseEstimated, Pruned, Seconds
from lemonade_es.engine.history.tally import DeviceTally, EnergyTally
from lemonade_es.engine.loop.noise import Noise
from lemonade_es.llm.request import Attempt
from lemonade_es.trainer.measurement import Measurement

_TOLD = ("T_Acc", "V_Acc", "F", "P")  # what a request tells of earlier iterations


@dataclass(frozen=True, slots=True)
class Network:
    """A network that was trained, with what was measured on it.

    Attributes:
        iteration: the one that made it.
        source: its source.
        accepted: what the ladder said of it.
        metrics: measured and derived; means, where it was trained more than once.
        CM: the combined metric of these.
        measurement: what its first training gave.
        weights: the artifact with the weights of its first training.
        repeats: what its other trainings gave.
        spread: the standard deviation over the trainings, for ``CM`` and each metric that differs between them.
        pruned: why its training was stopped, if it was.
    """

    iteration: int
    source: str
    accepted: Accepted
    metrics: Mapping[str, float | None]
    CM: float | None
    measurement: Measurement
    weights: str | None
    repeats: tuple[Measurement, ...] = ()
    spread: Mapping[str, float] = field(default_factory=dict)
    pruned: Pruned | None = None

    @property
    def failed(self) -> bool:
        """Whether its first training or measuring did not come to its end."""
        return self.measurement.failure is not None

    @property
    def all(self) -> tuple[Measurement, ...]:
        """What each of its trainings gave."""
        return self.measurement, *self.repeats

    @property
    def broken(self) -> int:
        """How many of its repeats did not come to their end."""
        return sum(item.failure is not None for item in self.repeats)


@dataclass(slots=True)
class SearchState:
    """Grows by one iteration at a time.

    Attributes:
        bounds: what networks must keep.
        current: the last network that was trained, whether that went well or not; a pruned one is none.
        networks: all that were trained, pruned ones too.
        best: the leader: it keeps the bounds best, and by CM among those that keep them as well.
        peak: the highest CM of a network that led or tied and keeps them as well; a leader by a tie lies below it.
        plateau: iterations since the leader changed.
        stuck: whether the last iteration found no network to train.
        failures_in_a_row: networks in a row whose training failed.
        architectures: digests of all accepted networks and the iteration of each.
        history: what requests tell of earlier iterations.
        instructions: for each iteration, the weights after conflict resolution.
        ended: the outcomes, one an iteration.
        spent: energy of training and evaluation so far.
        device: how measuring on the user's device went.
        noise: what repeated trainings tell of the noise of CM.
        estimated: the noise floor, once it stands.
        bill: what the executors' calls came to so far.
        llm_seconds: waited for the executor in the iteration under way.
    """

    bounds: Bounds = field(default_factory=dict)
    current: Network | None = None
    networks: list[Network] = field(default_factory=list)
    best: Network | None = None
    peak: float | None = None
    plateau: int = 0
    stuck: bool = False
    failures_in_a_row: int = 0
    architectures: dict[str, int] = field(default_factory=dict)
    history: list[Attempt] = field(default_factory=list)
    instructions: list[dict[str, float]] = field(default_factory=list)
    ended: list[IterationEnded] = field(default_factory=list)
    spent: EnergyTally = field(default_factory=EnergyTally)
    device: DeviceTally = field(default_factory=DeviceTally)
    noise: Noise = field(default_factory=Noise)
    estimated: NoiseEstimated | None = None
    bill: Bill = field(default_factory=Bill)
    llm_seconds: float = 0.0

    def base(self, start_from: str) -> Network | None:
        """The network that the next iteration edits: the best so far, or for ``current`` the last one.

        A training that failed is a fact to the rules: once, its network is edited, to mend it; if that fails too, the
        best is. After a pruned network, and after an iteration that found none to train, the best is edited in any
        case: of the one too little is known, and after the other the same rules would ask for the same once more.
        """
        if self.best is None:
            return self.current
        mending = self.failures_in_a_row % 2 == 1 and not self.stuck
        pruned = bool(self.networks) and self.networks[-1].pruned is not None
        given_up = self.failures_in_a_row > 0
        onwards = start_from == "current" and not (given_up or pruned or self.stuck)
        return self.current if mending or onwards else self.best

    def excess(self, network: Network | None) -> float:
        """How far a network is beyond the bounds; 0 where it keeps all, or there is none."""
        return 0.0 if network is None else excess(self.bounds, network.metrics)

    @property
    def more_accurate(self) -> Network | None:
        """The network of the highest V_Acc, if that is above the leader's and it keeps the bounds as well.

        Equation 1 counts T_Acc, and what else is wished for, as well: what leads may be behind in V_Acc.
        """

        def accuracy(network: Network) -> float:
            return network.metrics.get("V_Acc") or 0.0

        best = self.best
        if best is None:
            return None
        sound = (item for item in self.networks if item.CM is not None and not item.broken)
        ahead = [item for item in sound if accuracy(item) > accuracy(best) and self.excess(item) <= self.excess(best)]
        return max(ahead, key=accuracy, default=None)

    @property
    def floor(self) -> float | None:
        """Differences of CM below this are noise; ``None`` while that is not known."""
        return self.estimated.floor if self.estimated is not None else None

    @property
    def cost(self) -> float:
        """US dollars paid for LLM calls so far, as far as their price is known."""
        return self.bill.known_usd

    def answered(self, answer: Answer) -> None:
        """Count what a call came to."""
        spent = Bill.of(answer)
        self.llm_seconds += spent.seconds
        self.bill += spent

    def trained(self, network: Network) -> None:
        """Take a trained network in."""
        self.networks.append(network)
        if network.pruned is None:
            self.current = network
        if network.accepted.check.architecture is not None:
            self.architectures[network.accepted.check.architecture] = network.iteration
        self.failures_in_a_row = self.failures_in_a_row + 1 if network.failed else 0
        for measurement in network.all:
            self.spent.heard(measurement)
            self.device.heard(measurement)

    def end(self, ended: IterationEnded, advised: Advised | None, network: Network | None) -> None:
        """Close an iteration."""
        self.llm_seconds = 0.0
        self.stuck = network is None
        weights = dict(advised.resolution.instructions) if advised is not None else {}
        self.instructions.append(weights)
        self.ended.append(ended)
        if ended.is_best:
            if self.best is not None and network is not None and self.excess(network) < self.excess(self.best):
                self.peak = None
            self.best, self.plateau = network, 0
        elif self.best is not None:
            self.plateau += 1
        if ended.CM is not None and (ended.is_best or ended.tie is not None):
            self.peak = ended.CM if self.peak is None else max(self.peak, ended.CM)
        self.history.append(
            Attempt(
                iteration=ended.iteration,
                instructions=tuple(weights),
                outcome="best" if ended.is_best else ended.outcome,
                metrics={name: ended.metrics[name] for name in _TOLD if name in ended.metrics},
                CM=ended.CM,
                summary=network.accepted.summary if network is not None else "",
            )
        )

    @property
    def seconds(self) -> Seconds:
        """The sum over the iterations."""
        parts = [ended.seconds for ended in self.ended]
        return Seconds(
            *(
                sum(getattr(part, name) for part in parts)
                for name in ("total", "training", "measuring", "llm", "overhead")
            )
        )
