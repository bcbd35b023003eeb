"""What is doubtful about a rulebook as it is written, whatever is measured."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from lemonade_es.rules.analysis.arrays import Array, condition
from lemonade_es.rules.analysis.linear import Prover
from lemonade_es.rules.analysis.points import Points
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Rule, Rulebook

_TRIED = 256
"""A comparison that is true in one of so many situations and false in another decides something."""


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


def idle_comparisons(scene: Scene) -> Iterator[Finding]:
    """Comparisons whose truth is the same whatever is measured and wished."""
    prover = Prover(scene.rulebook, {})
    some = Points(scene.points.names, scene.points.values[:: len(scene.points.values) // _TRIED + 1])
    values = {name: some.values[:, index] for index, name in enumerate(some.names)}
    for rule in scene.rulebook.rules:
        yield from _idle_comparisons(rule, prover, values)


def _idle_comparisons(rule: Rule, prover: Prover, values: Mapping[str, Array]) -> Iterator[Finding]:
    alone = isinstance(rule.when.tree, ast.Compare) and len(rule.when.tree.ops) == 1
    for node in ast.walk(rule.when.tree):
        if not isinstance(node, ast.Compare):
            continue
        for op, (left, right) in zip(node.ops, itertools.pairwise([node.left, *node.comparators]), strict=True):
            pair = ast.Compare(left, [op], [right])
            if np.ptp(condition(pair, values)) > 0:
                continue
            text = ast.unparse(pair)
            place = rule.when.place.shifted(left.col_offset) if left.lineno == 1 else rule.when.place
            if prover.never(pair):
                said = f"`{text}` can never hold, whatever is measured; look at its numbers"
                yield Finding("warning", "ALWAYS_FALSE", place, said, (rule.id,))
            elif prover.always(pair):
                said = f"`{text}` holds whatever is measured" + ("" if alone else "; it decides nothing, remove it")
                yield Finding("note" if alone else "warning", "ALWAYS_TRUE", place, said, (rule.id,))
