"""One step of a recorded run: the advice that changed a network, and what was measured before and after."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lemonade_es.engine.expert.inference import Contribution
from lemonade_es.engine.history.events import Accepted, Advised, IterationEnded, Pruned
from lemonade_es.engine.history.journal import Entry
from lemonade_es.vocabulary import METRICS

CM = "CM"

COUNTED_FROM_0 = frozenset({"dead_layers", "plateau"})
"""Counts whose best value is 0, to which nothing has a ratio."""

_OF_THE_LOSSES = ("T_Acc", "V_Acc")
"""What the losses of a training that was stopped speak of; of speed, size and energy they say nothing."""

Metrics = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Advising:
    """A rule's part in a step.

    Attributes:
        rule: its id.
        weight: of the instructions that it gave, as it was then.
        carried_out: the share of them that were sent and that the census shows (``followed`` or ``partly``).
        opposed: what rules of negative weight speak against of ``weight``, in the mean of the instructions that were
            carried out; rules that give the same instruction bear it in proportion to their weights.
    """

    rule: str
    weight: float
    carried_out: float
    opposed: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """A decision whose network was trained, or stopped as hopeless, or failed in training.

    Attributes:
        run: the run.
        iteration: the one that carried the instructions out.
        advising: the rules that gave instructions of a positive weight, in the order in which they fired.
        before: the metrics of the network edited, and its ``CM``.
        after: those of the edited network; ``None`` where they are not known.
        failed: whether the edited network could not be trained.
        facts: that were advised on.
        rulebook: SHA-256 of the rulebook that advised.
        ceiling: the most that CM of the edited network could have been, where its training was stopped as hopeless;
            ``None`` where it was not.
    """

    run: str
    iteration: int
    advising: tuple[Advising, ...]
    before: Metrics
    after: Metrics
    failed: bool
    facts: Metrics = field(default_factory=dict)
    rulebook: str = ""
    ceiling: float | None = None

    def part(self, rule: str) -> Advising | None:
        """A rule's part; ``None`` if it did not fire."""
        return next((part for part in self.advising if part.rule == rule), None)

    def share(self, rule: str) -> float:
        """How much of what a rule advised was carried out; 0 if it did not fire."""
        part = self.part(rule)
        return part.carried_out if part is not None else 0.0

    def gain(self, metric: str) -> float | None:
        """By how much a metric became better; ``None`` if it is not known before and after.

        Shares, counts that may be 0 and ``CM`` are compared by their difference; all else by its ratio, as a natural
        logarithm: 0.1 is about 10 %.
        """
        old, new = self.before.get(metric), self.after.get(metric)
        if old is None or new is None:
            return None
        if metric == CM:
            return new - old
        term = METRICS[metric]
        sign = -1.0 if term.better == "lower" else 1.0
        if term.high <= 1.0 or metric in COUNTED_FROM_0:
            return sign * (new - old)
        return sign * math.log(new / old) if old > 0 and new > 0 else None


def steps(entries: Sequence[Entry]) -> Iterator[Step]:
    """The steps of a run, in their order; iterations in which nothing was trained have none."""
    ended: dict[int, IterationEnded] = {}
    advised: Advised | None = None
    accepted: Accepted | None = None
    pruned: Pruned | None = None
    for entry in entries:
        match entry.event:
            case Advised():
                advised = entry.event
            case Accepted():
                accepted = entry.event
            case Pruned():
                pruned = entry.event
            case IterationEnded():
                last = ended[entry.event.iteration] = entry.event
                number = last.iteration
                if advised is None or accepted is None or not advised.iteration == accepted.iteration == number:
                    continue
                if advised.base in ended:
                    ceiling = pruned.ceiling if pruned is not None and pruned.iteration == number else None
                    yield _step(entry.run, advised, accepted, ended[advised.base], last, ceiling)


def completed(taken: Sequence[Step]) -> list[Step]:
    """Steps of which those that were stopped as hopeless have a gain as well, so that they count.

    Of such a network it is known what its CM could have been at most. Left out, it would speak for the rules behind
    it: they would be judged by their better networks alone. As the worst gain there was, which a failure counts as, it
    would speak against them more than is known. So its gain in CM, ``T_Acc`` and ``V_Acc`` is that of its like: the
    mean of the steps whose gain in CM was no higher than its own could have been. Where there is none, CM is what it
    could have been at most, and accuracy stays unknown.

    Args:
        taken: of all the runs that are looked at.
    """
    known = [(gain, step) for step in taken if (gain := step.gain(CM)) is not None]
    return [_completed(step, step.ceiling, known) for step in taken]


def _completed(step: Step, ceiling: float | None, known: Sequence[tuple[float, Step]]) -> Step:
    level = step.before.get(CM)
    if ceiling is None or level is None:
        return step
    likes = [other for gain, other in known if gain <= ceiling - level]
    after = {**step.after, CM: ceiling}
    for name in (CM, *_OF_THE_LOSSES):
        old, gains = step.before.get(name), [gain for like in likes if (gain := like.gain(name)) is not None]
        if old is not None and gains:
            after[name] = old + statistics.fmean(gains)
    return replace(step, after=after)


def _step(
    run: str,
    advised: Advised,
    accepted: Accepted,
    base: IterationEnded,
    ended: IterationEnded,
    ceiling: float | None,
) -> Step:
    seen = {verdict.instruction for verdict in accepted.verdicts if verdict.verdict in ("followed", "partly")}
    done = seen & set(advised.resolution.instructions)
    opposition = {name: _opposition(advised.inference.contributions[name]) for name in done}
    advising = []
    for firing in advised.inference.fired:
        if firing.weight is None or firing.weight <= 0 or not firing.instruct:
            continue
        carried = [opposition[name] for name in firing.instruct if name in done]
        opposed = firing.weight * sum(carried) / len(carried) if carried else 0.0
        advising.append(Advising(firing.rule, firing.weight, len(carried) / len(firing.instruct), opposed))
    return Step(
        run=run,
        iteration=ended.iteration,
        advising=tuple(advising),
        before={**base.metrics, CM: base.CM},
        after={**ended.metrics, CM: ended.CM},
        failed=ended.outcome not in ("ok", "pruned"),
        facts=advised.inference.facts,
        rulebook=advised.rulebook,
        ceiling=ceiling,
    )


def _opposition(contributions: Sequence[Contribution]) -> float:
    """The share of what speaks for an instruction that other rules speak against, at most all of it."""
    weights = [item.weight for item in contributions]
    pro, contra = sum(w for w in weights if w > 0), -sum(w for w in weights if w < 0)
    return min(contra / pro, 1.0) if pro else 0.0
