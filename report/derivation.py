"""Answers to *why* and *why not*, as a tree in text and as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator

from lemonade_es.engine.reasons.answer import Answer
from lemonade_es.engine.reasons.node import Node, compared
from lemonade_es.report.formats import value
from lemonade_es.vocabulary import METRICS, TERMS

FLIPS_SHOWN = 5

_TERMS = frozenset({"metric", "setting", "unknown"})
_CONDITIONS = frozenset({"rule", "conclusion", "all", "any", "atom"})
_CLASSES = {True: "holds", False: "fails", None: "open"}
_STYLES = ("classDef holds stroke:#2e7d32", "classDef fails stroke:#c62828", "classDef open stroke-dasharray:4")
_ESCAPES = str.maketrans(
    {
        "#": "#35;",
        "&": "#amp;",
        '"': "#quot;",
        "<": "#lt;",
        ">": "#gt;",
        "`": "#96;",
        "%": "#37;",
        "\\": "#92;",
        "\n": " ",
        "\r": " ",
        "\t": " ",
    }
)


def answer_text(answer: Answer) -> str:
    """The answer in a sentence, the tree below it, and what would have changed it."""
    lines = [answer.answer, "", *_tree(answer.tree, answer.question)]
    if answer.flips:
        lines += ["", "One of these alone would have changed it, the smallest change first"]
        lines += [f"  {flip.text}" for flip in answer.flips[:FLIPS_SHOWN]]
        more = len(answer.flips) - FLIPS_SHOWN
        lines += [f"  and {more} more"] if more > 0 else []
    if answer.note:
        lines += ["", f"{answer.note[0].upper()}{answer.note[1:]}"]
    return "\n".join(lines)


def answer_mermaid(answer: Answer) -> str:
    """The tree as a Mermaid flowchart; equal inputs give equal ids.

    A metric or setting is one box however often it is used, and so is what the tree explains only once.
    """
    chart = _Chart(answer.question)
    chart.add(answer.tree)
    return "\n".join(["flowchart TD", *(f"    {line}" for line in (*chart.boxes, *chart.links, *_STYLES))])


class _Chart:
    """A flowchart that grows from the top."""

    def __init__(self, question: str) -> None:
        self.boxes: list[str] = []
        self.links: list[str] = []
        self._question = question
        self._known: dict[tuple[str, str, bool], str] = {}

    def add(self, node: Node) -> str:
        """Draw a node and what is below it, and give its id."""
        key = (node.kind, node.id, node.wanted)
        shared = node.repeated or node.kind in _TERMS
        if shared and key in self._known:
            return self._known[key]
        name = f"n{len(self.boxes)}"
        self._known.setdefault(key, name)
        label = f"{_head(node)}<br/>{_escaped(node.place)}" if node.place else _head(node)
        kind = f":::{_CLASSES[node.truth]}" if node.kind in _CONDITIONS else ""
        opening, closing = ('(["', '"])') if node.kind in _TERMS else ('["', '"]')
        self.boxes.append(f"{name}{opening}{label}{closing}{kind}")
        for child in _shown(node, self._question):
            link = f"{name} --> {self.add(child)}"
            if link not in self.links:
                self.links.append(link)
        return name


def _head(node: Node) -> str:
    mark = f"{_mark(node)} " if node.kind in _CONDITIONS else ""
    return _escaped(f"{mark}{_text(node)}")


def _escaped(text: str | None) -> str:
    return (text or "").translate(_ESCAPES)


def _tree(node: Node, question: str) -> Iterator[str]:
    yield _line(node)
    yield from _branches(node, question, "")


def _branches(node: Node, question: str, indent: str) -> Iterator[str]:
    children = [child for child in _shown(node, question) if not _is_inline(node, child)]
    for number, child in enumerate(children, 1):
        last = number == len(children)
        yield f"{indent}{'└── ' if last else '├── '}{_line(child)}"
        yield from _branches(child, question, f"{indent}{'    ' if last else '│   '}")


def _shown(node: Node, question: str) -> tuple[Node, ...]:
    """The children worth telling: of what is as wanted already, *why not* tells the weight only."""
    if question == "why":
        return node.children
    if node.truth and node.kind in ("rule", "conclusion", "all", "any"):
        return tuple(child for child in node.children if child.kind == "weight")
    if node.kind == "conclusion":
        return tuple(child for child in node.children if not child.truth)
    return node.children


def _is_inline(node: Node, child: Node) -> bool:
    """Whether the line of a node tells of the child already."""
    return child.kind in ("metric", "setting") or (child.kind == "unknown" and node.kind in ("atom", "weight"))


def _line(node: Node) -> str:
    mark = f"{_mark(node)} " if node.kind in _CONDITIONS or node.kind in ("conflict", "limit") else ""
    head = f"{node.id}  " if node.kind == "instruction" else ""
    place = f"  ({node.place})" if node.place and node.kind != "weight" else ""
    return f"{mark}{head}{_text(node)}{_unknown(node)}{place}"


def _mark(node: Node) -> str:
    return {True: "✓", False: "✗", None: "?"}[node.truth]


def _unknown(node: Node) -> str:
    """Why a condition or a weight is unknown; and what a weight of several parts is made of."""
    if node.kind not in ("atom", "weight"):
        return ""
    reasons = [child.text for child in node.children if child.kind == "unknown"]
    if reasons:
        return f": {'; '.join(reasons)}"
    parts = [_text(child) for child in node.children if child.id != node.id]
    return f", with {', '.join(parts)}" if parts and node.kind == "weight" else ""


def _text(node: Node) -> str:
    if node.kind == "atom" and node.sides is not None:
        return compared(node, _number)
    if node.kind in ("metric", "setting") and node.value is not None:
        unit = TERMS[node.id].unit if node.id in TERMS else ""
        origin = "measured" if node.id in METRICS else "set"
        return f"{node.id} = {_number(node.id, node.value)} {unit}".rstrip() + f" ({origin})"
    return node.text


def _number(name: str | None, number: float) -> str:
    return value(name, number) if name is not None and name in TERMS else f"{number:.4g}"
