"""Rulebooks that extend others: their documents, composed into one whose every part still knows its file.

What a rulebook says itself wins: an instruction, rule or test of the same name takes the place of the extended
rulebook's; other rules come after those of the extended one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lemonade_es.rules.document import Items, Node, Scalar, Table, tables_in, text_at, texts_in
from lemonade_es.rules.problem import Place, Problem
from lemonade_es.vocabulary import closest

_BY_NAME = ("instructions", "thresholds", "priorities")
_HEAD = ("combine", "max_instructions")
_OWN = ("rulebook", "version", "about")


@dataclass(frozen=True, slots=True)
class Composition:
    """Documents made into one.

    Attributes:
        root: the whole rulebook, without ``extends`` and ``drop``.
        dropped: the conclusions that dropped rules drew, each with the place where its rule was dropped; and those of
            replaced rules, whose replacements do not draw them, each with the place of the replacement.
        left_out: the names of the tests that do not come along since they ask about a dropped rule, each with the
            place where that was dropped.
    """

    root: Table
    dropped: Mapping[str, Place] = field(default_factory=dict)
    left_out: Mapping[str, Place] = field(default_factory=dict)


def compose(documents: Sequence[Table], problems: list[Problem]) -> Composition:
    """Compose a rulebook with those that it extends.

    Args:
        documents: its own first, then the one that it extends, and so on.
        problems: receives drops of what is not there.
    """
    *extending, root = documents
    dropped: dict[str, Place] = {}
    left_out: dict[str, Place] = {}
    for own in reversed(extending):
        root = _Extension(root, own, problems, dropped, left_out).root()
    return Composition(root, dropped, left_out)


class _Extension:
    def __init__(
        self,
        base: Table,
        own: Table,
        problems: list[Problem],
        dropped: dict[str, Place],
        left_out: dict[str, Place],
    ) -> None:
        self.left_out = left_out
        self.base = base
        self.own = own
        self.problems = problems
        self.dropped = dropped

    def root(self) -> Table:
        keys: dict[str, Place] = {}
        values: dict[str, Node] = {}
        for key in (*_OWN, *_HEAD):
            owner = self.own if key in _OWN or key in self.own.values else self.base
            if key in owner.values:
                keys[key], values[key] = owner.keys[key], owner.values[key]
        for key in _BY_NAME:
            parts = [part for part in (self.base.get(key), self.own.get(key)) if isinstance(part, Table)]
            if parts:
                keys[key] = (self.own.keys if key in self.own.keys else self.base.keys)[key]
                values[key] = _merged(parts)
        for key, items in (("rules", self._rules()), ("tests", self._tests())):
            keys[key] = self.own.keys.get(key, self.own.place)
            values[key] = Items(tuple(items), keys[key])
        return Table(keys, values, self.own.place)

    def _rules(self) -> list[Node]:
        base, own = tables_in(self.base.get("rules")), tables_in(self.own.get("rules"))
        drop = {word.text: word.place for word in texts_in(self.own.get("drop"))}
        known = [name for table in base if (name := _text(table, "id")) is not None]
        for name, place in drop.items():
            self._known(name, place, known, "UNKNOWN_RULE", "rule")
        named = _first_by(own, "id")
        for table in base:
            name, conclusion = _text(table, "id"), _text(table, "conclude")
            if name is None or conclusion is None:
                continue
            if name in drop:
                self.dropped.setdefault(conclusion, drop[name])
            elif name in named and _text(named[name], "conclude") != conclusion:
                self.dropped.setdefault(conclusion, named[name].place)
        return list(_overridden([table for table in base if _text(table, "id") not in drop], own, "id"))

    def _tests(self) -> list[Node]:
        base, own = tables_in(self.base.get("tests")), tables_in(self.own.get("tests"))
        wanted = self.own.get("drop_tests")
        if isinstance(wanted, Scalar):  # all
            base = []
        drop = {word.text: word.place for word in texts_in(wanted)}
        known = [name for table in base if (name := _text(table, "name")) is not None]
        for name, place in drop.items():
            self._known(name, place, known, "UNKNOWN_TEST", "test")
        anew = _first_by(tables_in(self.own.get("rules")), "id")
        gone = {word.text: word.place for word in texts_in(self.own.get("drop")) if word.text not in anew}
        again = {_text(table, "name") for table in own}
        kept = []
        for table in base:
            name = _text(table, "name")
            asked = next((place for rule, place in gone.items() if rule in _rules_named(table)), None)
            if name not in drop and asked is None:
                kept.append(table)
            elif name is not None and asked is not None and name not in drop and name not in again:
                self.left_out.setdefault(name, asked)
        return list(_overridden(kept, own, "name"))

    def _known(self, name: str, place: Place, known: Collection[str], code: str, what: str) -> None:
        if name not in known:
            near = closest(name, known)
            hint = f"; did you mean {near}?" if near else ""
            said = f"the extended rulebook has no {what} {name!r} to drop{hint}"
            self.problems.append(Problem(place, code, said))


def _merged(parts: Sequence[Table]) -> Table:
    """The entries of all; of the same name, the last one's, in the position of the first."""
    keys: dict[str, Place] = {}
    values: dict[str, Node] = {}
    for part in parts:
        keys.update(part.keys)
        values.update(part.values)
    return Table(keys, values, parts[-1].place)


def _overridden(base: Sequence[Table], own: Sequence[Table], key: str) -> Iterator[Table]:
    """Those of the base, each replaced by the first of ours with its name, then our others."""
    named = _first_by(own, key)
    used = set()
    for table in base:
        name = _text(table, key)
        if name in named and name is not None and name not in used:
            used.add(name)
            yield named[name]
        else:
            yield table
    replacing = {id(named[name]) for name in used}
    yield from (table for table in own if id(table) not in replacing)


def _first_by(tables: Sequence[Table], key: str) -> dict[str, Table]:
    """Tables by their names; of one name, the first."""
    named: dict[str, Table] = {}
    for table in tables:
        name = _text(table, key)
        if name is not None:
            named.setdefault(name, table)
    return named


def _rules_named(test: Table) -> set[str]:
    """The rules that a test asks about."""
    expect = test.get("expect")
    if not isinstance(expect, Table):
        return set()
    return {word.text for key in ("fired", "not_fired") for word in texts_in(expect.get(key))}


def _text(table: Table, key: str) -> str | None:
    found = text_at(table, key)
    return None if found is None else found.text
