"""Expressions: what is allowed, what is refused and where, and three-valued evaluation."""

from __future__ import annotations

import ast
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.rules.analysis.arrays import condition
from lemonade_es.rules.analysis.arrays import number as array_number
from lemonade_es.rules.expression import parse_expression
from lemonade_es.rules.problem import Place
from lemonade_es.rules.syntax import MAX_DEPTH, MAX_LENGTH

HERE = Place("book.yaml", 3, 11)
KNOWN = {"T_Acc": 0.9, "V_Acc": 0.7, "OT": 0.1, "TT_Acc": 0.99, "PV_Acc": 1.0, "failed": 0.0, "nonfinite": 1.0}


def parse(source, kind="condition", conclusions=("overfitting", "broken"), **more):
    problems = []
    return parse_expression(source, HERE, kind, conclusions, problems, **more), problems


def truth(source, **values):
    expression, problems = parse(source)
    assert problems == []
    return expression.truth({**KNOWN, **values})


def number(source, **values):
    expression, problems = parse(source, "number")
    assert problems == []
    return expression.number({**KNOWN, **values})


def refusal(source, kind="condition", **more):
    expression, problems = parse(source, kind, **more)
    assert expression is None
    return [(problem.code, problem.place.column - HERE.column) for problem in problems]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("T_Acc - V_Acc > OT", True),
        ("T_Acc - V_Acc < OT", False),
        ("0.5 < V_Acc < 0.9", True),
        ("0.5 < V_Acc < 0.6", False),
        ("T_Acc == 0.9 and V_Acc != 0.9", True),
        ("failed or nonfinite", True),
        ("not failed and not nonfinite", False),
        ("not (failed or T_Acc <= V_Acc)", True),
        ("min(T_Acc, V_Acc, 0.2) == 0.2 and max(1, 2) >= 2 and abs(V_Acc - T_Acc) > 0.1", True),
        ("-V_Acc < +T_Acc", True),
        ("T_Acc\n  > V_Acc", True),
        ("  T_Acc > V_Acc", True),
        ("overfitting", None),
    ],
)
def test_conditions_are_decided(source, expected):
    assert truth(source) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [("PV_Acc * 0.5", 0.5), ("1e-3", 0.001), (".5 + 1.", 1.5), ("failed", 0.0), ("min(2, 3) / 4", 0.5), ("--2", 2.0)],
)
def test_numbers_are_computed(source, expected):
    assert number(source) == expected


@pytest.mark.parametrize("steps", [50, 270])
def test_a_gap_as_wide_as_a_threshold_is_neither_above_nor_below_it(steps):
    """Whatever rounding makes of it; a gap one input wider is above it, and one narrower below."""
    wide = steps // 10
    for right in range(steps - wide):
        values = {"V_Acc": right / steps, "OT": wide / steps}
        for more, expected in ((-1, (False, False, True)), (0, (False, True, False)), (1, (True, False, False))):
            values["T_Acc"] = (right + wide + more) / steps
            columns = {name: np.asarray([value]) for name, value in values.items()}
            for sides in ("T_Acc - V_Acc {} OT", "T_Acc - V_Acc - OT {} 0", "0 {} OT + V_Acc - T_Acc"):
                conditions = [sides.format(relation) for relation in (">", "==", "<")]
                assert tuple(truth(text, **values) for text in conditions) == expected
                trees = [ast.parse(text, mode="eval").body for text in conditions]
                assert tuple(bool(condition(tree, columns)[0]) for tree in trees) == expected


def test_what_rounding_leaves_of_a_sum_is_not_divided_by():
    assert number("1 / (T_Acc - V_Acc - OT)", T_Acc=0.8, V_Acc=0.7, OT=0.1) is None
    assert number("1 / (T_Acc - V_Acc - OT)", T_Acc=0.8, V_Acc=0.7, OT=0.1 - 1e-9) == pytest.approx(1e9)


@pytest.mark.parametrize("source", ["-(PV_Acc * 4)", "PV_Acc * -0.5", "-PV_Acc", "PV_Acc / -2"])
def test_zero_has_no_sign(source):
    """A rule that takes back four times a priority of 0 was told to weigh -0."""
    tree = ast.parse(source, mode="eval").body
    columns = {"PV_Acc": np.asarray([0.0])}
    assert repr(number(source, PV_Acc=0.0)) == repr(float(array_number(tree, columns)[0])) == "0.0"


