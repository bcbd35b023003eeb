"""The rules in force: they make weighted instructions of a network's metrics; and the file they are watched in."""

from __future__ import annotations

from collections.abc import Mapping

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import compile_rulebook
from lemonade_es.engine.expert.selftest import tested
from lemonade_es.engine.history.events import Advised
from lemonade_es.errors import InferenceError, RulebookError
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.rules.rulebook import Rulebook


class Advisor:
    """One rulebook, compiled, under one set of thresholds and priorities.

    Args:
        rulebook: loaded and checked.
        settings: thresholds, priorities and weights in force.
    """

    def __init__(self, rulebook: Rulebook, settings: Mapping[str, float | None]) -> None:
        self.rulebook = rulebook
        self.settings = settings
        self._compiled = compile_rulebook(rulebook)

    def advise(self, iteration: int, base: int, metrics: Mapping[str, float | None]) -> Advised:
        """What the rules make of a network.

        Args:
            iteration: the one that will carry the instructions out.
            base: the one whose network was measured.
            metrics: what was measured, by name.
        """
        inference = self._compiled.infer(Facts.of(metrics, self.settings))
        return Advised(iteration, base, inference, resolve(inference, self.rulebook), self.rulebook.digest)


class RulebookWatch:
    """A rulebook file that may be edited while a search runs.

    Args:
        name: the file, or a shipped rulebook's name.
        digest: of the rulebook in force.
    """

    def __init__(self, name: str, digest: str) -> None:
        self._name = name
        self._digest = digest
        self._refused = ""

    def look(self) -> Rulebook | RulebookError | InferenceError | None:
        """The changed rulebook, if it checks and passes its tests, or else why not; ``None`` if there is no news.

        A rulebook that was refused is looked at again when it has changed again.
        """
        try:
            rulebook = load_rulebook(find_rulebook(self._name))
            if rulebook.digest == self._digest:
                self._refused = ""
                return None
            tested(rulebook)
        except (RulebookError, InferenceError) as error:
            if str(error) == self._refused:
                return None
            self._refused = str(error)
            return error
        self._digest, self._refused = rulebook.digest, ""
        return rulebook
