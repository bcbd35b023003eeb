"""What is said of a text that YAML cannot read: the place of the mistake, and what to do about it."""

import pytest

from lemonade_es.rules.document import read_document

BOOK = """\
rulebook: camera
version: 1
rules:
  - id: hungry
    when: W > 500
    weight: 1
    instruct: [RK, RCL]
    because: too hungry
tests:
  - name: low
    given: {W: 501}
    expect: {fired: [hungry]}
"""
QUOTE = "which is no quote to YAML; write plain quotes around the whole text"
FLUSH = "begin all parts of the rulebook at the line's beginning"


def told(old, new):
    assert old in BOOK
    problems = []
    read_document(BOOK.replace(old, new, 1), "b", problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("old", "new", "place", "cure"),
    [
        (
            "    weight: 1",
            "    weight:1",
            "6:5",
            "each line of a mapping is `name: value`, with a blank after the colon",
        ),
        ("    weight: 1", "    weight = 1", "6:5", "with a blank after the colon; a comment begins with #"),
        ("    weight: 1", "    // heavy\n    weight: 1", "6:5", "a comment begins with #"),
        ("[RK, RCL]", "[RK, RCL", "8:12", "the bracket that opens in line 7, column 15 is never closed"),
        ("{W: 501}", "{W: 501", "12:11", "the bracket that opens in line 11, column 12 is never closed"),
        ("too hungry", '"the "hungry" one"', "8:20", "the whole text in quotes, with the other kind of quotes inside"),
        ("too hungry", "'it's hungry'", "8:18", "the whole text in quotes, with the other kind of quotes inside"),
        ("  - id", "  * id", "4:4", "an item of a list begins with -"),
        ("    when", "   when", "5:4", "this line is indented otherwise than those above"),
    ],
)
def test_the_place_of_a_mistake_is_told_with_what_to_do(old, new, place, cure):
    (line,) = told(old, new)
    assert line.startswith(f"b:{place} YAML_SYNTAX ")
    assert cure in line


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    when", "\twhen", "b:5:1 YAML_SYNTAX this is a tab; write blanks in its place"),
        ("weight: 1", "weight: 1\t", "b:6:14 YAML_SYNTAX this is a tab; write blanks in its place"),
        ("too hungry", "@home", "b:8:14 YAML_SYNTAX a text cannot begin with @; put it in quotes"),
        (
            "  - id",
            "  \u2013 id",
            "b:4:3 YAML_SYNTAX this is EN DASH, which begins no item of a list; write a plain -",
        ),
        ("  - id", "  \u2022 id", "b:4:3 YAML_SYNTAX this is BULLET, which begins no item of a list; write a plain -"),
        (
            "too hungry",
            "\u201ehungry: too\u201c",
            f"b:8:14 YAML_SYNTAX this is DOUBLE LOW-9 QUOTATION MARK, {QUOTE}",
        ),
        (
            "rulebook",
            " rulebook",
            f"b:1:2 YAML_SYNTAX this line is indented, and those below are not; {FLUSH}",
        ),
        (
            "rulebook",
            "```yaml\nrulebook",
            "b:1:1 YAML_SYNTAX this line is no part of a rulebook, but of the page that it was copied from; remove it",
        ),
    ],
)
def test_what_people_do_is_told_in_their_words(old, new, line):
    assert told(old, new) == [line]


def test_quotes_of_a_word_processor_in_the_lines_above_are_not_blamed():
    (line,) = told("    because: too hungry\ntests:", "    because: \u201cso\u201d\n    salience: a: b\ntests:")
    assert "b:9:" in line
    assert "QUOTATION" not in line
