"""Reading a reply: a tolerant extraction where there is one way to read it, then a strict check.

What is mended is said (:attr:`PatchRead.mended`); what could be meant in two ways is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from lemonade_es.errors import ReplyError
from lemonade_es.llm import schema
from lemonade_es.llm.codes import IN_FORM, Code
from lemonade_es.llm.executor import Reply
from lemonade_es.llm.extraction import Extracted, extract
from lemonade_es.llm.patch import Applied, Edit, Patch, Predicted, Skipped
from lemonade_es.llm.request import ReplyLimits
from lemonade_es.printable import one_line

MAX_REPLY_CHARACTERS = 1_000_000
MAX_PROSE_CHARACTERS = 10_000
MAX_ENTRIES = 200
MAX_DEPTH = 8

_NULLABLE = ("model_py", "edits", "predicted")
_LISTS = ("applied", "skipped")
_PREDICTED = tuple(field.name for field in fields(Predicted))
_LIMIT = "--llm-max-tokens, or the context that the server gives the model, sets the limit"
_WHOLE_FENCE = re.compile(r"\s*+(?P<marks>`{3,}+|~{3,}+)[^\n`]*+\n(?P<code>.*?)(?:\r?\n)?(?P=marks)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PatchRead:
    """A patch, and what had to be mended to read it (``code fence removed``, ...)."""

    patch: Patch
    mended: tuple[str, ...] = ()


def read_reply(reply: Reply, limits: ReplyLimits | None = None) -> PatchRead:
    """The patch in a reply that has been stored.

    Raises:
        ReplyError: ``REFUSED``, ``CONTENT_FILTERED`` or ``TRUNCATED`` if the reply ended so, else as
            :func:`read_patch`.
    """
    match reply.finish:
        case "refused":
            said = one_line(reply.text)[:200]
            raise ReplyError(Code.REFUSED, f"the model declined to answer{': ' if said else ''}{said}")
        case "filtered":
            raise ReplyError(Code.CONTENT_FILTERED, "the provider's content filter withheld the answer")
        case "length":
            if not reply.text.strip():
                raise ReplyError(
                    Code.TRUNCATED,
                    "the output limit was reached before the reply began: all of it went into reasoning",
                    hint=f"think less; {_LIMIT}",
                )
            raise ReplyError(
                Code.TRUNCATED,
                f"the reply was cut off at the output limit, after {len(reply.text)} characters",
                hint=f"write a shorter network, or fewer words about it; {_LIMIT}",
            )
        case "complete":
            return read_patch(reply.text, limits)


def read_patch(text: str, limits: ReplyLimits | None = None) -> PatchRead:
    """The patch in the text of a reply.

    Read are: a JSON object alone, in prose, in a code fence, in a list, string or envelope of its own, with trailing
    commas, comments, raw line breaks in its strings or nullable fields left out; and a JSON object without the code
    beside one ``python`` fence.

    Args:
        text: the reply as it came.
        limits: the request's; a source larger than them is refused.

    Raises:
        ReplyError: the code says which of :class:`lemonade_es.llm.codes.Code`, from ``EMPTY_REPLY`` to
            ``TWO_CHANGES``, and ``where`` the JSON pointer.
    """
    if not text.strip():
        raise ReplyError(Code.EMPTY_REPLY, "the reply is empty", hint=IN_FORM)
    if len(text) > MAX_REPLY_CHARACTERS:
        raise ReplyError(Code.TOO_LARGE, f"the reply has {len(text)} characters, more than {MAX_REPLY_CHARACTERS}")
    found = extract(text)
    data, filled = _completed(found)
    _check_values(data)
    wrong = schema.problems("patch", data)
    if wrong:
        listed = "; ".join(f"{pointer} {phrase}" for pointer, phrase in wrong[:5])
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ReplyError(
            Code.WRONG_SCHEMA,
            f"the JSON is not a patch: {listed}{more}",
            where=wrong[0][0],
            hint="give every field of the schema, and no other",
        )
    data, mended = _one_change(data)
    _check_sizes(data, limits or ReplyLimits())
    return PatchRead(_patch(data), found.mended + filled + mended)


def _check_values(data: Mapping[str, Any]) -> None:
    for pointer, depth, value in _walk(data):
        if depth > MAX_DEPTH:
            raise ReplyError(Code.TOO_DEEP, f"the JSON is nested more than {MAX_DEPTH} deep", where=pointer)
        if isinstance(value, float) and not math.isfinite(value):
            raise ReplyError(Code.NOT_FINITE, "the number is not finite", where=pointer, hint="null is *not known*")
        if isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
            raise ReplyError(Code.BAD_CHARACTER, "the text holds a NUL or half of a surrogate pair", where=pointer)


def _walk(data: object) -> Iterator[tuple[str, int, object]]:
    """Each value and key with its JSON pointer and depth, without recursion: the data may be hostile."""
    open_: list[tuple[str, int, object]] = [("", 0, data)]
    while open_:
        pointer, depth, value = open_.pop()
        yield pointer or "/", depth, value
        if depth > MAX_DEPTH:
            continue
        if isinstance(value, dict):
            for key, inner in value.items():
                yield pointer or "/", depth, key
                open_.append((f"{pointer}/{key[:40]}", depth + 1, inner))
        elif isinstance(value, list):
            open_.extend((f"{pointer}/{index}", depth + 1, inner) for index, inner in enumerate(value))


def _completed(found: Extracted) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The object with the code of a fence put in, and with null for nullable fields that were left out."""
    data = dict(found.data)
    mended: list[str] = []
    if found.code is not None and _same_code(data.get("model_py"), found.code):
        mended.append("the same code in a python fence ignored")
    elif found.code is not None:
        if data.get("model_py") or data.get("edits"):
            raise ReplyError(
                Code.AMBIGUOUS,
                "there is code both in the JSON and in a python fence",
                hint="give the code in one place",
            )
        data["model_py"], data["edits"] = found.code, None
        mended.append("model_py taken from the python fence")
    for key in _LISTS:
        if key in data and data[key] is None:
            data[key] = []
            mended.append(f"null {key} taken as empty")
    if "summary" in data:
        for key in _NULLABLE:
            if key not in data:
                data[key] = None
                mended.append(f"missing {key} taken as null")
    predicted = data.get("predicted")
    if predicted == {}:
        data["predicted"] = None
        mended.append("empty predicted taken as null")
    elif isinstance(predicted, dict):
        missing = [key for key in _PREDICTED if key not in predicted]
        data["predicted"] = {**predicted, **dict.fromkeys(missing)}
        mended += [f"missing predicted/{key} taken as null" for key in missing]
    return data, tuple(mended)


