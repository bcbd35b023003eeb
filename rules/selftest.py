"""Running the tests that a rulebook carries in itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lemonade_es.rules.rulebook import Place, Rulebook, RuleTest

TOLERANCE = 1e-9
"""Weights are sums of a few floats; closer than this is equal. Weights that tie (:mod:`.tie`) are closer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test looks at: which rules fired, and the weights left after conflict resolution."""

    fired: tuple[str, ...]
    instructions: Mapping[str, float]


Infer = Callable[[Mapping[str, float]], Outcome]
"""From metrics and settings by name to what the rulebook makes of them."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """The result of one test of a rulebook.

    Attributes:
        name: the test's.
        place: where it stands.
        failures: expected against actual, a sentence each; empty if it passed.
    """

    __test__ = False  # pytest collects classes named Test...

    name: str
    place: Place
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.failures


def run_tests(rulebook: Rulebook, infer: Infer) -> tuple[TestResult, ...]:
    """Run each test of a rulebook, in the order of the file."""
    return tuple(
        TestResult(test.name, test.place, tuple(_failures(test, infer(test.given)))) for test in rulebook.tests
    )


def _failures(test: RuleTest, actual: Outcome) -> Iterator[str]:
    fired = ", ".join(actual.fired) or "none"
    given = ", ".join(f"{key} {value:g}" for key, value in actual.instructions.items()) or "none"
    if test.fired == () and actual.fired:
        yield f"expected no rule to fire; fired: {fired}"
    for rule in test.fired or ():
        if rule not in actual.fired:
            yield f"expected {rule} to fire; fired: {fired}"
    for rule in test.not_fired:
        if rule in actual.fired:
            yield f"expected {rule} not to fire; fired: {fired}"
    if test.silent and actual.instructions:
        yield f"expected no instruction; given: {given}"
    for instruction, weight in test.instructions.items():
        found = actual.instructions.get(instruction)
        if found is None:
            yield f"expected {instruction} with weight {weight:g}; given: {given}"
        elif not math.isclose(found, weight, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"expected {instruction} with weight {weight:g}, found {found:g}"
    for instruction in test.absent:
        if instruction in actual.instructions:
            yield f"expected {instruction} to be absent, found it with weight {actual.instructions[instruction]:g}"
