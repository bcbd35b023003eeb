"""What is wrong with a text that YAML cannot read, in the words of who wrote it.

The parser says what it expected, and where it noticed. What people do is few things: tabs, signs of a word processor,
quotes within quotes, a bracket left open, a blank forgotten behind a colon.
"""

from __future__ import annotations

import re
import unicodedata

from ruamel.yaml.error import MarkedYAMLError

from lemonade_es.rules.problem import Place, Problem

LINE_BREAK = re.compile(r"\r\n|\r|\n")

_ODD_BLANK = re.compile(r"^(?:[ -]*|[^#]*:)(?P<sign>[\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff])")
_ODD_HYPHEN = re.compile(r"^ *(?P<sign>[\u2010-\u2015\u2022\u2023\u2043\u2212\u25aa\u25cf\u00b7])[ \u00a0]")
_ODD_QUOTE = re.compile(r"^ *(?:- +)?[\w-]+: +(?P<sign>[\u00ab\u2018\u201a\u201c\u201e])")
_LOOKED_BACK = 2
"""What is wrong is so many lines above where the YAML parser notices it, at most."""
_TOKEN = re.compile(r"\('(<[^']+>)',\)")

_ALIKE = "this line is indented otherwise than those above; indent all entries of a list or a mapping alike"
_CURES = {
    "unexpected end of stream": "a quote that opens here is never closed",
    "mapping values are not allowed": "put a text that holds a colon in quotes, put a blank after a hyphen and a "
    "colon, and indent all entries of a list or a mapping alike",
    "but found '<scalar>'": "put a text that begins with a bracket or a quote in quotes as a whole, and indent all "
    "entries of a list or a mapping alike",
    "expected <block end>": _ALIKE,
    "while scanning a block scalar": "put a text that begins with > or | in quotes",
    "could not find expected ':'": "each line of a mapping is `name: value`, with a blank after the colon; "
    "a comment begins with #",
    "while scanning an alias": "an item of a list begins with -; put a text that begins with * in quotes",
}
"""What a rulebook's author does about what the YAML parser says; the first that fits."""


def misread(text: str, file: str, error: MarkedYAMLError) -> Problem:
    """What is wrong, and where.

    Args:
        text: the file's text.
        file: its name, for the place.
        error: the parser's.
    """
    problem = error.problem or ""
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and ("end of stream" in problem or "expected ':'" in problem):
        mark = error.context_mark  # where what never ends begins, and where a line without a colon does
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
    rows = LINE_BREAK.split(text)
    own = _odd_sign(rows, place) or _bad_beginning(rows, place, problem) or _first_indented(rows, file, problem)
    if own is not None:
        return own
    said = ": ".join(part for part in (error.context, _TOKEN.sub(r"'\1'", problem)) if part) or "this is not YAML"
    cure = _cure(rows, place, said, error)
    return Problem(place, "YAML_SYNTAX", f"{said}; {cure}" if cure else said)


def _odd_sign(rows: list[str], noticed: Place) -> Problem | None:
    """A sign that is no blank, hyphen or quote to YAML, and looks like one: of word processors and web pages."""
    for line in range(noticed.line, max(0, noticed.line - 1 - _LOOKED_BACK), -1):
        row = rows[line - 1] if line <= len(rows) else ""
        for form, cure in (
            (_ODD_BLANK, "which only looks like a blank; write plain blanks"),
            (_ODD_HYPHEN, "which begins no item of a list; write a plain -"),
            (_ODD_QUOTE, "which is no quote to YAML; write plain quotes around the whole text"),
        ):
            odd = form.search(row) if form is not _ODD_QUOTE or line == noticed.line else None
            if odd is not None:
                place = Place(noticed.file, line, odd.start("sign") + 1)
                return Problem(place, "YAML_SYNTAX", f"this is {unicodedata.name(odd['sign'])}, {cure}")
    return None


def _bad_beginning(rows: list[str], place: Place, problem: str) -> Problem | None:
    """A sign with which nothing begins in YAML."""
    if "cannot start any token" not in problem:
        return None
    rest = rows[place.line - 1][place.column - 1 :] if place.line <= len(rows) else ""
    said = f"a text cannot begin with {rest[:1]}; put it in quotes"
    if rest.startswith("\t"):
        said = "this is a tab; write blanks in its place"
    elif rest.startswith("```"):
        said = "this line is no part of a rulebook, but of the page that it was copied from; remove it"
    return Problem(place, "YAML_SYNTAX", said)


def _first_indented(rows: list[str], file: str, problem: str) -> Problem | None:
    """A first line that is indented, above others that are not: to YAML it is all that there is."""
    line, row = next(((n, row) for n, row in enumerate(rows, 1) if row.strip() and row.lstrip()[0] != "#"), (1, ""))
    indent = len(row) - len(row.lstrip())
    if "<document start>" not in problem or not indent:
        return None
    said = "this line is indented, and those below are not; begin all parts of the rulebook at the line's beginning"
    return Problem(Place(file, line, indent + 1), "YAML_SYNTAX", said)


def _cure(rows: list[str], place: Place, said: str, error: MarkedYAMLError) -> str:
    before = rows[place.line - 1][: place.column - 1].rstrip() if place.line <= len(rows) else ""
    if before.endswith(("'", '"')) and ("expected <block end>" in said or "expected ','" in said):
        return "the quotes close before this; put the whole text in quotes, with the other kind of quotes inside"
    opened = error.context_mark
    if "expected ','" in said and opened is not None:
        where = f"line {opened.line + 1}, column {opened.column + 1}"
        return f"a comma is missing, or the bracket that opens in {where} is never closed"
    return next((cure for words, cure in _CURES.items() if words in said), "")
