"""Finding the one patch in a reply, and the code in a fence beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from lemonade_es.errors import ReplyError
from lemonade_es.llm.codes import IN_FORM, Code
from lemonade_es.llm.decoding import decode_object, decode_string

_THINKING = re.compile(
    r"\s*(?P<begin><(?P<tag>think|thinking|reasoning|thought)>|\[THINK\]|◁think▷)"
    r"(?P<end>.*?(?:</(?P=tag)>|\[/THINK\]|◁/think▷))?",
    re.DOTALL,
)
"""Thinking in tags; Mistral's models and Kimi have brackets of their own, and gpt-oss has channels."""

_THOUGHT = re.compile(
    r"</(?:think|thinking|reasoning|thought)>|\[/THINK\]|◁/think▷"
    r"|<\|channel\|>final[^<]{0,9}(?:<\|constrain\|>\w{0,9})?<\|message\|>"
)
# without a way back: a line of a million letters that ends in a backtick would take hours
_FENCE = re.compile(
    r"(?P<blanks>[ \t]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?)"
    r"(?P<marks>`{3,}+|~{3,}+)[ \t]*+(?P<info>[\w+-]*+)(?P<more>[^`]*)"
)
"""A line that begins a fence, perhaps behind the mark of a list."""

_OBJECT_START = re.compile(r'\{[\s\u200b\ufeff]*(?:"|//|/\*|#)')
_FIRST_KEY = re.compile(r'\{[^"{}]*"(?P<key>[^"\n]{0,80})"')
_PATCH_KEYS = frozenset({"summary", "model_py", "edits"})
_KEYS = _PATCH_KEYS | {"applied", "skipped", "predicted"}
_PIECES = frozenset({"instruction", "how", "why", "search", "replace"})
"""Keys of a patch's inner objects."""

MAX_OBJECTS = 20
"""More objects than that are no reply, and would take long to read."""

