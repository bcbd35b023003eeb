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
        fired: ids that must have fired, or ``None`` if not asked about.
        not_fired: ids that must not have fired.
        instructions: weights expected after conflict resolution (others may be there too).
        absent: instructions that must not be there after conflict resolution.
        place: where it stands.
    """

    name: str
    given: Mapping[str, float]
    fired: tuple[str, ...] | None
    not_fired: tuple[str, ...]
    instructions: Mapping[str, float]
    absent: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A loaded and checked rulebook.

    Attributes:
        name: as the file says.
        version: as the file says.
        combine: how the weights of several rules for one instruction become one.
        instructions: by id, in the order of the file.
        rules: in the order of the file.
        tests: in the order of the file.
        digest: SHA-256 of the file's text.
        text: the file's text, so that a journal can keep it.
        file: the name that places are given with; a shipped rulebook has its bare name, on every machine the same.
    """

    name: str
    version: int
    combine: Literal["sum", "max"]
    instructions: Mapping[str, Instruction]
    rules: tuple[Rule, ...]
    tests: tuple[RuleTest, ...] = ()
    digest: str = ""
    text: str = field(default="", repr=False)
    file: str = ""
