"""Results of rulebook tests for CI systems, and as text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from lemonade_es.engine.assay.assay import assay
from lemonade_es.report import rulebook_tests
from lemonade_es.report.junit import junit_xml
from lemonade_es.report.rulebook_tests import Tested
from lemonade_es.rules.load import parse_rulebook

BOOK = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL, changes: conv_layers, direction: increase}
  RCL: {text: Reduce, conflicts_with: ACL, changes: conv_layers, direction: reduce}
rules:
  - {id: low, when: T_Acc < 0.5, weight: 1, instruct: [ACL], because: x}
  - {id: "2nd", when: "V_Acc < 0.5 and T_Acc > 0.5", weight: 1, instruct: [ACL], because: x}
tests:
  - {name: "a < b & \\"c\\" \\x01", given: {T_Acc: 0.1}, expect: {fired: [low]}}
  - {name: fails, given: {T_Acc: 0.9}, expect: {fired: [low], absent: [ACL]}}
"""


def found(text=BOOK, *, coverage=False):
    return Tested("b.yaml", assay(parse_rulebook(text, "b.yaml"), coverage=coverage))


def parsed(*tested):
    return ElementTree.fromstring(junit_xml(tested).encode())


def test_each_test_is_a_case_with_its_file_and_line():
    root = parsed(found())
    assert root.tag == "testsuites"
    first, second = root.iter("testcase")
    assert (second.get("classname"), second.get("name")) == ("b.yaml", "fails")
    assert (second.get("file"), second.get("line")) == ("b.yaml", "11")
    assert first.get("name") == 'a < b & "c" \ufffd'


def test_failures_are_counted_and_told():
    root = parsed(found())
    (suite,) = root
    for counted in (root, suite):
        assert [counted.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["2", "1", "0", "0"]
    (failure,) = root.iter("failure")
    assert failure.get("message") == "expected low to fire; fired: none"
    assert failure.text == "b.yaml:11:5: expected low to fire; fired: none"


def test_a_file_that_cannot_be_used_is_an_error():
    root = parsed(Tested("bad.yaml", None, "bad.yaml:1:1 EMPTY_FILE the rulebook is empty"), found())
    assert [suite.get("errors") for suite in root] == ["1", "0"]
    (error,) = root.iter("error")
    assert "EMPTY_FILE" in error.get("message")
    assert root.get("tests") == "3"


def test_boundaries_that_were_looked_at_are_a_case():
    plain, deep = parsed(found()), parsed(found(coverage=True))
    assert len(list(deep.iter("testcase"))) == len(list(plain.iter("testcase"))) + 1
    assert len(list(deep.iter("failure"))) == 1


@pytest.mark.parametrize(("least", "failed"), [(1.0, 1), (99.5, 2)])
def test_a_mutation_score_that_is_asked_for_is_a_case(least, failed):
    root = ElementTree.fromstring(junit_xml([found(coverage=True)], least).encode())
    assert root.get("failures") == str(failed)
    assert f"the mutation score is {least:g} % or more" in [case.get("name") for case in root.iter("testcase")]


def test_the_same_results_are_the_same_file():
    assert junit_xml([found(coverage=True)]) == junit_xml([found(coverage=True)])


def test_failed_tests_are_told_with_their_places_and_figures_follow():
    lines = rulebook_tests.tests_text([found(coverage=True)]).splitlines()
    assert lines[0] == "b.yaml:11:5 FAILED fails: expected low to fire; fired: none"
    assert lines[1] == "b.yaml: 1 of 2 tests failed"
    assert "  rules       1 of 2 fire in a test and are checked" in lines
    assert "    b.yaml:8:5 2nd fires in no test" in lines
    assert any(line.endswith("2nd: V_Acc < 0.5 is never true and never false") for line in lines)
    assert any("not noticed: low: `T_Acc < 0.5` becomes `T_Acc <= 0.5`" in line for line in lines)


def test_failed_tests_of_another_book_are_told_how_to_be_left_behind(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("rulebook: mine\nversion: 1\nextends: lemonade\nthresholds: {TV_Acc: {default: 0.9}}\n")
    *_, count, cure = rulebook_tests.tests_text([rulebook_tests.test_file(str(path), coverage=False)]).splitlines()
    number = count.removeprefix(f"{path}: ").split(" of ")[0]
    assert count.endswith(" of 64 tests failed")
    assert cure == (
        f"{path}: {number} of these are inherited; tests of a book that is extended may be left behind: name "
        "them under `drop_tests`, or write `drop_tests: all`"
    )


def test_what_is_well_is_one_line():
    text = BOOK.replace("fired: [low], absent: [ACL]", "not_fired: [low]")
    assert rulebook_tests.tests_text([found(text)]) == "b.yaml: 2 tests passed"
    assert rulebook_tests.tests_text([found(BOOK[: BOOK.index("tests:")])]) == "b.yaml: no tests"


def test_a_file_that_cannot_be_used_is_told_as_such(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("rulebook: [")
    bad = rulebook_tests.test_file(str(path), coverage=True)
    assert not bad.sound
    assert rulebook_tests.tests_text([bad]).endswith("bad.yaml: it cannot be used")
    assert bad.to_json()["error"] == bad.error
    assert bad.to_json()["tests"] == []


@pytest.mark.parametrize("most", [1, 100])
def test_suggested_tests_can_be_pasted_into_the_file(most, monkeypatch):
    monkeypatch.setattr(rulebook_tests, "MOST", most)
    item = found(coverage=True)
    suggested = item.assay.suggestions()
    pasted = parse_rulebook(BOOK + rulebook_tests.tests_yaml(suggested) + "\n", "b.yaml")
    assert pasted.tests[2:] == tuple(
        test.__class__(*(getattr(test, name) for name in test.__slots__[:-2]), place, test.silent)
        for test, place in zip(suggested, (test.place for test in pasted.tests[2:]), strict=True)
    )
    text = rulebook_tests.tests_text([item])
    assert text.count("- name:") == min(most, len(suggested))
    assert ("--suggest prints all" in text) is (most < len(suggested))


def test_numbers_are_written_as_they_are_read():
    text = BOOK.replace("T_Acc < 0.5", "T_E < 1.5e-7")
    suggested = found(text, coverage=True).assay.suggestions()
    pasted = parse_rulebook(text + rulebook_tests.tests_yaml(suggested) + "\n", "b.yaml")
    assert [dict(test.given) for test in pasted.tests[2:]] == [dict(test.given) for test in suggested]
