"""What was changed from one rulebook to another."""

from __future__ import annotations

from lemonade_es.rules.changes import changes
from lemonade_es.rules.load import parse_rulebook

BOOK = """\
rulebook: small
version: 1
instructions: {ACL: {text: Add}}
rules: [{id: one, when: T_Acc < 0.5, weight: 1, instruct: [ACL]}]
tests: [{name: learned, given: {T_Acc: 0.6}, expect: {not_fired: [one], instructions: {}}}]
"""


def test_a_test_that_no_longer_expects_silence_is_told_of():
    (change,) = changes(parse_rulebook(BOOK, "a"), parse_rulebook(BOOK.replace(", instructions: {}", ""), "b"))
    assert (change.part, change.name, change.fields) == ("test", "learned", {"instructions": ({}, None)})
