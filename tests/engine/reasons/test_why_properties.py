"""What must hold of every answer to *why* and *why not*, over generated rulebooks and networks."""

from __future__ import annotations

import ast

import pytest
from hypothesis import HealthCheck, assume, event, given
from hypothesis import settings as configure
from hypothesis import strategies as st

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.reasons.flip import LEAST, OVERSHOOT
from lemonade_es.engine.reasons.why import why
from lemonade_es.engine.reasons.whynot import why_not
from lemonade_es.report.derivation import answer_mermaid, answer_text
from lemonade_es.rules.load import parse_rulebook
from lemonade_es.vocabulary import COUNTS, TERMS, settings

METRICS = ("T_Acc", "V_Acc", "failed")
SETTINGS = ("OT", "PV_Acc", "TL", "TP")
INSTRUCTIONS = ("ACL", "RCL", "AD", "RD", "AWI")
HEAD = """\
rulebook: generated
version: 1
combine: {combine}
{limit}
instructions:
  ACL: {{text: a, conflicts_with: RCL}}
  RCL: {{text: b, conflicts_with: ACL}}
  AD: {{text: c, conflicts_with: RD}}
  RD: {{text: d, conflicts_with: AD}}
  AWI: {{text: e}}
rules:
"""
GRID = [step / 16 for step in range(17)]
WHOLE = [0.0, 1.0, 2.0, 3.0]
SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much]}

grid = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
leaves = st.one_of(grid.map(str), st.sampled_from([*METRICS, *SETTINGS]))
linear = st.one_of(
    leaves,
    st.builds("({} {} {})".format, leaves, st.sampled_from("+-"), leaves),
    st.builds("({} * {})".format, leaves, st.sampled_from(["0.5", "2"])),
)
curved = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("max({}, {})".format, inner, inner),
        st.builds("abs({})".format, inner),
    ),
    max_leaves=4,
)


def conditions(numbers, conclusions):
    signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    atoms = [
        st.builds("{} {} {}".format, numbers, signs, numbers),
        st.builds("{} {} {} < {}".format, numbers, signs, numbers, numbers),
        st.just("failed"),
    ]
    if conclusions:
        atoms.append(st.sampled_from(conclusions))
    return st.recursive(
        st.one_of(*atoms),
        lambda inner: st.one_of(
            st.builds("not ({})".format, inner),
            st.builds("({} and {})".format, inner, inner),
            st.builds("({} or {})".format, inner, inner),
        ),
        max_leaves=4,
    )


@st.composite
def rulebooks(draw, numbers):
    """Rules draw c0 to c2, and read only those that are lower."""
    rules = []
    for number in range(draw(st.integers(1, 6))):
        conclude = draw(st.sampled_from([0, None, 1, 2])) if number else 0
        below = [f"c{level}" for level in range(3) if level < (3 if conclude is None else conclude)]
        drawn = {f"c{earlier}" for _, earlier in rules if earlier is not None}
        lines = [f"  - id: r{number}", f"    when: {draw(conditions(numbers, [c for c in below if c in drawn]))}"]
        if conclude is not None:
            lines.append(f"    conclude: c{conclude}")
        if conclude is None or draw(st.booleans()):
            names = draw(st.lists(st.sampled_from(INSTRUCTIONS), min_size=1, max_size=3, unique=True))
            lines += [f"    weight: {draw(numbers)}", f"    instruct: [{', '.join(names)}]"]
        lines.append(f"    salience: {draw(st.integers(-1, 1))}")
        rules.append(("\n".join(lines), conclude))
    order = draw(st.permutations([text for text, _ in rules]))
    limit = draw(st.sampled_from(["", "", "max_instructions: 1", "max_instructions: 2"]))
    head = HEAD.format(combine=draw(st.sampled_from(["sum", "max"])), limit=limit)
    return parse_rulebook(head + "\n".join(order) + "\n", "b.yaml")


