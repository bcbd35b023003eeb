"""What the tests of rulebook files say, and how much they would notice, for people and programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lemonade_es.engine.assay.assay import Assay, assay
from lemonade_es.engine.assay.boundary import Boundaries
from lemonade_es.engine.assay.coverage import Coverage
from lemonade_es.engine.assay.survival import Survival, expectation
from lemonade_es.engine.expert.selftest import LEFT_BEHIND
from lemonade_es.errors import InferenceError, RulebookError
from lemonade_es.report.rulebook_check import as_json
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.rules.problem import Problem
from lemonade_es.rules.rulebook import RuleTest
from lemonade_es.wording import counted

MOST = 12
"""So many suggested tests, and unnoticed changes, are shown with the figures; --suggest and --json have all."""

_PLAIN = re.compile(r"(?!(?:true|false|null)$)[A-Za-z][A-Za-z0-9_-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tested:
    """One rulebook file, tested.

    Attributes:
        file: as it was named.
        assay: what was found; ``None`` if the file cannot be used.
        error: why it cannot, a line for each problem.
        problems: the same as records, as far as they have a place in the file.
        own: what the file is called in places, to tell its tests from those of the books that it extends.
    """

    __test__ = False  # pytest collects classes named Test...

    file: str
    assay: Assay | None
    error: str | None = None
    problems: tuple[Problem, ...] = ()
    own: str = ""

    @property
    def sound(self) -> bool:
        """Whether the file can be used, its tests pass, and both engines are right at its boundaries."""
        return self.assay is not None and self.assay.sound

    @property
    def score(self) -> float | None:
        """The mutation score, 0..1, if it was asked for and there is one."""
        survival = None if self.assay is None else self.assay.survival
        return None if survival is None else survival.score

    def to_json(self) -> dict[str, Any]:
        """The assay under the file's name, and why there is none."""
        found = Assay(self.file, 0, ()) if self.assay is None else self.assay
        problems = [as_json("error", problem) for problem in self.problems]
        return found.to_json() | {"file": self.file, "error": self.error, "problems": problems}


def test_file(name: str, *, coverage: bool) -> Tested:
    """Test a shipped rulebook or a file.

    Args:
        name: a shipped name or a path.
        coverage: whether coverage, boundaries and mutants are looked at too, which takes seconds.
    """
    try:
        found = load_rulebook(find_rulebook(name))
        return Tested(name, assay(found, coverage=coverage), own=found.file)
    except RulebookError as error:
        problems = tuple(problem for problem in error.problems if isinstance(problem, Problem))
        return Tested(name, None, str(error), problems)
    except InferenceError as error:
        return Tested(name, None, str(error))


def tests_text(tested: Sequence[Tested]) -> str:
    """Each failure with its place, then a line a file; with coverage, figures and what is missing."""
    return "\n".join(line for item in tested for line in _lines(item))


def tests_yaml(tests: Sequence[RuleTest]) -> str:
    """Tests as a rulebook file has them under ``tests:``."""
    return "\n".join(line for test in tests for line in _test(test))


def suggested(item: Tested, *, named: bool) -> str:
    """The tests that a rulebook lacks, as its file has them; under ``tests:`` if it has none.

    Args:
        item: of the file, with coverage.
        named: begin with a comment that names the file.
    """
    tests = () if item.assay is None else item.assay.suggestions()
    if not tests:
        return ""
    head = [f"# {item.file}"] if named else []
    head += [] if item.assay is not None and item.assay.tests else ["tests:"]
    return "\n".join([*head, tests_yaml(tests)]) + "\n"


def _lines(item: Tested) -> Iterator[str]:
    found = item.assay
    if found is None:
        yield item.error or ""
        yield f"{item.file}: it cannot be used"
        return
    for result in found.tests:
        for failure in result.failures:
            yield f"{result.place} FAILED {result.name}: {failure}"
    if found.boundaries is not None:
        for boundary, point in found.boundaries.failures:
            for failure in point.failures:
                yield f"{boundary.place} FAILED {boundary.test(point).name}, {_flow(dict(point.given))}: {failure}"
    yield from _counts(item, found)
    if found.coverage is not None:
        yield from _coverage(found.coverage)
    if found.boundaries is not None:
        yield from _boundaries(found.boundaries)
    if found.survival is not None:
        yield from _survival(found.survival)
    yield from _suggestions(found)


