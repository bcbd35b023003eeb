"""What is wrong with rulebook files, and what is doubtful about them, for people and programs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lemonade_es.engine.expert.selftest import quick_selftest
from lemonade_es.errors import InferenceError, RulebookError
from lemonade_es.rules.lint import Finding, lint
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.rules.problem import Problem
from lemonade_es.wording import counted


@dataclass(frozen=True, slots=True)
class Checked:
    """One rulebook file, checked.

    Attributes:
        file: as it was named.
        problems: why it cannot be used; if there are any, nothing else was looked at.
        findings: what is doubtful about its rules, in the order of the file.
        error: why it could not even be read, if so.
        rules: how many rules it has, those that it extends included.
        tests: how many tests.
        failing: how many of them fail.
    """

    file: str
    problems: tuple[Problem, ...] = ()
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    rules: int = 0
    tests: int = 0
    failing: int = 0

    @property
    def usable(self) -> bool:
        """Whether a search can use it."""
        return not self.problems and self.error is None

    @property
    def warnings(self) -> int:
        """How many findings are more than notes."""
        return sum(finding.level == "warning" for finding in self.findings)

    @property
    def doubtful(self) -> bool:
        """Whether something is to be mended, though it can be loaded."""
        return bool(self.warnings or self.failing)

    def to_json(self) -> dict[str, Any]:
        """The file and a list of problems, one shape for errors, warnings and notes."""
        problems = [as_json("error", problem) for problem in self.problems]
        for finding in self.findings:
            witness = None if finding.witness is None else dict(finding.witness)
            more = {"rules": list(finding.rules), "witness": witness, "proof": finding.proof}
            problems.append(as_json(finding.level, finding) | more)
        return {
            "file": self.file,
            "usable": self.usable,
            "rules": self.rules,
            "tests": self.tests,
            "failing_tests": self.failing,
            "error": self.error,
            "problems": problems,
        }


def check(name: str) -> Checked:
    """Check a shipped rulebook or a file: load it, then look for what is doubtful."""
    try:
        rulebook = load_rulebook(find_rulebook(name))
    except RulebookError as error:
        found = tuple(problem for problem in error.problems if isinstance(problem, Problem))
        return Checked(name, problems=found, error=None if found else str(error))
    try:
        failing = sum(not result.passed for result in quick_selftest(rulebook))
        findings = lint(rulebook)
    except InferenceError as error:
        return Checked(name, error=str(error))
    return Checked(name, findings=findings, rules=len(rulebook.rules), tests=len(rulebook.tests), failing=failing)


def check_text(checked: Sequence[Checked], *, notes: bool) -> str:
    """A line for each problem and finding, then a line for each file.

    Args:
        checked: the files.
        notes: whether notes are shown, or only counted.
    """
    return "\n".join(line for item in checked for line in _lines(item, notes=notes))


def _lines(item: Checked, *, notes: bool) -> Iterator[str]:
    if item.error is not None:
        yield item.error
        return
    yield from map(str, item.problems)
    for finding in item.findings:
        if notes or finding.level == "warning":
            yield f"{finding.place} {finding.level} {finding.code} {finding.message}"
    if item.problems:
        yield f"{item.file}: {counted(len(item.problems), 'problem')}; it cannot be used"
        return
    counts = [counted(item.rules, "rule"), counted(item.tests, "test")]
    if item.warnings:
        counts.append(counted(item.warnings, "warning"))
    remarks = len(item.findings) - item.warnings
    if remarks:
        counts.append(counted(remarks, "note") + ("" if notes else " (--notes shows them)"))
    yield f"{item.file}: {'usable' if item.doubtful else 'well'}; {', '.join(counts)}"
    if item.failing:
        fail = "fails" if item.failing == 1 else "fail"
        why = f"lemonade-es rulebook test {shlex.quote(item.file)}"
        tests = counted(item.tests, "test")
        yield f"{item.file}: {item.failing} of its {tests} {fail}, and `run` will not take it; see why: {why}"


def as_json(level: str, found: Problem | Finding) -> dict[str, Any]:
    """A problem or finding with its place, for programs."""
    place = found.place
    return {
        "level": level,
        "code": found.code,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "message": found.message,
    }
