"""What is read from reports of test suites."""

from benchmarks.robustness import by_level, counted

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite>
  <testcase name="a"><properties><property name="files" value="40"/></properties></testcase>
  <testcase name="b"><properties><property name="files" value="2"/></properties><failure message="no"/></testcase>
  <testcase name="c"><skipped message="not here"/></testcase>
  <testcase name="d"><error message="set-up"/></testcase>
</testsuite></testsuites>
"""


def test_outcomes_and_recorded_cases_are_counted():
    assert counted(REPORT) == {"passed": 1, "failed": 2, "skipped": 1, "cases": {"files": 42}}


def test_attacks_are_counted_by_level():
    kinds = {"tried": ["a", "b"], "held": ["a"], "failed": ["b"], "known": []}
    tally = {"read": {"strong": kinds}, "write": {"strong": kinds, "none": kinds}}
    assert by_level(tally) == {
        "none": {"tried": 2, "held": 1, "failed": 1, "known": 0},
        "strong": {"tried": 4, "held": 2, "failed": 2, "known": 0},
    }
