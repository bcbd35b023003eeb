"""The words of a rulebook: every metric, threshold, priority and weight, and what a network is counted by.

The paper's Table 2 comes first in each list; what is ours says so in ``source``. Rulebook schema, linter,
``--set``, prompts and documentation are all made from these lists.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from lemonade_es.errors import ConfigError

Kind = Literal["metric", "threshold", "priority", "weight"]
Better = Literal["higher", "lower"]

PAPER = "Table 2"
OURS = "beyond the paper"


@dataclass(frozen=True, slots=True)
class Term:
    """One name that a rule may use.

    Attributes:
        name: the paper's symbol where it has one (``T_Acc``, ``TT_Acc``, ``PV_Acc``).
        kind: metrics are measured; thresholds, priorities and weights are the user's.
        text: what it is, in words.
        unit: its unit; empty for a pure number.
        low: the smallest value it can have.
        high: the largest value it can have (``inf`` where there is none).
        default: the paper's value, or ours where the paper has none; ``None`` is *not set*: rules over it
            are unknown until the user sets it. Metrics have none.
        better: for a metric, which direction is an improvement.
        source: where the term comes from.
    """

    name: str
    kind: Kind
    text: str
    unit: str = ""
    low: float = 0.0
    high: float = math.inf
    default: float | None = None
    better: Better | None = None
    source: str = OURS


def _metric(
    name: str, text: str, better: Better | None, unit: str = "", high: float = math.inf, source: str = OURS
) -> Term:
    return Term(name, "metric", text, unit, 0.0, high, None, better, source)


def _threshold(
    name: str,
    text: str,
    default: float | None,
    unit: str = "",
    high: float = math.inf,
    source: str = OURS,
) -> Term:
    return Term(name, "threshold", text, unit, 0.0, high, default, None, source)


def _priority(name: str, text: str, default: float = 0.0, source: str = OURS) -> Term:
    return Term(name, "priority", text, "", 0.0, math.inf, default, None, source)


_METRICS = (
    _metric("T_Acc", "training accuracy", "higher", high=1.0, source=PAPER),
    _metric("V_Acc", "validation accuracy", "higher", high=1.0, source=PAPER),
    _metric("T_E", "energy of training the candidate", "lower", "kWh-PUE", source=PAPER),
    _metric("V_E", "energy of evaluating the validation set", "lower", "kWh-PUE", source=PAPER),
    _metric("T_NE", "normalised training energy, T_E / (T_E + TT_E)", "lower", high=1.0, source=PAPER),
    _metric("V_NE", "normalised validation energy, V_E / (V_E + TV_E)", "lower", high=1.0, source=PAPER),
    _metric("F", "frames per second at batch size 1", "higher", "1/s", source=PAPER),
    _metric("NF", "normalised frames per second, F / (F + TF)", "higher", high=1.0, source=PAPER),
    _metric("P", "trainable parameters", "lower", source=PAPER),
    _metric("S", "model size", "lower", "MB"),
    _metric("L", "median latency at batch size 1", "lower", "ms"),
    _metric("B", "inputs per second in batches of 128", "higher", "1/s"),
    _metric("W", "power drawn by inference", "lower", "mW"),
    _metric("M", "multiply-accumulates of one input", "lower"),
    _metric("R", "peak memory of the candidate's process", "lower", "MB"),
    _metric("failed", "1 if training or measuring the candidate failed, else 0", "lower", high=1.0),
    _metric("nonfinite", "1 if loss or weights became infinite or NaN, else 0", "lower", high=1.0),
    Term(
        "loss_slope",
        "metric",
        "relative fall of the training loss over the last fifth of the epochs",
        low=-math.inf,
        high=1.0,
    ),
    _metric("loss_noise", "spread of the detrended training losses of the epochs", "lower"),
    _metric("grad_low", "share of weight tensors with a gradient-to-weight norm below 1e-6", "lower", high=1.0),
    _metric("grad_high", "share of weight tensors with a gradient-to-weight norm above 1", "lower", high=1.0),
    _metric("dead_units", "share of rectified units never active on a validation batch", "lower", high=1.0),
    _metric("dead_layers", "rectified layers with more than 90 % of dead units", "lower"),
    _metric("best_epoch", "where validation accuracy peaked: 0 at the first epoch, 1 at the last", None, high=1.0),
    _metric("class_gap", "best minus worst recall of a class on the validation set", "lower", high=1.0),
    Term("synflow", "metric", "untrained network: logarithm of its summed synaptic saliencies", low=-math.inf),
    Term("jacob_cov", "metric", "untrained network: how unlike its maps at different inputs are", low=-math.inf),
    _metric("grad_norm", "untrained network: summed gradient norms of its parameter tensors", None),
    _metric("plateau", "iterations since another network last became the best", "lower"),
)

_THRESHOLDS = (
    _threshold("TT_Acc", "wanted training accuracy", 0.99, high=1.0, source=PAPER),
    _threshold("TV_Acc", "wanted validation accuracy", 0.99, high=1.0, source=PAPER),
    _threshold("TT_E", "tolerated training energy", 1e-3, "kWh-PUE", source=PAPER),
    _threshold("TV_E", "tolerated validation energy", 1e-5, "kWh-PUE", source=PAPER),
    _threshold("TF", "wanted frames per second at batch size 1", 14000.0, "1/s", source=PAPER),
    _threshold("OT", "gap T_Acc - V_Acc above which a network overfits", 0.10, high=1.0, source=PAPER),
    _threshold("UT", "gap T_Acc - V_Acc below which a network may underfit", 0.05, high=1.0, source=PAPER),
    _threshold("TP", "tolerated parameters", None),
    _threshold("TS", "tolerated model size", None, "MB"),
    _threshold("TL", "tolerated latency at batch size 1", None, "ms"),
    _threshold("TW", "tolerated inference power", None, "mW"),
    _threshold("TM", "tolerated multiply-accumulates", None),
    _threshold("TR", "tolerated peak memory", None, "MB"),
)

_PRIORITIES = (
    _priority("PT_Acc", "priority of training accuracy", 0.0, PAPER),
    _priority("PV_Acc", "priority of validation accuracy", 1.0, PAPER),
    _priority("PT_E", "priority of training energy", 0.0, PAPER),
    _priority("PV_E", "priority of validation energy", 0.0, PAPER),
    _priority("PF", "priority of frames per second", 0.0, PAPER),
    _priority("PP", "priority of the number of parameters"),
    _priority("PS", "priority of the model size"),
    _priority("PL", "priority of latency"),
    _priority("PW", "priority of inference power"),
    _priority("PM", "priority of multiply-accumulates"),
    _priority("PR", "priority of peak memory"),
)

_WEIGHTS = (
    Term("WA", "weight", "weight of accuracy in the combined metric", default=1.0, source=PAPER),
    Term("WE", "weight", "weight of energy in the combined metric", default=0.0, source=PAPER),
    Term("WF", "weight", "weight of frames per second in the combined metric", default=0.0, source=PAPER),
)


def _by_name(terms: Iterable[Term]) -> Mapping[str, Term]:
    return MappingProxyType({term.name: term for term in terms})


METRICS = _by_name(_METRICS)
THRESHOLDS = _by_name(_THRESHOLDS)
PRIORITIES = _by_name(_PRIORITIES)
TERMS = _by_name((*_METRICS, *_THRESHOLDS, *_PRIORITIES, *_WEIGHTS))
"""Every term of the vocabulary by its name."""

COUNTS = frozenset({"P", "TP", "M", "TM", "dead_layers", "plateau"})
"""Terms that are whole numbers: between two of these there is no value."""

NORMALISED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"NF": ("F", "TF"), "T_NE": ("T_E", "TT_E"), "V_NE": ("V_E", "TV_E")}
)
"""Metrics that follow from another one and a threshold: x / (x + threshold)."""

DYNAMICS = ("loss_slope", "loss_noise", "grad_low", "grad_high", "dead_units", "dead_layers", "best_epoch", "class_gap")
"""The metrics that say how a training went, rather than what came of it."""

SETTABLE = _by_name((*_THRESHOLDS, *_PRIORITIES, *_WEIGHTS))
"""What a user may give with ``--set``."""

CENSUS: Mapping[str, str] = MappingProxyType(
    {
        "conv_layers": "convolutional layers",
        "kernels": "convolution kernels: output channels, summed over the convolutional layers",
        "dense_layers": "dense (linear) layers",
        "neurons": "neurons: output features, summed over the dense layers but the last",
        "dropouts": "dropout: the sum of the rates of all dropout layers, in percent",
        "skips": "skip connections: joins of two paths by addition or concatenation",
        "initializers": "explicit weight initialisations in the source",
        "regularizers": "regularising layers other than dropout (normalisation, noise, stochastic depth)",
    }
)
"""What a network is counted by; an instruction names one of these as what it changes."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Weights of the combined metric (Table 7's settings) and the priorities that go with them."""

    name: str
    text: str
    values: Mapping[str, float]


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset("accuracy", "accuracy alone (the paper's setting 1)", {"WA": 1.0, "WE": 0.0, "WF": 0.0}),
            Preset(
                "balanced",
                "accuracy and energy alike (the paper's setting 2)",
                {"WA": 0.5, "WE": 0.5, "WF": 0.0, "PV_Acc": 0.5, "PT_E": 0.5, "PV_E": 0.5},
            ),
            Preset(
                "edge",
                "accuracy first, then speed, then energy (the paper's setting 3)",
                {"WA": 0.7, "WE": 0.1, "WF": 0.2, "PV_Acc": 0.7, "PT_E": 0.1, "PV_E": 0.1, "PF": 0.2},
            ),
        )
    }
)


