"""Rulebooks in lists and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from lemonade_es.rules.load import find_rulebook, load_rulebook, shipped
from lemonade_es.rules.rulebook import Rule, Rulebook


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """A shipped rulebook in one line.

    Attributes:
        name: what ``--rulebook`` takes.
        version: its version.
        extends: the file of the rulebook that it builds on; ``None`` if it stands alone.
        rules: how many rules it has, those that it extends included.
        tests: likewise.
        about: what it is for.
    """

    name: str
    version: int
    extends: str | None
    rules: int
    tests: int
    about: str

    def to_json(self) -> dict[str, Any]:
        """The line as JSON data."""
        return asdict(self)


def shipped_rulebooks() -> list[ShippedLine]:
    """The rulebooks that come with the package, by name."""
    lines = []
    for name in shipped():
        book = load_rulebook(find_rulebook(name))
        base = book.sources[1].file.removesuffix(".yaml") if len(book.sources) > 1 else None
        lines.append(ShippedLine(name, book.version, base, len(book.rules), len(book.tests), book.about))
    return lines


def shipped_table(lines: Sequence[ShippedLine]) -> Table:
    """One row a rulebook."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "extends"):
        table.add_column(column, no_wrap=True)
    for column in ("rules", "tests"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("what it is for", overflow="fold")
    for line in lines:
        table.add_row(Text(line.name, "bold"), line.extends or "", str(line.rules), str(line.tests), line.about)
    return table


def rules_table(rulebook: Rulebook) -> Table:
    """One row a rule, in the order of the rulebook."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", no_wrap=True)
    table.add_column("when", overflow="fold")
    table.add_column("then", overflow="fold")
    table.add_column("where", no_wrap=True)
    for rule in rulebook.rules:
        where = f"{rule.place.file}:{rule.place.line}"
        table.add_row(Text(rule.id, "bold"), Text(rule.when.source), Text(_then(rule)), Text(where, "dim"))
    return table


def _then(rule: Rule) -> str:
    parts = []
    if rule.weight is not None:
        parts.append(f"{', '.join(rule.instruct)} with {rule.weight.source}")
    if rule.conclude is not None:
        parts.append(f"conclude {rule.conclude}")
    return "; ".join(parts)


def rulebook_json(rulebook: Rulebook) -> dict[str, Any]:
    """The whole rulebook as JSON data, each part with its place."""
    return {
        "rulebook": rulebook.name,
        "version": rulebook.version,
        "about": rulebook.about,
        "combine": rulebook.combine,
        "max_instructions": rulebook.max_instructions,
        "files": [source.file for source in rulebook.sources],
        "digest": rulebook.digest,
        "defaults": dict(rulebook.defaults),
        "ranges": {name: list(bounds) for name, bounds in rulebook.ranges.items()},
        "instructions": [
            {
                "id": item.id,
                "text": item.text,
                "conflicts_with": item.conflicts_with,
                "changes": item.changes,
                "direction": item.direction,
                "place": str(item.place),
            }
            for item in rulebook.instructions.values()
        ],
        "rules": [
            {
                "id": rule.id,
                "when": rule.when.source,
                "weight": None if rule.weight is None else rule.weight.source,
                "instruct": list(rule.instruct),
                "conclude": rule.conclude,
                "because": rule.because,
                "salience": rule.salience,
                "place": str(rule.place),
            }
            for rule in rulebook.rules
        ],
        "tests": [{"name": test.name, "place": str(test.place)} for test in rulebook.tests],
    }
