"""The tests that a rulebook carries, run by the Experta engine and conflict resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import Inference, compile_rulebook
from lemonade_es.errors import RulebookError
from lemonade_es.rules.problem import Problem
from lemonade_es.rules.rulebook import Rulebook, RuleTest
from lemonade_es.rules.selftest import Outcome, TestResult, run_tests
from lemonade_es.vocabulary import METRICS, settings

LEFT_BEHIND = (
    "tests of a book that is extended may be left behind: name them under `drop_tests`, or write `drop_tests: all`"
)
"""What to do about promises of another book that one does not keep."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A test that was run, its result, and what the rules did in it."""

    test: RuleTest
    result: TestResult
    inference: Inference


def selftest(rulebook: Rulebook) -> tuple[TestResult, ...]:
    """Run each test of a rulebook; settings that a test does not give have their defaults."""
    return tuple(observation.result for observation in observe(rulebook))


def quick_selftest(rulebook: Rulebook) -> tuple[TestResult, ...]:
    """As :func:`selftest`, by the plain evaluator, which gives the same results in a fraction of the time."""
    return run_tests(rulebook, lambda given: outcome(rulebook, evaluate(rulebook, facts_of(rulebook, given))))


def keeps_its_own_promises(rulebook: Rulebook) -> bool:
    """Whether the tests in a rulebook's own file pass, whatever comes of those that it inherits."""
    return all(result.passed for result in quick_selftest(rulebook) if result.place.file == rulebook.file)


def observe(rulebook: Rulebook) -> tuple[Observation, ...]:
    """Run each test of a rulebook, and keep what the rules did in it."""
    compiled = compile_rulebook(rulebook)
    inferences: list[Inference] = []

    def infer(given: Mapping[str, float]) -> Outcome:
        inferences.append(compiled.infer(facts_of(rulebook, given)))
        return outcome(rulebook, inferences[-1])

    results = run_tests(rulebook, infer)
    return tuple(map(Observation, rulebook.tests, results, inferences))


def facts_of(rulebook: Rulebook, given: Mapping[str, float]) -> Facts:
    """What is known in a situation: metrics that are not given are unknown, settings have their defaults.

    Raises:
        ConfigError: a name is unknown, or a setting out of its range.
    """
    metrics = {name: value for name, value in given.items() if name in METRICS}
    wishes = {name: value for name, value in given.items() if name not in METRICS}
    return Facts.of(metrics, settings(None, wishes, rulebook.defaults))


def outcome(rulebook: Rulebook, inference: Inference) -> Outcome:
    """What a test looks at: which rules fired, and what is left after conflict resolution."""
    return Outcome(tuple(firing.rule for firing in inference.fired), resolve(inference, rulebook).instructions)


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
        told = (*problems, *_remedy(rulebook, problems))
        raise RulebookError("the rulebook fails its own tests", told, where=rulebook.file)
    return rulebook


def _remedy(rulebook: Rulebook, problems: Sequence[Problem]) -> Iterator[str]:
    """:data:`LEFT_BEHIND`, where tests of another book fail."""
    if any(problem.place.file != rulebook.file for problem in problems):
        yield f"{rulebook.file}: {LEFT_BEHIND}"
