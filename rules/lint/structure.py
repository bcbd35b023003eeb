"""What is doubtful about a rulebook as it is written, whatever is measured."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from lemonade_es.rules.analysis.linear import Prover
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Rule, Rulebook


def structure(rulebook: Rulebook) -> Iterator[Finding]:
    """Unused instructions and conclusions, missing reasons and tests, comparisons that decide nothing."""
    used = {name for rule in rulebook.rules for name in rule.instruct}
    for instruction in rulebook.instructions.values():
        if instruction.id not in used:
            said = f"no rule asks for {instruction.id}; write one, or remove it"
            yield Finding("warning", "UNUSED_INSTRUCTION", instruction.place, said)
    read = {name for rule in rulebook.rules for name in rule.when.conclusions}
    for rule in rulebook.rules:
        if rule.conclude is not None and rule.conclude not in read:
            said = f"no rule reads the conclusion {rule.conclude} of {rule.id}; use it in a condition, or remove it"
            yield Finding("warning", "UNUSED_CONCLUSION", rule.place, said, (rule.id,))
        if not rule.because:
            said = f"{rule.id} gives no reason; add `because`, which reports will show"
            yield Finding("note", "NO_REASON", rule.place, said, (rule.id,))
    if not rulebook.tests:
        place = Place(rulebook.file, 1, 1)
        yield Finding("note", "NO_TESTS", place, "the rulebook has no tests; add some, so that changes are noticed")
    prover = Prover(rulebook, {})
    for rule in rulebook.rules:
        yield from _idle_comparisons(rule, prover)


def _idle_comparisons(rule: Rule, prover: Prover) -> Iterator[Finding]:
    """Comparisons whose truth is the same whatever is measured and wished."""
    alone = isinstance(rule.when.tree, ast.Compare) and len(rule.when.tree.ops) == 1
    for node in ast.walk(rule.when.tree):
        if not isinstance(node, ast.Compare):
            continue
        for op, (left, right) in zip(node.ops, itertools.pairwise([node.left, *node.comparators]), strict=True):
            pair = ast.Compare(left, [op], [right])
            text = ast.unparse(pair)
            place = rule.when.place.shifted(left.col_offset) if left.lineno == 1 else rule.when.place
            if prover.never(pair):
                said = f"`{text}` can never hold, whatever is measured; look at its numbers"
                yield Finding("warning", "ALWAYS_FALSE", place, said, (rule.id,))
            elif prover.always(pair):
                said = f"`{text}` holds whatever is measured" + ("" if alone else "; it decides nothing, remove it")
                yield Finding("note" if alone else "warning", "ALWAYS_TRUE", place, said, (rule.id,))
