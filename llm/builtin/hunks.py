"""The difference of two sources as search/replace hunks."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from lemonade_es.llm.patch import Edit


@dataclass(slots=True)
class _Span:
    """Lines ``start`` to ``stop`` of the old source become ``first`` to ``last`` of the new one."""

    start: int
    stop: int
    first: int
    last: int


def hunks(old: str, new: str) -> tuple[Edit, ...]:
    """Edits that turn ``old`` (not blank) into ``new``, from top to bottom, in whole lines.

    Each search text holds more than white space. It occurs exactly once in ``old``, and exactly once in what
    the edits before it have made of ``old``, so it does not matter against which of the two it is matched.
    """
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    spans = [_Span(*places) for tag, *places in matcher.get_opcodes() if tag != "equal"]
    while True:
        edits = [
            Edit("".join(before[span.start : span.stop]), "".join(after[span.first : span.last])) for span in spans
        ]
        ambiguous = _first_ambiguous(old, edits)
        if ambiguous is None:
            return tuple(edits)
        spans[ambiguous] = _grown(spans[ambiguous], len(before))
        spans = _joined(spans)


def _first_ambiguous(old: str, edits: list[Edit]) -> int | None:
    current = old
    for index, edit in enumerate(edits):
        if not _once(edit.search, old) or not _once(edit.search, current):
            return index
        current = current.replace(edit.search, edit.replace)
    return None


def _once(search: str, text: str) -> bool:
    at = text.find(search)
    return bool(search.strip()) and at >= 0 and text.find(search, at + 1) < 0


def _grown(span: _Span, lines: int) -> _Span:
    above = 1 if span.start > 0 else 0
    below = 1 if span.stop < lines else 0
    return _Span(span.start - above, span.stop + below, span.first - above, span.last + below)


def _joined(spans: list[_Span]) -> list[_Span]:
    """Spans that touch become one: between them no line is left that could tell them apart."""
    joined = [spans[0]]
    for span in spans[1:]:
        if span.start <= joined[-1].stop:
            joined[-1] = _Span(joined[-1].start, span.stop, joined[-1].first, span.last)
        else:
            joined.append(span)
    return joined
