"""A run's specification: every option, resolved once, checked at the edge, stored with the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from lemonade_es import defaults
from lemonade_es.engine.bounds import budget, thresholds
from lemonade_es.engine.wishes import Doubt, doubts_of_wish
from lemonade_es.errors import ConfigError
from lemonade_es.llm.address import shown
from lemonade_es.task import Objective
from lemonade_es.trainer.device.command import SECONDS, demand_command
from lemonade_es.trainer.energy import GRID_GCO2E_PER_KWH
from lemonade_es.trainer.isolation.level import Wish
from lemonade_es.trainer.measurement import Budget
from lemonade_es.vocabulary import METRICS, PRESETS
from lemonade_es.vocabulary import settings as resolve_settings

Place = Callable[[str], str]
"""Says of an option where it was given."""

LOWER_IS_BETTER = frozenset(name for name, term in METRICS.items() if term.better == "lower")

EXTENDABLE = frozenset(
    {
        "iterations",
        "target",
        "max_seconds",
        "max_energy",
        "max_llm_cost",
        "max_llm_calls",
        "llm_base_url",
        "llm_timeout",
        "llm_max_tokens",
        "llm_context",
        "fallback",
        "data",
        "data_root",
        "download",
        "watch_rulebook",
        "isolation",
        "container_image",
    }
)
"""What a resume may change: when the run ends, where its data lie and whether they may be fetched, how generated code
is locked in, whether a changed rulebook file is taken over, which server the LLM is asked at, how patiently and for
how long an answer, and who stands in for it.

The rulebook, the server and who stands in may change what an iteration computes from the resume on, the others do not.
What was recorded stays, and :class:`lemonade_es.engine.events.RunResumed` keeps what was changed.
"""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a run's data are now, for what goes on with them.

    Attributes:
        data: the folder or file; ``None``: where it lay.
        data_root: where downloaded data sets lie; ``None``: where they lay.
        download: whether a data set that is not there may be fetched.
    """

    data: str | None = None
    data_root: str | None = None
    download: bool = False


