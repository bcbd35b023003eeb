"""Tests that a rulebook carries."""

from __future__ import annotations

from lemonade_es.rules.load import parse_rulebook
from lemonade_es.rules.selftest import Outcome, run_tests

BOOK = """\
rulebook: small
version: 1
instructions: {ACL: {text: Add}, AD: {text: Drop}}
rules:
  - {id: one, when: T_Acc < 0.5, weight: 1, instruct: [ACL]}
  - {id: two, when: T_Acc < 0.2, weight: 1, instruct: [AD]}
tests:
  - name: all four expectations
    given: {T_Acc: 0.4}
    expect: {fired: [one], not_fired: [two], instructions: {ACL: 1}, absent: [AD]}
"""


def failures(outcome, book=BOOK):
    (result,) = run_tests(parse_rulebook(book, "b.yaml"), lambda given: outcome)
    assert result.passed == (result.failures == ())
    return result.failures


def test_a_test_passes_if_all_is_as_expected():
    assert failures(Outcome(("one",), {"ACL": 1.0 + 1e-12})) == ()


def test_each_failure_tells_expected_and_actual():
    assert failures(Outcome(("two",), {"AD": 2.0})) == (
        "expected one to fire; fired: two",
        "expected two not to fire; fired: two",
        "expected ACL with weight 1; given: AD 2",
        "expected AD to be absent, found it with weight 2",
    )
    assert failures(Outcome(("one",), {"ACL": 0.5})) == ("expected ACL with weight 1, found 0.5",)


def test_what_is_given_reaches_the_engine():
    seen = []

    def infer(given):
        seen.append(dict(given))
        return Outcome(("one",), {"ACL": 1.0})

    results = run_tests(parse_rulebook(BOOK, "b.yaml"), infer)
    assert seen == [{"T_Acc": 0.4}]
    assert str(results[0].place) == "b.yaml:8:5"


def test_an_empty_list_of_rules_expects_that_none_fires_and_no_instructions_that_none_is_left():
    book = BOOK[: BOOK.index("    expect:")] + "    expect: {fired: [], instructions: {}}\n"
    assert failures(Outcome((), {}), book) == ()
    assert failures(Outcome(("one", "two"), {"ACL": 1.0, "AD": 0.5}), book) == (
        "expected no rule to fire; fired: one, two",
        "expected no instruction; given: ACL 1, AD 0.5",
    )


def test_what_a_test_does_not_mention_it_does_not_expect():
    book = BOOK[: BOOK.index("    expect:")] + "    expect: {not_fired: [two]}\n"
    assert failures(Outcome(("one",), {"ACL": 1.0}), book) == ()
