"""Which small changes of a rulebook its tests notice, and a test for each that they do not."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lemonade_es.engine.assay.coverage import names_rule
from lemonade_es.engine.assay.situations import given_at, joined, points_of, sampled
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.selftest import facts_of, outcome
from lemonade_es.errors import InferenceError
from lemonade_es.rules.analysis.arrays import TRUE
from lemonade_es.rules.analysis.vector import Outcomes, evaluate_points
from lemonade_es.rules.mutation import Mutant, mutants
from lemonade_es.rules.rulebook import Rulebook, RuleTest
from lemonade_es.rules.selftest import TOLERANCE, Outcome, run_tests

SITUATIONS = 2048
"""So many random situations are tried to tell a mutant from its rulebook, besides those of tests and boundaries."""
WORK = 40_000
"""So many mutants times rules are tried at most; of a larger rulebook a random choice of its mutants."""
FEWEST_MUTANTS = 100
"""But never fewer mutants than this."""
LOOKS = 400_000
"""So many situations times rules are looked at for each mutant at most."""
FEWEST_SITUATIONS = 256
"""But never fewer random situations than this."""

NOTICED = "noticed: "
"""So begins the name of a test that is suggested for a mutant."""

_LOOKED_AT = 64
_DIGITS = 12

Given = Mapping[str, float]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test notices.

    Attributes:
        mutant: it.
        test: a test that the rulebook passes and the mutant fails; one test may do for several.
    """

    mutant: Mutant
    test: RuleTest


@dataclass(frozen=True, slots=True)
class Survival:
    """What became of the mutants of a rulebook.

    Attributes:
        made: how many there are.
        tried: how many were tried.
        killed: how many of those made a test fail.
        survivors: those that did not, though they differ from the rulebook.
        equivalent: those in which no difference was found; they are not counted.
        situations: in so many situations a difference was looked for, besides those at the boundaries.
    """

    made: int
    tried: int
    killed: int
    survivors: tuple[Survivor, ...]
    equivalent: tuple[Mutant, ...]
    situations: int

    @property
    def score(self) -> float | None:
        """The share of the mutants that differ which was killed, 0 to 1; ``None`` if none differs."""
        differing = self.tried - len(self.equivalent)
        return self.killed / differing if differing else None

    def tests(self) -> tuple[RuleTest, ...]:
        """Tests by which every survivor would be killed, each once; several may have one name."""
        return tuple(_each_once(survivor.test for survivor in self.survivors))

    def to_json(self) -> dict[str, Any]:
        """Figures; the survivors with their tests; the equivalent ones."""
        return {
            "made": self.made,
            "mutants": self.tried,
            "killed": self.killed,
            "equivalent": len(self.equivalent),
            "score": self.score,
            "situations": self.situations,
            "survivors": [_mutant(item.mutant) | {"test": test_json(item.test)} for item in self.survivors],
            "no_difference_found": [_mutant(mutant) for mutant in self.equivalent],
        }


def find_survivors(
    rulebook: Rulebook, boundaries: Mapping[str, Sequence[Given]] | None = None, *, seed: int = 0
) -> Survival:
    """Try each mutant of a rulebook with the rulebook's tests, by the plain evaluator.

    Tests that the rulebook itself fails notice nothing.

    Args:
        rulebook: with its tests.
        boundaries: for rules by their ids, situations at their boundaries, in which their mutants differ most likely.
        seed: of the random situations, and of the choice if there are too many mutants.
    """
    return _Trial(rulebook, boundaries or {}, seed).survival()