flags = st.sampled_from([None, 0.0, 1.0])
measured = st.fixed_dictionaries({"T_Acc": st.none() | grid, "V_Acc": grid, "failed": flags})
counted = st.sampled_from([0.0, 1.0])
wished = st.fixed_dictionaries({"OT": grid, "PV_Acc": grid, "TL": st.none() | grid, "TP": st.none() | counted})


def facts_of(metrics, wishes):
    return Facts.of(metrics, settings(None, {}) | wishes)


def decided(rulebook, metrics, wishes):
    inference = evaluate(rulebook, facts_of(metrics, wishes))
    return Advised(1, 0, inference, resolve(inference, rulebook))


def came_about(rulebook, metrics, wishes, subject):
    """Whether the subject is sent, fires or holds: worked out without the code that looks for flips."""
    inference = evaluate(rulebook, facts_of(metrics, wishes))
    if subject in rulebook.instructions:
        return subject in resolve(inference, rulebook).instructions
    if subject in inference.conclusions:
        return inference.conclusions[subject] is True
    return any(firing.rule == subject for firing in inference.fired)


def subjects(rulebook):
    conclusions = dict.fromkeys(rule.conclude for rule in rulebook.rules if rule.conclude)
    return (*rulebook.instructions, *(rule.id for rule in rulebook.rules), *conclusions)


def altered(metrics, wishes, name, value):
    if name in metrics:
        return {**metrics, name: value}, wishes
    return metrics, {**wishes, name: value}


@configure(max_examples=60, **SLOW)
@given(rulebooks(st.one_of(linear, curved)), measured, wished)
def test_every_claimed_flip_really_flips(rulebook, metrics, wishes):
    advised = decided(rulebook, metrics, wishes)
    for subject in subjects(rulebook):
        answer = why_not(advised, rulebook, subject)
        if came_about(rulebook, metrics, wishes, subject):
            assert not answer.flips
            continue
        for flip in answer.flips:
            event("a flip")
            assert flip.old == {**metrics, **wishes}.get(flip.name)
            assert TERMS[flip.name].low <= flip.new <= TERMS[flip.name].high
            assert came_about(rulebook, *altered(metrics, wishes, flip.name, flip.new), subject)


@pytest.mark.slow
@configure(max_examples=40, **SLOW)
@given(rulebooks(linear), measured, wished)
def test_no_change_of_one_number_is_missed_and_none_is_much_smaller_where_rules_are_linear(rulebook, metrics, wishes):
    advised = decided(rulebook, metrics, wishes)
    for subject in subjects(rulebook):
        if came_about(rulebook, metrics, wishes, subject):
            continue
        answer = why_not(advised, rulebook, subject)
        sizes = {flip.name: flip for flip in answer.flips}
        for name in (*wishes, *metrics):
            old = {**metrics, **wishes}[name]
            for value in (0.0, 1.0) if name == "failed" else WHOLE if name in COUNTS else GRID:
                if value == old or not came_about(rulebook, *altered(metrics, wishes, name, value), subject):
                    continue
                event("a change that helps")
                assert name in sizes, (subject, name, value)
                if old is not None:
                    assert abs(sizes[name].new - old) <= abs(value - old) * (1 + OVERSHOOT) + LEAST + 1e-9


@configure(max_examples=40, **SLOW)
@given(rulebooks(st.one_of(linear, curved)), measured, wished)
def test_trees_never_loop_and_end_in_numbers_settings_or_unknowns(rulebook, metrics, wishes):
    advised = decided(rulebook, metrics, wishes)
    for subject in subjects(rulebook):
        for answer in (why(advised, rulebook, subject), why_not(advised, rulebook, subject)):
            given_by_none = "no rule of" in answer.answer
            explained = set()
            for node, above in _paths(answer.tree, ()):
                key = (node.kind, node.id, node.wanted)
                if node.repeated:
                    assert key in explained
                elif node.kind in ("rule", "conclusion"):
                    assert key not in {(item.kind, item.id, item.wanted) for item in above}
                    explained.add(key)
                if not node.children and not node.repeated:
                    constant = node.kind in ("atom", "weight", "conflict", "limit") and node.value is not None
                    assert node.kind in ("metric", "setting", "unknown") or constant or given_by_none
            assert answer_text(answer).startswith(answer.answer)
            assert answer_mermaid(answer).startswith("flowchart TD\n")