_CALLED: Mapping[str, str] = MappingProxyType(
    {
        "fps": "F",
        "latency": "L",
        "parameters": "P",
        "params": "P",
        "size": "S",
        "throughput": "B",
        "power": "W",
        "macs": "M",
        "memory": "R",
        "ram": "R",
        "accuracy": "V_Acc",
        "acc": "V_Acc",
        "energy": "T_E",
    }
)
"""Words by which metrics are called elsewhere, and which are spelled like other names."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` was most likely meant to be, or ``None``."""
    folded = {candidate.lower(): candidate for candidate in known}
    called = _CALLED.get(name.lower())
    if called is not None and called.lower() in folded:
        return folded[called.lower()]
    short = len(name) < 3
    found = difflib.get_close_matches(name.lower(), folded, n=2, cutoff=0.5 if short else 0.6)
    if short and len({difflib.SequenceMatcher(None, near, name.lower()).ratio() for near in found}) < len(found):
        return None  # one letter of two is shared with many: PQ with PF, TP and others
    return folded[found[0]] if found else None


def settings(
    preset: str | None, overrides: Mapping[str, float], rulebook: Mapping[str, float] | None = None
) -> dict[str, float | None]:
    """Thresholds, priorities and weights: the defaults, then the rulebook's, then the preset's, then the user's.

    Raises:
        ConfigError: the preset or a name is unknown, or a value lies outside its term's range.
    """
    values: dict[str, float | None] = {name: term.default for name, term in SETTABLE.items()}
    values.update(rulebook or {})
    if preset is not None:
        if preset not in PRESETS:
            raise ConfigError(f"no preset is called {preset!r}", hint=f"choose one of {', '.join(PRESETS)}")
        values.update(PRESETS[preset].values)
    for name, value in overrides.items():
        values[name] = _checked(name, value)
    return values


def _checked(name: str, value: float) -> float:
    term = SETTABLE.get(name)
    if term is None:
        near = closest(name, SETTABLE)
        if name in METRICS:
            raise ConfigError(f"{name} is measured and cannot be set", where=f"set {name}")
        hint = f"did you mean {near}?" if near else f"settable: {', '.join(SETTABLE)}"
        raise ConfigError(f"there is no threshold, priority or weight {name!r}", where=f"set {name}", hint=hint)
    if not math.isfinite(value) or not term.low <= value <= term.high:
        above = f"at least {term.low:g}" if math.isinf(term.high) else f"between {term.low:g} and {term.high:g}"
        raise ConfigError(f"{value:g} is out of range", where=f"set {name}", hint=f"{name} must be {above}")
    if name in COUNTS and not value.is_integer():
        raise ConfigError(f"{value:g} is no whole number", where=f"set {name}", hint=f"{name} is a count")
    return value
