"""Decoding one JSON object, strictly first, then with the mends that leave only one reading."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, NoReturn

from lemonade_es.errors import ReplyError
from lemonade_es.llm.codes import Code

# What is not closed is taken to the end: to look for its end from each beginning would take for ever.
_TOKEN = re.compile(
    r'(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))'
    r"|(?P<comment>//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z))"
    r"|(?P<literal>\b(?:None|True|False)\b)"
    r"|(?P<blank>[\u00a0\u200b-\u200d\u2060\ufeff]+)"
    r"|(?P<comma>,)|(?P<open>[{\[])|(?P<close>[}\]])|(?P<other>[\w.+-]+|\S)",
    re.DOTALL,
)
MAX_TOKENS = 20_000
"""An object with more of them is no patch, and is not mended."""

_LITERALS = {"None": "null", "True": "true", "False": "false"}
_MENDS = {
    "comma": "trailing comma removed",
    "comment": "comment removed",
    "literal": "literal of Python taken as that of JSON",
    "blank": "odd blank between values taken as a blank",
}
_CUT_OFF = re.compile(r"[\w.+-]*\s*")


def decode_object(text: str, start: int) -> tuple[dict[str, Any], int, list[str]]:
    """The JSON object that begins at ``start``, where it ends, and what had to be mended.

    Mended are raw control characters in strings, and between values trailing commas, comments, ``None``, ``True``
    and ``False``, and blanks that JSON does not know.

    Raises:
        ReplyError: ``NOT_JSON``, ``TRUNCATED``, ``DUPLICATE_KEY``, ``NOT_FINITE`` or ``TOO_DEEP``.
    """
    raw = "raw control characters inside a string accepted"
    for strict in (True, False):
        try:
            return (*_decode(text, start, strict=strict), [] if strict else [raw])
        except json.JSONDecodeError:
            pass
    loose, mended = _loosened(text, start)
    for strict in (True, False):
        try:
            return (*_decode(loose, start, strict=strict), mended if strict else [raw, *mended])
        except json.JSONDecodeError as error:
            failure = error
    raise _malformed(text, failure) from None


def decode_string(text: str) -> str | None:
    """The text that a JSON string holds, if ``text`` is one."""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def _loosened(text: str, start: int) -> tuple[str, list[str]]:
    """``text`` with what is mended in the object overwritten, positions kept; and what was mended."""
    pieces: list[str] = []
    mended: set[str] = set()
    at, depth = start, 0
    comma: int | None = None  # the piece with the last comma, while nothing has followed it

    def overwrite(token: re.Match[str], by: str, kind: str) -> None:
        nonlocal at
        pieces.extend((text[at : token.start()], by))
        at = token.end()
        mended.add(kind)

    for token in islice(_TOKEN.finditer(text, start), MAX_TOKENS):
        kind = token.lastgroup
        if kind in ("comment", "blank"):
            overwrite(token, re.sub(r"[^\n]", " ", token[0]), kind)
            continue
        if kind == "literal":
            overwrite(token, _LITERALS[token[0]], kind)
        elif kind == "comma":
            pieces.extend((text[at : token.start()], ","))
            at = token.end()
        elif kind == "close" and comma is not None:
            pieces[comma] = " "
            mended.add("comma")
        comma = len(pieces) - 1 if kind == "comma" else None
        depth += (kind == "open") - (kind == "close")
        if depth == 0:
            break
    loose = "".join((text[:start], *pieces, text[at:]))
    return loose, [said for kind, said in _MENDS.items() if kind in mended]


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
