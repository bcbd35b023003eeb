"""A rulebook as records, with the place in its file that each part came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lemonade_es.rules.expression import Expression
from lemonade_es.rules.problem import Place

__all__ = ["Instruction", "Place", "Rule", "RuleTest", "Rulebook"]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction that rules may give (Table 3).

    Attributes:
        id: ``ACL``, ``RSC``, ...
        text: what the executor is told.
        conflicts_with: the id of the instruction with the opposite effect, if there is one.
        changes: the census entry that it moves.
        direction: whether it moves it up or down.
        place: where it stands.
    """

    id: str
    text: str
    conflicts_with: str | None
    changes: str | None
    direction: Literal["increase", "reduce"] | None
    place: Place


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: when its condition holds, it gives weighted instructions, or draws a conclusion, or both.

    Attributes:
        id: unique in its rulebook.
        when: the condition.
        weight: the weight of each instruction given; ``None`` for a rule that only concludes.
        instruct: ids of instructions.
        conclude: the conclusion that it draws.
        because: the reason, with ``{T_Acc:.1%}`` placeholders.
        salience: higher fires earlier among rules whose conditions are decided at the same time.
        place: where it stands.
    """

    id: str
    when: Expression
    weight: Expression | None
    instruct: tuple[str, ...]
    conclude: str | None
    because: str
    salience: int
    place: Place


@dataclass(frozen=True, slots=True)
class RuleTest:
    """A test that a rulebook carries: given these metrics and settings, expect these firings and weights.

    Attributes:
        name: what it shows, as a sentence.
        given: metrics and settings; metrics that are not given are unknown, settings have their defaults.
        fired: ids that must have fired, or ``None`` if not asked about; if empty, no rule must have.
        not_fired: ids that must not have fired.
        instructions: weights expected after conflict resolution (others may be there too).
        absent: instructions that must not be there after conflict resolution.
        place: where it stands.
        silent: whether no instruction at all must be there.
    """

    name: str
    given: Mapping[str, float]
    fired: tuple[str, ...] | None
    not_fired: tuple[str, ...]
    instructions: Mapping[str, float]
    absent: tuple[str, ...]
    place: Place
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a rulebook.

    Attributes:
        file: the name that places are given with; a shipped rulebook has its bare name, on every machine the same, or
            ``shipped/`` before it where a namesake extends it.
        text: its text, so that a journal can keep it.
    """

    file: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A loaded and checked rulebook, with all that it takes from the rulebooks it extends.

    Attributes:
        name: as the file says.
        version: as the file says.
        combine: how the weights of several rules for one instruction become one.
        instructions: by id: those of the extended rulebook first, then its own.
        rules: the extended rulebook's, but for those dropped, then its own; a rule that overrides another takes
            its position.
        tests: likewise.
        about: what it is for, in a sentence.
        defaults: thresholds and priorities that it sets; the user's settings win over them.
        ranges: thresholds and priorities with the lowest and the highest value that they are meant to have.
        max_instructions: how many instructions, the heaviest, may be left after conflict resolution.
        sources: its own file first, then the one that it extends, and so on.
        digest: SHA-256 over the texts of all its files.
    """

    name: str
    version: int
    combine: Literal["sum", "max"]
    instructions: Mapping[str, Instruction]
    rules: tuple[Rule, ...]
    tests: tuple[RuleTest, ...] = ()
    about: str = ""
    defaults: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    max_instructions: int | None = None
    sources: tuple[Source, ...] = ()
    digest: str = ""

    @property
    def file(self) -> str:
        """The name of its own file."""
        return self.sources[0].file if self.sources else ""
