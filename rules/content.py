"""From a rulebook document to its records: everything that a schema cannot say is checked here.

Each part is looked at as far as it goes, whatever is wrong with the others, so that all problems of a file come
at once. The records are complete only if no problem was noted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from lemonade_es.rules import advice
from lemonade_es.rules.composition import Composition
from lemonade_es.rules.document import Node, Scalar, Table, items_in, plain, tables_in, text_at, texts_in
from lemonade_es.rules.expression import MAX_HINTS, RESERVED, Expression, Kind, parse_expression
from lemonade_es.rules.problem import Layout, Place, Problem
from lemonade_es.rules.reason import reason_problems
from lemonade_es.rules.rulebook import Instruction, Rule, RuleTest
from lemonade_es.rules.strata import find_loops
from lemonade_es.vocabulary import TERMS, closest

RENAME = "; give one of the two another name"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that move a terminal's cursor, and worse; a text can hold them as escapes."""


@dataclass(frozen=True, slots=True)
class Content:
    """The parts of a rulebook that were fit to be read."""

    instructions: Mapping[str, Instruction]
    rules: tuple[Rule, ...]
    tests: tuple[RuleTest, ...]
    defaults: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]


def read_content(composition: Composition, problems: list[Problem]) -> Content:
    """Read and check instructions, rules, tests and settings.

    Args:
        composition: the documents; they may have structural problems, which are noted elsewhere.
        problems: receives what is wrong.
    """
    return _Content(composition, problems).read()


