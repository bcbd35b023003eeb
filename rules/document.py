"""A YAML file as plain values that know their place.

Built from ruamel.yaml's event stream, so that line and column of every key and value are at hand, duplicate
keys are seen, and nothing is constructed: anchors, aliases and tags are refused. Scalars follow the core
schema of YAML 1.2 (``NO`` is a word, ``1e-3`` a number).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from lemonade_es.rules.misreading import LINE_BREAK, misread
from lemonade_es.rules.problem import Layout, Place, Problem

Value = str | int | float | bool | None

MAX_DEPTH = 12
"""A rulebook needs five levels."""
MAX_NUMBER_LENGTH = 40

_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BLANK = " \t\r\n"
_BLANKS = tuple(_BLANK)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_COMMENT = re.compile(r"[ \t]+(#[^\r\n]*)")
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        value: as YAML 1.2 reads it.
        text: as it was written, quotes and folding undone.
        place: where it begins.
        layout: where the characters of its text stand.
        comment: what is behind it on its line, from the ``#`` on, if it has no quotes.
    """

    value: Value
    text: str
    place: Place
    layout: Layout
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping; of a duplicate key the first is kept."""

    keys: Mapping[str, Place]
    values: Mapping[str, Node]
    place: Place

    def get(self, key: str) -> Node | None:
        """The value of a key, if it is there."""
        return self.values.get(key)


Node = Scalar | Items | Table


def plain(node: Node) -> Any:
    """The node as ``dict``, ``list`` and scalar values."""
    match node:
        case Scalar(value=value):
            return value
        case Items(items=items):
            return [plain(item) for item in items]
        case Table(values=values):
            return {key: plain(value) for key, value in values.items()}


def items_in(node: Node | None) -> tuple[Node, ...]:
    """What is in a sequence; nothing if it is none."""
    return node.items if isinstance(node, Items) else ()


def tables_in(node: Node | None) -> list[Table]:
    """The mappings in a sequence."""
    return [item for item in items_in(node) if isinstance(item, Table)]


def texts_in(node: Node | None) -> Iterator[Scalar]:
    """The texts in a sequence."""
    return (item for item in items_in(node) if isinstance(item, Scalar) and isinstance(item.value, str))


def text_at(table: Table, key: str) -> Scalar | None:
    """The text of a key, if there is one."""
    node = table.get(key)
    return node if isinstance(node, Scalar) and isinstance(node.value, str) else None


def locate(node: Node, path: Sequence[str | int]) -> Node:
    """The node at the end of a path of keys and indices."""
    for step in path:
        if isinstance(node, Table) and isinstance(step, str):
            node = node.values[step]
        elif isinstance(node, Items) and isinstance(step, int):
            node = node.items[step]
    return node


def read_document(text: str, file: str, problems: list[Problem]) -> Node | None:
    """Read YAML text.

    Args:
        text: the file's text.
        file: its name, for places.
        problems: receives what is wrong.

    Returns:
        The root node; ``None`` if the text cannot be used at all. Duplicate keys are noted but leave a root.
    """
    reader = _Reader(text, file, problems)
    try:
        root = reader.read(YAML(typ="safe", pure=True).parse(text))
    except _Refused as refusal:
        problems.append(refusal.problem)
        return None
    except MarkedYAMLError as error:
        problems.append(misread(text, file, error))
        return None
    except ReaderError as error:
        place = place_of(text, file, error.position)
        said = f"the character {text[error.position : error.position + 1]!r} is not allowed"
        problems.append(Problem(place, "YAML_SYNTAX", said))
        return None
    except Exception as error:  # noqa: BLE001 - on malformed input ruamel also raises bare ValueError and its like
        problems.append(
            Problem(Place(file, 1, 1), "YAML_SYNTAX", f"this is not YAML ({error or type(error).__name__})")
        )
        return None
    return None if reader.unusable else root


def place_of(text: str, file: str, position: int) -> Place:
    """Where a character of a file's text stands."""
    *rows, last = LINE_BREAK.split(text[:position])
    return Place(file, len(rows) + 1, len(last) + 1)


