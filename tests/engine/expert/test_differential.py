"""Three readings of the same rules: Experta's, the plain evaluator's, and one written for this test alone.

The third walks the syntax trees itself and settles conclusions by recursion, so that a mistake in the closures, the
strata or the record, which the other two share, is seen too.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as configure
from hypothesis import strategies as st

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import compile_rulebook
from lemonade_es.errors import InferenceError
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.vocabulary import PRESETS, settings

RULEBOOKS, NETWORKS = 1000, 10
METRICS = ("T_Acc", "V_Acc", "F", "loss_slope", "failed", "nonfinite")
SETTINGS = ("OT", "PV_Acc", "TP")
INSTRUCTIONS = ("ACL", "RCL", "AD", "RD", "AWI")
LEVELS = 6
HEAD = """\
rulebook: generated
version: 1
combine: {combine}
instructions:
  ACL: {{text: a, conflicts_with: RCL}}
  RCL: {{text: b, conflicts_with: ACL}}
  AD: {{text: c, conflicts_with: RD}}
  RD: {{text: d, conflicts_with: AD}}
  AWI: {{text: e}}
rules:
"""

quarters = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
leaves = st.sampled_from(["0", "0.25", "0.5", "1", "2", *METRICS, *SETTINGS])
numbers = st.one_of(
    leaves,
    leaves,
    st.builds("({} {} {})".format, leaves, st.sampled_from("+-*/"), leaves),
    st.builds("(-{} {} abs({}))".format, leaves, st.sampled_from("+-*/"), leaves),
    st.builds("{}({}, {}, {})".format, st.sampled_from(["min", "max"]), leaves, leaves, leaves),
)
weights = st.one_of(numbers, st.sampled_from(["0", "-1", "-PV_Acc", "TP", "1 / failed", "1", "1", "0.5"]))
heavy = st.sampled_from(["1e308", "1e308", "-1e308"])
atoms = st.one_of(
    st.builds("{} {} {}".format, numbers, signs, numbers),
    st.builds("{} {} {} {} {}".format, leaves, signs, leaves, signs, leaves),
    st.sampled_from(["failed", "nonfinite", "not failed", "T_Acc < V_Acc", "V_Acc >= 0.5"]),
)


def conditions(readable):
    if not readable:
        parts = atoms
    else:
        parts = st.one_of(atoms, st.sampled_from([f"{no}c{level}" for level in readable for no in ("", "not ")]))
    return st.one_of(
        parts,
        st.builds("{} and {}".format, parts, parts),
        st.builds("{} or {}".format, parts, parts),
        st.builds("not ({} or {} and {})".format, parts, parts, parts),
    )


@st.composite
def rulebooks(draw):
    """Rules conclude c0 to c5, each from lower ones, or only instruct; in any order of the file."""
    rules, drawn = [], []
    climbing = draw(st.booleans())
    weight = heavy if draw(st.integers(0, 19)) == 0 else weights
    for number in range(draw(st.integers(1, 9))):
        level = st.sampled_from([None, *range(LEVELS)])
        conclude = min(number, LEVELS - 1) if climbing and number < 7 else draw(level) if number else 0
        readable = [level for level in drawn if conclude is None or level < conclude]
        read = st.sampled_from([f"c{readable[-1]}", f"not c{readable[-1]}"]) if climbing and readable else None
        when = draw(read if read is not None and draw(st.booleans()) else conditions(readable[-3:]))
        lines = [f"  - id: r{number}", f"    when: {when}"]
        if conclude is not None:
            lines.append(f"    conclude: c{conclude}")
            drawn = sorted({*drawn, conclude})
        if conclude is None or draw(st.booleans()):
            given_out = draw(st.lists(st.sampled_from(INSTRUCTIONS), min_size=1, max_size=3, unique=True))
            lines += [f"    weight: {draw(weight)}", f"    instruct: [{', '.join(given_out)}]"]
        lines.append(f"    salience: {draw(st.sampled_from([0, 0, -1, 1]))}")
        if draw(st.booleans()):
            lines.append("    because: from {V_Acc:.2f} and {W}")
        rules.append("\n".join(lines))
    combine = draw(st.sampled_from(["sum", "max"]))
    return HEAD.format(combine=combine) + "\n".join(draw(st.permutations(rules))) + "\n"


measured = st.one_of(quarters, quarters, st.sampled_from([None, math.nan, math.inf]))
networks = st.fixed_dictionaries(
    dict.fromkeys(METRICS[:4], measured) | dict.fromkeys(METRICS[4:], st.sampled_from([0.0, 1.0, 0.0, None]))
)
wishes = st.fixed_dictionaries({"OT": quarters, "PV_Acc": quarters, "TP": st.sampled_from([None, None, 1.0])})


def outcome(infer):
    """The whole record, and as text too, which shows the order of every mapping in it; or the error."""
    try:
        inference = infer()
    except InferenceError as error:
        return None, f"{error} {error.where}"
    return inference, repr(inference)


def cancels(found, parts):
    """Whether twelve decimal digits of a sum cancel out."""
    return abs(found) * 2**40 < max(map(abs, parts))


class Reading:
    """A rulebook read by its definition: no closures, no strata, no agenda."""

    operations: ClassVar = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
    }

    def __init__(self, rulebook, facts):
        self.rulebook = rulebook
        self.facts = facts

    def concluded(self, name):
        truths = [self.truth(rule.when.tree) for rule in self.rulebook.rules if rule.conclude == name]
        return True if True in truths else None if None in truths else False

    def depth(self, rule):
        """How many rules must come before it."""
        used = {node.id for node in ast.walk(rule.when.tree) if isinstance(node, ast.Name)}
        before = [other for other in self.rulebook.rules if other.conclude in used]
        return 1 + max((self.depth(other) for other in before), default=-1)

    def truth(self, node):
        match node:
            case ast.BoolOp(op=op, values=parts):
                truths = [self.truth(part) for part in parts]
                deciding = isinstance(op, ast.Or)
                return deciding if deciding in truths else None if None in truths else not deciding
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                truth = self.truth(operand)
                return None if truth is None else not truth
            case ast.Compare(left=left, ops=ops, comparators=rest):
                sides = [self.number(side) for side in (left, *rest)]
                truths = [
                    None if None in pair else self.operations[type(op)](*pair)
                    for op, pair in zip(ops, itertools.pairwise(sides), strict=True)
                ]
                return False if False in truths else None if None in truths else True
            case ast.Name(id="failed" | "nonfinite" as name):
                return None if self.facts[name] is None else self.facts[name] > 0.5
            case ast.Name(id=name):
                return self.concluded(name)
        raise AssertionError(ast.dump(node))

    def number(self, node):
        match node:
            case ast.Constant(value=value):
                return float(value)
            case ast.Name(id=name):
                return self.facts[name]
            case ast.UnaryOp(operand=operand):
                value = self.number(operand)
                return None if value is None else -value
            case ast.Call(func=ast.Name(id=name), args=args):
                values = [self.number(arg) for arg in args]
                return None if None in values else {"min": min, "max": max, "abs": abs}[name](*values)
            case ast.BinOp(left=left, op=op, right=right):
                sides = self.number(left), self.number(right)
                if None in sides or (isinstance(op, ast.Div) and sides[1] == 0):
                    return None
                value = self.operations[type(op)](*sides)
                if isinstance(op, ast.Add | ast.Sub) and cancels(value, sides):
                    return 0.0
                return value if math.isfinite(value) else None
        raise AssertionError(ast.dump(node))

    def fired(self):
        order = {rule.id: position for position, rule in enumerate(self.rulebook.rules)}
        holding = [rule for rule in self.rulebook.rules if self.truth(rule.when.tree) is True]
        return sorted(holding, key=lambda rule: (self.depth(rule), -rule.salience, order[rule.id]))

    def weights(self):
        found = {}
        for rule in self.fired():
            weight = self.number(rule.weight.tree) if rule.weight else None
            for name in rule.instruct if weight is not None else ():
                found.setdefault(name, []).append(weight)
        if self.rulebook.combine == "max":
            return {name: max(values) for name, values in found.items()}
        return {name: 0.0 if cancels(sum(values), values) else sum(values) for name, values in found.items()}


def compare(rulebook, compiled, facts, seen):
    inference, record = outcome(lambda: evaluate(rulebook, facts))
    assert outcome(lambda: compiled.infer(facts)) == (inference, record)
    reading = Reading(rulebook, facts)
    weights = reading.weights()
    if not all(math.isfinite(weight) for weight in weights.values()):
        assert "too large to compute" in record
        seen["overflow"] += 1
        return
    fired = reading.fired()
    assert [firing.rule for firing in inference.fired] == [rule.id for rule in fired]
    assert inference.conclusions == {name: reading.concluded(name) for name in inference.conclusions}
    assert dict(inference.weights) == weights
    note(seen, rulebook, reading, inference, fired)


def note(seen, rulebook, reading, inference, fired):
    """What kinds of cases there were, so that the test can say that none is missing."""
    resolution = resolve(inference, rulebook)
    places = [(reading.depth(rule), rule.salience) for rule in fired]
    seen.update(
        cases=1,
        deep=max((reading.depth(rule) for rule in fired), default=0) >= 3,
        unknown_conclusion=None in inference.conclusions.values(),
        held_conclusion=True in inference.conclusions.values(),
        unknown_weight=any(firing.instruct and firing.weight is None for firing in inference.fired),
        negative_weight=any(weight < 0 for weight in inference.weights.values()),
        zero_weight=0.0 in inference.weights.values(),
        conflict=bool(resolution.decisions),
        tied=any(decision.margin == 0 for decision in resolution.decisions),
        several_rules=any(len(parts) > 1 for parts in inference.contributions.values()),
        same_place=len(set(places)) < len(places),
        salience_decides=any(low[0] == high[0] and low[1] != high[1] for low, high in itertools.pairwise(places)),
        nothing_fired=not inference.fired,
        combined_by_max=rulebook.combine == "max",
    )
    assert all(weight > 0 for weight in resolution.instructions.values())
    assert not any({one, other} <= set(resolution.instructions) for one, other in (("ACL", "RCL"), ("AD", "RD")))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_experta_and_the_plain_evaluator_agree_with_the_definition_on_10000_cases(record_property):
    seen = Counter()

    @configure(
        max_examples=RULEBOOKS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
    )
    @given(rulebooks(), st.lists(networks, min_size=NETWORKS, max_size=NETWORKS), wishes)
    def agree(text, measurements, wished):
        rulebook = parse_rulebook(text, "b.yaml")
        compiled = compile_rulebook(rulebook)
        for metrics in measurements:
            compare(rulebook, compiled, Facts.of(metrics, settings(None, {}) | wished), seen)

    agree()
    assert seen["cases"] + seen["overflow"] >= RULEBOOKS * NETWORKS
    rare = {kind: count for kind, count in seen.items() if count < 100 and kind != "overflow"}
    assert seen["overflow"] > 0
    assert rare == {}, f"too few of these among {seen['cases']} cases"
    record_property("situations inferred alike", seen["cases"])


accuracies = st.one_of(st.none(), st.floats(0, 1))
amounts = st.one_of(st.none(), st.floats(0, 1e6))
flags = st.sampled_from([None, 0.0, 1.0])


@configure(max_examples=100, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries(
        {"T_Acc": accuracies, "V_Acc": accuracies, "F": amounts, "T_E": amounts, "failed": flags, "nonfinite": flags}
    ),
    st.sampled_from([None, *PRESETS]),
)
def test_they_agree_on_the_shipped_rulebook_whose_conclusions_exclude_growth_when_overfitting(metrics, preset):
    facts = Facts.of(metrics, settings(preset, {}))
    compare(_LEMONADE, _COMPILED, facts, Counter())
    inference = evaluate(_LEMONADE, facts)
    if inference.conclusions["overfitting"]:
        assert {"ACL", "ADL", "AMN", "AMK"} & set(resolve(inference, _LEMONADE).instructions) == set()


_LEMONADE = load_rulebook(find_rulebook("lemonade"))
_COMPILED = compile_rulebook(_LEMONADE)
