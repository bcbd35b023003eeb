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


def test_instructions_in_another_order_are_told_of_as_it_decides_ties():
    more = BOOK.replace("{ACL: {text: Add}}", "{ACL: {text: Add}, RCL: {text: Reduce}, AD: {text: Drop}}")
    last = BOOK.replace("{ACL: {text: Add}}", "{RCL: {text: Reduce}, AD: {text: Drop}, ACL: {text: Add}}")
    (change,) = changes(parse_rulebook(more, "a"), parse_rulebook(last, "b"))
    assert (change.part, change.name, change.how) == ("instruction", "ACL", "moved")
    assert (str(change.old), str(change.new)) == ("a:3:21", "b:3:60")
