"""Finding the one JSON object in a reply, and the code in a fence beside it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from lemonade_es.errors import ReplyError
from lemonade_es.llm.codes import Code

_THINKING = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r" {0,3}(?P<marks>`{3,}|~{3,})[ \t]*(?P<info>[\w+-]*)[ \t]*")
_STRING_OR_TRAILING_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_OBJECT_START = re.compile(r'\{\s*["}]')
_CUT_OFF = re.compile(r"[\w.+-]*\s*")
_PATCH_KEYS = frozenset({"summary", "model_py", "edits"})
MAX_OBJECTS = 20
"""More objects than that are no reply, and would take long to read."""

_PYTHON = ("python", "py", "python3")


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


def extract(text: str) -> Extracted:
    """The one JSON object in ``text``.

    Raises:
        ReplyError: ``NOT_JSON``, ``TRUNCATED``, ``AMBIGUOUS``, ``DUPLICATE_KEY``, ``NOT_FINITE`` or
            ``TOO_DEEP``.
    """
    mended: list[str] = []
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if thinking := _THINKING.match(text):
        text = text[thinking.end() :]
        mended.append("thinking before the answer ignored")
    text = text.strip()
    objects: list[dict[str, Any]] = []
    if _OBJECT_START.match(text):
        # Before looking for fences: a string with raw line breaks may hold what looks like one.
        data, end, notes = _object(text, 0)
        objects.append(data)
        mended += notes
        text = text[end:]
    codes: list[str] = []
    prose = False
    for block in _blocks(text):
        if block.info in _PYTHON:
            codes.append(_code(block))
            continue
        found, notes, other = _objects(block.text)
        if found and block.info is not None:
            mended.append("code fence removed" if block.closed else "unclosed code fence removed")
        objects += found
        mended += notes
        prose = prose or other
    if len(codes) > 1:
        raise ReplyError(
            Code.AMBIGUOUS, f"there are {len(codes)} python fences in the reply", hint="give the code once"
        )
    data = _the_patch(objects)
    if prose or len(objects) > 1:
        mended.append("prose around the JSON ignored")
    return Extracted(data, codes[0] if codes else None, tuple(mended))


def _code(block: _Block) -> str:
    if not block.closed:
        raise ReplyError(Code.TRUNCATED, "the python fence is not closed", hint="write a shorter network")
    return block.text


def _the_patch(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The one object that has a patch's keys, else the only object: its check can say what it lacks."""
    if not objects:
        raise ReplyError(
            Code.NOT_JSON, "there is no JSON object in the reply", hint="reply with the patch as JSON alone"
        )
    likely = [data for data in objects if _PATCH_KEYS & data.keys()] or objects
    if len(likely) > 1:
        raise ReplyError(
            Code.AMBIGUOUS, f"there are {len(likely)} JSON objects in the reply", hint="reply with one patch"
        )
    return likely[0]


def _blocks(text: str) -> list[_Block]:
    """The text split at its code fences, as CommonMark reads them."""
    blocks: list[_Block] = []
    lines: list[str] = []
    info: str | None = None
    marks = ""
    for line in text.split("\n"):
        fence = _FENCE.fullmatch(line)
        if fence and info is None:
            blocks.append(_Block("\n".join(lines)))
            lines, info, marks = [], fence["info"].lower(), fence["marks"]
        elif fence and not fence["info"] and fence["marks"].startswith(marks):
            blocks.append(_Block("\n".join(lines), info))
            lines, info = [], None
        else:
            lines.append(line)
    blocks.append(_Block("\n".join(lines), info, closed=info is None))
    return blocks


def _objects(text: str) -> tuple[list[dict[str, Any]], list[str], bool]:
    """The JSON objects in ``text`` from left to right, what was mended, and whether there is other text.

    A brace that does not begin an object (``{x}`` in prose) is passed over; a malformed object is an error
    and never searched for smaller objects, which might be quoted or cut off parts of the patch.
    """
    objects: list[dict[str, Any]] = []
    mended: list[str] = []
    other = False
    at = 0
    while start := _OBJECT_START.search(text, at):
        other = other or bool(text[at : start.start()].strip())
        data, at, notes = _object(text, start.start())
        if data:  # an empty object says nothing, and {} is common in prose about code
            objects.append(data)
            mended += notes
        if len(objects) > MAX_OBJECTS:
            raise ReplyError(
                Code.AMBIGUOUS, f"there are more than {MAX_OBJECTS} JSON objects", hint="reply with one patch"
            )
    return objects, mended, other or bool(text[at:].strip())


def _object(text: str, start: int) -> tuple[dict[str, Any], int, list[str]]:
    """The JSON object at ``start``, where it ends, and what had to be mended.

    Raises:
        ReplyError: it is malformed, cut off, too deep, or has a key twice or a number that is not finite.
    """
    try:
        return (*_decode(text, start, strict=True), [])
    except json.JSONDecodeError:
        pass
    try:
        return (*_decode(text, start, strict=False), ["raw control characters inside a string accepted"])
    except json.JSONDecodeError:
        pass
    loose = text[:start] + _STRING_OR_TRAILING_COMMA.sub(_comma_to_space, text[start:])
    try:
        return (*_decode(loose, start, strict=False), ["trailing comma removed"])
    except json.JSONDecodeError as error:
        raise _malformed(text, error) from None


def _comma_to_space(found: re.Match[str]) -> str:
    return " " if found[0] == "," else found[0]  # a space, so that positions stay true


def _decode(text: str, start: int, *, strict: bool) -> tuple[dict[str, Any], int]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_no_duplicates, parse_constant=_not_finite, parse_int=float, strict=strict
    )
    try:
        data, end = decoder.raw_decode(text, start)
    except RecursionError:
        raise ReplyError(Code.TOO_DEEP, "the JSON is nested too deep") from None
    return data, end


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ReplyError(
                Code.DUPLICATE_KEY, f"the key {key[:40]!r} occurs twice in one object", hint="give it once"
            )
        data[key] = value
    return data


def _not_finite(constant: str) -> NoReturn:
    raise ReplyError(Code.NOT_FINITE, f"{constant} is not a JSON number", hint="null is *not known*")


def _malformed(text: str, error: json.JSONDecodeError) -> ReplyError:
    if _CUT_OFF.fullmatch(text, error.pos) or error.msg.startswith("Unterminated string"):
        return ReplyError(
            Code.TRUNCATED,
            f"the JSON ends in the middle, after {len(text)} characters",
            hint="write a shorter network, or fewer words about it",
        )
    near = text[max(0, error.pos - 30) : error.pos + 30]
    return ReplyError(
        Code.NOT_JSON,
        f"the JSON is malformed near {near!r}: {error.msg}",
        where=f"line {error.lineno}, column {error.colno}",
        hint="escape quotes and line breaks inside strings",
    )