class _Content:
    def __init__(self, composition: Composition, problems: list[Problem]) -> None:
        root = composition.root
        self.problems = problems
        self.file = root.place.file
        self.dropped = composition.dropped
        self.setting_tables = {**_tables(root.get("thresholds")), **_tables(root.get("priorities"))}
        self.instruction_tables = _tables(root.get("instructions"))
        self.rule_tables = tables_in(root.get("rules"))
        self.test_tables = tables_in(root.get("tests"))
        self.about = text_at(root, "about")
        self.drawn = {drawn.text for rule in self.rule_tables if (drawn := text_at(rule, "conclude")) is not None}
        self.conclusions = {*self.drawn, *self.dropped}
        self.rule_places: dict[str, Place] = {}
        self.test_places: dict[str, Place] = {}

    def note(self, place: Place, code: str, message: str) -> None:
        self.problems.append(Problem(place, code, message))

    def read(self) -> Content:
        self.printable(self.about)
        instructions = {key: self.instruction(key, table) for key, table in self.instruction_tables.items()}
        rules = tuple(rule for table in self.rule_tables if (rule := self.rule(table)) is not None)
        tests = tuple(self.test(table) for table in self.test_tables)
        places = {rule.conclude: rule.when.place for rule in reversed(rules) if rule.conclude is not None}
        for loop in find_loops(rules):
            told = " -> ".join(loop)
            self.note(places[loop[0]], "CONCLUSION_LOOP", f"a conclusion may not depend on itself: {told}")
        for rule in rules:
            self.undrawn(rule)
        return Content(instructions, rules, tests, self.defaults(), self.ranges())

    def printable(self, text: Scalar | None) -> None:
        """Notes a control character in a text that is shown."""
        control = _CONTROL.search(text.text) if text is not None else None
        if text is not None and control is not None:
            said = f"\\u{ord(control.group()):04x} is a control character, which cannot be printed; leave it out"
            self.note(text.layout.at(control.start()), "BAD_CHARACTER", said)

    def undrawn(self, rule: Rule) -> None:
        """A conclusion that the rule reads, and whose rules were all dropped or replaced."""
        for name in rule.when.conclusions:
            if name not in self.drawn and name in self.dropped:
                place = self.dropped[name]
                replacing = any(table.place == place for table in self.rule_tables)
                cure = f"`conclude: {name}` here draws it again" if replacing else "drop or override it too"
                said = f"{rule.id} ({rule.place}) reads {name}, which no rule draws any more; {cure}"
                self.note(place, "DROPPED_CONCLUSION", said)

    def defaults(self) -> dict[str, float]:
        return {
            name: values["default"]
            for name, table in self.setting_tables.items()
            if "default" in (values := _numbers(table))
        }

    def ranges(self) -> dict[str, tuple[float, float]]:
        found: dict[str, tuple[float, float]] = {}
        for name, table in self.setting_tables.items():
            bounds = [plain(item) for item in items_in(table.get("range"))]
            if len(bounds) != 2 or not all(isinstance(bound, int | float) for bound in bounds):
                continue
            low, high = found[name] = (float(bounds[0]), float(bounds[1]))
            default = _numbers(table).get("default", TERMS[name].default if name in TERMS else None)
            place = table.keys["range"]
            if low > high:
                self.note(place, "BAD_RANGE", f"the range of {name} begins above its end; write [{high:g}, {low:g}]")
            elif default is not None and not low <= default <= high:
                said = f"{default:g}, the default of {name}, lies outside of its range"
                self.note(place, "BAD_RANGE", f"{said}; widen the range, or set a default in it")
        return found

    def instruction(self, key: str, table: Table) -> Instruction:
        partner = text_at(table, "conflicts_with")
        if partner is not None:
            self.conflict(key, partner)
        text, changes, direction = (text_at(table, name) for name in ("text", "changes", "direction"))
        self.printable(text)
        return Instruction(
            id=key,
            text=text.text if text else "",
            conflicts_with=partner.text if partner else None,
            changes=changes.text if changes else None,
            direction=cast("Literal['increase', 'reduce']", direction.text) if direction else None,
            place=table.place,
        )

    def conflict(self, key: str, partner: Scalar) -> None:
        shown = key or "''"
        if partner.text == key:
            self.note(partner.place, "SELF_CONFLICT", f"{shown} cannot conflict with itself")
            return
        if not self.is_known(partner, self.instruction_tables, "UNKNOWN_INSTRUCTION", "instruction"):
            return
        answer = text_at(self.instruction_tables[partner.text], "conflicts_with")
        if answer is None or answer.text != key:
            says = f"conflicts with {answer.text}" if answer else "names no conflict"
            place, said = partner.place, f"{shown} conflicts with {partner.text}, which {says}"
            overriding = self.instruction_tables[partner.text].place
            if place.file not in (self.file, overriding.file):
                place, said = overriding, f"{partner.text} {says}, but {shown} ({place}) conflicts with it"
            cure = "" if answer else f": give {partner.text} `conflicts_with: {key}`"
            self.note(place, "ONE_SIDED_CONFLICT", f"{said}; conflicts must be mutual{cure}")

    def rule(self, table: Table) -> Rule | None:
        name = text_at(table, "id")
        if name is not None:
            first = self.rule_places.setdefault(name.text, name.place)
            if first is not name.place:
                self.note(
                    name.place, "DUPLICATE_RULE", f"{name.text!r} is already the rule of line {first.line}{RENAME}"
                )
        when = self.expression(text_at(table, "when"), "condition")
        weight = self.expression(_scalar(table, "weight"), "number")
        instruct = tuple(texts_in(table.get("instruct")))
        for target in instruct:
            self.is_known(target, self.instruction_tables, "UNKNOWN_INSTRUCTION", "instruction")
        conclude = text_at(table, "conclude")
        if conclude is not None and (conclude.text in TERMS or conclude.text in RESERVED):
            kind = "a term of the vocabulary" if conclude.text in TERMS else "a reserved word"
            self.note(conclude.place, "BAD_CONCLUSION", f"{conclude.text!r} is {kind}; call the conclusion otherwise")
        because = text_at(table, "because")
        self.printable(because)
        if because is not None:
            for offset, said in reason_problems(because.text):
                self.note(because.layout.at(offset), "BAD_PLACEHOLDER", said)
        if name is None or when is None:
            return None
        salience = plain(table.get("salience") or Scalar(0, "0", table.place, Layout(table.place)))
        return Rule(
            id=name.text,
            when=when,
            weight=weight,
            instruct=tuple(target.text for target in instruct),
            conclude=conclude.text if conclude else None,
            because=because.text if because else "",
            salience=salience,
            place=table.place,
        )

    def expression(self, source: Scalar | None, kind: Kind) -> Expression | None:
        if source is None:
            return None
        return parse_expression(source.text, source.layout, kind, self.conclusions, self.problems)

    def test(self, table: Table) -> RuleTest:
        name = text_at(table, "name")
        if name is not None:
            first = self.test_places.setdefault(name.text, name.place)
            if first is not name.place:
                shown = name.text if len(name.text) <= 80 else f"{name.text[:79]}…"
                self.note(name.place, "DUPLICATE_TEST", f"{shown!r} is already the test of line {first.line}{RENAME}")
        expect = table.get("expect")
        listed: dict[str, tuple[str, ...] | None] = {}
        weights: dict[str, float] = {}
        silent = False
        if isinstance(expect, Table):
            for key in ("fired", "not_fired", "absent"):
                words = tuple(texts_in(expect.get(key)))
                for word in words:
                    if key == "absent":
                        self.is_known(word, self.instruction_tables, "UNKNOWN_INSTRUCTION", "instruction")
                    else:
                        self.is_known(word, self.rule_ids(), "UNKNOWN_RULE", "rule")
                listed[key] = tuple(word.text for word in words) if key in expect.values else None
            weights = _numbers(expect.get("instructions"))
            silent = isinstance(given := expect.get("instructions"), Table) and not given.keys
            for key, place in _keys(expect.get("instructions")).items():
                word = Scalar(key, key, place, Layout(place))
                self.is_known(word, self.instruction_tables, "UNKNOWN_INSTRUCTION", "instruction")
            self.opposed(expect)
        return RuleTest(
            name=name.text if name else "",
            given=_numbers(table.get("given")),
            fired=listed.get("fired"),
            not_fired=listed.get("not_fired") or (),
            instructions=weights,
            absent=listed.get("absent") or (),
            place=table.place,
            silent=silent,
        )

    def opposed(self, expect: Table) -> None:
        """What a test expects and expects not, so that it could never pass."""
        fired, left = {word.text for word in texts_in(expect.get("fired"))}, _keys(expect.get("instructions"))
        for key, where, wanted in (("not_fired", "fired", fired), ("absent", "instructions", left)):
            for word in texts_in(expect.get(key)):
                if word.text in wanted:
                    said = f"{word.text} stands under {where} and {key}, so that the test could never pass; remove one"
                    self.note(word.place, "IMPOSSIBLE_TEST", said)

    def rule_ids(self) -> Collection[str]:
        return self.rule_places

    def is_known(self, word: Scalar, known: Collection[str], code: str, what: str) -> bool:
        if word.text in known:
            return True
        hint = "" if len(self.problems) >= MAX_HINTS else self.hint(word.text, known, what)
        self.note(word.place, code, f"no {what} is called {word.text!r}{hint}")
        return False

    def hint(self, word: str, known: Collection[str], what: str) -> str:
        if what == "instruction":
            said = {name: text_at(table, "text") for name, table in self.instruction_tables.items()}
            return advice.for_instruction(word, {name: text.text if text else "" for name, text in said.items()})
        near = closest(word, known)
        return f"; did you mean {near}?" if near else ""


def _tables(node: Node | None) -> dict[str, Table]:
    values = node.values if isinstance(node, Table) else {}
    return {key: value for key, value in values.items() if isinstance(value, Table)}


def _keys(node: Node | None) -> Mapping[str, Place]:
    return node.keys if isinstance(node, Table) else {}


def _numbers(node: Node | None) -> dict[str, float]:
    data = plain(node) if isinstance(node, Table) else {}
    numbers = {key: value for key, value in data.items() if isinstance(value, int | float)}
    return {key: float(value) for key, value in numbers.items() if not isinstance(value, bool)}


def _scalar(table: Table, key: str) -> Scalar | None:
    """A text or number, if there is one."""
    node = table.get(key)
    fits = isinstance(node, Scalar) and node.value is not None and not isinstance(node.value, bool)
    return node if fits and isinstance(node, Scalar) else None
