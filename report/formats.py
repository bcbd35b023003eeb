"""Numbers as people read them: each metric with its unit, short and without false precision."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lemonade_es.task import Task
from lemonade_es.vocabulary import COUNTS, TERMS
from lemonade_es.wording import counted

UNKNOWN = "-"
_UNITS = {"text": "token", "table": "feature"}
_SHARES = frozenset({"T_Acc", "V_Acc", "TT_Acc", "TV_Acc", "OT", "UT"})
_ROUNDS_UP = 0.9995
_TEN = 10
_WHOLE = frozenset({"F", "B", "TF", "R", "TR", "W", "TW"})


def value(name: str, number: float | None, *, unit: bool = False) -> str:
    """A metric or threshold as text, with its unit if asked; a missing one is a dash."""
    if number is None:
        return UNKNOWN
    if name in _SHARES:
        return f"{number:.1%}" if name in ("OT", "UT") else f"{number:.2%}"
    if name in COUNTS:
        text = count(number)
    elif name in _WHOLE:
        text = f"{number:.3g}" if 0 < abs(number) < _TEN else f"{number:,.0f}"
    else:
        text = f"{number:.3g}"
    suffix = TERMS[name].unit if unit and name in TERMS else ""
    return f"{text} {suffix}".rstrip()


def values(numbers: Mapping[str, float]) -> dict[str, str]:
    """Metrics and thresholds as text, longer where two numbers that differ would look the same."""
    short = {name: value(name, number) for name, number in numbers.items()}
    behind: dict[str, set[float]] = {}
    for name, text in short.items():
        behind.setdefault(text, set()).add(numbers[name])
    return {name: text if len(behind[text]) == 1 else f"{numbers[name]:.10g}" for name, text in short.items()}


def spread_told(number: float, spread: float) -> str:
    """A number with the digits that tell it from others as far apart as ``spread``, and all before the point."""
    whole = 1 + int(math.log10(1 + abs(number)))
    digits = 6 + int(math.log10(1 + abs(number) / spread)) if spread > 0 else 6
    return f"{number:.{min(max(digits, whole), 15)}g}"


def count(number: float) -> str:
    """A count in thousands, millions or thousands of millions: ``12.3k``, ``4.05M``, ``1.2G``."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= _ROUNDS_UP * size:
            return f"{number / size:.3g}{suffix}"
    return f"{number:.3g}"


def duration(seconds: float) -> str:
    """Seconds as ``850 ms``, ``12.4 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < _ROUNDS_UP:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def shape(task: Task) -> str:
    """What one input is, as people write it: ``3x32x32``, ``200 tokens``, ``10 features``."""
    unit = _UNITS.get(task.kind)
    return "x".join(map(str, task.input_shape)) if unit is None else counted(task.input_shape[0], unit)


def weighted(instructions: Mapping[str, float]) -> str:
    """Instructions with their weights, heaviest first: ``ACL 1, AD 0.5``."""
    return ", ".join(f"{name} {weight:.3g}" for name, weight in instructions.items())