def _same_code(source: object, other: str) -> bool:
    return isinstance(source, str) and bool(source.strip()) and source.strip() == other.strip()


def _one_change(data: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Exactly one of ``model_py`` and ``edits``; an empty one beside a full one stands for null."""
    source, edits = data["model_py"], data["edits"]
    mended: list[str] = []
    if source is not None and edits == []:
        edits = None
        mended.append("empty edits taken as null")
    if source is not None and edits is not None:
        if source.strip():
            raise ReplyError(
                Code.TWO_CHANGES, "both model_py and edits are given", hint="give one, and null for the other"
            )
        source = None
        mended.append("empty model_py taken as null")
    if source is None and not edits:
        raise ReplyError(Code.NO_CHANGE, "neither model_py nor edits is given", hint=f"give the change; {IN_FORM}")
    if source is not None and (fenced := _WHOLE_FENCE.fullmatch(source)):
        source = fenced["code"]
        mended.append("code fence inside model_py removed")
    if source is not None and not source.strip():
        raise ReplyError(Code.EMPTY_SOURCE, "model_py is blank", where="/model_py", hint="give the whole file")
    return {**data, "model_py": source, "edits": edits}, tuple(mended)


def _check_sizes(data: Mapping[str, Any], limits: ReplyLimits) -> None:
    size = len((data["model_py"] or "").encode())
    if size > limits.max_source_bytes:
        raise ReplyError(
            Code.TOO_LARGE,
            f"model_py has {size} bytes, more than {limits.max_source_bytes}",
            where="/model_py",
            hint="write it shorter",
        )
    for key in ("edits", "applied", "skipped"):
        entries = data[key] or []
        if len(entries) > MAX_ENTRIES:
            raise ReplyError(
                Code.TOO_LARGE, f"{key} has {len(entries)} entries, more than {MAX_ENTRIES}", where=f"/{key}"
            )
    for pointer, _, value in _walk({key: data[key] for key in ("summary", "applied", "skipped")}):
        if isinstance(value, str) and len(value) > MAX_PROSE_CHARACTERS:
            raise ReplyError(
                Code.TOO_LARGE,
                f"the text has {len(value)} characters, more than {MAX_PROSE_CHARACTERS}",
                where=pointer,
            )
    for index, edit in enumerate(data["edits"] or []):
        if not edit["search"].strip():
            raise ReplyError(
                Code.WRONG_SCHEMA,
                "the search text is blank",
                where=f"/edits/{index}/search",
                hint="copy a line that occurs once",
            )


def _patch(data: Mapping[str, Any]) -> Patch:
    edits = data["edits"]
    predicted = data["predicted"]
    return Patch(
        summary=data["summary"],
        model_py=data["model_py"],
        edits=None if edits is None else tuple(Edit(**edit) for edit in edits),
        applied=tuple(Applied(**entry) for entry in data["applied"]),
        skipped=tuple(Skipped(**entry) for entry in data["skipped"]),
        predicted=None if predicted is None else Predicted(**predicted),
    )
