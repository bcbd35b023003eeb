"""Configuration files: the options of a run in YAML, every problem with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from lemonade_es.engine.options import OPTIONS, demand_sound
from lemonade_es.errors import ConfigError
from lemonade_es.trainer.recipe import Recipe, with_overrides
from lemonade_es.vocabulary import closest, settings

_TYPED = ("out", "store", "resume", "json", "unsafe_no_isolation")
"""Options of ``run`` that no file can give."""


def read_config(path: Path) -> dict[str, Any]:
    """The options in a configuration file, YAML 1.2, not yet merged with others.

    Raises:
        ConfigError: with ``file:line:col`` of each problem, and the nearest known name.
    """
    data = _loaded(path)
    if data is None:
        return {}
    if not isinstance(data, CommentedMap):
        raise ConfigError("a configuration is a mapping of options", where=f"{path}:1:1", hint="write `data: digits`")
    unknown = [_unknown(path, data, key) for key in data if key not in OPTIONS]
    options = {key: value for key, value in data.items() if key in OPTIONS}
    problems = [*unknown, *_misnamed(path, data)]
    demand_sound(options, lambda name: _place(path, _position(data, name, data.lc.value)), problems)
    return options


def _loaded(path: Path) -> Any:
    try:
        return YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("there is no such file", where=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot be read: {reason}", where=str(path)) from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(said, where=_place(path, (mark.line, mark.column)) if mark else str(path)) from None
    except Exception as error:  # noqa: BLE001 - on malformed input ruamel also raises bare ValueError and its like
        raise ConfigError(f"this is not YAML ({error or type(error).__name__})", where=f"{path}:1:1") from None


def _unknown(path: Path, data: CommentedMap, key: object) -> ConfigError:
    if key in _TYPED:
        where, option = _place(path, _position(data, key, data.lc.key)), f"--{str(key).replace('_', '-')}"
        return ConfigError(f"{key!r} is for the command line alone", where=where, hint=f"give {option} to the command")
    near = closest(str(key), OPTIONS)
    hint = f"did you mean {near}?" if near else f"known: {', '.join(OPTIONS)}"
    return ConfigError(f"there is no option {key!r}", where=_place(path, _position(data, key, data.lc.key)), hint=hint)


def _misnamed(path: Path, data: CommentedMap) -> Iterator[ConfigError]:
    """A preset, settings and fields of the recipe that do not exist or are out of range; not of a wrong type."""
    checks: list[tuple[CommentedMap, object, Callable[[], object]]] = []
    if isinstance(preset := data.get("preset"), str):
        checks.append((data, "preset", partial(settings, preset, {})))
    if isinstance(chosen := data.get("set"), CommentedMap):
        numbers = {name: number for name, value in _named(chosen) if (number := _number(value)) is not None}
        checks += [(chosen, name, partial(settings, None, {name: value})) for name, value in numbers.items()]
    if isinstance(recipe := data.get("recipe"), CommentedMap):
        checks += [(recipe, name, partial(with_overrides, Recipe(), {name: value})) for name, value in _named(recipe)]
    for mapping, name, check in checks:
        try:
            check()
        except ConfigError as error:
            place = _place(path, _position(mapping, name, mapping.lc.value))
            yield ConfigError(error.message, where=place, hint=error.hint)


def _named(mapping: CommentedMap) -> Iterator[tuple[str, Any]]:
    """The pairs whose keys are words; others are told of with the types."""
    return ((name, value) for name, value in mapping.items() if isinstance(name, str))


def _number(value: object) -> float | None:
    """A number; ``None`` for what is none, and for a whole one that no float holds."""
    with suppress(OverflowError):
        return float(value) if isinstance(value, int | float) else None
    return None


def _position(data: CommentedMap, key: object, of: Callable[[object], tuple[int, int]]) -> tuple[int, int]:
    """Line and column from 0; what a merge (``<<``) brought along stands nowhere in this mapping."""
    return of(key) if key in (data.lc.data or {}) else (data.lc.line, data.lc.col)


def _place(path: Path, position: tuple[int, int]) -> str:
    line, column = position
    return f"{path}:{line + 1}:{column + 1}"
