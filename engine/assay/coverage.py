"""What the tests of a rulebook cover: rules that fire and are checked, comparisons that are seen both ways."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lemonade_es.engine.expert.selftest import Observation
from lemonade_es.rules.expression import Atom
from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Rule, Rulebook, RuleTest

TRUTHS: Mapping[str, bool | None] = {"true": True, "false": False, "unknown": None}


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """How far the tests cover one rule.

    Attributes:
        rule: its id.
        place: where it stands.
        fired: in how many tests it fired.
        checked: whether a test says by its name that it fires or not, or that no rule fires (``name``), or at least,
            where it fires, what becomes of an instruction of its, or that none is left (``instruction``).
    """

    rule: str
    place: Place
    fired: int
    checked: Literal["name", "instruction"] | None

    @property
    def covered(self) -> bool:
        """Whether it fires in a test, and a test would notice if it did not."""
        return self.fired > 0 and self.checked is not None


@dataclass(frozen=True, slots=True)
class AtomCoverage:
    """How often one comparison, flag or conclusion of a condition had which truth.

    Attributes:
        rule: the id of its rule.
        place: where it stands, or where its condition begins if that is escaped.
        text: as the rulebook writes it.
        true: in how many tests it was true; ``false``, ``unknown``: likewise.
    """

    rule: str
    place: Place
    text: str
    true: int
    false: int
    unknown: int

    @property
    def covered(self) -> bool:
        """Whether it was seen both true and false."""
        return self.true > 0 and self.false > 0

    @property
    def missing(self) -> tuple[str, ...]:
        """The truths, of ``true`` and ``false``, that no test has shown."""
        return tuple(name for name, times in (("true", self.true), ("false", self.false)) if not times)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the tests of a rulebook cover.

    Attributes:
        rules: each rule, in the rulebook's order.
        atoms: each atom of each condition, in the same order.
    """

    rules: tuple[RuleCoverage, ...]
    atoms: tuple[AtomCoverage, ...]

    def to_json(self) -> dict[str, Any]:
        """Figures, and what is missing, with places."""
        counts = {name: sum(getattr(atom, name) > 0 for atom in self.atoms) for name in TRUTHS}
        return {
            "rules": {
                "total": len(self.rules),
                "fired": sum(rule.fired > 0 for rule in self.rules),
                "checked": sum(rule.checked is not None for rule in self.rules),
                "covered": sum(rule.covered for rule in self.rules),
                "missing": [
                    {"rule": rule.rule, "place": str(rule.place), "fired": rule.fired, "checked": rule.checked}
                    for rule in self.rules
                    if not rule.covered
                ],
            },
            "atoms": {
                "total": len(self.atoms),
                **counts,
                "covered": sum(atom.covered for atom in self.atoms),
                "missing": [
                    {"rule": atom.rule, "place": str(atom.place), "atom": atom.text, "missing": list(atom.missing)}
                    for atom in self.atoms
                    if not atom.covered
                ],
            },
        }


def cover(rulebook: Rulebook, observed: Sequence[Observation]) -> Coverage:
    """What the tests cover, from what the rules did in them."""
    fired = [{firing.rule for firing in item.inference.fired} for item in observed]
    seen: dict[str, list[tuple[Atom, ...]]] = {rule.id: [] for rule in rulebook.rules}
    for item in observed:
        for firing in item.inference.fired:
            seen[firing.rule].append(firing.atoms)
        for held_back in item.inference.not_fired:
            seen[held_back.rule].append(held_back.atoms)
    tests = [item.test for item in observed]
    rules = tuple(
        RuleCoverage(
            rule.id,
            rule.place,
            sum(rule.id in ids for ids in fired),
            _checked(rule, tests, [rule.id in ids for ids in fired]),
        )
        for rule in rulebook.rules
    )
    return Coverage(rules, tuple(itertools.chain(*(_atoms(rule, seen[rule.id]) for rule in rulebook.rules))))


def names_rule(test: RuleTest, rule: Rule) -> bool:
    """Whether a test says by name that a rule fires or not, or that none fires."""
    return rule.id in (test.fired or ()) or rule.id in test.not_fired or test.fired == ()


def names_instruction(test: RuleTest, rule: Rule) -> bool:
    """Whether a test says what becomes of an instruction that a rule gives, or that none is left."""
    return any(test.silent or name in test.instructions or name in test.absent for name in rule.instruct)


def atom_nodes(tree: ast.expr) -> Iterator[ast.expr]:
    """The parts of a condition that are its atoms, as :meth:`Expression.atoms` has them; a chain is one part a pair."""
    match tree:
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from atom_nodes(part)
        case ast.UnaryOp(operand=operand):
            yield from atom_nodes(operand)
        case ast.Compare(left=left, comparators=comparators) if len(comparators) > 1:
            yield from (left, *comparators[:-1])
        case _:
            yield tree


def _checked(rule: Rule, tests: Sequence[RuleTest], fired: Sequence[bool]) -> Literal["name", "instruction"] | None:
    if any(names_rule(test, rule) for test in tests):
        return "name"
    noticed = any(fires and names_instruction(test, rule) for test, fires in zip(tests, fired, strict=True))
    return "instruction" if noticed else None


def _atoms(rule: Rule, seen: Sequence[tuple[Atom, ...]]) -> Iterator[AtomCoverage]:
    forms = rule.when.atoms({})
    for index, (form, node) in enumerate(zip(forms, atom_nodes(rule.when.tree), strict=True)):
        truths = [atoms[index].truth for atoms in seen]
        counts = {name: sum(truth is value for truth in truths) for name, value in TRUTHS.items()}
        yield AtomCoverage(rule.id, rule.when.layout.at(node.col_offset), form.text, **counts)