MAX_MALFORMED = 20
MAX_TORN = 20
MAX_ENVELOPES = 3
_PYTHON = ("python", "py", "python3")
_STRING_BEGIN = re.compile(r"(?:[^#\\\"']|\\.|\\\Z)*+(?P<quote>\"\"\"|'''|[\"'])")
_STRING_ENDS = {
    quote: re.compile(rf"(?:[^\\{quote[0]}]|\\.|(?!{quote}){quote[0]})*+{quote}")
    for quote in ('"', "'", '"' * 3, "'" * 3)
}
"""How a line goes on to the end of a string, by the mark that the string began with."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """The JSON object of a reply, the code of its one ``python`` fence, and what had to be mended."""

    data: dict[str, Any]
    code: str | None
    mended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Block:
    """A stretch of the reply: outside of fences (``info`` is ``None``), or the content of one."""

    text: str
    info: str | None = None
    closed: bool = True
    torn: bool = False
    """Whether it ends inside of a string of Python."""


class _Found:
    """What was found so far, from left to right."""

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = []
        self.codes: list[str] = []
        self.unmarked: list[_Block] = []  # fences that do not say what they hold
        self.mended: list[str] = []
        self.prose = False
        self.malformed: list[ReplyError] = []

    def look(self, text: str) -> bool:
        """Take the JSON objects in ``text``; whether there are any.

        A brace that does not begin an object (``{x}`` and ``{}`` in prose) is passed over, and so is a malformed object
        that does not begin like a patch (``{"conv": Conv2d(1, 8)}``). A malformed patch is an error and never
        searched for smaller objects, which might be quoted or cut off parts of it.
        """
        at, before = 0, len(self.objects)
        while start := _OBJECT_START.search(text, at):
            self.prose = self.prose or bool(text[at : start.start()].strip())
            if len(self.objects) > MAX_OBJECTS:
                raise ReplyError(
                    Code.AMBIGUOUS, f"there are more than {MAX_OBJECTS} JSON objects", hint="reply with one patch"
                )
            try:
                data, at, notes = decode_object(text, start.start())
            except ReplyError as error:
                first = _FIRST_KEY.match(text, start.start())
                if first is None or first["key"] in _KEYS or len(self.malformed) == MAX_MALFORMED:
                    raise
                self.malformed.append(error)
                self.prose, at = True, start.start() + 1
                continue
            if data:  # one of nothing but comments says nothing
                self.objects.append(data)
                self.mended += notes
        self.prose = self.prose or bool(text[at:].strip())
        return len(self.objects) > before


def extract(text: str) -> Extracted:
    """The one patch in ``text``, as JSON data that is not checked yet.

    Raises:
        ReplyError: ``NOT_JSON``, ``TRUNCATED``, ``AMBIGUOUS``, ``DUPLICATE_KEY``, ``NOT_FINITE`` or
            ``TOO_DEEP``.
    """
    found = _Found()
    text = _without_thinking(text.removeprefix("\ufeff").replace("\r\n", "\n"), found.mended)
    text = _unquoted(text, found.mended)
    for block in _blocks(text):
        inner = _unquoted(block.text.strip(), found.mended) if block.info is not None else block.text
        if block.info in _PYTHON and not _OBJECT_START.match(inner):
            found.codes.append(_code(block))
        elif found.look(inner) and block.info is not None:
            found.mended.append("code fence removed" if block.closed else "unclosed code fence removed")
        elif block.info == "" and inner:
            found.unmarked.append(block)
    found.codes = list(dict.fromkeys(found.codes))
    if len(found.codes) > 1:
        raise ReplyError(
            Code.AMBIGUOUS, f"there are {len(found.codes)} python fences in the reply", hint="give the code once"
        )
    data = _the_patch(found)
    if found.prose:
        found.mended.append("prose around the JSON ignored")
    elif len(found.objects) > 1:
        found.mended.append("other JSON beside the patch ignored")
    if not found.codes and len(found.unmarked) == 1 and not (data.get("model_py") or data.get("edits")):
        found.mended.append("code fence without a mark taken for python")
        found.codes.append(_code(found.unmarked[0]))
    return Extracted(data, found.codes[0] if found.codes else None, tuple(found.mended))


def _without_thinking(text: str, mended: list[str]) -> str:
    """``text`` from where the model has ended its thinking, if it shows it."""
    at = 0
    while thinking := _THINKING.match(text, at):
        if thinking["end"] is None:
            raise ReplyError(
                Code.TRUNCATED, f"the thinking after {thinking['begin']} does not end", hint="think less, then answer"
            )
        at = thinking.end()
    # Some servers leave the opening tag out, which their template has put at the end of the prompt.
    ended = _THOUGHT.search(text, at)
    if ended is not None and not text[at : at + 1000].lstrip().startswith(("{", "[", "`", "~", '"')):
        at = ended.end()
    if at:
        mended.append("thinking before the answer ignored")
    return text[at:]


def _unquoted(text: str, mended: list[str]) -> str:
    """The JSON that a JSON string holds, if ``text`` is one."""
    if text.lstrip().startswith('"'):
        inner = decode_string(text.strip())
        if inner is not None and _OBJECT_START.match(inner.strip()):
            mended.append("JSON taken out of a string")
            return inner.strip()
    return text


def _code(block: _Block) -> str:
    if not block.closed:
        raise ReplyError(Code.TRUNCATED, "the python fence is not closed", hint="write a shorter network")
    if block.torn:
        raise ReplyError(
            Code.TRUNCATED, "the python fence ends inside of a string", hint="close the string, and then the fence"
        )
    return block.text


def _the_patch(found: _Found) -> dict[str, Any]:
    """The one object that has a patch's keys, else the only object: its check can say what it lacks."""
    likely = [data for data in found.objects if _PATCH_KEYS & data.keys()]
    if not likely:
        likely = [patch for data in found.objects for patch in _enveloped(data)]
        found.mended += ["envelope around the patch removed"] * bool(likely)
    if not likely and found.malformed:
        raise found.malformed[0]
    if not likely and (len(found.objects) != 1 or found.objects[0].keys() <= _PIECES):
        what = "is no patch among the JSON objects" if found.objects else "is no JSON object"
        raise ReplyError(Code.NOT_JSON, f"there {what} in the reply", hint=IN_FORM)
    likely = likely or found.objects
    if any(data != likely[0] for data in likely):
        raise ReplyError(
            Code.AMBIGUOUS, f"there are {len(likely)} JSON objects in the reply", hint="reply with one patch"
        )
    return likely[0]


