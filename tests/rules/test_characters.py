"""Characters that cannot stand in a rulebook, or only look like others."""

from __future__ import annotations

import pytest

from lemonade_es.rules.load import parse_rulebook
from tests.rules.refusals import HEAD, told


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{HEAD}  - id: one\n\u00a0   when: failed\n    conclude: a\n", "7:1"),
        (HEAD.replace("version: ", "version:\u00a0"), "2:9"),
    ],
)
def test_a_blank_that_is_none_is_named_where_it_stands(text, place):
    (line,) = told(text)
    assert line == f"b:{place} YAML_SYNTAX this is NO-BREAK SPACE, which only looks like a blank; write plain blanks"


def test_such_a_blank_in_a_comment_is_not_blamed_for_another_mistake():
    (line,) = told(f"{HEAD}  - id: one  # note:\u00a0first\n      when: failed\n")
    assert "NO-BREAK" not in line


def test_half_a_character_is_refused():
    (line,) = told(f'{HEAD}  - {{id: one, when: failed, conclude: a, because: "\\ud800 x"}}\n')
    assert (
        line == "b:6:51 BAD_CHARACTER \\ud800 is half a character, which cannot be printed; write the whole character"
    )


@pytest.mark.parametrize(("escape", "code"), [("\\0", "0000"), ("\\e", "001b"), ("\\r", "000d"), ("\\N", "0085")])
@pytest.mark.parametrize("key", ["because", "text"])
def test_a_control_character_is_refused_where_it_stands(escape, code, key):
    texts = {"because": "x", "text": "Add"} | {key: f"a{escape}b"}
    head = HEAD.replace("{text: Add}", f'{{text: "{texts["text"]}"}}')
    rule = f"""  - {{id: one, when: V_Acc < 1, weight: 1, instruct: [ACL], because: "{texts["because"]}"}}\n"""
    (said,) = told(head + rule)
    place = "6:69" if key == "because" else "4:15"
    assert said == f"b:{place} BAD_CHARACTER \\u{code} is a control character, which cannot be printed; leave it out"


def test_tabs_and_line_breaks_are_no_control_characters():
    rule = '  - {id: one, when: V_Acc < 1, weight: 1, instruct: [ACL], because: "a\\tb\\nc"}\n'
    assert parse_rulebook(HEAD + rule, "b").rules[0].because == "a\tb\nc"


def test_a_control_character_in_what_a_rulebook_is_for_is_refused():
    rule = "  - {id: one, when: V_Acc < 1, weight: 1, instruct: [ACL]}\n"
    (said,) = told(f'{HEAD}{rule}about: "a\\0b"\n')
    assert said == "b:7:8 BAD_CHARACTER \\u0000 is a control character, which cannot be printed; leave it out"
