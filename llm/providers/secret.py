"""Secrets in what servers say: found in all forms that they have been seen to be repeated in, and cut out."""

from __future__ import annotations

import base64
import functools
import itertools
import re
from collections.abc import Iterator

CUT = "[key]"
"""Stands where a secret stood."""

LEAST_KEY = 20
"""Of a shorter key no part is looked for: it is made up, as those for servers that want none, and holds words."""

_GENERIC = re.compile(
    r"(?:sk-(?:proj-|svcacct-|admin-|ant-(?:[a-z]+\d\d-)?|or-v\d-)?|AIzaSy|gsk_|hf_|xai-|nvapi-|pplx-)?"
)
"""With what the keys of a provider begin, all of them alike."""

_MASK = r"(?:(?<!\*)\*{2,}|(?<!\.)\.{3,}|(?<!…)…+|(?<![•●])[•●]{2,}|(?<![xX])[xX]{4,})"
"""What servers write in the place of a key's middle, from its beginning: a long row must not be tried anew and anew."""

_BEYOND = 4
"""A beginning of a key tells something if it has so many characters beyond what all keys begin with."""

_LEAST_PART = 8
"""An end of a key, or a beginning, of so many characters is no accident."""


def without_secret(text: str, secret: str) -> str:
    """``text`` with a secret cut out, in whatever form."""
    for form in _forms(secret):
        text = form.sub(CUT, text)
    return text


def without_parts(text: str, key: str) -> str:
    """``text`` without beginnings and ends of a key, bare or around a mask, as in ``sk-ab...wxyz``."""
    if len(key) < LEAST_KEY:
        return text
    generic = _generic(key)
    text = _without_beginnings(text, key, max(_LEAST_PART, generic + _BEYOND), CUT)
    text = _without_beginnings(text[::-1], key[::-1], _LEAST_PART, CUT[::-1])[::-1]
    return _masked(key, generic).sub(CUT, text)


def _generic(key: str) -> int:
    """How many characters of a key all keys of its provider begin with."""
    found = _GENERIC.match(key)
    return found.end() if found is not None else 0


def _without_beginnings(text: str, key: str, least: int, cut: str) -> str:
    start, parts, at = key[:least], list[str](), 0
    if len(start) < least:
        return text
    while (found := text.find(start, at)) >= 0:
        parts += [text[at:found], cut]
        alike = itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(text[found : found + len(key)], key, strict=False)
        )
        at = found + sum(1 for _ in alike)
    return "".join([*parts, text[at:]])


@functools.lru_cache(maxsize=16)
def _masked(key: str, generic: int) -> re.Pattern[str]:
    """A mask with characters of a key on both sides, or with telling ones on one."""
    lengths = range(max(_LEAST_PART, generic + _BEYOND), 1, -1)
    cut = re.escape(CUT)
    head = "|".join([cut, *(re.escape(key[:length]) for length in lengths)])
    told = "|".join([cut, *(re.escape(key[:length]) for length in lengths if length >= max(4, generic + 1))])
    tail = "|".join([cut, *(re.escape(key[-length:]) for length in range(_LEAST_PART, 1, -1))])
    last = "|".join([cut, *(re.escape(key[-length:]) for length in range(_LEAST_PART, 3, -1))])
    before, after = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
    return re.compile(rf"{before}(?:{head}){_MASK}(?:{tail}){after}|{before}(?:{told}){_MASK}|{_MASK}(?:{last}){after}")


@functools.lru_cache(maxsize=16)
def _forms(secret: str) -> tuple[re.Pattern[str], ...]:
    """The ways in which a server may repeat a secret."""
    content = secret.encode("utf-8", "surrogatepass")
    coded = {content.hex(): re.IGNORECASE, **dict.fromkeys(_in_base64(content), re.NOFLAG)}
    return _as_written(secret), *(re.compile(re.escape(form), flags) for form, flags in coded.items())


def _in_base64(content: bytes) -> Iterator[str]:
    """What a secret becomes in base64, alone or within more: its letters depend on where among three it begins."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + content).decode()
        sure = whole[-(-8 * before // 6) : 8 * (before + len(content)) // 6]
        yield sure
        yield sure.replace("+", "-").replace("/", "_")


def _as_written(secret: str) -> re.Pattern[str]:
    """A secret as it is, or with some of its characters escaped: as in JSON, also within JSON, in URLs or in HTML.

    Between them may be what does not print: of a text in UTF-16 that was read as another one, every second byte. Not in
    secrets of other letters, where it could not be told from these, and a comparison would take for ever.
    """
    # so many backslashes at most, as JSON three deep has: else a long row of them would take for ever
    written = (
        rf"(?:\\{{0,7}}{re.escape(character)}|\\{{1,7}}(?:u{ord(character):04x}|x{ord(character):02x})"
        rf"|&\#(?:0{{0,4}}{ord(character)}|x0{{0,4}}{ord(character):x});?|{_in_url(character)})"
        for character in secret
    )
    return re.compile((r"[^\x20-\x7e]{0,4}" if secret.isascii() else "").join(written), re.IGNORECASE)


def _in_url(character: str) -> str:
    """A character as URLs escape it, once or twice."""
    return "".join(f"%(?:25)?{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
