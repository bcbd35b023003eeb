"""What is doubtful about the files of a rulebook as they are written: numbers, comments, and tests left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from lemonade_es.rules.advice import PARTED
from lemonade_es.rules.composition import compose
from lemonade_es.rules.document import Node, Scalar, Table, items_in, read_document, tables_in, text_at
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.settings import unread
from lemonade_es.rules.lint.wording import listed
from lemonade_es.rules.problem import Place
from lemonade_es.rules.reason import render_reason, shares_without_percent
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import COUNTS, TERMS
from lemonade_es.wording import counted

IN_THOUSANDS = frozenset({"P", "TP", "M", "TM", "F", "TF", "B"})
"""Terms whose values are thousands or millions."""

_SHOWN = 60
_HALVES = dict.fromkeys(TERMS, 0.5)
_PLACEHOLDER = re.compile(r"\{(\w+)[^{}]*\}")
_TAG = re.compile(r"#\w")


def writing(rulebook: Rulebook) -> Iterator[Finding]:
    """Settings unread or without their default, thousands with a point, texts cut off, shares, tests left out."""
    tables = _tables(rulebook)
    if tables:
        whole = compose(tables, [])
        yield from _unread(rulebook, whole.root)
        yield from _default_lost(tables)
        yield from _numbers(whole.root)
        yield from _cut_off(whole.root)
        yield from _not_in_percent(whole.root)
        yield from _left_out(rulebook, whole.left_out)


def thousands(text: str, place: Place, rules: tuple[str, ...] = ()) -> Iterator[Finding]:
    """A number for a count whose point parts thousands in many countries, as in ``100.000``."""
    if PARTED.fullmatch(text):
        said = f"{text} is {float(text):g}; if it is meant as thousands, write {text.replace('.', '')}"
        yield Finding("warning", "THOUSANDS_POINT", place, said, rules)


def _tables(rulebook: Rulebook) -> list[Table]:
    """The documents of a rulebook once more; it was loaded, so that they are in order."""
    documents = [read_document(source.text, source.file, []) for source in rulebook.sources]
    tables = [document for document in documents if isinstance(document, Table)]
    return tables if len(tables) == len(documents) else []


def _unread(rulebook: Rulebook, root: Table) -> Iterator[Finding]:
    """Thresholds and priorities of the rulebook's own file that none of its rules reads."""
    for section in ("thresholds", "priorities"):
        settings = root.get(section)
        own = settings.keys if isinstance(settings, Table) else {}
        for name in unread(rulebook, own):
            if own[name].file == rulebook.file:
                said = f"no rule reads {name}, so it changes no advice; write a rule that does, or remove it"
                yield Finding("warning", "UNUSED_SETTING", own[name], said)


def _cut_off(root: Table) -> Iterator[Finding]:
    """Texts without quotes that YAML ends at a ``#``: a comment with a placeholder, or a word right behind the sign."""
    instructions = root.get("instructions")
    tables = instructions.values.values() if isinstance(instructions, Table) else ()
    parts = [(root, "about"), *((rule, "because") for rule in tables_in(root.get("rules")))]
    parts += [(table, "text") for table in tables if isinstance(table, Table)]
    for table, key in parts:
        text = text_at(table, key)
        if text is None or not text.comment:
            continue
        placed = any(name in TERMS for name in _PLACEHOLDER.findall(text.comment))
        if placed or _TAG.match(text.comment):
            shown = text.comment if len(text.comment) <= _SHOWN else f"{text.comment[: _SHOWN - 1]}…"
            said = f"`{shown}` is a comment to YAML, and {key} ends before it; put the whole text in quotes"
            end = text.layout.at(len(text.text)) if text.layout.rows else text.place
            yield Finding("warning" if placed else "note", "CUT_OFF", end, said)


def _not_in_percent(root: Table) -> Iterator[Finding]:
    """Reasons that put a per cent sign behind a share as it is: 0.8 where 80 is meant."""
    for rule in tables_in(root.get("rules")):
        because = text_at(rule, "because")
        if because is None:
            continue
        for offset, shown, meant in shares_without_percent(because.text):
            said = f"`{shown}` shows a half as {render_reason(shown, _HALVES)}; write {meant}, which shows "
            said += f"{render_reason(meant, _HALVES)}"
            yield Finding("warning", "NOT_IN_PERCENT", because.layout.at(offset), said)


def _left_out(rulebook: Rulebook, names: Mapping[str, Place]) -> Iterator[Finding]:
    """Inherited tests that ask about a rule which the rulebook itself drops."""
    own = {name: place for name, place in names.items() if place.file == rulebook.file}
    if own:
        told = listed([f"`{name}`" for name in own])
        be, they, them = ("is", "it asks", "it") if len(own) == 1 else ("are", "they ask", "them")
        said = (
            f"{counted(len(own), 'inherited test')} {be} left out, as {they} about rules that are dropped: {told}; "
            f"write tests of what holds now, or name {them} in drop_tests"
        )
        yield Finding("note", "TESTS_LEFT_OUT", next(iter(own.values())), said)


def _default_lost(tables: Sequence[Table]) -> Iterator[Finding]:
    """Settings of the rulebook's own file that replace those of the extended one, and have no default as these do."""
    own, *extended = tables
    if not extended:
        return
    base = compose(extended, []).root
    for section in ("thresholds", "priorities"):
        here, there = own.get(section), base.get(section)
        if not isinstance(here, Table) or not isinstance(there, Table):
            continue
        for name, setting in here.values.items():
            default = _entry(there.get(name), "default")
            if not isinstance(default, Scalar) or _entry(setting, "default") is not None:
                continue
            if default.value != TERMS[name].default:
                said = f"{name} loses its default, which {default.place} sets to {default.text}: what is said of a "
                said += f"setting here replaces all that is said there; write default: {default.text} here, too"
                yield Finding("warning", "DEFAULT_LOST", here.keys[name], said)


def _entry(node: Node | None, key: str) -> Node | None:
    return node.get(key) if isinstance(node, Table) else None


def _numbers(root: Table) -> Iterator[Finding]:
    """Wishes, and in tests the numbers of counts alone: frames per second are measured, and have decimals."""
    settings, given = root.get("thresholds"), [test.get("given") for test in tables_in(root.get("tests"))]
    for name, setting in settings.values.items() if isinstance(settings, Table) else ():
        if name in IN_THOUSANDS and isinstance(setting, Table):
            for number in (setting.get("default"), *items_in(setting.get("range"))):
                if isinstance(number, Scalar):
                    yield from thousands(number.text, number.place)
    for table in given:
        for name, number in table.values.items() if isinstance(table, Table) else ():
            if name in COUNTS and isinstance(number, Scalar):
                yield from thousands(number.text, number.place)
