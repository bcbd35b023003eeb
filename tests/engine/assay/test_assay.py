"""Everything about the tests of a rulebook, in one record."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time

import pytest

from lemonade_es.engine.assay.assay import assay
from lemonade_es.engine.expert import selftest
from lemonade_es.errors import RulebookError
from lemonade_es.report.rulebook_tests import Tested, suggested
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook

BOOK = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL, changes: conv_layers, direction: increase}
  RCL: {text: Reduce, conflicts_with: ACL, changes: conv_layers, direction: reduce}
rules:
  - {id: low, when: T_Acc < 0.5, weight: 1, instruct: [ACL], because: x}
  - {id: lower, when: T_Acc < 0.5, weight: 2, instruct: [ACL], because: x}
tests:
  - {name: low, given: {T_Acc: 0.1}, expect: {fired: [low], instructions: {ACL: 3}}}
"""


def test_without_coverage_only_the_tests_are_run():
    found = assay(parse_rulebook(BOOK, "b.yaml"), coverage=False)
    assert (found.passed, found.failed, found.sound) == (1, 0, True)
    assert (found.coverage, found.boundaries, found.survival, found.suggestions()) == (None, None, None, ())
    assert found.to_json()["mutation"] is None


def test_the_json_has_the_documented_keys():
    data = assay(parse_rulebook(BOOK, "b.yaml")).to_json()
    assert list(data) == ["file", "tests", "passed", "failed", "coverage", "boundaries", "mutation", "suggestions"]
    assert data["tests"] == [{"name": "low", "place": "b.yaml:10:5", "passed": True, "failures": []}]
    assert set(data["coverage"]) == {"rules", "atoms"}
    assert {"mutants", "killed", "equivalent", "score", "survivors"} <= set(data["mutation"])
    json.dumps(data, allow_nan=False)


def test_a_failed_test_makes_a_rulebook_unsound():
    found = assay(parse_rulebook(BOOK.replace("ACL: 3", "ACL: 4"), "b.yaml"), coverage=False)
    assert (found.passed, found.failed, found.sound) == (0, 1, False)
    assert found.to_json()["tests"][0]["failures"] == ["expected ACL with weight 4, found 3"]


def test_what_is_expected_in_one_situation_is_suggested_as_one_test():
    suggested = assay(parse_rulebook(BOOK, "b.yaml")).suggestions()
    on = [test for test in suggested if dict(test.given) == {"T_Acc": 0.5}]
    assert [(test.name, test.not_fired) for test in on] == [
        ("low, lower: on the boundary of T_Acc < 0.5", ("low", "lower"))
    ]
    givens = [tuple(sorted(test.given.items())) for test in suggested]
    assert len(set(givens)) == len(givens)


def test_with_all_suggestions_nothing_more_is_suggested_and_all_is_noticed():
    rulebook = parse_rulebook(BOOK, "b.yaml")
    more = dataclasses.replace(rulebook, tests=(*rulebook.tests, *assay(rulebook).suggestions()))
    again = assay(more)
    assert again.failed == 0
    assert again.survival.score == 1.0
    assert again.boundaries.open == ()
    assert again.suggestions() == ()


TWICE = """\
rulebook: b
version: 1
instructions: {ACL: {text: Add}}
rules:
  - id: two
    when: (V_Acc < 0.5 and F < 100) or (V_Acc < 0.5 and P > 10)
    weight: 1
    instruct: [ACL]
    because: x
tests:
  - {name: "two: on the boundary of F < 100", given: {V_Acc: 0.4, F: 10}, expect: {fired: [two]}}
"""


def test_suggestions_for_a_comparison_that_occurs_twice_can_be_pasted_into_the_file():
    suggestions = suggested(Tested("b.yaml", assay(parse_rulebook(TWICE, "b.yaml"))), named=False)
    assert '"two: on the boundary of V_Acc < 0.5 (2)"' in suggestions
    assert '"two: on the boundary of F < 100 (2)"' in suggestions
    again = assay(parse_rulebook(TWICE + suggestions, "b.yaml"))
    assert (again.failed, again.boundaries.open, again.survival.score) == (0, (), 1.0)
    assert again.suggestions() == ()


def test_every_small_change_of_the_shipped_rulebook_is_noticed_in_a_few_seconds():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    begun = time.process_time()
    found = assay(rulebook)
    assert time.process_time() - begun < 10
    assert found.sound
    assert [item.mutant.sentence for item in found.survival.survivors] == []
    assert found.survival.killed > 300
    assert [rule.rule for rule in found.coverage.rules if not rule.covered] == []
    assert [(atom.rule, atom.text) for atom in found.coverage.atoms if not atom.covered] == []


TOLD = """
import json, sys
from lemonade_es.engine.suppositions.difference import regions
from lemonade_es.report.junit import junit_xml
from lemonade_es.report.rulebook_tests import suggested, test_file, tests_text
from lemonade_es.rules.load import find_rulebook, load_rulebook
tested = [test_file(sys.argv[1], coverage=True)]
print(tests_text(tested), suggested(tested[0], named=True), json.dumps(tested[0].to_json()), junit_xml(tested, 90))
print(regions(load_rulebook(find_rulebook("lemonade")), load_rulebook(find_rulebook("edge")), count=500))
"""


def test_the_same_rulebook_has_the_same_assay_in_every_process(tmp_path):
    (tmp_path / "b.yaml").write_text(BOOK)
    seen = {
        subprocess.run(
            [sys.executable, "-c", TOLD, str(tmp_path / "b.yaml")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "42")
    }
    assert len(seen) == 1
    assert len(seen.pop()) > 1000


def test_a_search_refuses_a_rulebook_that_fails_its_tests():
    rulebook = parse_rulebook(BOOK.replace("ACL: 3", "ACL: 4"), "b.yaml")
    assert [result.passed for result in selftest.selftest(rulebook)] == [False]
    with pytest.raises(RulebookError) as caught:
        selftest.tested(rulebook)
    assert str(caught.value) == "b.yaml:10:5 TEST_FAILED low: expected ACL with weight 4, found 3"
