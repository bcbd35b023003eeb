"""What the trainer hands to the engine: whether a candidate can be trained, and what training it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ZERO_COST = ("synflow", "jacob_cov", "grad_norm")
"""Scores of an untrained network, where they are asked for: metrics by vocabulary name."""

Provenance = Literal["measured", "estimated", "mixed", "unavailable"]


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper bounds that a candidate must keep; ``None`` is no bound.

    Attributes:
        parameters: trainable parameters.
        macs: multiply-accumulates of one input.
        activation_mb: memory of the activations of one training batch, in MB (10**6 bytes).
    """

    parameters: int | None = None
    macs: int | None = None
    activation_mb: float | None = None


UNSAVED = "UNSAVED_STATE"
"""The failure of networks that are more than what is left of them: source and weights."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The verdict of the validation ladder's steps 3 to 6 on one model source.

    Attributes:
        ok: whether the candidate may be trained.
        stage: the step that refused it (``parse``, ``build``, ``forward``, ``budget``, ``batch``), or ``done``.
        code: the typed reason, in capitals (``SYNTAX_ERROR``, ``SHAPE_MISMATCH``, ...); ``None`` if ok.
        message: one sentence that says what is wrong and what to do, fit for a person and for an LLM.
        line: the line of the candidate's source, 1-based, where it is known.
        parameters: trainable parameters.
        macs: multiply-accumulates of one input (a lower bound: convolutions and matrix products).
        activation_mb: activations of one training batch in MB.
        census: what the network is made of, keyed by :data:`lemonade_es.vocabulary.CENSUS`.
        architecture: a digest equal for two sources that compute the same structure.
        onednn: whether oneDNN computes its gradients right, as far as was tried; else it is trained without.
        seconds: how long the check took, seen from the parent.
    """

    ok: bool
    stage: Literal["parse", "build", "forward", "budget", "batch", "done"]
    code: str | None = None
    message: str | None = None
    line: int | None = None
    parameters: int | None = None
    macs: int | None = None
    activation_mb: float | None = None
    census: Mapping[str, float] | None = None
    architecture: str | None = None
    onednn: bool = True
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EnergyPart:
    """Energy of one domain (a processor package, its memory, a GPU) over a window of time.

    Attributes:
        domain: which one.
        joules: the energy; ``None`` where it is not known, never 0 for that.
        provenance: how far the figure can be trusted.
        method: what gave it, in words ("RAPL package-0", "12 W x 3.1 CPU-s").
        scope: what it covers.
        rel_uncertainty: relative uncertainty, 0.5 for +-50 %.
        resolution_joules: the smallest step that its meter tells.
        idle_joules: what the idle domain would have taken in the same time; ``None`` where that was not measured.
        reason: why ``joules`` is ``None``.
    """

    domain: str
    joules: float | None
    provenance: Provenance
    method: str
    scope: Literal["device", "machine", "process"]
    rel_uncertainty: float | None = None
    resolution_joules: float = 0.0
    idle_joules: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy over one window of time.

    Attributes:
        joules: the energy; ``None`` where it is not known, never 0 for that.
        seconds: the length of the window.
        provenance: how far the figure can be trusted.
        method: what gave it, in words ("RAPL package-0 + dram of package-0", "12 W x 3.1 CPU-s + 0.4 W RAM x 3 s").
        scope: what it covers.
        rel_uncertainty: relative uncertainty, 0.5 for +-50 %.
        reason: why ``joules`` is ``None``.
        idle_joules: what the idle machine would have taken in the same time, a part of ``joules``; ``None`` where
            that was not measured.
        domains: the parts, whose sum is ``joules``.
    """

    joules: float | None
    seconds: float
    provenance: Provenance
    method: str
    scope: Literal["device", "machine", "process"]
    rel_uncertainty: float | None = None
    reason: str | None = None
    idle_joules: float | None = None
    domains: tuple[EnergyPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one forward pass at batch size 1, in milliseconds, over windows timed by the parent.

    Attributes:
        p10: 10th percentile over the windows.
        p50: median, the metric ``L``.
        p90: 90th percentile.
        p99: 99th percentile.
        best: the fastest window.
        windows: how many windows were timed.
        passes: forward passes in a window.
        reference_ratio: median over the pairs of (candidate / reference network), timed in turn; steadier
            than any of the above on a busy machine.
        p95: 95th percentile.
        spread: half the width of the median's 95 % confidence interval, relative to it: 0.01 for +-1 %.
        settled: whether the spread came below its bound before the time for measuring was up.
    """

    p10: float
    p50: float
    p90: float
    p99: float
    best: float
    windows: int
    passes: int
    reference_ratio: float | None = None
    p95: float | None = None
    spread: float | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a candidate gave no complete measurement: a recorded outcome, not an error.

    Attributes:
        code: ``TIMED_OUT``, ``OUT_OF_MEMORY``, ``CRASHED``, ``DIVERGED``, ``RAISED``, ``PROTOCOL``...
        message: one sentence with the values.
        line: the line of the candidate's source, where it is known.
    """

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """What came of having a candidate measured by a command of the user's, on a device of the user's.

    Attributes:
        command: as the user gave it.
        seconds: how long it took.
        device: what the command calls the device; empty if it does not say.
        failure: why there are no figures, if there are none.
    """

    command: str
    seconds: float
    device: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training set.

    Attributes:
        loss: the mean over its inputs, as they were augmented.
        seconds: of wall-clock time.
        V_Acc: accuracy after it on a sample of the validation inputs; ``None`` where nobody looked.
    """

    loss: float
    seconds: float
    V_Acc: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What training and evaluating one candidate gave.

    Attributes:
        metrics: measured metrics by vocabulary name; a missing one is ``None`` and stands in ``absent``.
        absent: for each missing metric, why.
        failure: set if training or measuring did not come to its end.
        energy: by phase: ``training``, ``validation``, ``inference`` (one input).
        latency: the distribution behind ``L`` and ``F``.
        epochs: the training curve.
        training_seconds: wall-clock time of training.
        measuring_seconds: wall-clock time of evaluating and timing.
        sources: metrics that were not measured on this machine, and where: ``device``.
        device: what came of measuring on the user's device; ``None`` if that was not asked for.
        stopped: the number of epochs after which the parent ended the training; ``None`` if it did not.
        precision: that it was trained in: ``fp32`` or ``bf16``.
        unrecorded: on a GPU, why its training steps were started one operation at a time; ``None`` if they were
            recorded, or it did not train there.
    """

    metrics: Mapping[str, float | None]
    absent: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    energy: Mapping[str, Energy] = field(default_factory=dict)
    latency: Latency | None = None
    epochs: tuple[Epoch, ...] = ()
    training_seconds: float = 0.0
    measuring_seconds: float = 0.0
    sources: Mapping[str, str] = field(default_factory=dict)
    device: DeviceOutcome | None = None
    stopped: int | None = None
    precision: str = "fp32"
    unrecorded: str | None = None


class StopTraining(Exception):  # noqa: N818  (a decision, not an error)
    """Raised by who is told of each epoch, to end a training there; what is known of it by then is its measurement."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A measurement, and what else is left of it.

    Attributes:
        measurement: the figures.
        weights: the trained ones as safetensors bytes; ``None`` if there are none.
        note: what the check says of a sound network, if this trial made it.
    """

    measurement: Measurement
    weights: bytes | None = None
    note: str | None = None
