"""Rules that count the same reason double."""

from __future__ import annotations

from tests.rules.lint.conftest import GOOD, HEAD, book, found, one


def test_rules_on_nested_conditions_count_double():
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: V_Acc < 0.5, weight: 0.5, instruct: [ACL]")
    item = one(book(*rules, GOOD[1]), "DOUBLE_COUNT")
    assert (item.rules, item.proof, item.level) == (("r1", "r0"), "proved", "note")
    assert "(b.yaml:7)" in item.message
    assert "0.5 + 1 = 1.5" in item.message
    assert item.witness["V_Acc"] < 0.5


def test_rules_on_equal_conditions_are_a_warning():
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: not (0.8 <= V_Acc), weight: 2, instruct: [ACL]")
    assert one(book(*rules, GOOD[1]), "DOUBLE_COUNT").level == "warning"


def test_nested_conditions_do_not_count_double_where_the_largest_weight_is_taken():
    rules = ("when: V_Acc < 0.8, weight: 1, instruct: [ACL]", "when: V_Acc < 0.5, weight: 0.5, instruct: [ACL]")
    assert found(book(*rules, head=HEAD.replace("version: 1", "version: 1\ncombine: max")), "DOUBLE_COUNT") == []


def test_a_nested_condition_that_only_looks_so_on_the_points_is_not_told():
    rules = (
        "when: V_Acc < 0.5 or 0.7001 < T_Acc < 0.7002 and 0.9001 < V_Acc < 0.9002, weight: 1, instruct: [ACL]",
        "when: V_Acc < 0.5, weight: 0.5, instruct: [ACL]",
        "when: V_Acc < 0.5 or F > 90000000000000 and V_Acc < 0.6, weight: 1, instruct: [ACL]",
    )
    told = {item.rules for item in found(book(*rules, GOOD[1]), "DOUBLE_COUNT")}
    assert ("r0", "r2") not in told
    assert any(rules[0] == "r1" for rules in told)