NOT_MOVED = Whereabouts()


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The options of ``lemonade-es run``; a configuration file has the same names.

    Attributes:
        data: data set name, a folder of images, or a CSV file.
        text_column: of a CSV file of texts, the column of the texts.
        label_column: of a CSV file of texts, the column of their labels.
        target_column: of a CSV file, the column to predict from the others, as a table.
        task: what a table's target is; ``None`` decides by its values.
        text_length: tokens that each text is cut or padded to.
        data_root: where downloaded data sets lie.
        download: whether a data set that is not there may be fetched.
        rulebook: shipped name or file.
        watch_rulebook: whether a changed rulebook file is taken over at the next iteration.
        llm: who carries the instructions out: ``builtin``, ``openai:MODEL``, ...
        llm_base_url: of an OpenAI-compatible server; credentials in it are used and not kept.
        llm_max_tokens: of an LLM's answer.
        llm_timeout: seconds that a server may be silent in a call; ``None`` for three minutes.
        llm_context: tokens of prompt and answer together, for a model that runs here.
        fallback: who answers once where ``llm`` cannot be asked, or all its replies to a request were refused.
        preset: weights of CM and the priorities that go with them (Table 7's settings).
        set: thresholds, priorities and weights over the preset's.
        iterations: TC, the terminating condition of Algorithm 1; the paper's is 30.
        target: metrics that end the search when all are reached.
        require: metrics that a network must keep to lead before one that keeps them less well, whatever its CM.
        max_seconds: wall-clock budget of the search.
        max_energy: energy budget of the search in kWh-PUE, training and evaluation together.
        max_llm_cost: budget for LLM calls in US dollars.
        max_llm_calls: how many calls may be made.
        prices: US dollars for a million tokens, by model, instead of the shipped price table.
        start_from: which network an iteration edits: the last one (the paper) or the best so far.
        repairs: how often a refused reply goes back to the executor before a fresh sample is asked for.
        epochs: of each candidate's training, over the recipe's.
        recipe: fields of the training recipe to change.
        limit: at most so many inputs, a stratified subset.
        resize: side of the square that images are scaled to.
        max_parameters: no candidate may have more.
        max_macs: no candidate may need more multiply-accumulates for one input.
        zero_cost: whether candidates are scored before they are trained.
        prune: whether a training that is hopeless is stopped.
        repeats: trainings of a candidate that may lead, each with another seed.
        candidate_seconds: a candidate that trains longer is a recorded failure.
        seed: of everything.
        device: ``auto``, ``cpu`` or ``cuda``.
        isolation: the level that generated code runs at; ``auto`` takes the best that the machine proves.
        container_image: for the level ``container``, instead of its default image.
        measure_with: a command that measures each candidate on a device of the user's.
        measure_seconds: how long that command may take for a candidate.
        grid_gco2e_per_kwh: grams of CO2e that a kWh of the grid is taken for; nothing is decided by it.
    """

    data: str = "digits"
    text_column: str | None = None
    label_column: str | None = None
    target_column: str | None = None
    task: Objective | None = None
    text_length: int | None = None
    data_root: str = str(defaults.DATA_ROOT)
    download: bool = False
    rulebook: str = "lemonade"
    watch_rulebook: bool = False
    llm: str = "builtin"
    llm_base_url: str | None = None
    llm_max_tokens: int | None = None
    llm_timeout: float | None = None
    llm_context: int | None = None
    fallback: str | None = None
    preset: str = "accuracy"
    set: Mapping[str, float] = field(default_factory=dict)
    iterations: int = 30
    target: Mapping[str, float] = field(default_factory=dict)
    require: Mapping[str, float] = field(default_factory=dict)
    max_seconds: float | None = None
    max_energy: float | None = None
    max_llm_cost: float | None = None
    max_llm_calls: int | None = None
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    start_from: Literal["current", "best"] = "best"
    repairs: int = 2
    epochs: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    resize: int | None = None
    max_parameters: int | None = None
    max_macs: int | None = None
    zero_cost: bool = False
    prune: bool = False
    repeats: int = 1
    candidate_seconds: float = 3600.0
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    isolation: Wish = "auto"
    container_image: str | None = None
    measure_with: str | None = None
    measure_seconds: float = SECONDS
    grid_gco2e_per_kwh: float = GRID_GCO2E_PER_KWH

    __pydantic_config__ = ConfigDict(extra="forbid")

    def settings(self, defaults: Mapping[str, float]) -> dict[str, float | None]:
        """Thresholds, priorities and weights: what is set goes before what is required, and that before the preset.

        Args:
            defaults: of the rulebook.

        Raises:
            ConfigError: the preset or a name is unknown, or a value lies outside its term's range.
        """
        return resolve_settings(self.preset, {**thresholds(self.require), **self.set}, defaults)

    @property
    def budget(self) -> Budget:
        """What no candidate may exceed."""
        return budget(self.require, self.max_parameters, self.max_macs)

    @property
    def likely_budget(self) -> Budget:
        """What executors are told: who keeps it most likely keeps what is required as well."""
        return budget(self.require, self.max_parameters, self.max_macs, likely=True)

    def relocated(self, now: Whereabouts) -> RunSpec:
        """The same options for data that lie elsewhere now."""
        return replace(
            self,
            data=self.data if now.data is None else now.data,
            data_root=self.data_root if now.data_root is None else now.data_root,
            download=self.download or now.download,
        )

    def public(self) -> RunSpec:
        """The options as they may be kept and shown: without credentials."""
        return self if self.llm_base_url is None else replace(self, llm_base_url=shown(self.llm_base_url))


_ADAPTER: TypeAdapter[RunSpec] = TypeAdapter(RunSpec)
OPTIONS = tuple(item.name for item in fields(RunSpec))
_AT_LEAST_ONE = (
    "iterations",
    "epochs",
    "limit",
    "resize",
    "max_parameters",
    "max_macs",
    "max_llm_calls",
    "repeats",
    "llm_max_tokens",
    "llm_context",
)
MAX_TIMEOUT = 86_400.0
"""Seconds of ``llm_timeout``: an answer that is not there after a day will not come."""

MAX_CANDIDATE_SECONDS = 20 * 86_400.0
"""Of ``candidate_seconds``: the milliseconds of a wait have 31 bits."""

_POSITIVE = ("max_seconds", "max_energy", "candidate_seconds", "measure_seconds", "llm_timeout")


def resolve(config: Mapping[str, Any], options: Mapping[str, Any]) -> RunSpec:
    """The specification from a configuration file's options and the command line's, which win.

    ``set``, ``target``, ``require`` and ``recipe`` are merged name by name.

    Raises:
        ConfigError: naming the option, its value, and what it must be; or nothing would tell networks apart.
    """
    merged = _without_epochs(config) if _gives_epochs(options) else dict(config)
    for name, value in options.items():
        if value is None:
            continue
        if name in {"set", "target", "require", "recipe"}:
            merged[name] = {**merged.get(name, {}), **value}
        else:
            merged[name] = value
    spec = demand_sound(merged, _as_option)
    _demand_order(spec)
    demand_command(spec.measure_with, merged.get("measure_seconds"))
    return spec


def _gives_epochs(options: Mapping[str, Any]) -> bool:
    """Whether a number of epochs is among the options, by one of its two names."""
    return options.get("epochs") is not None or "epochs" in (options.get("recipe") or {})


def _without_epochs(config: Mapping[str, Any]) -> dict[str, Any]:
    recipe = {name: value for name, value in config.get("recipe", {}).items() if name != "epochs"}
    return {**{name: value for name, value in config.items() if name != "epochs"}, "recipe": recipe}


def _demand_order(spec: RunSpec) -> None:
    """Something must tell networks apart; of a journal of old that is not asked."""
    preset = PRESETS.get(spec.preset)
    weights = {**(preset.values if preset is not None else {}), **spec.set}
    if not spec.require and all(weights.get(name) == 0 for name in ("WA", "WE", "WF")):
        raise ConfigError(
            "WA, WE and WF are all 0: CM is 0 for every network, and the smallest would lead, however bad it is",
            where="--set",
            hint="give one of them more than 0, or say what a network must keep, for example --require V_Acc=0.9",
        )


def extend(spec: RunSpec, options: Mapping[str, Any]) -> RunSpec:
    """The specification of a run that is resumed with other options.

    Raises:
        ConfigError: an option is not one that a resume may change.
    """
    changed = said_anew(spec, options)
    for name in changed:
        if name not in EXTENDABLE:
            raise ConfigError(
                "a resumed run keeps what it was started with",
                where=_as_option(name),
                hint=f"start a new run; a resume may change {', '.join(map(_as_option, sorted(EXTENDABLE)))}",
            )
    if "target" in changed:
        changed["target"] = {**spec.target, **changed["target"]}

    def place(name: str) -> str:
        return _as_option(name) if name in changed else f"{_as_option(name)} that the run was started with"

    return demand_sound({**_ADAPTER.dump_python(spec), **changed}, place)


def said_anew(spec: RunSpec, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a resume was given, but for those that it may not change and that are what they were."""
    given = {name: value for name, value in options.items() if value not in (None, {})}
    return {name: value for name, value in given.items() if name in EXTENDABLE or value != getattr(spec, name, None)}


def _as_option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def demand_sound(data: Mapping[str, Any], place: Place, before: Sequence[ConfigError] = ()) -> RunSpec:
    """The specification that options make.

    Args:
        data: options by name, none but those that exist.
        place: where an option was given.
        before: problems that were found earlier.

    Raises:
        ConfigError: with all problems, in the order in which the options were given.
    """
    found: dict[tuple[str, ...], ConfigError] = {}  # by option, and by the name within it that is to blame
    try:
        _ADAPTER.validate_python(dict(data))
    except ValidationError as error:
        for item in error.errors():
            name = str(item["loc"][0])
            given = f"{item['input']!r}: " if name != "llm_base_url" else ""  # it may hold a password
            told = _TYPE_TOLD.get(item["type"], item["msg"][0].lower() + item["msg"][1:])
            if name == "target" and isinstance(item["input"], str) and item["type"] == "dict_type":
                told = f"write target_column: {item['input']} for a column, and {{V_Acc: 0.95}} for a metric to reach"
            said = f"{given}{_TORN if _torn(item, data) else told}"
            within = map(str, item["loc"][1:2]) if isinstance(data[name], Mapping) else ()
            found.setdefault((name, *within), ConfigError(said, where=place(name)))
    wrong = {name for name, *_ in found}
    spec = _ADAPTER.validate_python({name: value for name, value in data.items() if name not in wrong})
    for doubt in _doubts(spec):
        problem = ConfigError(doubt.message, where=place(doubt.option), hint=doubt.hint)
        found.setdefault((doubt.option, doubt.message), problem)
    problems = [*before, *(problem for name in data for (option, *_), problem in found.items() if option == name)]
    if problems:
        raise ConfigError.of(problems)
    return spec


_NUMBER_TOLD = "write a plain number with a point and without a unit, and 0.95 for 95 %"
_TYPE_TOLD = {
    "dict_type": "write pairs of a name and its value, as {S: 0.1, F: 3000}",
    "float_parsing": _NUMBER_TOLD,
    "float_type": _NUMBER_TOLD,
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "string_type": "write a word; in quotes, if it looks like a number",
}
"""What to do about a value of a wrong type, by Pydantic's name of the problem."""


_TORN = "this is no name; if it ends a number, write that with a point, as 0.5"


def _torn(item: ErrorDetails, data: object) -> bool:
    """Whether a key is the rest of a number, which braces end at its comma: ``{PF: 0,5}``."""
    if item["loc"][-1] != "[key]" or not isinstance(item["input"], int | float):
        return False
    for name in item["loc"][:-2]:
        data = data.get(name) if isinstance(data, Mapping) else None
    return isinstance(data, Mapping) and data.get(item["input"], ...) is None


def _doubts(spec: RunSpec) -> Iterator[Doubt]:
    for name in _AT_LEAST_ONE:
        value = getattr(spec, name)
        if value is not None and value < 1:
            yield Doubt(name, f"{value} is too few", "give 1 or more")
    for name in _POSITIVE:
        value = getattr(spec, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            yield Doubt(name, f"{value:g} is no number above 0", "give one that is, and not infinite")
    if spec.llm_timeout is not None and MAX_TIMEOUT < spec.llm_timeout < math.inf:
        yield Doubt("llm_timeout", f"{spec.llm_timeout:g} s are more than a day", f"give {MAX_TIMEOUT:g} at most")
    if MAX_CANDIDATE_SECONDS < spec.candidate_seconds < math.inf:
        message = f"{spec.candidate_seconds:g} s are more than twenty days"
        yield Doubt("candidate_seconds", message, f"give {MAX_CANDIDATE_SECONDS:.0f} at most")
    if spec.max_llm_cost is not None and not (math.isfinite(spec.max_llm_cost) and spec.max_llm_cost >= 0):
        yield Doubt("max_llm_cost", f"{spec.max_llm_cost:g} is no budget", "give 0 or more")
    if not (math.isfinite(spec.grid_gco2e_per_kwh) and spec.grid_gco2e_per_kwh >= 0):
        yield Doubt("grid_gco2e_per_kwh", f"{spec.grid_gco2e_per_kwh:g} g of CO2e for a kWh are no emission")
    if not 0 <= spec.repairs <= 10:
        yield Doubt("repairs", f"{spec.repairs} is out of range", "give 0 to 10")
    if not 0 <= spec.seed <= defaults.MAX_SEED:
        yield Doubt("seed", f"{spec.seed} is out of range", "give 0 to 2^63 - 1")
    for option, wishes in (("target", spec.target), ("require", spec.require)):
        for name, value in wishes.items():
            yield from doubts_of_wish(option, name, value)
