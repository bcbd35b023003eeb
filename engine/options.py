"""From what a user gave to the specification of a run, checked at the edge: each problem with its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from lemonade_es import defaults
from lemonade_es.engine.spec import RunSpec
from lemonade_es.engine.wishes import Doubt, doubts_of_wish
from lemonade_es.errors import ConfigError
from lemonade_es.trainer.device.command import demand_command
from lemonade_es.vocabulary import PRESETS

Place = Callable[[str], str]
"""Says of an option where it was given."""

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
What was recorded stays, and :class:`lemonade_es.engine.history.events.RunResumed` keeps what was changed.
"""


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


def _unspeakable(spec: RunSpec) -> Iterator[Doubt]:
    """Texts that the system would cut off or refuse."""
    for name in OPTIONS:
        value = getattr(spec, name)
        if isinstance(value, str) and "\0" in value:
            yield Doubt(name, f"{value!r} holds a NUL, which no name, file or command can have", "leave it out")


def _doubts(spec: RunSpec) -> Iterator[Doubt]:
    yield from _unspeakable(spec)
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
