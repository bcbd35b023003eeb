"""What is doubtful about a rulebook as it is written, whatever is measured and wished."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from lemonade_es.rules.analysis.arrays import FALSE, TRUE, UNKNOWN, Array, condition
from lemonade_es.rules.analysis.prover import Prover
from lemonade_es.rules.expression import FLAGS
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.scene import Scene
from lemonade_es.rules.lint.wording import listed
from lemonade_es.rules.lint.writing import IN_THOUSANDS, thousands
from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.vocabulary import COUNTS, METRICS, TERMS, THRESHOLDS

_SAMPLE = 256
_WHATEVER = "whatever is measured and wished"
_SHARES = {term.name for term in TERMS.values() if (term.low, term.high) == (0, 1)}


def structure(scene: Scene) -> Iterator[Finding]:
    """Unused instructions and conclusions, missing reasons and tests, comparisons that decide nothing."""
    rulebook = scene.rulebook
    used = {name for rule in rulebook.rules for name in rule.instruct}
    for instruction in rulebook.instructions.values():
        if instruction.id not in used and instruction.place.file == rulebook.file:  # an inherited one cannot be removed
            said = f"no rule asks for {instruction.id}; write one, or remove it"
            yield Finding("warning", "UNUSED_INSTRUCTION", instruction.place, said)
    yield from _unused_conclusions(rulebook)
    silent = [rule for rule in rulebook.rules if not rule.because]
    if silent:
        ids = [rule.id for rule in silent]
        said = f"no reason is given by {listed(ids)}; add `because`, which reports will show"
        yield Finding("note", "NO_REASON", silent[0].place, said, tuple(ids))
    if not rulebook.tests:
        said = "the rulebook has no tests; add some under `tests`, so that a change that breaks it is noticed"
        yield Finding("note", "NO_TESTS", Place(rulebook.file, 1, 1), said)
    decided = _Decided(scene)
    for rule in rulebook.rules:
        yield from decided.parts(rule, rule.when.tree)
        yield from _exact(rule)
        yield from _thousands(rule)


def _exact(rule: Rule) -> Iterator[Finding]:
    """Measured numbers that have decimals, and are compared with one number to the last of them."""
    compared = (node for node in ast.walk(rule.when.tree) if isinstance(node, ast.Compare))
    for pair in itertools.chain.from_iterable(map(_pairs, compared)):
        sides = (pair.left, pair.comparators[0])
        if isinstance(pair.ops[0], ast.Eq | ast.NotEq) and any(map(_is_exact, sides, reversed(sides))):
            alone = "holds" if isinstance(pair.ops[0], ast.Eq) else "fails"
            said = (
                f"`{_text(rule, pair)}` {alone} at this one number alone, to its last digit, which hardly anything "
                "measured meets; compare with <= or >=, or give both ends of a range"
            )
            yield Finding("warning", "EXACT_NUMBER", _place(rule, pair), said, (rule.id,))


def _is_exact(one: ast.expr, other: ast.expr) -> bool:
    """Whether a metric with decimals is held against a wish, or a number that is no end of its range."""
    if not isinstance(one, ast.Name) or one.id not in METRICS or one.id in COUNTS | FLAGS:
        return False
    if isinstance(other, ast.Constant) and isinstance(other.value, int | float):
        return METRICS[one.id].low < other.value < METRICS[one.id].high
    return isinstance(other, ast.Name) and other.id in THRESHOLDS


def _thousands(rule: Rule) -> Iterator[Finding]:
    """Numbers that are compared with counts, and whose point parts thousands in many countries, as in ``100.000``."""
    for compared in ast.walk(rule.when.tree):
        if not isinstance(compared, ast.Compare):
            continue
        inside = list(ast.walk(compared))
        if any(isinstance(node, ast.Name) and node.id in IN_THOUSANDS for node in inside):
            for node in inside:
                if isinstance(node, ast.Constant):
                    yield from thousands(_text(rule, node), _place(rule, node), (rule.id,))


def _unused_conclusions(rulebook: Rulebook) -> Iterator[Finding]:
    read = {name for rule in rulebook.rules for name in rule.when.conclusions}
    drawn: dict[str, list[Rule]] = {}
    for rule in rulebook.rules:
        if rule.conclude is not None and rule.conclude not in read:
            drawn.setdefault(rule.conclude, []).append(rule)
    for name, rules in drawn.items():
        ids = [rule.id for rule in rules]
        said = f"no condition reads the conclusion {name} of {listed(ids)}; use it, or remove `conclude`"
        yield Finding("warning", "UNUSED_CONCLUSION", rules[0].place, said, tuple(ids))


class _Decided:
    """Parts of conditions whose truth is the same in all situations, under all settings; the largest such parts."""

    def __init__(self, scene: Scene) -> None:
        self.prover = Prover(scene.rulebook, {})
        step = max(1, len(scene.points.values) // _SAMPLE)
        rows = scene.points.values[::step]
        self.values: dict[str, Array] = {name: rows[:, index] for index, name in enumerate(scene.points.names)}
        for rule in scene.rulebook.rules:
            if rule.conclude is not None:  # whether they hold is the prover's business
                self.values[rule.conclude] = np.asarray(UNKNOWN)

    def parts(self, rule: Rule, node: ast.expr) -> Iterator[Finding]:
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield from self.parts(rule, operand)
            case ast.BoolOp() | ast.Compare():
                truth = self.truth(node)
                if truth is False:
                    yield _contradiction(rule, node, self.prover)
                elif truth is True:
                    yield _always(rule, node)
                elif isinstance(node, ast.BoolOp):
                    for part in node.values:
                        yield from self.parts(rule, part)
                elif len(node.ops) > 1:
                    yield from (_always(rule, pair) for pair in _pairs(node) if self.truth(pair))

    def truth(self, node: ast.expr) -> bool | None:
        """What a condition always is, if that is proved; a few situations rule most conditions out."""
        seen = condition(node, self.values)
        if not (seen == TRUE).any() and self.prover.never(node):
            return False
        return True if not (seen == FALSE).any() and self.prover.always(node) else None


def _pairs(node: ast.Compare) -> Iterator[ast.Compare]:
    """The single comparisons of a chain."""
    for op, (left, right) in zip(node.ops, itertools.pairwise([node.left, *node.comparators]), strict=True):
        pair = ast.copy_location(ast.Compare(left, [op], [right]), left)
        pair.end_col_offset = right.end_col_offset
        yield pair


def _contradiction(rule: Rule, node: ast.expr, prover: Prover) -> Finding:
    never = f"can never hold, {_WHATEVER}"
    whole = f", so {rule.id} can never fire" if node is rule.when.tree else ""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        said = f"`{_text(rule, node)}` {never}{whole}; {_beyond(node) or f'look at its numbers{_whole(node)}'}"
        return Finding("warning", "ALWAYS_FALSE", _place(rule, node), said, (rule.id,))
    parts = node.values if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) else ()
    culprits = _culprits(parts, prover) or [node]
    texts = [f"`{_text(rule, part)}`" for part in culprits]
    told = f"{texts[0]} {never}" if len(texts) == 1 else f"{' and '.join(texts)} exclude each other, {_WHATEVER}"
    beyond = next((cure for part in culprits if (cure := _beyond(part)) is not None), None)
    said = f"{told}{whole}; {beyond or f'look at the numbers and signs, or use `or`{_whole(*culprits)}'}"
    return Finding("warning", "CONTRADICTION", _place(rule, node), said, (rule.id,))


def _culprits(parts: Sequence[ast.expr], prover: Prover) -> list[ast.expr]:
    """The part of an `and` that never holds, or two that exclude each other, if there are such."""
    for part in parts:
        if prover.never(part):
            return [part]
    for pair in itertools.combinations(parts, 2):
        if prover.never(ast.BoolOp(ast.And(), list(pair))):
            return list(pair)
    return []


def _always(rule: Rule, node: ast.expr) -> Finding:
    text, beyond = _text(rule, node), _beyond(node)
    if node is rule.when.tree:
        said = f"{rule.id} fires whatever is measured, as long as it is measured: `{text}` always holds"
        if beyond is None:
            return Finding("note", "ALWAYS_TRUE", _place(rule, node), said, (rule.id,))
        return Finding("warning", "ALWAYS_TRUE", _place(rule, node), f"{said}; {beyond}", (rule.id,))
    said = f"`{text}` holds whatever is measured and wished, and decides nothing; {beyond or 'correct or remove it'}"
    return Finding("warning", "ALWAYS_TRUE", _place(rule, node), said, (rule.id,))


def _beyond(node: ast.expr) -> str | None:
    """What to write instead, if a share is compared with a number that no share can be: most likely percent."""
    comparisons = (part for part in ast.walk(node) if isinstance(part, ast.Compare))
    for pair in itertools.chain.from_iterable(itertools.pairwise([it.left, *it.comparators]) for it in comparisons):
        for one, other in itertools.permutations(pair):
            value = other.value if isinstance(other, ast.Constant) else None
            if not isinstance(value, int | float):
                continue
            if isinstance(one, ast.Name) and one.id in FLAGS and value not in (0, 1):
                return f"{one.id} is 0 or 1"
            if 1 < value <= 100 and isinstance(one, ast.Name) and one.id in _SHARES:
                return f"{one.id} lies between 0 and 1: {value:g} % is {value / 100:g}"
            if 1 < value <= 100 and _is_gap(one):
                return f"shares lie between 0 and 1: a gap of {value:g} points is {value / 100:g}"
    return None


def _is_gap(node: ast.expr) -> bool:
    """Whether a share is taken from another."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and all(isinstance(side, ast.Name) and side.id in _SHARES - FLAGS for side in (node.left, node.right))
    )


def _whole(*nodes: ast.expr) -> str:
    """What to know of the counts in conditions."""
    names = {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}
    counts = [name for name in METRICS if name in names & COUNTS]
    return f" ({listed(counts)} {'is a whole number' if len(counts) == 1 else 'are whole numbers'})" if counts else ""


def _text(rule: Rule, node: ast.expr) -> str:
    return " ".join(rule.when.source[node.col_offset : node.end_col_offset].split())


def _place(rule: Rule, node: ast.expr) -> Place:
    """Where a part of a condition stands; the start of the condition if it is escaped."""
    return rule.when.layout.at(node.col_offset)
