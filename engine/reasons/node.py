"""The nodes of a derivation, and a comparison as a phrase with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "instruction",
    "rule",
    "conclusion",
    "all",
    "any",
    "atom",
    "weight",
    "metric",
    "setting",
    "unknown",
    "conflict",
    "limit",
]

Show = Callable[[str | None, float], str]
"""A number as text; the name says of which term it is, or is like."""

_ACTUAL = {-1: "<", 0: "=", 1: ">"}


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of a comparison as the rulebook writes them, and the names in it."""

    left: str
    relation: str
    right: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a derivation.

    Attributes:
        kind: what it is. Below an ``all``, everything must be as wanted; below an ``any``, one is enough.
        id: of the rule, instruction, conclusion or term; the text of an atom or a weight.
        text: the step as a phrase.
        place: ``file:line:col``, if it stands in the rulebook.
        wanted: whether it should hold or fire; ``False`` for what must not.
        truth: whether it is as wanted; ``None`` if that is unknown, and for plain numbers.
        value: the number it has: a term's, a weight, the left side of an atom.
        threshold: what the value is held against: the right side of an atom, the weight of the other instruction.
        distance: ``value - threshold``.
        repeated: it is explained where it first stands in the tree, and has no children here.
        sides: how an atom compares; ``None`` for flags and all else.
        children: what it rests on.
    """

    kind: Kind
    id: str
    text: str
    place: str | None = None
    wanted: bool = True
    truth: bool | None = None
    value: float | None = None
    threshold: float | None = None
    distance: float | None = None
    repeated: bool = False
    sides: Sides | None = field(default=None, repr=False)
    children: tuple[Node, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The tree as JSON data."""
        data: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        data["children"] = [child.to_json() for child in self.children]
        return data

    def walk(self) -> Iterator[Node]:
        """This node, then all below it, from the top."""
        yield self
        for child in self.children:
            yield from child.walk()


_PLAIN = ("kind", "id", "text", "place", "wanted", "truth", "value", "threshold", "distance", "repeated")


def compared(node: Node, show: Show) -> str:
    """A comparison with its numbers: ``T_Acc = 0.62 < TT_Acc = 0.99, by 0.37``.

    Args:
        node: an atom that has sides.
        show: writes a number.
    """
    sides, value, threshold = node.sides, node.value, node.threshold
    if sides is None or node.truth is None or value is None or threshold is None:
        return f"{node.id} is unknown"
    order = (value > threshold) - (value < threshold)
    plainly = bool(node.truth) and node.wanted
    relation = sides.relation if plainly else _ACTUAL[order]
    like = next((side for side in (sides.right, sides.left) if side in sides.names), next(iter(sides.names), None))
    shown = [show(like, number) for number in (value, threshold)]
    if order and shown[0] == shown[1]:  # too short to tell them apart
        shown = [f"{number:.10g}" for number in (value, threshold)]
    left, right = (_equation(*pair) for pair in zip((sides.left, sides.right), shown, strict=True))
    by = f", by {_gap(value, threshold, like, show)}" if order else ""
    numbers = f"{left} {relation} {right}{by}"
    if plainly:
        return numbers
    return f"{node.id} {'holds' if node.truth else 'fails'}: {numbers}"


def blocking(node: Node) -> tuple[Node, ...]:
    """The direct children that are not as wanted (or not known to be)."""
    return tuple(child for child in node.children if child.truth is not True and child.kind in _CONDITIONS)


_CONDITIONS = frozenset({"rule", "conclusion", "all", "any", "atom"})


def _equation(side: str, number: str) -> str:
    try:
        float(side)
    except ValueError:
        return f"{side} = {number}"
    return number


def _gap(value: float, threshold: float, like: str | None, show: Show) -> str:
    gap = abs(value - threshold)
    text = show(like, gap)
    return text if any(digit in "123456789" for digit in text) else f"{gap:.3g}"
