"""What happens in a run, as typed events: the journal holds these and nothing else.

The events of one iteration, in their order::

    RulebookChanged    a changed rulebook file was taken over        (only where the file is watched;
    RulebookKept       it was not, and why                            not for the first network)
    Advised            facts, fired rules, conflicts, instructions   (not for the first network)
    Requested          the edit request
    Asked              what is sent, stored before it is                         (these five
    Unanswered         the executor could not be asked                            for each
    Replied            its raw answer, stored before it is read                   attempt)
    Refused            a typed reason, which goes back to the executor
    Accepted           the source passed the ladder
    Measured           what training gave
    Pruned             why the training was stopped early             (only with `--prune`)
    Repeated           what training with another seed gave           (only with `--repeats`: for each one more,
    NoiseEstimated     how far CM differs between seeds                and once in a run)
    IterationEnded     CM, whether it is the best so far, where the time went
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lemonade_es.engine.compliance import Verdict
from lemonade_es.engine.expert.conflicts import Resolution
from lemonade_es.engine.expert.inference import Inference
from lemonade_es.engine.history.finalized import Finalized, OpenedTest
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.executor import Reply, Try
from lemonade_es.llm.patch import Applied, Predicted, Skipped
from lemonade_es.rules.rulebook import Source
from lemonade_es.task import Task
from lemonade_es.trainer.isolation.proof import Canary
from lemonade_es.trainer.measurement import CheckReport, Measurement
from lemonade_es.trainer.recipe import Recipe


@dataclass(frozen=True, slots=True)
class DataSummary:
    """The data set of a run: its task, its sizes, and a fingerprint that a resume must meet again.

    ``logs`` is whether skewed columns of a table are logarithms as well; they are not in runs of earlier versions.
    """

    task: Task
    training: int
    validation: int
    test: int
    fingerprint: str
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    logs: bool = False


@dataclass(frozen=True, slots=True)
class RunStarted:
    """All that determines the run: the options as resolved, the rulebook's text, the data's fingerprint.

    ``rulebook_file`` is the name that places in the rulebook are given with; ``rulebook_bases`` are the files that
    it extends, the nearest first. ``isolation_reason`` is what the level rests on, and why no better one is in force;
    ``canaries`` are the forbidden things that a locked process tried there before the first candidate, in vain.
    ``foreign`` is whether an executor returns source that must only run isolated; ``None`` in journals of old.
    ``startup_seconds`` is what the process needed before it, 0 in journals of old; it determines nothing.
    """

    spec: RunSpec
    settings: Mapping[str, float | None]
    recipe: Recipe
    rulebook: str
    rulebook_file: str
    rulebook_digest: str
    data: DataSummary
    executor: str
    isolation: str
    device: str
    energy: str
    versions: Mapping[str, str]
    rulebook_bases: tuple[Source, ...] = ()
    isolation_reason: str = ""
    canaries: tuple[Canary, ...] = ()
    foreign: bool | None = None
    startup_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RulebookChanged:
    """From this iteration on, the rules of a changed file advise; ``sources`` holds its own file first."""

    iteration: int
    digest: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class RulebookKept:
    """The rulebook file has changed, but the rules in force stay, for these problems."""

    iteration: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advised:
    """What the expert system concluded from the network that the iteration starts from.

    Attributes:
        iteration: the iteration that will carry the instructions out.
        base: the iteration whose network is edited.
        inference: facts, firings, weights.
        resolution: conflicts and what is left.
        rulebook: SHA-256 of the rulebook that advised.
    """

    iteration: int
    base: int
    inference: Inference
    resolution: Resolution
    rulebook: str = ""


@dataclass(frozen=True, slots=True)
class Requested:
    """The edit request, as JSON data that met its schema."""

    iteration: int
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The text that an executor is about to be sent; once for an attempt, also if it is asked again."""

    iteration: int
    attempt: int
    executor: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An executor could not be asked, after all tries.

    A fallback answers in its place, or the search stops; a resume then asks again.

    Attributes:
        executor: who was asked.
        message: why there is no answer.
        tries: what became of each try, as far as it is known.
        interrupted: whether it was the user who stopped the call: then it is no call yet, and is made again.
    """

    iteration: int
    attempt: int
    executor: str
    message: str
    tries: tuple[Try, ...] = ()
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Replied:
    """An executor's answer, before anything is made of it; its prompt only if it is not that of :class:`Asked`."""

    iteration: int
    attempt: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class Refused:
    """A step of the ladder refused the attempt, for a typed reason.

    Attributes:
        stage: ``reply``, one of the checker's stages, ``duplicate`` or ``compliance``.
        code: the typed reason.
        message: the sentence that goes back to the executor.
        line: the failing line of the candidate's source.
        line_text: that line.
        executor: who gave the reply; empty in journals of old.
        verdicts: for each instruction, whether the census moved as asked, if it came to that.
    """

    iteration: int
    attempt: int
    stage: str
    code: str
    message: str
    line: int | None = None
    line_text: str | None = None
    executor: str = ""
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The attempt passed the ladder and will be trained.

    Attributes:
        source: the artifact that holds the model's source.
        check: parameters, census, architecture.
        verdicts: for each instruction, whether the census moved as asked.
        summary: the executor's words.
        applied: what it says it did.
        skipped: what it says it did not do.
        predicted: what it expects; compared with the measured values, never used for a decision.
        mended: what had to be mended in the reply before it could be read.
    """

    iteration: int
    attempt: int
    source: str
    check: CheckReport
    verdicts: tuple[Verdict, ...]
    summary: str
    applied: tuple[Applied, ...]
    skipped: tuple[Skipped, ...]
    predicted: Predicted | None
    mended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What training the accepted candidate gave; ``weights`` names an artifact, if there are any."""

    iteration: int
    measurement: Measurement
    weights: str | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """The training of the candidate was stopped: it neither failed nor can it become the best.

    Attributes:
        epoch: how many it had.
        epochs: how many it would have had.
        rank: of its summed training loss among those of all networks that came as far.
        of: how many these are, itself counted.
        extrapolated: the accuracy that its losses speak of at the last epoch.
        ceiling: CM under optimistic assumptions.
        leader: the iteration whose CM is above that.
        reason: the same in words.
    """

    iteration: int
    epoch: int
    epochs: int
    rank: int
    of: int
    extrapolated: float
    ceiling: float
    leader: int
    reason: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """What training the candidate again, with another seed, gave.

    Attributes:
        number: of the training; the first one, which is :class:`Measured`, is 1.
        seed: for weights, order and augmentation.
        measurement: what was measured; its weights are not kept.
    """

    iteration: int
    number: int
    seed: int
    measurement: Measurement