def test_numbers_that_nobody_computed_with_are_compared_as_they_are():
    assert truth("V_Acc < OT", V_Acc=0.1, OT=math.nextafter(0.1, 1)) is True
    assert truth("V_Acc + 0 < OT", V_Acc=0.1, OT=math.nextafter(0.1, 1)) is False


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_a_missing_nan_or_infinite_value_is_unknown_not_false(value):
    assert truth("V_Acc > 0.5", V_Acc=value) is None
    assert truth("not V_Acc > 0.5", V_Acc=value) is None
    assert number("V_Acc + 1", V_Acc=value) is None
    assert number("max(V_Acc, 1)", V_Acc=value) is None


def test_what_cannot_be_computed_is_unknown():
    assert number("1 / failed") is None
    assert number("1e300 * 1e300") is None
    assert number("1e300 * 1e300 - 1e300 * 1e300") is None


@pytest.mark.parametrize(
    ("first", "second", "both", "either"),
    [
        (True, None, None, True),
        (False, None, False, None),
        (None, None, None, None),
        (True, False, False, True),
    ],
)
def test_and_and_or_follow_kleene(first, second, both, either):
    values = {"overfitting": first, "broken": second}
    for left, right in (("overfitting", "broken"), ("broken", "overfitting")):
        assert parse(f"{left} and {right}")[0].truth(values) is both
        assert parse(f"{left} or {right}")[0].truth(values) is either


@pytest.mark.parametrize(
    ("source", "code", "column"),
    [
        ("V_Ac > 0.5", "UNKNOWN_NAME", 0),
        ("T_Acc > 0.5 and V_Ac > 0.5", "UNKNOWN_NAME", 16),
        ("V_Acc", "NOT_A_CONDITION", 0),
        ("0.5", "NOT_A_CONDITION", 0),
        ("V_Acc and failed", "NOT_A_CONDITION", 0),
        ("overfitting > 0.5", "NOT_A_NUMBER", 0),
        ("(T_Acc < V_Acc) + 1 > 0", "NOT_A_NUMBER", 1),
        ("T_Acc = 1", "UNKNOWN_CHARACTER", 6),
        ("T_Acc ** 2 > 1", "UNKNOWN_CHARACTER", 6),
        ("T_Acc ^ 2 > 1", "UNKNOWN_CHARACTER", 6),
        ("T_Acc // 2 > 1", "UNKNOWN_CHARACTER", 6),
        ("failed && nonfinite", "UNKNOWN_CHARACTER", 7),
        ("T_Acc > '0.5'", "UNKNOWN_CHARACTER", 8),
        ("Т_Acc > 0.5", "UNKNOWN_CHARACTER", 0),  # noqa: RUF001 - a Cyrillic Te
        ("T_Acc ≤ 0.5", "UNKNOWN_CHARACTER", 6),
        ("T_Acc > 0x10", "BAD_NUMBER", 8),
        ("T_Acc > 1j", "BAD_NUMBER", 8),
        ("T_Acc > 1_000", "BAD_NUMBER", 8),
        ("T_Acc > 1or failed", "BAD_NUMBER", 8),
        ("T_Acc > 1e999", "BAD_NUMBER", 8),
        ("T_Acc > 12345678901234567890", "BAD_NUMBER", 8),
        ("T_Acc > 007", "BAD_NUMBER", 8),
        ("T_Acc >", "EXPRESSION_SYNTAX", 7),
        ("T_Acc V_Acc", "EXPRESSION_SYNTAX", 6),
        ("T_Acc is V_Acc", "NOT_ALLOWED", 0),
        ("T_Acc in (V_Acc, OT)", "NOT_ALLOWED", 9),
        ("(lambda) > 1", "EXPRESSION_SYNTAX", 7),
        ("min(*OT) > 1", "WRONG_ARGUMENTS", 0),
        ("abs(1, 2) > 1", "WRONG_ARGUMENTS", 0),
        ("min(OT) > 1", "WRONG_ARGUMENTS", 0),
        ("print(1) > 1", "UNKNOWN_FUNCTION", 0),
        ("__import__ > 1", "UNKNOWN_NAME", 0),
        ("(T_Acc if failed else V_Acc) > 1", "NOT_ALLOWED", 1),
        ("True", "NOT_ALLOWED", 0),
        ("", "EMPTY_EXPRESSION", 0),
        (" ", "EMPTY_EXPRESSION", 0),
        ("  V_Ac > 0.5", "UNKNOWN_NAME", 2),
    ],
)
def test_what_is_not_allowed_is_refused_where_it_stands(source, code, column):
    assert (code, column) in refusal(source)


