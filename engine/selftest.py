"""The tests that a rulebook carries, run by the Experta engine and conflict resolution."""

from __future__ import annotations

from collections.abc import Mapping

from lemonade_es.engine.conflicts import resolve
from lemonade_es.engine.facts import Facts
from lemonade_es.engine.inference import compile_rulebook
from lemonade_es.errors import RulebookError
from lemonade_es.rules.problem import Problem
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.rules.selftest import Outcome, TestResult, run_tests
from lemonade_es.vocabulary import METRICS, settings


def selftest(rulebook: Rulebook) -> tuple[TestResult, ...]:
    """Run each test of a rulebook; settings that a test does not give have their defaults."""
    compiled = compile_rulebook(rulebook)

    def infer(given: Mapping[str, float]) -> Outcome:
        metrics = {name: value for name, value in given.items() if name in METRICS}
        wishes = {name: value for name, value in given.items() if name not in METRICS}
        inference = compiled.infer(Facts.of(metrics, settings(None, wishes, rulebook.defaults)))
        fired = tuple(firing.rule for firing in inference.fired)
        return Outcome(fired, resolve(inference, rulebook).instructions)

    return run_tests(rulebook, infer)


def tested(rulebook: Rulebook) -> Rulebook:
    """The rulebook, if it does what its own tests say.

    Raises:
        RulebookError: with the failures of each test, at its place.
    """
    problems = tuple(
        Problem(result.place, "TEST_FAILED", f"{result.name}: {failure}")
        for result in selftest(rulebook)
        for failure in result.failures
    )
    if problems:
        raise RulebookError("the rulebook fails its own tests", problems, where=rulebook.file)
    return rulebook