def _paths(node, above):
    yield node, above
    for child in node.children:
        yield from _paths(child, (*above, node))


@configure(max_examples=120, **SLOW)
@given(rulebooks(linear), measured, wished, st.integers(0, 3))
def test_a_rule_fires_once_the_atoms_that_why_not_names_are_as_wanted(rulebook, metrics, wishes, choice):
    advised = decided(rulebook, metrics, wishes)
    for item in advised.inference.not_fired:
        answer = why_not(advised, rulebook, item.rule)
        wanted = {}
        try:
            _demands(answer.tree, answer.tree, choice, wanted)
        except _ContradictionError:
            continue
        event("demands that can be met together")
        assert _holds(rulebook, advised.inference, item.rule, wanted)


class _ContradictionError(Exception):
    """The condition cannot be met in this way."""


def _demands(node, tree, choice, wanted):
    """The atoms of one way to have a node as wanted: those that fail must change, the others must stay."""
    if node.repeated:
        key = (node.kind, node.id, node.wanted)
        node = next(item for item in tree.walk() if not item.repeated and (item.kind, item.id, item.wanted) == key)
    if node.kind == "atom":
        text = node.id if node.wanted else node.id.removeprefix("not ")
        text = text[1:-1] if not node.wanted and text.startswith("(") and text.endswith(")") else text
        if wanted.setdefault(text, node.wanted) is not node.wanted:
            raise _ContradictionError
        return
    children = [child for child in node.children if child.kind in ("rule", "conclusion", "all", "any", "atom")]
    if node.kind == "any" and children:
        children = [children[choice % len(children)]]
    for child in children:
        _demands(child, tree, choice, wanted)


def _holds(rulebook, inference, name, wanted):
    """Whether a rule fires if some atoms have another truth; conclusions follow, to a fixed point."""
    conclusions = dict.fromkeys(inference.conclusions, False)
    truths = {}
    for _ in range(4):
        values = {**inference.facts, **conclusions}
        for rule in rulebook.rules:
            found = [
                conclusions[atom.text] if atom.text in conclusions else wanted.get(atom.text, atom.truth)
                for atom in rule.when.atoms(values)
            ]
            truths[rule.id] = _truth(rule.when.tree, iter(found))
        for conclusion in conclusions:
            drawn = [truths[rule.id] for rule in rulebook.rules if rule.conclude == conclusion]
            conclusions[conclusion] = True if True in drawn else None if None in drawn else False
    return truths[name] is True


def _truth(tree, found):
    match tree:
        case ast.BoolOp(op=op, values=parts):
            truths = [_truth(part, found) for part in parts]
            decisive = isinstance(op, ast.Or)
            return decisive if decisive in truths else None if None in truths else not decisive
        case ast.UnaryOp(operand=operand):
            truth = _truth(operand, found)
            return None if truth is None else not truth
        case ast.Compare(ops=ops):
            truths = [next(found) for _ in ops]
            return False if False in truths else None if None in truths else True
        case _:
            return next(found)


@configure(max_examples=50, **SLOW)
@given(rulebooks(linear), measured, wished)
def test_the_weight_of_what_was_sent_is_that_of_the_rules_below_it(rulebook, metrics, wishes):
    advised = decided(rulebook, metrics, wishes)
    assume(advised.resolution.instructions)
    for name, weight in advised.resolution.instructions.items():
        tree = why(advised, rulebook, name).tree
        parts = [child.value for child in tree.children if child.kind == "rule"]
        assert tree.value == weight
        assert (sum(parts) if rulebook.combine == "sum" else max(parts)) == pytest.approx(weight)