def test_two_unknown_names_are_both_reported_with_what_was_meant():
    _, problems = parse("V_Ac > 0.5 and TAcc < 0.3")
    assert [problem.message.rpartition("; ")[2] for problem in problems] == [
        "did you mean V_Acc?",
        "did you mean T_Acc?",
    ]


def test_a_weight_must_be_a_number_and_a_condition_a_condition():
    assert refusal("T_Acc < V_Acc", "number") == [("NOT_A_NUMBER", 0)]
    assert refusal("overfitting", "number") == [("NOT_A_NUMBER", 0)]
    assert refusal("1 + not failed", "number") != []


def test_long_and_deep_expressions_are_refused():
    assert refusal("1 > 0 or " * (MAX_LENGTH // 9) + "failed" * 9)[0][0] == "EXPRESSION_TOO_LONG"
    for deep in ("(" * 300 + "failed" + ")" * 300, "not " * 400 + "failed", "-" * 1900 + "1 > 0", "1+" * 900 + "1 > 0"):
        assert refusal(deep)[0][0] in {"EXPRESSION_TOO_DEEP", "EXPRESSION_SYNTAX"}, deep[:10]
    assert truth("not " * (MAX_DEPTH - 4) + "failed") is False


def test_a_place_that_cannot_be_counted_is_told_in_words():
    _, problems = parse("T_Acc > 1 and V_Ac > 0.5", exact=False)
    assert [str(problem.place) for problem in problems] == ["book.yaml:3:11"]
    assert "(at character 15 of the expression)" in problems[0].message


def test_names_and_conclusions_come_in_the_order_of_first_use():
    expression, _ = parse("V_Acc > OT and (broken or overfitting) and T_Acc > V_Acc")
    assert expression.names == ("V_Acc", "OT", "T_Acc")
    assert expression.conclusions == ("broken", "overfitting")


def test_atoms_tell_truth_values_distance_and_what_is_unknown():
    expression, _ = parse("T_Acc - V_Acc > OT and not failed and not (overfitting or TT_Acc <= 0.5 < V_Acc)")
    atoms = expression.atoms({**KNOWN, "OT": None, "overfitting": True})
    assert [(atom.text, atom.truth, atom.wanted) for atom in atoms] == [
        ("T_Acc - V_Acc > OT", None, True),
        ("failed", False, False),
        ("overfitting", True, False),
        ("TT_Acc <= 0.5", False, False),
        ("0.5 < V_Acc", True, False),
    ]
    assert atoms[0].unknown == ("OT",)
    assert (atoms[0].left, atoms[0].right, atoms[0].distance) == (pytest.approx(0.2), None, None)
    assert (atoms[1].left, atoms[1].right, atoms[1].distance) == (0.0, 0.5, -0.5)
    assert (atoms[2].left, atoms[2].unknown) == (None, ())
    assert atoms[4].distance == pytest.approx(-0.2)


def test_an_atom_keeps_its_parentheses():
    expression, _ = parse("(T_Acc - V_Acc)  /  OT > 2")
    assert [atom.text for atom in expression.atoms(KNOWN)] == ["(T_Acc - V_Acc) / OT > 2"]


@given(st.text(alphabet="TV_Acc OT0123.9+-*/<>=!()andortifl,min\n'\"é\\x[]{}:@", max_size=60))
def test_any_text_is_parsed_or_refused_and_what_is_parsed_never_raises(source):
    for kind in ("condition", "number"):
        expression, problems = parse(source, kind)
        assert (expression is None) == bool(problems)
        if expression is not None:
            assert expression.truth({}) in {True, False, None}
            expression.number(KNOWN)
            expression.atoms(KNOWN)


@given(st.text(max_size=40))
def test_no_text_whatever_raises(source):
    expression, problems = parse(source)
    assert (expression is None) == bool(problems)
