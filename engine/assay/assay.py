"""The assay of a rulebook: its tests, what they cover, its boundaries, and the changes that they would notice."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lemonade_es.engine.assay.boundary import Boundaries, find_boundaries
from lemonade_es.engine.assay.coverage import Coverage, cover
from lemonade_es.engine.assay.survival import NOTICED, Survival, find_survivors, test_json
from lemonade_es.engine.expert.selftest import observe
from lemonade_es.rules.rulebook import Rulebook, RuleTest
from lemonade_es.rules.selftest import TestResult


@dataclass(frozen=True, slots=True)
class Assay:
    """What was found about one rulebook.

    Attributes:
        file: the rulebook's.
        rules: how many rules it has.
        tests: the result of each of its tests, in the order of the file.
        coverage: what they cover; ``None``, as the other two, if that was not asked for.
        boundaries: situations at the boundaries of its comparisons.
        survival: what became of its mutants.
    """

    file: str
    rules: int
    tests: tuple[TestResult, ...]
    coverage: Coverage | None = None
    boundaries: Boundaries | None = None
    survival: Survival | None = None

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return sum(result.passed for result in self.tests)

    @property
    def failed(self) -> int:
        """How many tests failed."""
        return len(self.tests) - self.passed

    @property
    def sound(self) -> bool:
        """Whether all tests passed, and both engines do at all boundaries what the operators say."""
        return not self.failed and not (self.boundaries is not None and self.boundaries.failures)

    def suggestions(self) -> tuple[RuleTest, ...]:
        """Tests that the file lacks: for mutants that survive, and for boundaries that none of its tests holds.

        What is expected in the same situation makes one test; each has a name of its own, which the file has not.
        """
        survival = self.survival.tests() if self.survival is not None else ()
        boundaries = self.boundaries.tests() if self.boundaries is not None else ()
        return tuple(_named(_merged((*survival, *boundaries)), {result.name for result in self.tests}))

    def to_json(self) -> dict[str, Any]:
        """The tests with their failures; coverage, boundaries and mutation, or null if not asked for; suggestions."""
        return {
            "file": self.file,
            "tests": [
                {
                    "name": result.name,
                    "place": str(result.place),
                    "passed": result.passed,
                    "failures": list(result.failures),
                }
                for result in self.tests
            ],
            "passed": self.passed,
            "failed": self.failed,
            "coverage": None if self.coverage is None else self.coverage.to_json(),
            "boundaries": None if self.boundaries is None else self.boundaries.to_json(),
            "mutation": None if self.survival is None else self.survival.to_json(),
            "suggestions": [test_json(test) for test in self.suggestions()],
        }


def _merged(tests: Sequence[RuleTest]) -> Iterator[RuleTest]:
    """One test for each situation; its name joins what stands before the same end of names."""
    situations: dict[tuple[tuple[str, float], ...], list[RuleTest]] = {}
    for test in tests:
        situations.setdefault(tuple(sorted(test.given.items())), []).append(test)
    for same in situations.values():
        names: dict[str, list[str]] = {}
        placed = [test for test in same if not test.name.startswith(NOTICED)]
        for test in placed or same:  # what is at a boundary is better called by it
            head, _, tail = test.name.partition(": ")
            heads = names.setdefault(tail, [])
            heads += [head] if head not in heads else []
        yield dataclasses.replace(
            same[0],
            name="; ".join(f"{', '.join(heads)}: {tail}" for tail, heads in names.items()),
            fired=tuple(dict.fromkeys(rule for test in same for rule in test.fired or ())) or None,
            not_fired=tuple(dict.fromkeys(rule for test in same for rule in test.not_fired)),
            instructions={name: weight for test in same for name, weight in test.instructions.items()},
            absent=tuple(dict.fromkeys(name for test in same for name in test.absent)),
        )


def _named(tests: Iterable[RuleTest], taken: Collection[str]) -> Iterator[RuleTest]:
    """Tests by names that are not taken: those for a comparison that occurs twice in a rule are numbered."""
    used = set(taken)
    for test in tests:
        numbered = (f"{test.name} ({number})" for number in itertools.count(2))
        name = next(name for name in itertools.chain([test.name], numbered) if name not in used)
        used.add(name)
        yield dataclasses.replace(test, name=name)


def assay(rulebook: Rulebook, *, coverage: bool = True, seed: int = 0) -> Assay:
    """Run the tests of a rulebook, and look at how much they would notice.

    Args:
        rulebook: loaded and checked.
        coverage: whether coverage, boundaries and mutants are looked at too, which takes seconds.
        seed: of the random situations.
    """
    observed = observe(rulebook)
    results = tuple(item.result for item in observed)
    if not coverage:
        return Assay(rulebook.file, len(rulebook.rules), results)
    boundaries = find_boundaries(rulebook, seed=seed)
    givens: dict[str, list[Mapping[str, float]]] = {}
    for boundary in boundaries.boundaries:
        givens.setdefault(boundary.rule, []).extend(point.given for point in boundary.points)
    return Assay(
        rulebook.file,
        len(rulebook.rules),
        results,
        cover(rulebook, observed),
        boundaries,
        find_survivors(rulebook, givens, seed=seed),
    )