@dataclass(frozen=True, slots=True)
class NoiseEstimated:
    """How far CM differs between trainings of one network: known well enough from here on, and fixed.

    Attributes:
        floor: the noise floor: the standard deviation of CM between seeds, pooled within the networks.
        degrees: its degrees of freedom.
        networks: the iterations of the networks whose repeats tell it.
    """

    iteration: int
    floor: float
    degrees: int
    networks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seconds:
    """Where wall-clock time went; ``overhead`` is everything but training, measuring and the LLM."""

    total: float = 0.0
    training: float = 0.0
    measuring: float = 0.0
    llm: float = 0.0
    overhead: float = 0.0


@dataclass(frozen=True, slots=True)
class IterationEnded:
    """The outcome of an iteration.

    Attributes:
        outcome: ``ok``, ``pruned``, or the typed reason why there is no complete measurement.
        metrics: measured and derived metrics, means over the trainings; empty if nothing was trained.
        CM: the combined metric, Eq. 1; ``None`` if the candidate cannot be ranked.
        is_best: whether it leads from here on.
        note: why a candidate was not ranked, or what a tie was decided by, if so.
        seconds: where the time went.
        trainings: how often it was trained and measured.
        spread: the standard deviation over the trainings, for ``CM`` and each metric that differs between them.
        tie: the iteration of the leader that CM does not tell it from, if so.
    """

    iteration: int
    outcome: str
    metrics: Mapping[str, float | None]
    CM: float | None
    is_best: bool
    seconds: Seconds
    note: str | None = None
    trainings: int = 1
    spread: Mapping[str, float] = field(default_factory=dict)
    tie: int | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The search is over: ``finished`` (its terminating condition), ``stopped`` (a budget), or ``failed``."""

    status: Literal["finished", "stopped", "failed"]
    reason: str
    best: int | None


@dataclass(frozen=True, slots=True)
class RunInterrupted:
    """The user stopped the process; a resume goes on from here. It leaves no mark on the result."""

    iteration: int


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A process took the run up again, perhaps with a later end, and at a level of isolation of its own.

    Attributes:
        extended: the options that it changed.
        isolation: its level; empty in journals of old.
        isolation_reason: why that one.
        canaries: what it proved.
        foreign: whether source of the run must only run isolated from here on; ``None`` in journals of old.
        executor: who is asked from here on, and at which server; empty in journals of old.
        startup_seconds: what the process needed before it; 0 in journals of old.
    """

    extended: Mapping[str, Any] = field(default_factory=dict)
    isolation: str = ""
    isolation_reason: str = ""
    canaries: tuple[Canary, ...] = ()
    foreign: bool | None = None
    executor: str = ""
    startup_seconds: float = 0.0


Event = (
    RunStarted
    | RulebookChanged
    | RulebookKept
    | Advised
    | Requested
    | Asked
    | Unanswered
    | Replied
    | Refused
    | Accepted
    | Measured
    | Pruned
    | Repeated
    | NoiseEstimated
    | IterationEnded
    | RunEnded
    | RunInterrupted
    | RunResumed
    | OpenedTest
    | Finalized
)
