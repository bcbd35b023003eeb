"""The words that a rule may use, as tables: what is measured, what is wished, what can be asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import COUNTS, METRICS, PRIORITIES, SETTABLE, THRESHOLDS, Term

_WEIGHTS = {name: term for name, term in SETTABLE.items() if name not in THRESHOLDS and name not in PRIORITIES}


def words_tables(rulebook: Rulebook | None) -> list[Table]:
    """A table for metrics, thresholds, priorities and weights each.

    Args:
        rulebook: whose defaults to show, and whose instructions and conclusions in two more tables.
    """
    own = {} if rulebook is None else rulebook.defaults
    measured = _table("measured", "as", "what it is")
    for term in METRICS.values():
        _row(measured, term.name, _form(term), term.text)
    tables = [measured, _settings("wished", THRESHOLDS, own), _settings("priority", PRIORITIES, own)]
    tables.append(_settings("weight", _WEIGHTS, own))
    if rulebook is None:
        return tables
    asked = _table("instruction", "against", "what it asks for")
    for item in rulebook.instructions.values():
        _row(asked, item.id, item.conflicts_with or "", item.text)
    concluded = _table("conclusion", "where", "drawn when")
    for rule in rulebook.rules:
        if rule.conclude is not None:
            _row(concluded, rule.conclude, f"{rule.place.file}:{rule.place.line}", rule.when.source)
    return [*tables, asked, *([concluded] if concluded.rows else [])]


def words_json(rulebook: Rulebook | None) -> dict[str, Any]:
    """The same as JSON data; instructions and conclusions are empty without a rulebook."""
    own = {} if rulebook is None else rulebook.defaults
    settings = {"thresholds": THRESHOLDS, "priorities": PRIORITIES, "weights": _WEIGHTS}
    rules = () if rulebook is None else rulebook.rules
    drawn = dict.fromkeys(rule.conclude for rule in rules if rule.conclude is not None)
    return {
        "metrics": [_data(term) | {"better": term.better} for term in METRICS.values()],
        **{
            kind: [_data(term) | {"default": own.get(term.name, term.default)} for term in terms.values()]
            for kind, terms in settings.items()
        },
        "instructions": [
            {"id": item.id, "text": item.text, "conflicts_with": item.conflicts_with}
            for item in (() if rulebook is None else rulebook.instructions.values())
        ],
        "conclusions": [
            {"name": name, "rules": [rule.id for rule in rules if rule.conclude == name]} for name in drawn
        ],
    }


def _settings(kind: str, terms: Mapping[str, Term], own: Mapping[str, float]) -> Table:
    table = _table(kind, "default", "unit", "what it is")
    for term in terms.values():
        default = own.get(term.name, term.default)
        _row(table, term.name, "not set" if default is None else f"{default:.10g}", term.unit, term.text)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    *names, text = columns
    for column in names:
        table.add_column(column, no_wrap=True)
    table.add_column(text, overflow="fold")
    return table


def _row(table: Table, name: str, *cells: str) -> None:
    table.add_row(Text(name, "bold"), *(Text(cell) for cell in cells))


def _form(term: Term) -> str:
    """Its unit; of a pure number, whether it is a share or a count."""
    if term.name in COUNTS | FLAGS:
        return "a count" if term.name in COUNTS else "0 or 1"
    return term.unit or ("0 to 1" if (term.low, term.high) == (0.0, 1.0) else "a number")


def _data(term: Term) -> dict[str, Any]:
    low, high = (bound if math.isfinite(bound) else None for bound in (term.low, term.high))
    return {"name": term.name, "text": term.text, "unit": term.unit, "low": low, "high": high}