def _counts(item: Tested, found: Assay) -> Iterator[str]:
    total = len(found.tests)
    if not total:
        yield f"{item.file}: no tests"
    elif not found.failed:
        yield f"{item.file}: {counted(total, 'test')} passed"
    else:
        yield f"{item.file}: {found.failed:,} of {counted(total, 'test')} failed"
        inherited = sum(not result.passed and result.place.file != item.own for result in found.tests)
        if inherited:
            yield f"{item.file}: {inherited:,} of these {'is' if inherited == 1 else 'are'} inherited; {LEFT_BEHIND}"


def _coverage(coverage: Coverage) -> Iterator[str]:
    data = coverage.to_json()
    rules, atoms = data["rules"], data["atoms"]
    yield f"  rules       {rules['covered']:,} of {rules['total']:,} fire in a test and are checked"
    for rule in coverage.rules:
        if not rule.covered:
            why = "fires in no test" if not rule.fired else "fires, but no test checks it"
            yield f"    {rule.place} {rule.rule} {why}"
    yield (
        f"  conditions  {atoms['covered']:,} of {atoms['total']:,} comparisons, flags and conclusions seen true and "
        f"false; {atoms['unknown']:,} seen unknown"
    )
    for atom in coverage.atoms:
        if not atom.covered:
            yield f"    {atom.place} {atom.rule}: {atom.text} is never {' and never '.join(atom.missing)}"


def _boundaries(boundaries: Boundaries) -> Iterator[str]:
    data = boundaries.to_json()
    right = f"{data['failed']:,} failed" if data["failed"] else "both engines right at each"
    yield (
        f"  boundaries  {counted(data['points'], 'point')} at {counted(data['comparisons'], 'comparison')}, {right}; "
        f"tests hold {data['held']:,}"
    )
    for item in boundaries.boundaries:
        if item.reason is not None:
            yield f"    {item.place} {item.rule}: {item.text}: {item.reason}"


def _survival(survival: Survival) -> Iterator[str]:
    score = "" if survival.score is None else f" ({survival.score:.1%})"
    of = survival.tried - len(survival.equivalent)
    yield f"  mutants     {survival.killed:,} of {of:,} small changes would be noticed{score}"
    if survival.tried < survival.made:
        yield f"    a random choice of {survival.tried:,} out of {survival.made:,} was tried"
    if survival.equivalent:
        number = len(survival.equivalent)
        yield (
            f"    {number:,} more: no difference found in {survival.situations:,} situations; "
            f"{'it is' if number == 1 else 'they are'} not counted"
        )
    for survivor in survival.survivors[:MOST]:
        yield f"    {survivor.mutant.place} not noticed: {survivor.mutant.sentence}"
    if len(survival.survivors) > MOST:
        yield f"    and {len(survival.survivors) - MOST:,} more; --json has all"


def _suggestions(found: Assay) -> Iterator[str]:
    tests = found.suggestions()
    if not tests:
        return
    shown = f"{MOST} of {len(tests):,}; --suggest prints all" if len(tests) > MOST else f"{len(tests):,}"
    yield f"  tests to add, as the rules are now ({shown}):"
    yield tests_yaml(tests[:MOST])


def _test(test: RuleTest) -> Iterator[str]:
    yield f"  - name: {json.dumps(test.name, ensure_ascii=False)}"
    yield f"    given: {_flow(dict(test.given))}"
    yield f"    expect: {_flow(expectation(test))}"


def _flow(value: object) -> str:
    match value:
        case float() | int():
            short = float(f"{value:.15g}")
            return f"{short:.0f}" if short.is_integer() and abs(short) < 1e15 else repr(short)
        case str():
            return value if _PLAIN.fullmatch(value) else json.dumps(value)
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case dict():
            return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
        case _:
            raise AssertionError(f"not a value of a rulebook file: {value!r}")
