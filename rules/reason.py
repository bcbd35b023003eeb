"""The ``because`` of a rule: plain words with placeholders such as ``{T_Acc:.1%}``."""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lemonade_es.vocabulary import TERMS, closest

UNKNOWN = "unknown"
DEFAULT_FORMAT = ".4g"

_FORMAT = re.compile(r"[-+ ]?(?:[0-9]{1,2})?,?(?:\.[0-9]{1,2})?[eEfFgG%]?", re.ASCII)
"""Number formats only, and none that could fill the memory with padding."""

_SIGNED = re.compile(r"(?<!\{)\{(?P<name>\w+)(?::(?P<form>[^{}%]*))?\}(?: ?%| per ?cent\b)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Part:
    literal: str
    name: str | None
    format: str


def reason_problems(template: str) -> list[tuple[int, str]]:
    """What is wrong with a template: the offset in it, and a sentence."""
    try:
        parts = _parts(template)
    except ValueError as error:
        alone = "a { or a } has no partner; a value is shown as {V_Acc:.1%}"
        said = alone if template.count("{") != template.count("}") else str(error)
        return [(0, f"{said}; write {{{{ and }}}} for braces")]
    problems = []
    offset = end = 0
    for part in parts:
        if part.name is None:
            continue
        if (found := re.compile(re.escape(f"{{{part.name}") + "(?=[}:])").search(template, end)) is not None:
            offset, end = found.span()
        if part.name not in TERMS:
            near = closest(part.name, TERMS)
            hint = f"; did you mean {{{near}}}?" if near else ""
            problems.append((offset, f"{{{part.name}}} is not in the vocabulary{hint}"))
        if not _FORMAT.fullmatch(part.format):
            problems.append((offset, f"{part.format!r} in {{{part.name}}} is no number format; try :.1% or :.3g"))
    return problems


def reason_names(template: str) -> tuple[str, ...]:
    """The vocabulary terms that a template shows, in the order of their first use."""
    return tuple(dict.fromkeys(part.name for part in _parts(template) if part.name is not None))


def shares_without_percent(template: str) -> Iterator[tuple[int, str, str]]:
    """Shares with a per cent sign behind them that are not shown in per cent.

    Yields:
        The offset in the template, what stands there, and what is meant: ``{V_Acc:.1f}%`` and ``{V_Acc:.1%}``.
    """
    for found in _SIGNED.finditer(template):
        term, form = TERMS.get(found["name"]), found["form"] or ""
        if term is not None and term.high == 1.0:
            digits = re.search(r"\.[0-9]+", form) if form.endswith(("f", "F")) else None
            yield found.start(), found[0], f"{{{term.name}:{digits[0] if digits else '.1'}%}}"


def render_reason(template: str, values: Mapping[str, float | bool | None]) -> str:
    """The template with its values; one without a value is shown as ``unknown``."""
    text = []
    for part in _parts(template):
        text.append(part.literal)
        if part.name is not None:
            value = values.get(part.name)
            text.append(UNKNOWN if value is None else format(float(value), part.format or DEFAULT_FORMAT))
    return "".join(text)


@functools.lru_cache(maxsize=4096)
def _parts(template: str) -> tuple[_Part, ...]:
    parts = []
    for literal, name, form, conversion in string.Formatter().parse(template):
        shown = name if conversion is None else f"{name}!{conversion}"
        parts.append(_Part(literal, shown, form or ""))
    return tuple(parts)