def _enveloped(data: object, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The patches inside an object that is none: ``{"patch": {...}}``, or a call of a tool with its arguments."""
    if isinstance(data, str) and "summary" in data and data.lstrip().startswith("{"):
        inner = data.strip()
        try:
            data, end, notes = decode_object(inner, 0)
        except ReplyError:
            return
        if notes or end < len(inner):
            return
    if isinstance(data, dict) and isinstance(data.get("summary"), str) and len(_PATCH_KEYS & data.keys()) > 1:
        yield data
    elif isinstance(data, dict | list) and depth <= MAX_ENVELOPES and len(data) <= MAX_OBJECTS:
        for inner_data in data.values() if isinstance(data, dict) else data:
            yield from _enveloped(inner_data, depth + 1)


def _blocks(text: str) -> list[_Block]:
    """The text split at its code fences, as CommonMark reads them; in lists they may stand as far in as they like."""
    blocks: list[_Block] = []
    lines, quoted = text.split("\n"), _quoted_lines(text)
    begin = at = torn = 0
    while at < len(lines):
        fence = None if at in quoted else _FENCE.fullmatch(lines[at])
        at += 1
        if fence is None:
            continue
        blocks.append(_Block("\n".join(lines[begin : at - 1])))
        info, blanks = fence["info"].lower(), re.sub(r"\S", " ", fence["blanks"])
        end, inside = _closing(lines, at, quoted, (blanks, fence["marks"]), info in ("", *_PYTHON) and torn < MAX_TORN)
        content = _outdented(lines[at:end], blanks)
        blocks.append(_Block(content, info, closed=end < len(lines), torn=inside))
        torn += inside
        begin = at = end + 1
    blocks.append(_Block("\n".join(lines[begin:])))
    return blocks


def _quoted_lines(text: str) -> set[int]:
    """The numbers of lines that begin inside of a whole patch: with raw line breaks, its strings may hold fences."""
    found: set[int] = set()
    at = line = 0
    for _ in range(MAX_OBJECTS):
        starts = (start.start() for start in _OBJECT_START.finditer(text, at))
        start = next((start for start in starts if _is_likely(text, start)), None)
        if start is None:
            break
        line += text.count("\n", at, start)
        try:
            _, at, _ = decode_object(text, start)
        except ReplyError:
            break
        last = line + text.count("\n", start, at)
        found.update(range(line + 1, last + 1))
        line = last
    return found


def _is_likely(text: str, start: int) -> bool:
    """Whether the object that begins there begins like a patch."""
    first = _FIRST_KEY.match(text, start)
    return first is not None and first["key"] in _KEYS


def _closing(
    lines: list[str], begin: int, quoted: set[int], opened: tuple[str, str], of_python: bool
) -> tuple[int, bool]:
    """The line that closes a fence, or their number; and whether it is inside of a string, for want of a better one.

    A docstring may hold fences of its own.

    Args:
        lines: of the reply.
        begin: the first one of the content.
        quoted: lines that hold no fence.
        opened: the blanks before the fence and its marks.
        of_python: whether the content may be Python.
    """
    blanks, marks = opened
    quote, first, furthest = "", None, len(blanks.expandtabs(4)) + 3
    for number in range(begin, len(lines)):
        if number not in quoted and _closes(lines[number], marks, furthest):
            if not quote:
                return number, False
            first = number if first is None else first
        if of_python:
            quote = _open_string(lines[number], quote)
    return (len(lines), False) if first is None else (first, True)


def _closes(line: str, marks: str, furthest: int) -> bool:
    """Whether a line closes a fence: one that stands further in than so many columns is of the content."""
    fence = _FENCE.fullmatch(line)
    if fence is None or fence["info"] or fence["more"].strip() or not fence["marks"].startswith(marks):
        return False
    return not fence["blanks"].strip() and len(fence["blanks"].expandtabs(4)) <= furthest


def _open_string(line: str, quote: str) -> str:
    """The mark of the string over several lines that is open after a line of Python; empty if none is.

    Args:
        line: of the code.
        quote: the mark of the one that is open before it.
    """
    at = 0
    while True:
        if not quote:
            begin = _STRING_BEGIN.match(line, at)
            if begin is None:
                return ""
            quote, at = begin["quote"], begin.end()
        end = _STRING_ENDS[quote].match(line, at)
        if end is None:
            return quote if len(quote) == 3 else ""
        quote, at = "", end.end()


def _outdented(lines: Sequence[str], blanks: str) -> str:
    """Lines without the blanks that their fence has before it, as far as the first of them has these."""
    first = next((line for line in lines if line.strip()), "")
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, blanks, strict=False))
    blanks = blanks[: sum(1 for _ in alike)]
    kinds = "".join(sorted({*blanks}))
    return "\n".join(line[len(blanks) :] if line.startswith(blanks) else line.lstrip(kinds) for line in lines)
