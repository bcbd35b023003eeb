"""What was changed from one rulebook to another, part by part, with the places in both."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Instruction, Rule, Rulebook, RuleTest

Part = Literal["rulebook", "setting", "instruction", "rule", "test"]
How = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class Change:
    """One part that differs.

    Attributes:
        part: what kind of part.
        name: its id or name.
        how: whether it was added, removed, changed, or only stands elsewhere in the order.
        fields: for a changed part, each field with its old and its new value.
        old: where it stood.
        new: where it stands.
    """

    part: Part
    name: str
    how: How
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    old: Place | None = None
    new: Place | None = None

    def to_json(self) -> dict[str, Any]:
        """The change as JSON data."""
        data = asdict(self)
        places = {"old": self.old and str(self.old), "new": self.new and str(self.new)}
        return data | places | {"fields": {name: list(pair) for name, pair in self.fields.items()}}


def changes(old: Rulebook, new: Rulebook) -> tuple[Change, ...]:
    """All parts that differ, in the order of the new rulebook, those that are gone last."""
    return (
        *_head(old, new),
        *_settings(old, new),
        *_parts("instruction", old.instructions, new.instructions, _instruction, lambda item: item.place),
        *_moved("instruction", old.instructions, new.instructions),
        *_parts("rule", _by_id(old.rules), _by_id(new.rules), _rule, lambda item: item.place),
        *_moved("rule", _by_id(old.rules), _by_id(new.rules)),
        *_parts("test", _by_name(old.tests), _by_name(new.tests), _test, lambda item: item.place),
    )


def _head(old: Rulebook, new: Rulebook) -> Iterator[Change]:
    for name in ("combine", "max_instructions"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change("rulebook", name, "changed", {name: (before, after)})


def _parts(
    part: Part,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    fields: Callable[[Any], dict[str, Any]],
    place: Callable[[Any], Place | None],
) -> Iterator[Change]:
    for name, item in new.items():
        if name not in old:
            yield Change(part, name, "added", new=place(item))
            continue
        before, after = fields(old[name]), fields(item)
        differing = {key: (before.get(key), after.get(key)) for key in {**before, **after}}
        differing = {key: pair for key, pair in differing.items() if pair[0] != pair[1]}
        if differing:
            yield Change(part, name, "changed", differing, place(old[name]), place(item))
    for name, item in old.items():
        if name not in new:
            yield Change(part, name, "removed", old=place(item))


def _moved(
    part: Part, old: Mapping[str, Rule] | Mapping[str, Instruction], new: Mapping[str, Rule] | Mapping[str, Instruction]
) -> Iterator[Change]:
    """Rules and instructions that were taken to another place in the order; that of instructions decides ties."""
    before = [name for name in old if name in new]
    after = [name for name in new if name in old]
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    still = {name for block in blocks for name in after[block.b : block.b + block.size]}
    for name in after:
        if name not in still:
            yield Change(part, name, "moved", old=old[name].place, new=new[name].place)


def _settings(old: Rulebook, new: Rulebook) -> Iterator[Change]:
    """Thresholds and priorities with other defaults or ranges; one that is not set counts as set to none."""
    for name in dict.fromkeys((*new.defaults, *new.ranges, *old.defaults, *old.ranges)):
        pairs = {
            "default": (old.defaults.get(name), new.defaults.get(name)),
            "range": (old.ranges.get(name), new.ranges.get(name)),
        }
        differing = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
        if differing:
            yield Change("setting", name, "changed", differing)


def _by_id(rules: Sequence[Rule]) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules}


def _by_name(tests: Sequence[RuleTest]) -> dict[str, RuleTest]:
    return {test.name: test for test in tests}


def _instruction(item: Instruction) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ("text", "conflicts_with", "changes", "direction")}


def _rule(item: Rule) -> dict[str, Any]:
    return {
        "when": item.when.source,
        "weight": None if item.weight is None else item.weight.source,
        "instruct": list(item.instruct),
        "conclude": item.conclude,
        "because": item.because,
        "salience": item.salience,
    }


def _test(item: RuleTest) -> dict[str, Any]:
    return {
        "given": dict(item.given),
        "fired": None if item.fired is None else list(item.fired),
        "not_fired": list(item.not_fired),
        "instructions": dict(item.instructions) or ({} if item.silent else None),
        "absent": list(item.absent),
    }