class _Trial:
    def __init__(self, rulebook: Rulebook, boundaries: Mapping[str, Sequence[Given]], seed: int) -> None:
        passed = [result.passed for result in run_tests(rulebook, lambda given: _infer(rulebook, given))]
        self.rulebook = dataclasses.replace(rulebook, tests=tuple(itertools.compress(rulebook.tests, passed)))
        self.seed = seed
        self.tests = points_of(rulebook, [test.given for test in self.rulebook.tests])
        self.tested = evaluate_points(rulebook, self.tests)
        count = min(SITUATIONS, max(FEWEST_SITUATIONS, LOOKS // max(1, len(rulebook.rules))))
        self.usual = joined([self.tests, sampled(rulebook, count=count, seed=seed)])
        self.expected = evaluate_points(rulebook, self.usual)
        self.boundaries = boundaries

    def survival(self) -> Survival:
        made = list(mutants(self.rulebook))
        chosen = self.chosen(made)
        killed = 0
        survivors: list[Survivor] = []
        equivalent: list[Mutant] = []
        for mutant in chosen:
            mutated = mutant.applied(self.rulebook)
            try:
                noticed = self.is_noticed(mutant, mutated)
                test = None if noticed else self.shared(mutant, mutated, survivors) or self.witness(mutant, mutated)
            except InferenceError:  # doubled, a weight is too large to compute
                noticed, test = True, None
            if noticed:
                killed += 1
                continue
            if test is None:
                equivalent.append(mutant)
            else:
                survivors.append(Survivor(mutant, test))
        return Survival(len(made), len(chosen), killed, tuple(survivors), tuple(equivalent), len(self.usual.values))

    def chosen(self, made: Sequence[Mutant]) -> Sequence[Mutant]:
        most = max(FEWEST_MUTANTS, WORK // max(1, len(self.rulebook.rules)))
        if len(made) <= most:
            return made
        picked = np.random.default_rng(self.seed).choice(len(made), most, replace=False)
        return [made[index] for index in sorted(picked.tolist())]

    def is_noticed(self, mutant: Mutant, mutated: Rulebook) -> bool:
        """Whether a test fails; only those whose situation the change touches are run."""
        touched = np.flatnonzero(_differ(self.tested, evaluate_points(mutated, self.tests)))
        tests = [self.rulebook.tests[index] for index in touched]
        tests.sort(key=lambda test: not names_rule(test, mutant.altered))
        return not all(_passes(mutated, test) for test in tests)

    def shared(self, mutant: Mutant, mutated: Rulebook, survivors: Sequence[Survivor]) -> RuleTest | None:
        """A test that is there already for another mutant of the rule, and does for this one."""
        tests = _each_once(item.test for item in survivors if item.mutant.rule == mutant.rule)
        return next((test for test in tests if not _passes(mutated, test)), None)

    def witness(self, mutant: Mutant, mutated: Rulebook) -> RuleTest | None:
        """A test for the mutant, in few words; ``None`` if no difference is found."""
        rows = np.flatnonzero(_differ(self.expected, evaluate_points(mutated, self.usual)))
        givens = [given_at(self.rulebook, self.usual, int(index)) for index in rows[:_LOOKED_AT]]
        near = self.boundaries.get(mutant.rule, ())
        for given in sorted([*near, *givens], key=lambda given: (len(given), len(repr(given)))):
            if self.told(mutant, mutated, given) is None:
                continue
            short = dict(given)
            for name in given:
                fewer = {key: value for key, value in short.items() if key != name}
                if self.told(mutant, mutated, fewer) is not None:
                    short = fewer
            return self.told(mutant, mutated, short)
        return None

    def told(self, mutant: Mutant, mutated: Rulebook, given: Given) -> RuleTest | None:
        """What the rulebook does in a situation and the mutant does not, as a test."""
        right, wrong = _infer(self.rulebook, given), _infer(mutated, given)
        fired = tuple(rule for rule in right.fired if rule not in wrong.fired)
        not_fired = tuple(rule for rule in wrong.fired if rule not in right.fired)
        weights: dict[str, float] = {}
        absent: tuple[str, ...] = ()
        if not fired and not not_fired:
            weights = {
                name: float(f"{weight:.{_DIGITS}g}")
                for name, weight in right.instructions.items()
                if not np.isclose(weight, wrong.instructions.get(name, 0.0), rtol=2 * TOLERANCE, atol=2 * TOLERANCE)
            }
            absent = tuple(name for name in wrong.instructions if name not in right.instructions)
        if not (fired or not_fired or weights or absent):
            return None
        return RuleTest(f"{NOTICED}{mutant.sentence}", given, fired or None, not_fired, weights, absent, mutant.place)


def _each_once(tests: Iterable[RuleTest]) -> Iterable[RuleTest]:
    """Tests without those that say the same by the same name."""
    return {json.dumps(test_json(test)): test for test in tests}.values()


def _infer(rulebook: Rulebook, given: Given) -> Outcome:
    return outcome(rulebook, evaluate(rulebook, facts_of(rulebook, given)))


def _passes(rulebook: Rulebook, test: RuleTest) -> bool:
    single = dataclasses.replace(rulebook, tests=(test,))
    return all(result.passed for result in run_tests(single, lambda given: _infer(rulebook, given)))


def _differ(first: Outcomes, second: Outcomes) -> Mask:
    """At which points other rules fire, or other instructions are left."""
    fired = ((first.truth == TRUE) != (second.truth == TRUE)).any(axis=1)
    left = ~np.isclose(first.kept, second.kept, rtol=TOLERANCE, atol=TOLERANCE)
    return np.asarray(fired | left.any(axis=1))


def _mutant(mutant: Mutant) -> dict[str, Any]:
    return {
        "id": mutant.id,
        "rule": mutant.rule,
        "place": str(mutant.place),
        "change": mutant.change,
        "sentence": mutant.sentence,
    }


def test_json(test: RuleTest) -> dict[str, Any]:
    """A test as a rulebook file has it."""
    return {"name": test.name, "given": dict(test.given), "expect": expectation(test)}


def expectation(test: RuleTest) -> dict[str, Any]:
    """What a test expects, as a rulebook file has it; what it says nothing about is left out."""
    found: dict[str, Any] = {
        "fired": list(test.fired or ()),
        "not_fired": list(test.not_fired),
        "instructions": dict(test.instructions),
        "absent": list(test.absent),
    }
    return {key: value for key, value in found.items() if value}