class _Refused(Exception):  # noqa: N818 - control flow inside this module
    """The rest of the text is not worth reading."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Reader:
    """Builds nodes from events; the events are a generator, so that reading stops at the first refusal."""

    def __init__(self, text: str, file: str, problems: list[Problem]) -> None:
        self.text = text
        self.file = file
        self.problems = problems
        self.unusable = False

    def read(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            match type(event).__name__:
                case "DocumentStartEvent":
                    if root is not None:
                        raise self._refused(event, "MANY_DOCUMENTS", "a rulebook is one document; remove this ---")
                    if event.version or event.tags:
                        raise self._refused(event, "YAML_DIRECTIVE", "directives (%YAML, %TAG) are not used here")
                case "ScalarEvent" | "SequenceStartEvent" | "MappingStartEvent" | "AliasEvent":
                    root = self._node(event, events, 0)
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._refused(event, "TOO_DEEP", f"nested more than {MAX_DEPTH} deep")
        kind = type(event).__name__
        if event.anchor is not None:
            self._unusable(
                event,
                "YAML_ANCHOR",
                f"anchors and aliases ({event.anchor!r}) are not used here; write it out, or quote the text",
            )
        if kind == "AliasEvent":
            return Scalar(None, "", self._place(event), Layout(self._place(event)))
        if event.tag is not None:
            self._note(event, "YAML_TAG", f"the tag {event.tag} is not used here; remove it, or quote the text")
        if kind == "ScalarEvent":
            return self._scalar(event)
        if kind == "SequenceStartEvent":
            items = []
            while type(item := next(events)).__name__ != "SequenceEndEvent":
                items.append(self._node(item, events, depth + 1))
            return Items(tuple(items), self._place(event))
        return self._table(event, events, depth)

    def _table(self, event: Any, events: Iterator[Any], depth: int) -> Table:
        keys: dict[str, Place] = {}
        values: dict[str, Node] = {}
        while type(key := next(events)).__name__ != "MappingEndEvent":
            name = self._node(key, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if isinstance(value, Scalar) and value.value is None and not value.text:
                value = replace(value, place=name.place)  # the parser has gone on to the next line
            if not isinstance(name, Scalar):
                self._note(key, "BAD_KEY", "a key must be a word")
            elif name.text in keys:
                said = f"{name.text!r} was already given in line {keys[name.text].line}; remove one"
                self.problems.append(Problem(name.place, "DUPLICATE_KEY", said))
            else:
                keys[name.text] = name.place
                values[name.text] = value
        return Table(keys, values, self._place(event))

    def _scalar(self, event: Any) -> Scalar:
        text: str = event.value
        place = self._place(event)
        half = _SURROGATE.search(text)
        if half is not None:
            said = f"\\u{ord(half.group()):04x} is half a character, which cannot be printed; write the whole character"
            self._note(event, "BAD_CHARACTER", said)
        comment = None if event.style else _COMMENT.match(self.text, event.end_mark.index)
        behind = comment[1] if comment is not None else ""
        return Scalar(self._value(event, text), text, place, self._layout(event, text, place), behind)

    def _layout(self, event: Any, text: str, place: Place) -> Layout:
        """Where the characters of a scalar stand: folding and indenting move them, but change only blanks."""
        begin = 1 if event.style in ("'", '"') else 0
        width = event.end_mark.column - event.start_mark.column
        if event.start_mark.line == event.end_mark.line and width == len(text) + 2 * begin:
            return Layout(place, ((0, place.shifted(begin)),))
        raw = self.text[event.start_mark.index : event.end_mark.index]
        if event.style in ("|", ">"):
            header = LINE_BREAK.search(raw)
            begin = header.end() if header else len(raw)
        line, bol = place.line, 1 - place.column
        rows: list[tuple[int, Place]] = []
        position = 0
        for offset, sign in enumerate(text):
            if sign in _BLANK:
                continue
            while position < begin or raw[position : position + 1] in _BLANKS:
                if (row := LINE_BREAK.match(raw, position)) is not None:
                    line, bol, position = line + 1, row.end(), row.end()
                else:
                    position += 1
            if raw[position : position + 1] != sign:
                return Layout(place)
            here = Place(self.file, line, position - bol + 1)
            if not rows or rows[-1][1].line != line or rows[-1][1].column + offset - rows[-1][0] != here.column:
                rows.append((offset, here))
            position += 1
        return Layout(place, tuple(rows))

    def _value(self, event: Any, text: str) -> Value:
        if event.style:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _FLOAT.fullmatch(text):
            if math.isfinite(float(text)) and len(text) <= MAX_NUMBER_LENGTH:
                return int(text) if _INT.fullmatch(text) else float(text)
            self._note(event, "BAD_NUMBER", f"{text[:20]} is out of range")
        elif _NOT_FINITE.fullmatch(text):
            self._note(event, "BAD_NUMBER", f"{text} cannot be used; leave out what is not known")
        return text

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _unusable(self, event: Any, code: str, message: str) -> None:
        self.unusable = True
        self._note(event, code, message)

    def _note(self, event: Any, code: str, message: str) -> None:
        self.problems.append(Problem(self._place(event), code, message))

    def _refused(self, event: Any, code: str, message: str) -> _Refused:
        return _Refused(Problem(self._place(event), code, message))
