"""A small rulebook to lint, and what the linter finds in it."""

from __future__ import annotations

from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import parse_rulebook

HEAD = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL}
  RCL: {text: Reduce, conflicts_with: ACL}
rules:
"""
NO_GAP = "  - {id: rest, when: V_Acc >= 0, weight: 0.01, instruct: [ACL, RCL], because: x}\n"
TESTS = "tests:\n  - {name: t, given: {}, expect: {absent: [ACL]}}\n"
GOOD = ("when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL]", "when: F < TF, weight: PF, instruct: [RCL]")


def book(*rules, head=HEAD, tests=TESTS):
    lines = "".join(f"  - {{id: r{number}, because: x, {rule}}}\n" for number, rule in enumerate(rules))
    return parse_rulebook(head + lines + tests, "b.yaml")


def found(rulebook, code=None):
    return [item for item in lint(rulebook) if code is None or item.code == code]


def one(rulebook, code):
    (item,) = found(rulebook, code)
    return item


def codes(rulebook, level="warning"):
    return {item.code for item in lint(rulebook) if item.level == level}
